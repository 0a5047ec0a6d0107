import { setTimeout as delay } from "node:timers/promises";
import { defaultPrefix, keysFor, submitQueueName } from "@reelq/engine";
import { Redis } from "ioredis";
import { instantModel } from "../frame/instant.ts";

/** Reminders may follow the answer; they must within this time. */
const followWithinMs = 10_000;

const reminders = `${defaultPrefix}:${submitQueueName({ upstream: "main", model: instantModel })}:wait`;

/** @throws unless so many videos are queued, each with its reminder */
export async function checkVideos(redisUrl: string, count: number): Promise<void> {
  await asking(redisUrl, async (redis) => {
    const records = await redis.zcard(keysFor(defaultPrefix).status("default", "queued"));
    if (records !== count) throw new Error(`${records} videos are queued of ${count} that were accepted.`);
    await checkList(redis, reminders, count);
  });
}

/** @throws unless so many jobs wait in a plain queue */
export const checkJobs = (redisUrl: string, count: number): Promise<void> =>
  asking(redisUrl, (redis) => checkList(redis, "bull:submit:wait", count));

async function checkList(redis: Redis, key: string, count: number): Promise<void> {
  const giveUpAt = performance.now() + followWithinMs;
  for (;;) {
    const length = await redis.llen(key);
    if (length === count) return;
    if (length > count || performance.now() > giveUpAt) throw new Error(`${key} holds ${length} jobs of ${count}.`);
    await delay(50);
  }
}

async function asking(redisUrl: string, ask: (redis: Redis) => Promise<void>): Promise<void> {
  const redis = new Redis(redisUrl);
  try {
    await ask(redis);
  } finally {
    redis.disconnect();
  }
}
