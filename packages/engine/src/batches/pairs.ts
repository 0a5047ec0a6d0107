import type { Video } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { readable } from "../record.ts";
import { type Clip, readClip } from "./clip.ts";
import type { BatchRecord } from "./record.ts";

/** A clip, and its video where that was not deleted. */
export interface Pair {
  readonly number: number;
  readonly clip: Clip;
  readonly video: Video | undefined;
  /** Those whose place it took. */
  readonly earlier: readonly Video[];
}

const pageLength = 250;

/** A page of a batch's clips after a number, with their videos. */
export async function pairsAfter(
  { id, enlisted }: Pick<BatchRecord, "id" | "enlisted">,
  after: number,
  limit: number,
  { redis, keys }: Pick<Engine, "redis" | "keys">,
): Promise<readonly Pair[]> {
  const numbers = Array.from(
    { length: Math.max(0, Math.min(limit, enlisted - after)) },
    (_, index) => after + 1 + index,
  );
  if (numbers.length === 0) return [];
  const texts = await redis.hmget(keys.batchClips(id), ...numbers.map(String));
  const clips = texts.flatMap((text, index) => {
    const number = numbers[index];
    return text === null || number === undefined ? [] : { number, clip: readClip(text) };
  });
  const ids = clips.flatMap(({ clip }) => [clip.video, ...(clip.before ?? [])]);
  const records = ids.length > 0 ? await redis.mget(ids.map(keys.video)) : [];
  const videos = new Map(ids.flatMap((id, index) => readable(id, records[index]).map((video) => [id, video])));
  return clips.map(({ number, clip }) => ({
    number,
    clip,
    video: videos.get(clip.video),
    earlier: (clip.before ?? []).flatMap((id) => videos.get(id) ?? []),
  }));
}

/** All of a batch's clips, in the manifest's order, a page at a time. */
export async function* readPairs(
  batch: Pick<BatchRecord, "id" | "enlisted">,
  engine: Pick<Engine, "redis" | "keys">,
): AsyncGenerator<Pair> {
  for (let after = 0; ;) {
    const page = await pairsAfter(batch, after, pageLength, engine);
    yield* page;
    after += pageLength;
    if (after >= batch.enlisted) return;
  }
}
