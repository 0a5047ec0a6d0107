import { setTimeout as delay } from "node:timers/promises";
import { coreOf, lastAttempt, type Video, type VideoId, type VideoIn } from "@reelq/contract";
import { settled } from "./attempt.ts";
import { SECOND } from "./clock.ts";
import { CorruptRecordError } from "./corrupt-record.ts";
import type { StageName } from "./facts.ts";
import type { AdvanceOptions, BreakerChange } from "./advance.ts";
import type { Ledger } from "./ledger.ts";
import type { Finished } from "./learned.ts";
import { type HeldBack, type Obstacle, sayObstacle } from "./obstacle.ts";
import { goesOn, needsReminder, type Queues, type Reminder } from "./queues.ts";
import type { Shares } from "./shares.ts";
import type { StageContext } from "./stages/context.ts";
import { download } from "./stages/download.ts";
import { poll } from "./stages/poll.ts";
import { reconcile } from "./stages/reconcile.ts";
import { submit } from "./stages/submit.ts";
import { again, type Verdict } from "./verdict.ts";

/** What is left to do with the reminder itself once its stage has run. */
export type Afterwards =
  | { readonly kind: "done" }
  /** The same reminder again, later. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** The lane gives no leave: the whole queue rests, and this reminder keeps its place. */
  | { readonly kind: "rest"; readonly restMs: number };

export interface RunnerParts {
  readonly shares: Shares;
  readonly ledger: Ledger;
  readonly queues: Queues;
  readonly context: StageContext;
}

/** How long a full lane's queue rests before it asks again: a freed place is used within this time. */
const fullRestMs = 500;

/** How long a reminder waits whose upstream has its share of the slots at work. */
const shareWaitMs = SECOND;

/** How long the queue of an upstream that is not reached rests before it asks again. */
const openRestMs = SECOND;

/** A rest is cut into pieces, so that a lane whose rest was lifted is found. */
const longestRestMs = 5 * SECOND;

const done: Afterwards = { kind: "done" };

/**
 * Runs one reminder: reads the record, asks the stage of its status, and writes what the stage concluded.
 * @param key Redis's, of the job that reminded
 */
export async function run(reminder: Reminder, key: string, stage: StageName, parts: RunnerParts): Promise<Afterwards> {
  const { ledger, context } = parts;
  const { facts } = context;
  let video: Video | undefined;
  try {
    video = await ledger.read(reminder.video);
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    facts.emit("setAside", { what: "record", id: error.id, reason: error.message });
    return done;
  }
  if (!video || video.reminder !== reminder.version) {
    facts.emit("staleReminder", { id: reminder.video, reminded: reminder.version, standing: video?.reminder ?? null });
    return done;
  }
  const giveBack = parts.shares.take(stage, video.lane.upstream);
  if (!giveBack) return { kind: "delay", delayMs: shareWaitMs };
  const release = holdWhileRunning(video, parts);
  try {
    const verdict = await conclude(video, context);
    // What somebody copied, under another id or into another queue, does not go on beside the one that the ledger knows.
    const standing = parts.queues.reminderKey(video) === key ? reminder : undefined;
    return verdict ? await apply(video, verdict, parts, standing) : done;
  } finally {
    release();
    giveBack();
  }
}

/** Each status and the stage that looks at it. */
async function conclude(video: Video, context: StageContext): Promise<Verdict | undefined> {
  switch (video.status) {
    case "queued":
      // Its batch lets it go by writing its record again.
      return video.parked ? undefined : submit(video, context);
    case "submitting":
      return submit(video, context);
    case "in_doubt":
      return reconcile(video, context);
    case "rendering":
      return poll(video, context);
    case "downloading":
      return download(video, context);
    case "stored":
    case "failed":
    case "cancelled":
      return undefined;
  }
}

/**
 * The one place where a verdict becomes a write, a reminder or a wait.
 * @param standing the reminder that led here, where the record goes by it: a look that goes on keeps it
 */
async function apply(video: Video, verdict: Verdict, parts: RunnerParts, standing?: Reminder): Promise<Afterwards> {
  if (verdict.kind === "later") {
    await parts.ledger.hold(video, parts.context.clock.now() + verdict.delayMs);
    parts.context.facts.emit("waited", { video, note: verdict.note });
    return { kind: "delay", delayMs: verdict.delayMs };
  }
  const keepsReminder = standing !== undefined && goesOn(video, verdict.next);
  const written = await write(video, verdict.next, { ...verdict.options, keepsReminder }, parts);
  if (written.kind === "fenced") return standing ? untilNext(standing, parts) : done;
  if (written.kind === "refused") {
    const instead = verdict.kind === "intend" ? await verdict.refused(written.obstacle) : undefined;
    return instead ? apply(video, instead, parts) : rest(video, written.obstacle, parts.context);
  }
  if (written.kind === "held_back")
    return verdict.kind === "intend" ? apply(video, verdict.heldBack(written.by), parts) : done;
  if (written.kind === "contested") return apply(video, contested(video, written.owner, parts), parts);
  if (written.kind !== "written") return written;
  if (verdict.kind === "intend") {
    const { video: intended } = written;
    const outcome = await verdict.send(intended as VideoIn<"submitting">);
    return insist(() => apply(intended, outcome, parts), intended, outcome, parts);
  }
  announce(video, written.video, verdict.note, parts);
  if (verdict.lesson) void teach(video, verdict.lesson, parts);
  if (keepsReminder) return { kind: "delay", delayMs: verdict.delayMs };
  if (needsReminder(written.video)) await parts.queues.remind(written.video, verdict.delayMs);
  return done;
}

type Written =
  | Afterwards
  | { readonly kind: "written"; readonly video: Video }
  /** No leave to send: nothing was written. */
  | { readonly kind: "refused"; readonly obstacle: Obstacle }
  | { readonly kind: "held_back"; readonly by: HeldBack }
  /** Somebody else wrote first. */
  | { readonly kind: "fenced" }
  /** A POST was answered with a task that another video owns. */
  | { readonly kind: "contested"; readonly owner: VideoId };

async function write(
  video: Video,
  next: Video,
  options: AdvanceOptions | undefined,
  parts: RunnerParts,
): Promise<Written> {
  const { ledger, context } = parts;
  const { facts } = context;
  const advance = await ledger.advance(video, next, options);
  switch (advance.kind) {
    case "moved":
      if (advance.breaker) announceBreaker(video.lane.upstream, advance.breaker, options, context);
      if (advance.pauses !== undefined && video.batch)
        facts.emit("batchTurned", { batch: video.batch.id, from: "running", to: "paused", why: advance.pauses });
      if (next.status === "submitting") facts.emit("moved", { video: advance.video, from: video.status });
      return { kind: "written", video: advance.video };
    case "refused":
    case "held_back":
      return advance;
    case "owned":
      facts.emit("waited", { video, note: `${advance.owner} owns that task` });
      if (video.status === "submitting") return { kind: "contested", owner: advance.owner };
      // The next look at the doubt no longer counts that task.
      return { kind: "delay", delayMs: SECOND };
    case "taken":
    case "changed":
      await keepEvidence(next, parts);
      facts.emit("fenced", {
        id: video.id,
        version: video.version,
        wanted: next.status,
        task: "task" in next ? (next.task?.id ?? null) : null,
      });
      return advance.kind === "taken" ? done : { kind: "fenced" };
  }
}

/** Two looked because of one reminder, as where BullMQ took the first for dead: it is the next look's too. */
async function untilNext(reminder: Reminder, { ledger, context }: RunnerParts): Promise<Afterwards> {
  const video = await ledger.read(reminder.video);
  if (video?.reminder !== reminder.version || !needsReminder(video)) return done;
  return { kind: "delay", delayMs: Math.max(SECOND, video.dueAt - context.clock.now()) };
}

/**
 * A worker that was frozen for too long comes back with a task: its verdict is refused, but the task id settles
 * the doubt that its silence made.
 */
async function keepEvidence(next: Video, parts: RunnerParts): Promise<void> {
  const attempt = lastAttempt(next);
  if (next.status !== "rendering" || attempt?.outcome !== "accepted") return;
  const { ledger, context } = parts;
  await ledger.keepEvidence(next.id, { attempt: attempt.number, upstream: next.task.upstream, task: next.task.id });
  const now = await ledger.read(next.id);
  if (now?.status !== "in_doubt") return;
  const verdict = await conclude(now, context);
  if (verdict) await apply(now, verdict, parts);
}

/** The whole lane waits, for as long as what is in its way says, in pieces. */
function rest({ lane }: Video, obstacle: Obstacle, { facts }: StageContext): Afterwards {
  const restMs = Math.max(1, Math.min(restOf(obstacle), longestRestMs));
  facts.emit("laneRested", { lane, reason: sayObstacle(obstacle, lane.upstream), restMs });
  return { kind: "rest", restMs };
}

function restOf(obstacle: Obstacle): number {
  if (obstacle.kind === "full") return fullRestMs;
  return obstacle.kind === "breaker" ? Math.min(obstacle.waitMs, openRestMs) : obstacle.waitMs;
}

function announceBreaker(
  upstream: string,
  change: BreakerChange,
  options: AdvanceOptions | undefined,
  { facts }: StageContext,
): void {
  facts.emit("breaker", { upstream, change, why: options?.health?.why ?? "" });
}

/** What is lost here is one lesson of many. */
async function teach(video: Video, lesson: Finished, { context }: RunnerParts): Promise<void> {
  await context.plan
    .learn(video.lane, video.request, lesson)
    .catch((error: Error) => context.facts.emit("hiccup", { where: "learn", error }));
}

function announce(before: Video, after: Video, note: string | undefined, { context }: RunnerParts): void {
  if (before.status === after.status) context.facts.emit("waited", { video: after, note: note ?? "not yet" });
  else context.facts.emit("moved", { video: after, from: before.status, ...(note === undefined ? {} : { note }) });
}

/** How often, and for how long in all, the outcome of a POST is tried to be written. */
const insistEveryMs = SECOND;
const insistTimes = 300;

/**
 * What a POST brought may have been paid for and is known to nobody else: while this process lives, a Redis that
 * refuses the write is asked again and again.
 */
async function insist(
  work: () => Promise<Afterwards>,
  video: Video,
  outcome: Verdict,
  { context }: RunnerParts,
): Promise<Afterwards> {
  const task = outcome.kind === "move" && "task" in outcome.next ? outcome.next.task?.id : undefined;
  for (let times = 1; ; times += 1) {
    try {
      return await work();
    } catch (error) {
      if (times >= insistTimes || context.signal.aborted) throw error;
      const said = new Error(
        `${video.id} was sent${task === undefined ? "" : `, its task is ${task}`}, and that could not be written down`,
        { cause: error },
      );
      context.facts.emit("hiccup", { where: "the outcome of a POST", error: said });
      await delay(insistEveryMs, undefined, { signal: context.signal }).catch(() => undefined);
    }
  }
}

/** Two videos cannot share a task: a person finds out what the upstream made of the second POST. */
function contested(video: Video, owner: VideoId, { context }: RunnerParts): Verdict {
  const now = context.clock.now();
  const delayMs = context.fleet.timings.heldLookMs;
  const reason = `the upstream answered with a task that ${owner} owns`;
  const core = again(settled(coreOf(video), "in_doubt", "unknown", now), "doubts");
  const doubt = {
    since: now,
    reason,
    looks: 0,
    held: true,
    contested: true,
    evidence: `${reason}; held for a person to resolve`,
  };
  return { kind: "move", next: { ...core, status: "in_doubt", doubt, dueAt: now + delayMs }, delayMs, note: reason };
}

/** Keeps the sweep away from a video that somebody works on. */
function holdWhileRunning(video: Video, { ledger, context }: RunnerParts): () => void {
  // Past the time at which another worker would take over, were this one to die.
  const { lockMs } = context.fleet.timings;
  const hold = () => {
    ledger
      .hold(video, context.clock.now() + 2 * lockMs)
      .catch((error: Error) => context.facts.emit("hiccup", { where: "hold", error }));
  };
  const timer = setInterval(hold, lockMs / 2);
  return () => clearInterval(timer);
}
