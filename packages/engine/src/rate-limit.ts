import { RateLimiterRedis, type RateLimiterRes } from "rate-limiter-flexible";
import type { Engine } from "./engine.ts";

/** Over so long calls are counted, in seconds. */
export const rateWindowSeconds = 60;

export interface Rate {
  readonly isAllowed: boolean;
  /** Calls in a window. */
  readonly limit: number;
  readonly remaining: number;
  /** Until the window ends. */
  readonly resetMs: number;
}

/** Counts the calls of a key, those at all API processes together. */
export type RateLimit = (key: string, limit: number) => Promise<Rate>;

export function openRateLimit({ redis, keys }: Pick<Engine, "redis" | "keys">): RateLimit {
  const limiters = new Map<number, RateLimiterRedis>();
  const limiterOf = (limit: number): RateLimiterRedis => {
    const known = limiters.get(limit);
    if (known) return known;
    const limiter = new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: `${keys.prefix}:rate`,
      points: limit,
      duration: rateWindowSeconds,
    });
    limiters.set(limit, limiter);
    return limiter;
  };
  return async (key, limit) => {
    try {
      return rateOf(await limiterOf(limit).consume(key), limit, true);
    } catch (error) {
      // It throws its own result where the limit is reached.
      if (error instanceof Error) throw error;
      return rateOf(error as RateLimiterRes, limit, false);
    }
  };
}

const rateOf = ({ remainingPoints, msBeforeNext }: RateLimiterRes, limit: number, isAllowed: boolean): Rate => ({
  isAllowed,
  limit,
  remaining: Math.max(0, remainingPoints),
  resetMs: Math.max(0, msBeforeNext),
});
