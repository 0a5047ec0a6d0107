import type { Redis } from "ioredis";

/** What a Redis server has done since it began. */
export interface RedisCost {
  /** Those inside scripts count too. */
  readonly commands: number;
  readonly cpuSeconds: number;
}

export async function redisCost(redis: Redis): Promise<RedisCost> {
  const [stats, cpu] = await Promise.all([redis.info("commandstats"), redis.info("cpu")]);
  const commands = [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
  const cpuSeconds = [...cpu.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)].reduce((sum, [, s]) => sum + Number(s), 0);
  return { commands, cpuSeconds };
}

export const costBetween = (before: RedisCost, after: RedisCost): RedisCost => ({
  commands: after.commands - before.commands,
  cpuSeconds: after.cpuSeconds - before.cpuSeconds,
});
