import { coreOf, type StoredFile, type VideoIn } from "@reelq/contract";
import type { Upstream } from "@reelq/upstream";
import { nextFetchMs } from "../backoff.ts";
import { DAY, MINUTE, SECOND } from "../clock.ts";
import { expiryOf } from "../expiry.ts";
import { store } from "../file.ts";
import { type Bytes, resuming } from "../resume.ts";
import { UnusableBytesError } from "../media.ts";
import { fail } from "./fail.ts";
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
      return fail(
        coreOf(video),
        { class: "lost_to_expiry", code: "expired", message: content.reason },
        context,
        video.task,
      );
    case "not_video":
      return unusable(video, content.reason, context);
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
  let file: StoredFile;
  try {
    file = await store(video, resuming(video, content, upstream, context), context);
  } catch (error) {
    content.body.destroy();
    if (error instanceof UnusableBytesError && error.code === "not_video")
      return unusable(video, error.message, context);
    return broken(video, (error as Error).message, undefined, context);
  }
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
  };
}

function notReady(video: VideoIn<"downloading">, reason: string, context: StageContext): Verdict {
  const refusedSince = video.fetching.refusedSince ?? context.clock.now();
  return tryAgain(video, "contentNotReady", { reason, refusedSince }, undefined, context);
}

/** Bytes that are no video: seldom passes, so the tries are counted. */
function unusable(video: VideoIn<"downloading">, reason: string, context: StageContext): Verdict {
  if (video.fetching.tries + 1 >= unusableTries)
    return fail(coreOf(video), { class: "unusable_file", code: "unusable_file", message: reason }, context, video.task);
  return tryAgain(video, "brokenDownloads", { reason }, undefined, context);
}

const broken = (
  video: VideoIn<"downloading">,
  reason: string,
  retryAfterMs: number | undefined,
  context: StageContext,
): Verdict => tryAgain(video, "brokenDownloads", { reason }, retryAfterMs, context);

function tryAgain(
  video: VideoIn<"downloading">,
  setback: "contentNotReady" | "brokenDownloads",
  found: { readonly reason: string; readonly refusedSince?: number },
  retryAfterMs: number | undefined,
  context: StageContext,
): Verdict {
  const now = context.clock.now();
  const { task } = video;
  const lostAt =
    task.expiresAt === undefined ? (task.completedAt ?? now) + giveUpAfterMs : task.expiresAt + pastExpiryMs;
  // Only the server's own refusal proves that the file is gone; an error on the way does not, for a day more.
  const isLost = now > lostAt && (setback === "contentNotReady" || now > lostAt + giveUpAfterMs);
  if (isLost)
    return fail(
      coreOf(video),
      {
        class: "lost_to_expiry",
        code: "expired",
        message: `The file's time was up before it could be stored; the last try: ${found.reason}`,
      },
      context,
      video.task,
    );
  const tries = video.fetching.tries + 1;
  const delayMs = nextFetchMs(
    { tries, lifeLeftMs: Math.max(SECOND, expiryOf(task) - now), retryAfterMs },
    context.dice,
  );
  const fetching = {
    tries,
    lastProblem: found.reason,
    ...(found.refusedSince === undefined ? {} : { refusedSince: found.refusedSince }),
  };
  const core = again(coreOf(video), setback);
  return {
    kind: "move",
    next: { ...core, status: "downloading", task, looks: video.looks, fetching, dueAt: now + delayMs },
    delayMs,
    note: found.reason,
  };
}
