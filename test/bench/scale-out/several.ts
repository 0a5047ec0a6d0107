import { setTimeout as delay } from "node:timers/promises";
import { defaultPrefix, keysFor } from "@reelq/engine";
import { Redis } from "ioredis";
import { startRedis } from "../../support/redis.ts";
import { inChild } from "../frame/child.ts";
import { instantModel } from "../frame/instant.ts";
import { costBetween, type RedisCost, redisCost } from "../frame/redis-cost.ts";
import type { AskingInput, Part } from "./flow.ts";

/** What several worker processes on one Redis did together. */
export interface Together {
  /** Of the middle of all lives. */
  readonly lives: number;
  readonly seconds: number;
  readonly redis: RedisCost;
  /** Of all lives. */
  readonly asked: number;
  readonly parts: readonly Part[];
}

/** Of all lives, the share that is stored before anything is measured, and that is left when it ends. */
const margin = 0.25;

/** Lets so many worker processes carry so many lives, which another process asks for all at once. */
export async function carryTogether(processes: number, asked: number, concurrency: number): Promise<Together> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const stop = Promise.withResolvers<void>();
  try {
    const all = Array.from({ length: processes }, () => startOne(server.url, concurrency, stop.promise));
    const parts = Promise.all(all.map(({ done }) => done));
    await Promise.race([Promise.all(all.map(({ listening }) => listening)), parts]);
    const asking: AskingInput = { redisUrl: server.url, model: instantModel, count: asked };
    const accepted = inChild<number>(import.meta.resolve("./asking.ts"), asking);
    const middle = measureMiddle(redis, asked);
    // A worker that fails is told at once.
    await Promise.race([Promise.all([accepted, middle, storedOnes(redis, asked)]), parts]);
    stop.resolve();
    const did = await parts;
    const creates = did.reduce((sum, part) => sum + part.creates, 0);
    if (creates !== asked) throw new Error(`${creates} POSTs for ${asked} videos.`);
    return { ...(await middle), asked, parts: did };
  } finally {
    stop.resolve();
    redis.disconnect();
    await server.stop();
  }
}

function startOne(redisUrl: string, concurrency: number, stopped: Promise<void>) {
  const listening = Promise.withResolvers<void>();
  const input = { redisUrl, concurrency };
  const done = inChild<Part>(import.meta.resolve("./one-of-several.ts"), input, {
    onTold(_, answer) {
      listening.resolve();
      void stopped.then(() => answer("end"));
    },
  });
  return { listening: listening.promise, done };
}

async function measureMiddle(redis: Redis, asked: number): Promise<Pick<Together, "lives" | "seconds" | "redis">> {
  const from = await storedOnes(redis, Math.round(asked * margin));
  const before = await redisCost(redis);
  const startedAt = performance.now();
  const upTo = await storedOnes(redis, Math.round(asked * (1 - margin)));
  const seconds = (performance.now() - startedAt) / 1_000;
  return { lives: upTo - from, seconds, redis: costBetween(before, await redisCost(redis)) };
}

const askEveryMs = 20;

/** Waits until at least so many are stored; returns how many are. */
async function storedOnes(redis: Redis, atLeast: number): Promise<number> {
  const keys = keysFor(defaultPrefix);
  for (;;) {
    const stored = await redis.zcard(keys.status("default", "stored"));
    if (stored >= atLeast) return stored;
    const failed = await redis.zcard(keys.status("default", "failed"));
    if (failed > 0) throw new Error(`${failed} videos failed.`);
    await delay(askEveryMs);
  }
}
