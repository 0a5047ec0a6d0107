import { keysFor, openLedger } from "@reelq/engine";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aTask, aVideo, inStatus } from "../support/video.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

test("a time with a fraction of a millisecond, ours or the upstream's, leaves the record readable", async () => {
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const ledger = openLedger(client, keysFor("{fractions}"), { now: Date.now });
  const video = aVideo("queued");
  await ledger.accept([{ video }]);
  const submitting = await ledger.advance(video, inStatus(video, "submitting", { dueAt: 1_000.5 }));
  if (submitting.kind !== "moved") throw new Error(submitting.kind);
  const task = aTask({ completedAt: 2_000.25, expiresAt: 3_000.75 });
  await ledger.advance(submitting.video, inStatus(submitting.video, "rendering", { task }));
  expect(await ledger.read(video.id)).toMatchObject({ status: "rendering", task });
  expect(submitting.video.dueAt).toBe(1_001);
});
