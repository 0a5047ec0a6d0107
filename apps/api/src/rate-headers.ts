import { problem } from "@reelq/contract";
import { type RateLimit, rateWindowSeconds } from "@reelq/engine";
import type { RequestHandler } from "express";
import { callerOf } from "./caller.ts";

/**
 * Counts the calls of each key and says so in the headers of the IETF's draft (RateLimit, RateLimit-Policy) and in
 * those of the OpenAI shape.
 * @param byDefault calls a minute of a key that has no limit of its own; 0: none
 */
export function limitRate(rateLimit: RateLimit, byDefault: number): RequestHandler {
  return async (request, response, next) => {
    const { key, name, perMinute = key === "open" ? 0 : byDefault } = callerOf(request);
    if (perMinute === 0) return next();
    const { isAllowed, limit, remaining, resetMs } = await rateLimit(key, perMinute);
    const seconds = Math.ceil(resetMs / 1000);
    response.set({
      "RateLimit-Policy": `"calls";q=${limit};w=${rateWindowSeconds}`,
      RateLimit: `"calls";r=${remaining};t=${seconds}`,
      "x-ratelimit-limit-requests": String(limit),
      "x-ratelimit-remaining-requests": String(remaining),
      "x-ratelimit-reset-requests": `${seconds}s`,
    });
    if (isAllowed) return next();
    response.setHeader("Retry-After", String(Math.max(1, seconds)));
    throw problem(
      "rate_limited",
      `The API key ${name} may call ${limit} times a minute; it may again in ${seconds} s.`,
    );
  };
}
