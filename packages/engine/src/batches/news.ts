import { type BatchId, coreOf, isFinal, type Video, type VideoId, type VideoIn } from "@reelq/contract";
import { cancelledFree } from "../cancelled.ts";
import type { Engine } from "../engine.ts";
import type { BatchRecord } from "./record.ts";
import type { Keeping } from "./keeping.ts";
import { isSkipped, parkedUntil } from "./pool.ts";

const pageLength = 200;

/** Then what else the keeper does has its turn. */
const mostPages = 10;

/** Whether clips of a batch have ended that nobody has looked at. */
export const hasNews = async ({ redis, keys }: Pick<Engine, "redis" | "keys">, id: BatchId): Promise<boolean> =>
  (await redis.zlexcount(keys.batchNews, `[${id} `, `[${id}!`)) > 0;

/** Looks at the clips that have ended: what remixes them is let go or given up, and canaries are counted. */
export async function hearNews(keeping: Keeping): Promise<void> {
  const { redis, keys } = keeping.engine;
  for (let page = 0; page < mostPages; page += 1) {
    const news = await redis.zrange(keys.batchNews, 0, String(pageLength - 1));
    await Promise.all(
      news.map(async (entry) => {
        const [id, number] = entry.split(" ") as [BatchId, string];
        await hear(id, Number(number), keeping);
        // Only now: a keeper that dies before has the next one look once more.
        await redis.zrem(keys.batchNews, entry);
      }),
    );
    if (news.length < pageLength) return;
  }
}

async function hear(id: BatchId, number: number, keeping: Keeping): Promise<void> {
  const { store } = keeping;
  const [batch, clips] = await Promise.all([store.read(id), store.clips(id, [number])]);
  const clip = clips.get(number);
  if (!batch || !clip) return;
  const video = await keeping.read(clip.video);
  if (video === "unreadable" || (video && !isFinal(video.status))) return;
  for (const dependent of await store.dependents(id, number)) {
    const waiting = await keeping.parked(dependent);
    if (waiting) await decide(waiting, video, batch, keeping);
    else if (video?.status === "stored") await takeIn(dependent, video, batch, keeping);
  }
  if (batch.canaryState === "running" && clip.origin === "new" && video) await judgeCanary(video, batch, keeping);
}

/** What was left out for its source's sake is rendered after all, once that is stored. */
async function takeIn(
  id: VideoId,
  source: VideoIn<"stored">,
  { id: batch }: BatchRecord,
  keeping: Keeping,
): Promise<void> {
  const { store, replace } = keeping;
  const video = await keeping.read(id);
  if (typeof video !== "object" || !isSkipped(video) || !video.batch) return;
  const { number } = video.batch;
  const clip = (await store.clips(batch, [number])).get(number);
  if (clip?.video !== id || clip.waived) return;
  const { upstream, id: task } = source.task;
  const { model, seconds, size } = source.request;
  const remixOf = { video: source.id, upstream, task };
  await replace(batch, {
    number,
    clip,
    video,
    request: { ...video.request, seconds, size, remixOf },
    lane: { upstream, model },
  });
}

/** What becomes of a clip whose source has ended. */
async function decide(
  dependent: VideoIn<"queued">,
  source: Video | undefined,
  batch: BatchRecord,
  keeping: Keeping,
): Promise<void> {
  const { engine, move } = keeping;
  const now = engine.clock.now();
  if (source?.status === "stored") {
    const { upstream, id: task } = source.task;
    if (engine.fleet.capability(upstream, "remix") === false)
      return void (await move(
        dependent,
        failedWith(dependent, `${upstream} cannot remix`, now),
        "its source lies there",
      ));
    const { model, seconds, size } = source.request;
    const request = { ...dependent.request, seconds, size, remixOf: { video: source.id, upstream, task } };
    const { waiting: _, ...rest } = dependent;
    await move(dependent, { ...rest, request, lane: { upstream, model }, dueAt: parkedUntil }, "its source is stored");
    return;
  }
  const why = source
    ? `${source.id}, which it remixes, ${source.status === "failed" ? "failed" : "was cancelled"}`
    : "what it remixes was deleted";
  if (batch.onSourceFailure === "skip") {
    await move(dependent, { ...cancelledFree(dependent, now), skipped: true }, why);
  } else if (batch.onSourceFailure === "fail") {
    await move(dependent, failedWith(dependent, why, now), why);
  } else if (dependent.waiting?.detail !== why) {
    await move(dependent, { ...dependent, waiting: { reason: "dependency", since: now, detail: why } }, why);
  }
}

const failedWith = (video: VideoIn<"queued">, message: string, now: number): Video => ({
  ...coreOf(video),
  status: "failed",
  failure: { class: "source_failed", code: "source_failed", message: `${message}.` },
  failedAt: now,
  dueAt: now,
});

/** The first clips are good where each is stored, and what was asked for. */
async function judgeCanary(video: Video, batch: BatchRecord, { engine, store }: Keeping): Promise<void> {
  const { redis, keys, clock } = engine;
  const differences = video.status === "stored" ? video.file.differences : [];
  if (video.status === "stored" && differences.length === 0) {
    const good = await redis.hincrby(keys.batch(batch.id), "canaryGood", 1);
    if (good < batch.canary) return;
    await redis
      .multi()
      .hdel(keys.batch(batch.id), "sendable")
      .hset(keys.batch(batch.id), "canaryState", "passed")
      .exec();
    return;
  }
  // Somebody wants it so.
  if (video.status === "cancelled") return;
  const why =
    video.status === "failed"
      ? `The canary ${video.batch?.customId ?? video.id} failed: ${video.failure.message}`
      : `The canary ${video.batch?.customId ?? video.id} is not what was asked for: ${differences.join("; ")}.`;
  const now = clock.now();
  await store.turn(batch, ["running"], "paused", {
    event: "batch.paused",
    set: ["canaryState", "failed", "reason", "canary", "why", why, "since", now],
  });
}
