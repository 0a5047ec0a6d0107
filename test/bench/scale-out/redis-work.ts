import type { Redis } from "ioredis";
import { redisCost } from "../frame/redis-cost.ts";
import type { RedisWork } from "./flow.ts";

/** What a Redis server has done since it began. */
export async function redisWork(redis: Redis): Promise<RedisWork> {
  const [cost, stats] = await Promise.all([redisCost(redis), redis.info("commandstats")]);
  const each = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)];
  const byCommand = Object.fromEntries(
    each.map(([, name, calls, micros]) => [name!, { calls: Number(calls), seconds: Number(micros) / 1e6 }]),
  );
  return { ...cost, byCommand };
}

export function workBetween(before: RedisWork, after: RedisWork): RedisWork {
  const byCommand = Object.fromEntries(
    Object.entries(after.byCommand).flatMap(([name, { calls, seconds }]) => {
      const was = before.byCommand[name] ?? { calls: 0, seconds: 0 };
      return calls === was.calls ? [] : [[name, { calls: calls - was.calls, seconds: seconds - was.seconds }]];
    }),
  );
  return {
    commands: after.commands - before.commands,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    byCommand,
  };
}
