import type { Readable } from "node:stream";
import { coreOf, type StoredFile, type Task, type VideoIn } from "@reelq/contract";
import type { Upstream } from "@reelq/upstream";
import { nextFetchMs } from "../backoff.ts";
import { DAY, MINUTE } from "../clock.ts";
import { expiryOf } from "../expiry.ts";
import { type Gathered, store, storedBefore } from "../file.ts";
import { type Bytes, resuming } from "../resume.ts";
import { UnusableBytesError } from "../media.ts";
import { fail } from "./fail.ts";
import { fetchVariants, variantsBefore } from "../variants.ts";
import { again, type Verdict } from "../verdict.ts";
import type { StageContext } from "./context.ts";

/** Where no expiry was said, a file that cannot be had for so long is taken for lost. */
const giveUpAfterMs = DAY;

/** A refusal counts as proof of the expiry only after this time: clocks differ, and deletion is lazy. */
const pastExpiryMs = 5 * MINUTE;

/** So many tries in a row that bring something that is no video prove that none will come. */
const unusableTries = 10;

/** Fetches the bytes, verifies and stores them. */
export async function download(video: VideoIn<"downloading">, context: StageContext): Promise<Verdict> {
  const upstream = context.upstream(video.lane);
  if (!upstream) return { kind: "later", delayMs: MINUTE, note: `no account named ${video.lane.upstream} here` };
  const { contentUrl, id } = video.task;
  const content = await upstream.content(id, {
    signal: context.signal,
    ...(contentUrl === undefined ? {} : { contentUrl }),
  });
  switch (content.kind) {
    case "bytes":
      return keep(video, content, upstream, context);
    case "not_ready":
      return notReady(video, content.reason, context);
    case "expired":
      return lost(video, content.reason, context);
    case "not_video":
      // A page that says so with HTTP 200 is a server in trouble, not a file: only bytes can prove what the file is.
      return broken(video, content.reason, undefined, context);
    case "missed":
      return broken(video, content.reason, content.retryAfterMs, context);
  }
}

async function keep(
  video: VideoIn<"downloading">,
  content: Bytes,
  upstream: Upstream,
  context: StageContext,
): Promise<Verdict> {
  try {
    const gather = () => fetchVariants(video, upstream, context);
    return await put(video, resuming(video, content, upstream, context), gather, context);
  } catch (error) {
    content.body.destroy();
    if (error instanceof UnusableBytesError && error.code === "not_video")
      return unusable(video, error.message, context);
    return broken(video, (error as Error).message, undefined, context);
  }
}

/** The upstream no longer has the file; it is here all the same where a worker died between the put and the record. */
async function lost(video: VideoIn<"downloading">, message: string, context: StageContext): Promise<Verdict> {
  const body = await storedBefore(video, context.storage);
  try {
    // From itself onto itself: proves it whole, and writes the sidecar.
    if (body) return await put(video, body, () => variantsBefore(video, context), context);
  } catch (error) {
    if (!(error instanceof UnusableBytesError)) throw error;
  }
  return fail(coreOf(video), { class: "lost_to_expiry", code: "expired", message }, context, video.task);
}

async function put(
  video: VideoIn<"downloading">,
  body: Readable,
  gather: () => Promise<Gathered>,
  context: StageContext,
): Promise<Verdict> {
  const { file, missing } = await store(video, body, gather, context);
  return stored(video, file, missing, context);
}

function stored(
  video: VideoIn<"downloading">,
  file: StoredFile,
  missing: readonly string[],
  context: StageContext,
): Verdict {
  const now = context.clock.now();
  const core = coreOf(video);
  // A stored file proves that the render was made, and so paid.
  const attempts = core.attempts.map((attempt) =>
    attempt.task === video.task.id ? { ...attempt, charged: "yes" as const } : attempt,
  );
  return {
    kind: "move",
    next: {
      ...core,
      attempts,
      status: "stored",
      task: video.task,
      looks: video.looks,
      file,
      storedAt: now,
      dueAt: now,
    },
    delayMs: 0,
    ...(missing.length > 0 ? { note: missing.join("; ") } : {}),
  };
}

async function notReady(video: VideoIn<"downloading">, reason: string, context: StageContext): Promise<Verdict> {
  const refusedSince = video.fetching.refusedSince ?? context.clock.now();
  return tryAgain(video, "contentNotReady", { reason, refusedSince }, undefined, context);
}

/** Bytes that are no video: seldom passes, so the tries are counted. */
async function unusable(video: VideoIn<"downloading">, reason: string, context: StageContext): Promise<Verdict> {
  const inARow = (video.fetching.unusable ?? 0) + 1;
  if (inARow >= unusableTries)
    return fail(coreOf(video), { class: "unusable_file", code: "unusable_file", message: reason }, context, video.task);
  return tryAgain(video, "brokenDownloads", { reason, unusable: inARow }, undefined, context);
}

const broken = (
  video: VideoIn<"downloading">,
  reason: string,
  retryAfterMs: number | undefined,
  context: StageContext,
): Promise<Verdict> => tryAgain(video, "brokenDownloads", { reason }, retryAfterMs, context);

/** Past its expiry a file is asked for now and then only: it is there or it is not. */
const lifeLeftOf = (task: Task, now: number): number => (expiryOf(task) > now ? expiryOf(task) - now : MINUTE);

async function tryAgain(
  video: VideoIn<"downloading">,
  setback: "contentNotReady" | "brokenDownloads",
  found: { readonly reason: string; readonly refusedSince?: number; readonly unusable?: number },
  retryAfterMs: number | undefined,
  context: StageContext,
): Promise<Verdict> {
  const now = context.clock.now();
  const { task } = video;
  const lostAt =
    task.expiresAt === undefined
      ? Math.max((task.completedAt ?? now) + giveUpAfterMs, expiryOf(task) + pastExpiryMs)
      : task.expiresAt + pastExpiryMs;
  // Only the server's own refusal proves that the file is gone; an error on the way does not, for a day more.
  const isLost = now > lostAt && (setback === "contentNotReady" || now > lostAt + giveUpAfterMs);
  if (isLost)
    return lost(video, `The file's time was up before it could be stored; the last try: ${found.reason}`, context);
  const tries = video.fetching.tries + 1;
  const delayMs = nextFetchMs({ tries, lifeLeftMs: lifeLeftOf(task, now), retryAfterMs }, context.dice);
  const { reason: lastProblem, ...counted } = found;
  const fetching = { tries, lastProblem, ...counted };
  const core = again(coreOf(video), setback);
  return {
    kind: "move",
    next: { ...core, status: "downloading", task, looks: video.looks, fetching, dueAt: now + delayMs },
    delayMs,
    note: found.reason,
  };
}
