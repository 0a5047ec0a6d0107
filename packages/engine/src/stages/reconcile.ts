import { coreOf, type Doubt, lastAttempt, type VideoCore, type VideoIn } from "@reelq/contract";
import type { Upstream, WireTask } from "@reelq/upstream";
import { settled } from "../attempt.ts";
import { MINUTE, SECOND } from "../clock.ts";
import { laneName } from "../fleet.ts";
import type { Verdict } from "../verdict.ts";
import { startRendering } from "./start-rendering.ts";
import type { StageContext } from "./context.ts";

/** How far the upstream's clock may differ from ours. */
const clockSkewMs = 2 * MINUTE;

/** Pages of the list that are read to get past the intent. */
const mostPages = 20;
const pageLength = 100;

/** What the upstream's list says of a POST whose fate is unknown. */
type Evidence =
  | { readonly kind: "match"; readonly task: WireTask }
  | { readonly kind: "several"; readonly count: number }
  /** The list reaches back past the intent and holds no match. */
  | { readonly kind: "absent" }
  | { readonly kind: "no_list"; readonly reason: string }
  | { readonly kind: "unread"; readonly reason: string };

/** Settles a doubt by evidence; without any, by the operator's policy. */
export async function reconcile(video: VideoIn<"in_doubt">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  const brought = (await context.evidenceFor(video.id)).find(({ attempt }) => attempt === lastAttempt(video)?.number);
  if (brought) return adopt(video, { id: brought.task }, context);
  const evidence = await gather(video, upstream, context);
  switch (evidence.kind) {
    case "match":
      return adopt(video, evidence.task, context);
    case "absent":
      return judgeAbsence(video, upstream, context);
    case "several":
      return undecided(video, `${evidence.count} tasks of ${laneName(video.lane)} match it`, upstream, context);
    case "no_list":
      return undecided(video, `the upstream has no list of tasks to look in (${evidence.reason})`, upstream, context);
    case "unread":
      return lookAgain(
        video,
        { evidence: `the list could not be read (${evidence.reason})` },
        context.fleet.timings.doubtLookMs,
        context,
      );
  }
}

/** The task is this video's: from here on it is a render like any other. */
function adopt(video: VideoIn<"in_doubt">, task: Pick<WireTask, "id" | "progress">, context: StageContext): Verdict {
  return startRendering(settled(coreOf(video), "adopted", "unknown", context.clock.now(), task.id), task, context);
}

async function gather(video: VideoIn<"in_doubt">, upstream: Upstream, context: StageContext): Promise<Evidence> {
  const intentAt = lastAttempt(video)?.intentAt ?? video.createdAt;
  const tasks: WireTask[] = [];
  let after: string | undefined;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const page = await upstream.list({ limit: pageLength, order: "desc", ...(after === undefined ? {} : { after }) });
    if (page.kind === "no_list") return page;
    if (page.kind === "missed") return { kind: "unread", reason: page.reason };
    tasks.push(...page.tasks);
    const oldest = page.tasks.at(-1);
    const reachesBack = oldest?.createdAt !== undefined && oldest.createdAt < intentAt - clockSkewMs;
    if (reachesBack || !page.hasMore || page.tasks.length === 0) return weigh(tasks, video, context);
    after = page.lastId ?? oldest?.id;
  }
  return { kind: "unread", reason: `${mostPages} pages did not reach back to the intent` };
}

async function weigh(tasks: readonly WireTask[], video: VideoIn<"in_doubt">, context: StageContext): Promise<Evidence> {
  const alike = tasks.filter((task) => couldBe(task, video, context));
  const owners = await Promise.all(alike.map((task) => context.ownerOf(video.lane.upstream, task.id)));
  const free = alike.filter((_, index) => owners[index] === undefined);
  const [task] = free;
  if (!task) return { kind: "absent" };
  return free.length === 1 ? { kind: "match", task } : { kind: "several", count: free.length };
}

/** What the task says must agree with what was asked; what it does not say is no objection. */
function couldBe(task: WireTask, video: VideoIn<"in_doubt">, context: StageContext): boolean {
  const { request } = video;
  const attempt = lastAttempt(video);
  const agrees = (said: unknown, asked: unknown): boolean => said === undefined || said === asked;
  const earliest = (attempt?.intentAt ?? video.createdAt) - clockSkewMs;
  const latest = (attempt?.endedAt ?? video.doubt.since) + clockSkewMs;
  return (
    (agrees(task.model, context.fleet.wireModel(video.lane)) || task.model === request.model) &&
    agrees(task.seconds, request.seconds) &&
    agrees(task.size, request.size) &&
    agrees(task.prompt?.trim(), request.prompt.trim()) &&
    (task.createdAt === undefined || (task.createdAt >= earliest && task.createdAt <= latest))
  );
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
  return newAttempt(core, "the upstream's list shows that nothing was created", now);
}

/** Evidence cannot settle it: the operator's policy does. */
function undecided(video: VideoIn<"in_doubt">, evidence: string, upstream: Upstream, context: StageContext): Verdict {
  const now = context.clock.now();
  const { heldLookMs, doubtLookMs } = context.fleet.timings;
  if (context.doubtPolicy === "hold") {
    return lookAgain(video, { evidence: `${evidence}; held for a person to resolve`, held: true }, heldLookMs, context);
  }
  // Paying twice is what the policy allows, not what it asks for: the first POST gets its whole time.
  const leftMs = onItsWayUntil(video, upstream) - now;
  if (leftMs > 0) {
    const waiting = `${evidence}; sent again if nothing is heard of it`;
    return lookAgain(video, { evidence: waiting }, Math.min(doubtLookMs, leftMs + SECOND), context);
  }
  // No proof: the POST that is given up may have been paid.
  return newAttempt(settled(coreOf(video), "given_up", "unknown", now), `${evidence}; the policy is to resubmit`, now);
}

const newAttempt = (core: VideoCore, why: string, now: number): Verdict => ({
  kind: "move",
  next: { ...core, status: "queued", dueAt: now },
  delayMs: 0,
  note: why,
});

function lookAgain(video: VideoIn<"in_doubt">, found: Partial<Doubt>, delayMs: number, context: StageContext): Verdict {
  const doubt = { ...video.doubt, ...found, looks: video.doubt.looks + 1 };
  return {
    kind: "move",
    next: { ...video, doubt, dueAt: context.clock.now() + delayMs },
    delayMs,
    ...(found.evidence === undefined ? {} : { note: found.evidence }),
  };
}
