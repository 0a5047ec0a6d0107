import { keysFor, openLedger } from "@reelq/engine";
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
