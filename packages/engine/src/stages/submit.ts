import { coreOf, lastAttempt, type Video, type VideoCore, type VideoIn } from "@reelq/contract";
import type { CreateCall, CreateOutcome, Upstream } from "@reelq/upstream";
import { settled, withAttempt, withdrawn } from "../attempt.ts";
import { notSentMs, throttledMs } from "../backoff.ts";
import { MINUTE, SECOND } from "../clock.ts";
import { readReference } from "../reference.ts";
import { again, type Verdict } from "../verdict.ts";
import { fail } from "./fail.ts";
import { startRendering } from "./start-rendering.ts";
import type { StageContext } from "./context.ts";

/** How long a lane rests after the account refused, so that a repaired account is found within minutes. */
const accountRestMs = 2 * MINUTE;

/** Sends a queued video's one POST; finds out about an intent whose worker never reported. */
export async function submit(video: VideoIn<"queued" | "submitting">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  if (video.status === "submitting") return judgeSilence(video, upstream, context);
  const call = await prepare(video, context);
  if (typeof call === "string")
    return fail(coreOf(video), { class: "unsendable", code: "reference_missing", message: call }, context);
  const now = context.clock.now();
  const { postWithinMs, overdueAfterMs } = context.fleet.timings;
  const intent = withAttempt(coreOf(video), { upstream: upstream.name, intentAt: now, postBy: now + postWithinMs });
  return {
    kind: "intend",
    next: { ...intent, status: "submitting", worker: context.worker, dueAt: now + overdueAfterMs },
    options: { leave: context.fleet.limitsOf(video.lane) },
    send: (written) => post(written, call, upstream, context),
  };
}

async function prepare(video: VideoIn<"queued">, context: StageContext): Promise<CreateCall | string> {
  const { prompt, seconds, size, reference, remixOf } = video.request;
  const call: CreateCall = {
    prompt,
    model: context.fleet.wireModel(video.lane),
    seconds,
    size,
    remixOf: remixOf?.task,
  };
  if (!reference) return call;
  const image = await readReference(context.storage, reference);
  return image
    ? { ...call, reference: image }
    : `The reference image ${reference.sha256} is no longer in storage; upload it again.`;
}

async function post(
  video: VideoIn<"submitting">,
  call: CreateCall,
  upstream: Upstream,
  context: StageContext,
): Promise<Verdict> {
  const core = coreOf(video);
  if (context.clock.now() > (lastAttempt(video)?.postBy ?? 0))
    return notSent(core, "the time to send it had passed", context);
  const outcome = await upstream.create(call);
  return judge(core, outcome, context);
}

/** Each outcome of a POST, and what follows from it. */
function judge(core: VideoCore, outcome: CreateOutcome, context: StageContext): Verdict {
  const now = context.clock.now();
  switch (outcome.kind) {
    case "accepted":
      return startRendering(settled(core, "accepted", "unknown", now, outcome.task.id), outcome.task, context);
    case "not_sent":
      return notSent(core, outcome.reason, context);
    case "throttled":
      return wait(
        again(withdrawn(core), "throttled"),
        "throttled",
        outcome.reason,
        throttledMs(outcome.retryAfterMs, context.dice),
        context,
      );
    case "account":
      context.facts.emit("accountStopped", { lane: core.lane, code: outcome.code, message: outcome.message });
      return wait(withdrawn(core), "account", `${outcome.code}: ${outcome.message}`, accountRestMs, context);
    case "refused":
      return fail(
        settled(core, "refused", "no", now),
        { class: outcome.moderated ? "moderated" : "refused", code: outcome.code, message: outcome.message },
        context,
      );
    case "in_doubt":
      return doubt(core, outcome.reason, context);
  }
}

function notSent(core: VideoCore, reason: string, context: StageContext): Verdict {
  const counted = again(withdrawn(core), "notSent");
  const delayMs = notSentMs(counted.setbacks.notSent, context.dice);
  return { ...wait(counted, "not_sent", reason, delayMs, context), options: {} };
}

/** Back to the queue, with the lane at rest for as long. */
function wait(
  core: VideoCore,
  reason: "throttled" | "not_sent" | "account",
  detail: string,
  delayMs: number,
  context: StageContext,
): Verdict & { kind: "move" } {
  const now = context.clock.now();
  return {
    kind: "move",
    next: { ...core, status: "queued", waiting: { reason, since: now, detail }, dueAt: now + delayMs },
    delayMs,
    note: detail,
    options: { restLane: { ms: delayMs, reason: `${reason}: ${detail}` } },
  };
}

/**
 * An intent without an outcome. While its worker lives and may still be at it, nobody else may judge; once it
 * is gone the POST is in doubt: it may have been sent or not.
 */
async function judgeSilence(video: VideoIn<"submitting">, upstream: Upstream, context: StageContext): Promise<Verdict> {
  const mayLastUntil = (lastAttempt(video)?.postBy ?? 0) + upstream.timeouts.totalMs;
  if (context.clock.now() <= mayLastUntil && (await context.isAlive(video.worker))) {
    return { kind: "later", delayMs: context.fleet.timings.overdueAfterMs, note: "its worker is still at it" };
  }
  return doubt(coreOf(video), "the worker that was to send it never reported", context);
}

function doubt(core: VideoCore, reason: string, context: StageContext): Verdict {
  const now = context.clock.now();
  const delayMs = Math.min(SECOND, context.fleet.timings.doubtLookMs);
  const next: Video = {
    ...again(settled(core, "in_doubt", "unknown", now), "doubts"),
    status: "in_doubt",
    doubt: { since: now, reason, looks: 0, held: false },
    dueAt: now + delayMs,
  };
  return { kind: "move", next, delayMs, note: reason };
}
