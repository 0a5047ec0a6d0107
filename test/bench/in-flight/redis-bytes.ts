import type { VideoId } from "@reelq/contract";
import { keysFor, defaultPrefix, reminderId } from "@reelq/engine";
import type { Redis } from "ioredis";
import { parseRecord } from "../../../packages/engine/src/record.ts";
import { instantModel } from "../frame/instant.ts";

/** What one video takes up in Redis, in bytes. */
export interface VideoBytes {
  /** All that Redis has more than when it was empty. */
  readonly all: number;
  /**
   * Where they are, by MEMORY USAGE. The rest is what that does not count: 8 bytes that the allocator adds to each entry
   * of a table or a sorted set, and Redis's own table of keys; besides some finished reminders.
   */
  readonly parts: Readonly<Record<string, number>>;
  readonly memoryStats: unknown;
  /** The text of one record, and the fields of one reminder. */
  readonly sample: { readonly record: string; readonly reminder: Readonly<Record<string, string>> };
}

export async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1]);
}

const samples = 500;

export async function bytesOfVideos(redis: Redis, size: number, emptyBytes: number): Promise<VideoBytes> {
  const all = ((await usedMemory(redis)) - emptyBytes) / size;
  const keys = keysFor(defaultPrefix);
  const lane = { upstream: "main", model: instantModel };
  const ids = (await redis.zrandmember(keys.videos, samples)) as VideoId[];
  const texts = await Promise.all(ids.map((id) => redis.get(keys.video(id))));
  const videos = ids.map((id, index) => parseRecord(id, texts[index] ?? ""));
  const reminder = (index: number): string => `${keys.prefix}:poll:${reminderId(videos[index]!)}`;
  const each = (key: (index: number) => string) =>
    meanBytes(
      redis,
      Array.from(ids, (_, index) => key(index)),
    );
  const shared = async (...names: string[]) => {
    const bytes = await Promise.all(names.map((name) => redis.memory("USAGE", name, "SAMPLES", 0)));
    return bytes.reduce<number>((sum, one) => sum + (one ?? 0), 0) / size;
  };
  const parts = {
    record: await each((index) => keys.video(ids[index]!)),
    reminder: await each(reminder),
    "reminder's place in its queue": await shared(`${keys.prefix}:poll:delayed`),
    "owner of the task": await each((index) => {
      const video = videos[index]!;
      if (video.status !== "rendering") throw new Error(`${video.id} is ${video.status}.`);
      return keys.task(video.task.upstream, video.task.id);
    }),
    "index of all": await shared(keys.videos),
    "index of its status": await shared(keys.status("default", "rendering")),
    "due time": await shared(keys.due),
    alarm: await shared(keys.alarms),
    "places of lane and account": await shared(keys.places(lane.upstream)),
    events: await shared(keys.events),
    "BullMQ's events": await shared(`${keys.prefix}:poll:events`, `${keys.prefix}:submit main ${instantModel}:events`),
  };
  const known = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return {
    all,
    parts: { ...parts, "the rest": all - known },
    memoryStats: await redis.memory("STATS"),
    sample: { record: texts[0] ?? "", reminder: await redis.hgetall(reminder(0)) },
  };
}

/** @throws where one of the keys is missing */
async function meanBytes(redis: Redis, keys: readonly string[]): Promise<number> {
  const bytes = await Promise.all(keys.map((key) => redis.memory("USAGE", key)));
  const known = bytes.filter((one) => one !== null);
  // A look that was at work when the worker ended has left no reminder behind.
  if (known.length < keys.length * 0.98)
    throw new Error(`${keys.length - known.length} keys like ${keys[0]} are missing.`);
  return known.reduce((sum, one) => sum + one, 0) / known.length;
}
