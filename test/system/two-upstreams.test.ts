import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { openFleetBench } from "../support/fleet-bench.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const many = 200;
const places = { north: 8, south: 6 };

test("one of two upstreams dies in the middle of 200 videos: all are stored, none is paid twice, the other's limits hold", async () => {
  const bench = await openFleetBench(redis, {
    upstreams: {
      north: { simulator: { renderMs: 500 }, entry: { limits: { inFlight: places.north } } },
      south: { simulator: { renderMs: 500 }, entry: { limits: { inFlight: places.south } } },
    },
    workers: 2,
    concurrency: 16,
  });
  onTestFinished(() => bench.close());
  const [north, south] = [bench.simulator("north"), bench.simulator("south")];
  const videos = await Promise.all(Array.from({ length: many }, (_, index) => bench.create(`shot ${index}`)));
  const ids = videos.map(({ id }) => id);
  expect(new Set(videos.map(({ lane }) => lane.upstream))).toEqual(new Set(["north", "south"]));

  const opened = bench.breaker("north", "opened");
  await north.wait({ completed: 25, timeoutMs: 60_000 });
  north.restart({ downMs: 8_000 });
  await opened;
  const atDeath = south.posts().length;
  const closed = bench.breaker("north", "closed");
  // While it is away, work that was meant for it goes to the other one.
  await south.wait({ posts: atDeath + 30, timeoutMs: 30_000 });
  await closed;

  const stored = await bench.all(ids, "stored", 120_000);
  const tasks = [north, south].flatMap((one) => one.posts().flatMap(({ task, prompt }) => (task ? [prompt] : [])));
  expect(tasks).toHaveLength(many);
  expect(new Set(tasks).size).toBe(many);
  expect(stored.filter(({ attempts }) => attempts.some(({ outcome }) => outcome === "given_up"))).toEqual([]);
  expect(north.looks().renders.peak).toBeLessThanOrEqual(places.north);
  expect(south.looks().renders.peak).toBeLessThanOrEqual(places.south);
});
