import type { Attempt, AttemptOutcome, Charged, VideoCore } from "@reelq/contract";

/** A new attempt behind the others. */
export const withAttempt = (core: VideoCore, attempt: Omit<Attempt, "number" | "charged">): VideoCore => ({
  ...core,
  attempts: [...core.attempts, { ...attempt, number: (core.attempts.at(-1)?.number ?? 0) + 1, charged: "unknown" }],
});

/** The last attempt with its outcome. */
export function settled(
  core: VideoCore,
  outcome: AttemptOutcome,
  charged: Charged,
  endedAt: number,
  task?: string,
): VideoCore {
  const last = core.attempts.at(-1);
  if (!last) return core;
  const ended: Attempt = { ...last, outcome, charged, endedAt, ...(task === undefined ? {} : { task }) };
  return { ...core, attempts: [...core.attempts.slice(0, -1), ended] };
}

/** The last attempt by what its end says of the bill; one that made no task has been judged by its own outcome. */
export function billed(core: VideoCore, charged: Charged): VideoCore {
  const last = core.attempts.at(-1);
  if (last?.task === undefined || last.charged !== "unknown") return core;
  return { ...core, attempts: [...core.attempts.slice(0, -1), { ...last, charged }] };
}

/** Without the last attempt: it is proved that nothing was sent, or nothing made. */
export const withdrawn = (core: VideoCore): VideoCore => ({ ...core, attempts: core.attempts.slice(0, -1) });
