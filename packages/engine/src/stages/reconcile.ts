import { coreOf, type Doubt, lastAttempt, type VideoCore, type VideoIn } from "@reelq/contract";
import type { Upstream, WireTask } from "@reelq/upstream";
import { gatherEvidence } from "../evidence.ts";
import { settled } from "../attempt.ts";
import { renderDeadlineMs } from "../backoff.ts";
import { MINUTE, SECOND } from "../clock.ts";
import type { Verdict } from "../verdict.ts";
import { startRendering } from "./start-rendering.ts";
import type { StageContext } from "./context.ts";

/** Attempts that are made without a person's word: whatever made so many go wrong, the next one will too. */
const mostAttempts = 3;

/** Looks in a row at a list that cannot be read, before it counts as none. */
const mostUnread = 8;

/** Settles a doubt by evidence; without any, by the operator's policy. */
export async function reconcile(video: VideoIn<"in_doubt">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  const brought = (await context.evidenceFor(video.id)).find(({ attempt }) => attempt === lastAttempt(video)?.number);
  if (brought) return adopt(video, { id: brought.task }, context);
  if (video.doubt.contested) return hold(video, video.doubt.reason, context);
  const evidence = await gatherEvidence(video, upstream, context);
  switch (evidence.kind) {
    case "match":
      return adopt(video, evidence.task, context);
    case "absent":
      return judgeAbsence(video, upstream, context);
    case "several":
    case "unbelievable":
      return undecided(video, evidence.reason, upstream, context);
    case "no_list":
      return undecided(video, `the upstream has no list of tasks to look in (${evidence.reason})`, upstream, context);
    case "unread":
      return judgeUnread(video, evidence.reason, upstream, context);
  }
}

/** A list that cannot be read may be read later; one that never can is none. */
function judgeUnread(video: VideoIn<"in_doubt">, reason: string, upstream: Upstream, context: StageContext): Verdict {
  const unread = (video.doubt.unread ?? 0) + 1;
  const said = `the list could not be read (${reason})`;
  if (unread > mostUnread) return undecided(video, said, upstream, context);
  const { doubtLookMs, heldLookMs } = context.fleet.timings;
  return lookAgain(
    video,
    { evidence: said, unread },
    Math.min(doubtLookMs * 2 ** Math.min(unread - 1, 5), heldLookMs),
    context,
  );
}

/** The task is this video's: from here on it is a render like any other. */
function adopt(
  video: VideoIn<"in_doubt">,
  task: Pick<WireTask, "id" | "progress">,
  context: StageContext,
): Promise<Verdict> {
  return startRendering(settled(coreOf(video), "adopted", "unknown", context.clock.now(), task.id), task, context);
}

/** Until then the POST may still reach the upstream, ms since 1970. */
const onItsWayUntil = (video: VideoIn<"in_doubt">, upstream: Upstream): number =>
  (lastAttempt(video)?.postBy ?? video.doubt.since) + upstream.timeouts.totalMs;

/** Absence proves something only once the POST can no longer be on its way, and only when seen twice, a quiet period apart. */
function judgeAbsence(video: VideoIn<"in_doubt">, upstream: Upstream, context: StageContext): Verdict {
  const now = context.clock.now();
  const { quietMs } = context.fleet.timings;
  const leftMs = onItsWayUntil(video, upstream) - now;
  if (leftMs > 0) {
    return lookAgain(
      video,
      { evidence: "no match yet; the POST may still be on its way" },
      Math.min(context.fleet.timings.doubtLookMs, leftMs + SECOND),
      context,
    );
  }
  const { absentSince } = video.doubt;
  if (absentSince === undefined)
    return lookAgain(video, { absentSince: now, evidence: "no match; looking once more" }, quietMs, context);
  if (now - absentSince < quietMs)
    return lookAgain(video, { evidence: "no match; looking once more" }, quietMs - (now - absentSince), context);
  const core = settled(coreOf(video), "created_nothing", "no", now);
  return newAttempt(video, core, "the upstream's list shows that nothing was created", context);
}

/** Evidence cannot settle it: the operator's policy does. */
function undecided(video: VideoIn<"in_doubt">, evidence: string, upstream: Upstream, context: StageContext): Verdict {
  const now = context.clock.now();
  const { doubtLookMs } = context.fleet.timings;
  if (context.doubtPolicy === "hold") return hold(video, evidence, context);
  // Paying twice is what the policy allows, not what it asks for: the first POST gets its whole time.
  const leftMs = onItsWayUntil(video, upstream) - now;
  if (leftMs > 0) {
    const waiting = `${evidence}; sent again if nothing is heard of it`;
    return lookAgain(video, { evidence: waiting }, Math.min(doubtLookMs, leftMs + SECOND), context);
  }
  // No proof: the POST that is given up may have been paid.
  return newAttempt(
    video,
    settled(coreOf(video), "given_up", "unknown", now),
    `${evidence}; the policy is to resubmit`,
    context,
  );
}

/** A person decides. It is looked at all the same, slowly: evidence may still turn up. */
function hold(video: VideoIn<"in_doubt">, evidence: string, context: StageContext): Verdict {
  const { typicalRenderSeconds } = context.fleet.catalogue[video.lane.model] ?? {};
  const ageMs = context.clock.now() - video.doubt.since;
  const found = {
    evidence: `${evidence.replace(/; held for a person to resolve$/, "")}; held for a person to resolve`,
    held: true,
    // Its place in the lane is not held for a person.
    ...(ageMs > renderDeadlineMs(typicalRenderSeconds) ? { over: true } : {}),
  };
  return lookAgain(video, found, context.fleet.timings.heldLookMs, context);
}

function newAttempt(video: VideoIn<"in_doubt">, core: VideoCore, why: string, context: StageContext): Verdict {
  if (core.attempts.length >= mostAttempts)
    return hold(video, `${why}, after ${core.attempts.length} attempts`, context);
  return { kind: "move", next: { ...core, status: "queued", dueAt: context.clock.now() }, delayMs: 0, note: why };
}

function lookAgain(video: VideoIn<"in_doubt">, found: Partial<Doubt>, delayMs: number, context: StageContext): Verdict {
  const { unread: _, ...known } = video.doubt;
  const doubt = { ...known, ...found, looks: known.looks + 1 };
  return {
    kind: "move",
    next: { ...video, doubt, dueAt: context.clock.now() + delayMs },
    delayMs,
    ...(found.evidence === undefined ? {} : { note: found.evidence }),
  };
}
