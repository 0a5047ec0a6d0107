import { isBatchId, problem, type Video, type VideoId } from "@reelq/contract";
import type { Caller } from "../caller.ts";
import type { Engine } from "../engine.ts";
import type { ListOptions, VideoPage } from "../ledger.ts";
import { pairsAfter, readPairs } from "./pairs.ts";
import type { BatchRecord } from "./record.ts";
import { openBatchStore } from "./store.ts";

const pageLength = 250;

/**
 * A page of a batch's videos in the manifest's order (`desc`: from its end), those of others that it uses included.
 * @throws ProblemError where the caller has no such batch
 */
export async function videosOfBatch(
  id: string,
  { after, limit, order, statuses }: Pick<ListOptions, "after" | "limit" | "order" | "statuses">,
  caller: Caller,
  engine: Engine,
): Promise<VideoPage> {
  const batch = isBatchId(id) ? await openBatchStore(engine).read(id) : undefined;
  if (!batch || !(caller.isAdmin || batch.spec.project === caller.project))
    throw problem("not_found", `There is no batch ${JSON.stringify(id.slice(0, 80))}.`, "batch");
  const start = after === undefined ? undefined : await numberOf(after, batch, engine);
  const videos: Video[] = [];
  for await (const { video } of inOrder(batch, start, order, engine)) {
    if (!video || (statuses && !statuses.includes(video.status))) continue;
    videos.push(video);
    if (videos.length > limit) break;
  }
  return { videos: videos.slice(0, limit), hasMore: videos.length > limit };
}

async function numberOf(after: VideoId, batch: BatchRecord, engine: Engine): Promise<number> {
  const video = await engine.ledger.read(after);
  if (video?.batch?.id === batch.id) return video.batch.number;
  for await (const { number, clip } of readPairs(batch, engine)) if (clip.video === after) return number;
  throw problem("invalid_value", `after ${JSON.stringify(after)} is no video of ${batch.id}.`, "after");
}

async function* inOrder(batch: BatchRecord, start: number | undefined, order: "asc" | "desc", engine: Engine) {
  if (order === "asc") {
    for (let from = start ?? 0; from < batch.enlisted; from += pageLength)
      yield* await pairsAfter(batch, from, pageLength, engine);
    return;
  }
  for (let below = start ?? batch.enlisted + 1; below > 1; below -= pageLength) {
    const from = Math.max(0, below - 1 - pageLength);
    yield* (await pairsAfter(batch, from, below - 1 - from, engine)).toReversed();
  }
}
