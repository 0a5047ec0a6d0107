import type { Redis } from "ioredis";
import { ownCpuSeconds } from "../frame/cpu.ts";
import { costBetween, type RedisCost, redisCost } from "../frame/redis-cost.ts";

/** What each side is told to do: a closed loop, in which each video that is stored makes room for another one. */
export interface LivesInput {
  /** Of the Redis, or of whatever keeps the jobs. */
  readonly serverUrl: string;
  /** Lives at once. So many that nobody waits for a look that is not due yet. */
  readonly atOnce: number;
  /** Lives that are measured, once as many as are at once have ended. */
  readonly lives: number;
  /** Jobs of a queue at once. */
  readonly concurrency: number;
}

/** What it took. */
export interface Lives {
  readonly lives: number;
  readonly seconds: number;
  /** Of the one process. */
  readonly cpuSeconds: number;
  readonly redis: RedisCost;
  readonly hiccups: readonly string[];
}

/** Between two looks of those that have no schedule, in ms: as often as reelq ever looks. */
export const lookEveryMs = 250;
export const looksEach = 3;

/** Videos that are asked for at once, like those of 64 clients that wait for their answer. */
const asking = 64;

/** A stretch of a loop, and what was read at its ends. */
interface Stretch<Reading> {
  readonly lives: number;
  readonly seconds: number;
  readonly before: Reading;
  readonly after: Reading;
}

/** Counts lives in a closed loop. */
export interface Loop<Reading> {
  /** Tells that one more is over. */
  over(): void;
  /** Runs until enough are over. */
  run(ask: (number: number) => Promise<unknown>): Promise<Stretch<Reading>>;
}

/** @param read what is to be known at the beginning and at the end of the stretch that counts */
export function openLoop<Reading>(
  { atOnce, lives }: Pick<LivesInput, "atOnce" | "lives">,
  read: () => Promise<Reading>,
): Loop<Reading> {
  let done = 0;
  let asked = 0;
  let room = atOnce;
  let isOver = false;
  const idle: (() => void)[] = [];
  const warm = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  const askOn = async (ask: (number: number) => Promise<unknown>): Promise<void> => {
    for (;;) {
      room -= 1;
      if (room < 0) await new Promise<void>((settle) => idle.push(settle));
      if (isOver) return;
      await ask((asked += 1));
    }
  };
  return {
    over() {
      done += 1;
      room += 1;
      idle.shift()?.();
      if (done === atOnce) warm.resolve();
      if (done === atOnce + lives) all.resolve();
    },
    async run(ask) {
      for (let number = 0; number < asking; number += 1) askOn(ask).catch(failed.reject);
      await Promise.race([warm.promise, failed.promise]);
      const [from, startedAt, before] = [done, performance.now(), await read()];
      await Promise.race([all.promise, failed.promise]);
      const seconds = (performance.now() - startedAt) / 1_000;
      const counted = done - from;
      isOver = true;
      return { lives: counted, seconds, before, after: await read() };
    },
  };
}

/** What this process and its Redis have cost so far. */
export const costsOn = (redis: Redis) => async (): Promise<Costs> => ({
  cpuSeconds: ownCpuSeconds(),
  redis: await redisCost(redis),
});

interface Costs {
  readonly cpuSeconds: number;
  readonly redis: RedisCost;
}

export const livesOf = ({ lives, seconds, before, after }: Stretch<Costs>, hiccups: readonly string[]): Lives => ({
  lives,
  seconds,
  cpuSeconds: after.cpuSeconds - before.cpuSeconds,
  redis: costBetween(before.redis, after.redis),
  hiccups,
});
