import { coreOf, type Task, type VideoIn } from "@reelq/contract";
import type { Look, WireTask } from "@reelq/upstream";
import { missedLookMs, nextLookMs } from "../backoff.ts";
import { DAY, MINUTE } from "../clock.ts";
import { riskAt } from "../expiry.ts";
import { fail } from "./fail.ts";
import { again, type Verdict } from "../verdict.ts";
import type { StageContext } from "./context.ts";

/** A render that goes on for longer is given up. */
const giveUpAfterMs = DAY;

/** A 404 is final only after so many in a row over so long: servers forget, and remember again. */
const notFoundTimes = 5;
const notFoundForMs = 5 * MINUTE;

/** One short look at a task: done, not yet, failed, or nothing learned. */
export async function poll(video: VideoIn<"rendering">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  const waitMs = await context.askToLook(upstream.name);
  if (waitMs > 0) return { kind: "later", delayMs: waitMs, note: "the looks of this second are used up" };
  const look = await upstream.retrieve(video.task.id);
  switch (look.kind) {
    case "seen":
      return judge(video, look, context);
    case "not_found":
      return notFound(video, look.message, context);
    case "missed":
      return missed(video, look.reason, look.retryAfterMs, context);
    case "account":
      context.facts.emit("accountStopped", { lane: video.lane, code: look.code, message: look.message });
      return missed(video, `${look.code}: ${look.message}`, MINUTE, context);
  }
}

function judge(video: VideoIn<"rendering">, look: Extract<Look, { kind: "seen" }>, context: StageContext): Verdict {
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

function completed(video: VideoIn<"rendering">, wire: WireTask, context: StageContext): Verdict {
  const now = context.clock.now();
  const task: Task = {
    ...video.task,
    progress: 100,
    // Clocks differ: it was not completed before it was begun, nor after it was seen.
    completedAt: Math.min(Math.max(wire.completedAt ?? now, video.task.acceptedAt), now),
    // An expiry that has passed at completion is a word nobody can rely on.
    ...(wire.expiresAt === undefined || wire.expiresAt <= now ? {} : { expiresAt: wire.expiresAt }),
    ...(wire.contentUrl === undefined ? {} : { contentUrl: wire.contentUrl }),
  };
  const looks = { count: video.looks.count + 1, missed: 0, notFound: 0 };
  return {
    kind: "move",
    next: { ...coreOf(video), status: "downloading", task, looks, fetching: { tries: 0 }, dueAt: now },
    delayMs: 0,
    options: { alarmAt: riskAt(task, now) },
  };
}

function notYet(
  video: VideoIn<"rendering">,
  wire: WireTask,
  pollAfterMs: number | undefined,
  context: StageContext,
): Verdict {
  const now = context.clock.now();
  const ageMs = now - video.task.acceptedAt;
  if (ageMs > giveUpAfterMs)
    return fail(
      coreOf(video),
      { class: "given_up", code: "given_up", message: `Still ${wire.word} after ${Math.round(ageMs / DAY)} days.` },
      context,
      video.task,
    );
  const looks = { count: video.looks.count + 1, missed: 0, notFound: 0 };
  const { typicalRenderSeconds } = context.fleet.catalogue[video.request.model] ?? {};
  const plannedMs = nextLookMs(
    { ageMs, looks: looks.count, typicalRenderSeconds, progress: wire.progress },
    context.dice,
  );
  const delayMs = Math.min(Math.max(plannedMs, pollAfterMs ?? 0), 5 * MINUTE);
  const task = wire.progress === undefined ? video.task : { ...video.task, progress: wire.progress };
  return { kind: "move", next: { ...video, task, looks, dueAt: now + delayMs }, delayMs };
}

function missed(
  video: VideoIn<"rendering">,
  reason: string,
  retryAfterMs: number | undefined,
  context: StageContext,
): Verdict {
  const now = context.clock.now();
  if (now - video.task.acceptedAt > giveUpAfterMs)
    return fail(
      coreOf(video),
      { class: "given_up", code: "given_up", message: `No readable answer for a day; the last: ${reason}` },
      context,
      video.task,
    );
  const { notFoundSince: _, ...rest } = video.looks;
  const looks = { ...rest, count: rest.count + 1, missed: rest.missed + 1, notFound: 0 };
  const delayMs = missedLookMs(looks.missed, retryAfterMs, context.dice);
  const core = again(coreOf(video), "missedLooks");
  return {
    kind: "move",
    next: { ...core, status: "rendering", task: video.task, looks, dueAt: now + delayMs },
    delayMs,
    note: `missed look: ${reason}`,
  };
}

function notFound(video: VideoIn<"rendering">, message: string, context: StageContext): Verdict {
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
  const looks = { count: video.looks.count + 1, missed: video.looks.missed + 1, notFound: times, notFoundSince: since };
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
