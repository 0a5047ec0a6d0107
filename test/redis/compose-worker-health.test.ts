import { hostname } from "node:os";
import { defaultPrefix, keysFor } from "@reelq/engine";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { isHealthy } from "../support/compose.ts";
import { startRedis } from "../support/redis.ts";

test("the container of a worker is well for as long as its own lease is held", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  const keys = keysFor(defaultPrefix);

  await redis.set(keys.worker("another-host-1-0a1b2c"), "1");
  expect(await isHealthy("worker", { REDIS_URL: server.url })).toBe(false);

  const lease = keys.worker(`${hostname()}-1-0a1b2c`);
  await redis.set(lease, "1");
  expect(await isHealthy("worker", { REDIS_URL: server.url })).toBe(true);

  await redis.del(lease);
  expect(await isHealthy("worker", { REDIS_URL: server.url })).toBe(false);
});
