import { coreOf, type Looks, type Task, type VideoIn } from "@reelq/contract";
import type { Look, WireTask } from "@reelq/upstream";
import { missedLookMs, notFoundForMs, notFoundTimes } from "../backoff.ts";
import { DAY, MINUTE, SECOND } from "../clock.ts";
import { riskAt } from "../expiry.ts";
import { healthOf } from "../health.ts";
import type { Finished, Reading } from "../learned.ts";
import { believable, withReading } from "../readings.ts";
import { fail } from "./fail.ts";
import { again, type Move, type Verdict } from "../verdict.ts";
import type { StageContext } from "./context.ts";

/** A render that goes on for longer is given up. */
const giveUpAfterMs = DAY;

/** A server may ask for patience; a file that expires in an hour has none. */
const longestLookMs = 5 * MINUTE;

/** One short look at a task: done, not yet, failed, or nothing learned. */
export async function poll(video: VideoIn<"rendering">, context: StageContext): Promise<Verdict> {
  if (!context.upstream(video.lane))
    return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  const look = await context.look(video);
  if (look.kind === "wait")
    return { kind: "later", delayMs: look.waitMs, note: "the looks of this second are used up" };
  const verdict = await judge(video, look, context);
  return { ...verdict, options: { ...verdict.options, health: healthShown(look, context) } };
}

function healthShown(look: Look, { fleet }: StageContext) {
  if (look.kind === "account") {
    // One task that is forbidden must not stop an account that renders others.
    const said = look.perhapsTask ? "infrastructure" : "account";
    return healthOf("look", said, `${look.code}: ${look.message}`, fleet.timings);
  }
  if (look.kind === "missed" && look.infrastructure)
    return healthOf("look", "infrastructure", look.reason, fleet.timings);
  return healthOf("look", "well", "", fleet.timings);
}

async function judge(video: VideoIn<"rendering">, look: Look, context: StageContext): Promise<Move> {
  switch (look.kind) {
    case "seen":
      return seen(video, look, context);
    case "not_found":
      return notFound(video, look.message, context);
    case "missed":
      return missed(video, look.reason, look.retryAfterMs, context);
    case "account":
      context.facts.emit("accountStopped", { lane: video.lane, code: look.code, message: look.message });
      return missed(video, `${look.code}: ${look.message}`, MINUTE, context);
  }
}

async function seen(
  video: VideoIn<"rendering">,
  look: Extract<Look, { kind: "seen" }>,
  context: StageContext,
): Promise<Move> {
  const { task } = look;
  if (!task.wordKnown) context.wonder(video, task.word);
  switch (task.state) {
    case "completed":
      return completed(video, task, context);
    case "failed":
    case "cancelled":
      return fail(
        coreOf(video),
        {
          class: isModeration(task) ? "moderated" : "render_failed",
          code: task.error?.code ?? task.state,
          message: task.error?.message ?? `The upstream says ${task.word}.`,
        },
        context,
        video.task,
      );
    case "expired":
      return fail(
        coreOf(video),
        { class: "lost_to_expiry", code: "expired", message: "The upstream says that the task expired." },
        context,
        video.task,
      );
    case "waiting":
    case "running":
      return notYet(video, task, look.pollAfterMs, context);
  }
}

function completed(video: VideoIn<"rendering">, wire: WireTask, context: StageContext): Move {
  const now = context.clock.now();
  // Clocks differ: it was not completed before it was begun, nor after it was seen.
  const completedAt = Math.min(Math.max(wire.completedAt ?? now, video.task.acceptedAt), now);
  // An expiry that has passed at completion is a word nobody can rely on.
  const saysExpiry = wire.expiresAt !== undefined && wire.expiresAt > now;
  const task: Task = {
    ...video.task,
    progress: 100,
    completedAt,
    ...(saysExpiry
      ? { expiresAt: wire.expiresAt }
      : { assumedExpiresAt: completedAt + context.fleet.retentionMs(video.lane.upstream) }),
    ...(wire.contentUrl === undefined ? {} : { contentUrl: wire.contentUrl }),
  };
  const { readings: _, lastProblem: __, ...before } = video.looks;
  const looks = { ...before, count: before.count + 1, missed: 0, notFound: 0, lastAt: now };
  return {
    kind: "move",
    next: { ...coreOf(video), status: "downloading", task, looks, fetching: { tries: 0 }, dueAt: now },
    delayMs: 0,
    options: { alarmAt: riskAt(task, now) },
    lesson: lessonFrom(video, wire, now),
  };
}

/** Between the last look that found it running and this one, or when the upstream says, to its clock's second. */
function lessonFrom({ task, looks }: VideoIn<"rendering">, wire: WireTask, now: number): Finished {
  const earliestMs = Math.max(0, (looks.lastAt ?? task.acceptedAt) - task.acceptedAt);
  const latestMs = now - task.acceptedAt;
  const readings = (looks.readings ?? []).map(([ageMs, progress]): Reading => ({ ageMs, progress }));
  const { createdAt, completedAt } = wire;
  if (createdAt !== undefined && completedAt !== undefined) {
    const saidMs = completedAt - createdAt;
    const from = Math.max(earliestMs, saidMs - SECOND / 2);
    const to = Math.min(latestMs, saidMs + SECOND / 2);
    // What does not fit what was seen is not believed.
    if (from <= to) return { earliestMs: from, latestMs: to, readings };
  }
  return { earliestMs, latestMs, readings };
}

async function notYet(
  video: VideoIn<"rendering">,
  wire: WireTask,
  pollAfterMs: number | undefined,
  context: StageContext,
): Promise<Move> {
  const now = context.clock.now();
  const ageMs = now - video.task.acceptedAt;
  if (ageMs > giveUpAfterMs)
    return fail(
      coreOf(video),
      { class: "given_up", code: "given_up", message: `Still ${wire.word} after ${Math.round(ageMs / DAY)} days.` },
      context,
      video.task,
    );
  const reading = wire.progress === undefined ? undefined : { ageMs, progress: wire.progress };
  const plannedMs = await context.plan.nextLookMs({
    ...video,
    ageMs,
    reading: reading && believable(reading, video.looks.readings ?? []),
  });
  const delayMs = Math.min(Math.max(plannedMs, pollAfterMs ?? 0), longestLookMs);
  const task = wire.progress === undefined ? video.task : { ...video.task, progress: wire.progress };
  const looks = looked(video.looks, now, reading);
  return { kind: "move", next: { ...video, task, looks, dueAt: now + delayMs }, delayMs };
}

/** A look that found it running. */
function looked({ readings = [], ...looks }: Looks, now: number, reading: Reading | undefined): Looks {
  const { notFoundSince: _, lastProblem: __, ...rest } = looks;
  const kept = reading ? withReading(readings, reading) : readings;
  return {
    ...rest,
    count: rest.count + 1,
    missed: 0,
    notFound: 0,
    lastAt: now,
    ...(kept.length > 0 ? { readings: kept } : {}),
  };
}

function missed(
  video: VideoIn<"rendering">,
  reason: string,
  retryAfterMs: number | undefined,
  context: StageContext,
): Move {
  const now = context.clock.now();
  if (now - video.task.acceptedAt > giveUpAfterMs)
    return fail(
      coreOf(video),
      { class: "given_up", code: "given_up", message: `No readable answer for a day; the last: ${reason}` },
      context,
      video.task,
    );
  const { notFoundSince: _, ...rest } = video.looks;
  const looks = { ...rest, count: rest.count + 1, missed: rest.missed + 1, notFound: 0, lastProblem: reason };
  const delayMs = missedLookMs(looks.missed, retryAfterMs, context.dice);
  const core = again(coreOf(video), "missedLooks");
  return {
    kind: "move",
    next: { ...core, status: "rendering", task: video.task, looks, dueAt: now + delayMs },
    delayMs,
    note: `missed look: ${reason}`,
  };
}

function notFound(video: VideoIn<"rendering">, message: string, context: StageContext): Move {
  const now = context.clock.now();
  const since = video.looks.notFoundSince ?? now;
  const times = video.looks.notFound + 1;
  if (times >= notFoundTimes && now - since >= notFoundForMs)
    return fail(
      coreOf(video),
      { class: "task_lost", code: "not_found", message: `The upstream no longer knows the task (${message}).` },
      context,
      video.task,
    );
  const looks = {
    ...video.looks,
    count: video.looks.count + 1,
    missed: video.looks.missed + 1,
    notFound: times,
    notFoundSince: since,
    lastProblem: message,
  };
  const delayMs = missedLookMs(times, undefined, context.dice);
  const core = again(coreOf(video), "missedLooks");
  return {
    kind: "move",
    next: { ...core, status: "rendering", task: video.task, looks, dueAt: now + delayMs },
    delayMs,
    note: `not found (${times}): ${message}`,
  };
}

const isModeration = ({ error }: WireTask): boolean =>
  /moderation|sentinel|content.?policy|safety/i.test(`${error?.code} ${error?.message}`);
