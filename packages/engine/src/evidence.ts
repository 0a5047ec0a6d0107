import { lastAttempt, type VideoIn } from "@reelq/contract";
import type { Upstream, WireTask } from "@reelq/upstream";
import { DAY, HOUR, MINUTE, SECOND } from "./clock.ts";
import type { StageContext } from "./stages/context.ts";

/** How far the upstream's clock may differ from ours for a task to be taken for a match. */
const clockSkewMs = 2 * MINUTE;

/** How far it may differ for a task still to be possible: clocks in the wrong time zone were seen. */
const wildSkewMs = DAY;

/** Pages of the list that are read to get past the intent. */
const mostPages = 20;
const pageLength = 100;

/** What the upstream's list says of a POST whose fate is unknown. */
export type Evidence =
  | { readonly kind: "match"; readonly task: WireTask }
  /** More than one could be it, or one that might be and does not quite fit. */
  | { readonly kind: "several"; readonly reason: string }
  /** A whole list that shows our other tasks holds nothing that could be it. */
  | { readonly kind: "absent" }
  /** The list does not show what it must: it proves nothing. */
  | { readonly kind: "unbelievable"; readonly reason: string }
  | { readonly kind: "no_list"; readonly reason: string }
  | { readonly kind: "unread"; readonly reason: string };

/**
 * Looks in the upstream's list for the task of a POST whose fate is unknown. To be adopted a task must fit in all
 * that it says; to prove an absence every task that is nobody's must be another one beyond mistaking, because the
 * price of a wrong proof is a second paid task.
 */
export async function gatherEvidence(
  video: VideoIn<"in_doubt">,
  upstream: Upstream,
  context: StageContext,
): Promise<Evidence> {
  const { name } = upstream;
  // Asked before the list is read, and old enough to be in it even if it lags.
  const until = context.clock.now() - context.fleet.timings.quietMs;
  const ours = await context.recentTasks(name, intentOf(video) - HOUR, until);
  const listed = await readList(video, upstream);
  if ("kind" in listed) return listed;
  const owners = await Promise.all(listed.map((task) => context.ownerOf(name, task.id)));
  const free = listed.filter((_, index) => owners[index] === undefined);
  const matches = free.filter((task) => isMatch(task, video, context));
  const [match] = matches;
  if (match && matches.length === 1) return { kind: "match", task: match };
  if (matches.length > 1) return { kind: "several", reason: `${named(matches)} of the list match it` };
  const possible = free.filter((task) => !isAnother(task, video, context));
  if (possible.length > 0)
    return { kind: "several", reason: `${named(possible)} of the list could be it and not every part of it matches` };
  const ids = new Set(listed.map(({ id }) => id));
  if (ours.length > 0 && !ours.some((id) => ids.has(id)))
    return { kind: "unbelievable", reason: "the list shows none of our own latest tasks" };
  return { kind: "absent" };
}

/** For the person who decides: `2 tasks (video_1, video_2)`. */
function named(tasks: readonly WireTask[]): string {
  const few = tasks.slice(0, 3).map(({ id }) => id);
  const more = tasks.length > few.length ? ", …" : "";
  return `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"} (${few.join(", ")}${more})`;
}

const intentOf = (video: VideoIn<"in_doubt">): number => lastAttempt(video)?.intentAt ?? video.createdAt;

/** Every task from now back past the intent; or why the list could not be read so far. */
async function readList(
  video: VideoIn<"in_doubt">,
  upstream: Upstream,
): Promise<WireTask[] | Extract<Evidence, { kind: "no_list" | "unread" }>> {
  const tasks = new Map<string, WireTask>();
  let after: string | undefined;
  let isNewestFirst = true;
  let last = Number.POSITIVE_INFINITY;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const page = await upstream.list({ limit: pageLength, order: "desc", ...(after === undefined ? {} : { after }) });
    if (page.kind === "no_list") return page;
    if (page.kind === "missed") return { kind: "unread", reason: page.reason };
    const known = tasks.size;
    for (const task of page.tasks) {
      tasks.set(task.id, task);
      const at = task.createdAt ?? Number.NaN;
      isNewestFirst &&= at <= last + SECOND;
      last = at;
    }
    if (!page.hasMore) return [...tasks.values()];
    if (tasks.size === known) return { kind: "unread", reason: "the list says that it goes on, and does not" };
    // Only where the order is seen to be the one asked for does an old task mean that all newer ones were shown.
    if (isNewestFirst && last < intentOf(video) - wildSkewMs) return [...tasks.values()];
    after = page.lastId ?? page.tasks.at(-1)?.id;
  }
  return { kind: "unread", reason: `${mostPages} pages did not reach back past the intent` };
}

/** What the task says agrees with what was asked; what it does not say is no objection. */
function isMatch(task: WireTask, video: VideoIn<"in_doubt">, context: StageContext): boolean {
  const { request } = video;
  const agrees = (said: unknown, asked: unknown): boolean => said === undefined || said === asked;
  return (
    (agrees(task.model, context.fleet.wireModel(video.lane)) || task.model === request.model) &&
    agrees(task.seconds, request.seconds) &&
    agrees(task.size, request.size) &&
    agrees(task.prompt?.trim(), request.prompt.trim()) &&
    isWithin(task, video, clockSkewMs)
  );
}

function isWithin({ createdAt }: WireTask, video: VideoIn<"in_doubt">, skewMs: number): boolean {
  const latest = lastAttempt(video)?.endedAt ?? video.doubt.since;
  return createdAt === undefined || (createdAt >= intentOf(video) - skewMs && createdAt <= latest + skewMs);
}

/** Beyond mistaking another one: in its prompt, its length, its size, its model or its day. */
function isAnother(task: WireTask, video: VideoIn<"in_doubt">, context: StageContext): boolean {
  const { request } = video;
  return (
    (task.prompt !== undefined && !isCutOf(task.prompt, request.prompt)) ||
    (task.seconds !== undefined && Math.abs(task.seconds - request.seconds) > 1) ||
    (task.size !== undefined && /^\d+x\d+$/.test(task.size) && task.size !== request.size) ||
    (task.model !== undefined &&
      !isAlias(task.model, context.fleet.wireModel(video.lane)) &&
      !isAlias(task.model, request.model)) ||
    !isWithin(task, video, wildSkewMs)
  );
}

/** Nobody cuts prompts shorter than this, in characters. */
const shortestCut = 24;

/** Lists shorten prompts, fold their white space and end them in dots. */
function isCutOf(said: string, asked: string): boolean {
  const plain = (text: string) => text.replaceAll(/\s+/g, " ").trim();
  const [short, whole] = [
    plain(said)
      .replace(/(\.{2,}|…)$/u, "")
      .trim(),
    plain(asked),
  ];
  const [inner, outer] = whole.length > short.length ? [short, whole] : [whole, short];
  if (!outer.startsWith(inner)) return false;
  // A short one that ends in the middle of a word is another one: «shot 1» is no cut of «shot 10».
  const isMidWord = /\w/.test(outer.charAt(inner.length)) && /\w$/.test(inner);
  return !isMidWord || inner.length >= shortestCut || /(\.{2,}|…)\s*$/u.test(said);
}

/** `sora-2` and `sora-2-2026-10-01` are one model. */
function isAlias(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a.includes(b) || b.includes(a);
}
