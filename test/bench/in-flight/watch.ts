import { setTimeout as delay } from "node:timers/promises";
import type { Redis } from "ioredis";
import { ownCpuSeconds } from "../frame/cpu.ts";
import { costBetween, redisCost } from "../frame/redis-cost.ts";
import { quantile } from "../frame/rounds.ts";
import type { Slice, SlowCommand, Watch } from "./crowd.ts";
import type { EndlessUpstream } from "./endless.ts";

const sliceMs = 5_000;

/** What the looks of the next so many seconds are like. */
export async function watchLooks(upstream: EndlessUpstream, redis: Redis, seconds: number): Promise<Watch> {
  const costBefore = await redisCost(redis);
  const cpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  const behind = upstream.behind(Date.now());
  upstream.takeLateness();
  const late: number[] = [];
  const slices: Slice[] = [];
  while (performance.now() - startedAt < seconds * 1_000) {
    await delay(Math.min(sliceMs, seconds * 1_000));
    const heard = upstream.takeLateness();
    late.push(...heard);
    const medianLateMs = heard.length === 0 ? 0 : quantile(heard, 0.5);
    slices.push({ looks: heard.length, medianLateMs, rewritesFile: await rewritesFile(redis) });
  }
  const took = (performance.now() - startedAt) / 1_000;
  const needed = late.length + upstream.behind(Date.now()) - behind;
  return {
    seconds: took,
    looks: late.length,
    needed,
    lateMs: { median: quantile(late, 0.5), p99: quantile(late, 0.99), worst: quantile(late, 1) },
    cpuSeconds: ownCpuSeconds() - cpuBefore,
    redis: costBetween(costBefore, await redisCost(redis)),
    slices,
  };
}

const rewritesFile = async (redis: Redis): Promise<boolean> =>
  (await redis.info("persistence")).includes("aof_rewrite_in_progress:1");

/** From here on Redis remembers what took longer than so many microseconds. */
export async function listenForSlowness(redis: Redis, fromMicros: number): Promise<void> {
  await redis.config("SET", "slowlog-log-slower-than", String(fromMicros));
  await redis.config("SET", "slowlog-max-len", "100000");
  await redis.slowlog("RESET");
}

/** The slowest commands that it remembers, without those that were asked to measure. */
export async function slowestCommands(redis: Redis, most = 8): Promise<SlowCommand[]> {
  const entries = (await redis.slowlog("GET", -1)) as [number, number, number, string[]][];
  return entries
    .map(([, , micros, words]) => ({ ms: micros / 1_000, command: words.slice(0, 4).join(" ").slice(0, 120) }))
    .filter(({ command }) => !/^(?:slowlog|config|info|memory|zrandmember)/i.test(command))
    .toSorted((one, other) => other.ms - one.ms)
    .slice(0, most);
}
