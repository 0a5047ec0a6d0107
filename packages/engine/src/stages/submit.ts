import { coreOf, type Lane, lastAttempt, type Video, type VideoCore, type VideoIn } from "@reelq/contract";
import type { CreateCall, CreateOutcome, Upstream } from "@reelq/upstream";
import type { AdvanceOptions } from "../advance.ts";
import { settled, withAttempt, withdrawn } from "../attempt.ts";
import { judgeSending, type Leave, type Refusal, refusalOf } from "../batches/gate.ts";
import { parkedUntil } from "../batches/pool.ts";
import { notSentMs, throttledRest } from "../backoff.ts";
import { MINUTE, SECOND } from "../clock.ts";
import { type Health, healthOf } from "../health.ts";
import { laneName, rateSpareMs } from "../lane.ts";
import { dayOf } from "../day.ts";
import { capsOn } from "../money.ts";
import { type Obstacle, sayObstacle } from "../obstacle.ts";
import { readReference } from "../reference.ts";
import { elsewhere, hasRoom } from "../route.ts";
import { again, type Move, type Verdict } from "../verdict.ts";
import { fail } from "./fail.ts";
import { startRendering } from "./start-rendering.ts";
import type { StageContext } from "./context.ts";

/** Until a video asks again whose lane has been told to wait: the lane's own leave says how long. */
const askAgainMs = 250;

/** Until a reference image that could not be read is asked for again. */
const notYetMs = 5 * SECOND;

/** Where a minute's requests are counted, a POST follows its leave within this part of the minute's spare. */
const countedWithinMs = 0.75 * rateSpareMs;

/** Sends a queued video's one POST; finds out about an intent whose worker never reported. */
export async function submit(video: VideoIn<"queued" | "submitting">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  if (video.status === "submitting") return judgeSilence(video, upstream, context);
  const prepared = (await needsImage(video, context)) ? await prepare(video, context) : undefined;
  if (prepared?.kind === "unsendable") return unsendable(coreOf(video), prepared.reason, context);
  if (prepared?.kind === "not_yet") return { kind: "later", delayMs: notYetMs, note: prepared.reason };
  const { lane } = video;
  const estimate = context.fleet.priceIn(lane, video.request.seconds);
  const sending = video.batch ? await mayBeSent(video, estimate !== undefined, context) : { until: Infinity };
  if (sending.refusal) return holdBack(video, sending.refusal, context);
  const now = context.clock.now();
  const { overdueAfterMs } = context.fleet.timings;
  const leave = context.fleet.limitsOf(lane);
  const isCounted = leave.lane.perMinute > 0 || leave.account.perMinute > 0;
  const postWithinMs = Math.min(
    context.fleet.timings.postWithinMs,
    isCounted ? countedWithinMs : Infinity,
    sending.until - now,
  );
  const day = dayOf(now, context.fleet.budgets.timeZone);
  const intent = withAttempt(coreOf(video), {
    upstream: upstream.name,
    intentAt: now,
    postBy: now + postWithinMs,
    ...(estimate === undefined ? {} : { estimate, day }),
  });
  return {
    kind: "intend",
    next: { ...intent, status: "submitting", worker: context.worker, dueAt: now + overdueAfterMs },
    options: {
      leave,
      probeMs: postWithinMs + upstream.timeouts.totalMs,
      ...(estimate === undefined ? {} : { caps: capsOn(video.project, lane.upstream, day, context.fleet) }),
    },
    send: async (written) => post(written, prepared ?? (await prepare(video, context)), upstream, context),
    refused: (obstacle) => moveAway(video, obstacle, context),
    heldBack: (by) => holdBack(video, refusalOf(by), context),
  };
}

async function mayBeSent(video: VideoIn<"queued">, priced: boolean, context: StageContext): Promise<Leave> {
  const batch = video.batch && (await context.batch(video.batch.id));
  const lastingMs = await context.plan.lastingMs(video.lane, video.request);
  return judgeSending(video, batch, context.clock.now(), lastingMs, priced);
}

/** Until a video asks again that passes a budget and is no batch's. */
const askForMoneyMs = 15 * SECOND;

/** A clip goes back to its batch, which lets it go again; any other video asks again by itself. */
function holdBack(video: VideoIn<"queued">, { reason, detail }: Refusal, context: StageContext): Verdict {
  const now = context.clock.now();
  const since = video.waiting?.reason === reason ? video.waiting.since : now;
  const waiting = { reason, since, detail };
  if (video.batch)
    return { kind: "move", next: { ...video, parked: true, waiting, dueAt: parkedUntil }, delayMs: 0, note: detail };
  return {
    kind: "move",
    next: { ...video, waiting, dueAt: now + askForMoneyMs },
    delayMs: askForMoneyMs,
    note: detail,
  };
}

/** Nothing was sent yet, so another lane may have it. */
async function moveAway(
  video: VideoIn<"queued">,
  obstacle: Obstacle,
  context: StageContext,
): Promise<Verdict | undefined> {
  const lane = await elsewhere(video, obstacle, context.fleet, context.readLanes);
  if (!lane) return undefined;
  return {
    kind: "move",
    next: { ...video, lane, dueAt: context.clock.now() },
    delayMs: 0,
    note: `from ${laneName(video.lane)} to ${laneName(lane)}: ${sayObstacle(obstacle, video.lane.upstream)}`,
  };
}

/** The POST's content; or why there is none, for good or for now. */
type Prepared =
  | { readonly kind: "ready"; readonly call: CreateCall }
  | { readonly kind: "unsendable"; readonly reason: string }
  | { readonly kind: "not_yet"; readonly reason: string };

/** Whether an image is to be read before leave is asked for: not where the lane would refuse, as it does twice a second while it is full. */
async function needsImage({ request, lane }: VideoIn<"queued">, { fleet, readLanes }: StageContext): Promise<boolean> {
  if (!request.reference) return false;
  const [state] = await readLanes([lane]);
  return state !== undefined && hasRoom(state, fleet);
}

async function prepare(video: VideoIn<"queued">, context: StageContext): Promise<Prepared> {
  const { prompt, seconds, size, reference, remixOf } = video.request;
  const call: CreateCall = {
    prompt,
    model: context.fleet.wireModel(video.lane),
    seconds,
    size,
    remixOf: remixOf?.task,
  };
  if (!reference) return { kind: "ready", call };
  try {
    const image = await readReference(context.storage, reference);
    if (image) return { kind: "ready", call: { ...call, reference: image } };
  } catch (error) {
    return { kind: "not_yet", reason: `the reference image could not be read: ${(error as Error).message}` };
  }
  const reason = `The reference image ${reference.sha256} is no longer in storage; upload it again.`;
  return { kind: "unsendable", reason };
}

const unsendable = (core: VideoCore, message: string, context: StageContext): Move =>
  fail(core, { class: "unsendable", code: "reference_missing", message }, context);

async function post(
  video: VideoIn<"submitting">,
  prepared: Prepared,
  upstream: Upstream,
  context: StageContext,
): Promise<Verdict> {
  const core = coreOf(video);
  if (prepared.kind === "unsendable")
    return shown(unsendable(withdrawn(core), prepared.reason, context), nothingShown(context));
  if (prepared.kind === "not_yet") return shown(notSent(core, prepared.reason, context), nothingShown(context));
  if (context.clock.now() > (lastAttempt(video)?.postBy ?? 0))
    return shown(notSent(core, "the time to send it had passed", context), nothingShown(context));
  const outcome = await upstream.create(prepared.call);
  return shown(await judge(core, outcome, context), healthShown(outcome, core.lane, context));
}

const shown = (verdict: Move, health: Health): Move => ({ ...verdict, options: { ...verdict.options, health } });

/** No POST met the upstream: if this was the one that tries it, another one may. */
const nothingShown = ({ fleet }: StageContext): Health => healthOf("post", "nothing", "", fleet.timings);

/** A definite answer, even a refusal, is that of a server that works. */
function healthShown(outcome: CreateOutcome, lane: Lane, { fleet }: StageContext): Health {
  switch (outcome.kind) {
    case "not_sent":
    case "in_doubt":
      return healthOf("post", "infrastructure", outcome.reason, fleet.timings, fleet.limitsOf(lane));
    case "account":
      return healthOf("post", "account", `${outcome.code}: ${outcome.message}`, fleet.timings);
    default:
      return healthOf("post", "well", "", fleet.timings);
  }
}

/** Each outcome of a POST, and what follows from it. */
async function judge(core: VideoCore, outcome: CreateOutcome, context: StageContext): Promise<Move> {
  const now = context.clock.now();
  switch (outcome.kind) {
    case "accepted":
      return accepted(core, outcome, context);
    case "not_sent":
      return notSent(core, outcome.reason, context);
    case "throttled":
      return throttled(core, outcome, context);
    case "reformat":
      return wait(withdrawn(core), "not_sent", outcome.reason, 0, context);
    case "account":
      context.facts.emit("accountStopped", { lane: core.lane, code: outcome.code, message: outcome.message });
      return wait(withdrawn(core), "account", `${outcome.code}: ${outcome.message}`, askAgainMs, context);
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

async function accepted(
  core: VideoCore,
  outcome: CreateOutcome & { kind: "accepted" },
  context: StageContext,
): Promise<Move> {
  const { task, restMs } = outcome;
  const acceptedAt = context.clock.now();
  const started = await startRendering(settled(core, "accepted", "unknown", acceptedAt, task.id), task, context);
  const options: AdvanceOptions = { ...started.options, pulse: { kind: "accepted" } };
  if (restMs === undefined) return { ...started, options };
  const reason = "the account's requests are used up, its last reply said";
  return { ...started, options: { ...options, restLane: { ms: restMs, reason, said: true, sentAt: acceptedAt } } };
}

function notSent(core: VideoCore, reason: string, context: StageContext): Move {
  const counted = again(withdrawn(core), "notSent");
  return wait(counted, "not_sent", reason, notSentMs(counted.setbacks.notSent, context.dice), context);
}

/** The lane rests, and the video with it; where too many tasks run at once, until one of them ends. */
function throttled(core: VideoCore, outcome: CreateOutcome & { kind: "throttled" }, context: StageContext): Move {
  const { reason, retryAfterMs, crowded } = outcome;
  const sentAt = core.attempts.at(-1)?.intentAt ?? context.clock.now();
  const counted = again(withdrawn(core), "throttled");
  const restLane = { ...throttledRest(retryAfterMs, context.dice), reason: `throttled: ${reason}`, sentAt };
  return {
    ...wait(counted, "throttled", reason, askAgainMs, context),
    options: { restLane, ...(crowded ? { pulse: { kind: "crowded" as const, sentAt } } : {}) },
  };
}

/** Back to the queue. */
function wait(
  core: VideoCore,
  reason: "throttled" | "not_sent" | "account",
  detail: string,
  delayMs: number,
  context: StageContext,
): Move {
  const now = context.clock.now();
  return {
    kind: "move",
    next: { ...core, status: "queued", waiting: { reason, since: now, detail }, dueAt: now + delayMs },
    delayMs,
    note: detail,
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
  const reason = "the worker that was to send it never reported";
  return shown(doubt(coreOf(video), reason, context), nothingShown(context));
}

function doubt(core: VideoCore, reason: string, context: StageContext): Move {
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
