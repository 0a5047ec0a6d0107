import type { VideoEvent } from "@reelq/contract";
import { keysFor, type Ledger, openLedger } from "@reelq/engine";
import { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import type { TestRedis } from "./redis.ts";

let ledgers = 0;

/** An empty ledger under a prefix of its own, whose clock moves at every look at it; gone when the test is. */
export function emptyLedger(redis: TestRedis) {
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const keys = keysFor(`{ledger-${process.pid}-${(ledgers += 1)}}`);
  let passed = 0;
  const clock = { now: () => Date.now() + (passed += 1) };
  return { client, keys, clock, ledger: openLedger(client, keys, clock) };
}

/** The events of videos, of a page of the stream. */
export async function videoEvents(
  ledger: Ledger,
  { after = "0", limit = 1_000 }: { readonly after?: string; readonly limit?: number } = {},
): Promise<VideoEvent[]> {
  return (await ledger.events({ after, limit })).filter((event) => "video" in event);
}
