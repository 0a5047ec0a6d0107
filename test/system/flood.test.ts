import { expect, onTestFinished, test } from "vitest";
import { startSimulator } from "../../apps/simulator/src/simulator.ts";
import { tinyRenders } from "../support/engine.ts";
import { deploy } from "../support/processes.ts";
import { startRedis } from "../support/redis.ts";

const count = 500;

test("one worker with sixteen places keeps far more renders going, and stores five hundred videos", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const simulator = await startSimulator({ ...tinyRenders, renderMs: 2000 });
  onTestFinished(() => simulator.close());
  const deployment = await deploy(redis, simulator.url, { concurrency: 16 });
  onTestFinished(() => deployment.close());
  const ids = await Promise.all(Array.from({ length: count }, (_, index) => deployment.create(`prompt ${index}`)));

  await deployment.startWorker();
  await deployment.moves.reach(ids, ["stored"], 120_000);

  expect(simulator.tasks()).toHaveLength(count);
  expect(new Set(simulator.posts().map(({ prompt }) => prompt)).size).toBe(count);
  expect(simulator.posts()).toHaveLength(count);
  expect(simulator.looks().renders.peak).toBeGreaterThan(60);
  expect(simulator.looks().wholeContents).toBe(count);
});
