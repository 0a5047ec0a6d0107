import { audit } from "@reelq/engine";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Bench, openBench } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function aBench(): Promise<Bench> {
  const bench = await openBench(redis);
  onTestFinished(() => bench.close());
  return bench;
}

async function aStoredVideo(bench: Bench) {
  const { id } = await bench.create("audited");
  return bench.reach(id, "stored");
}

test("an audit of a sound ledger finds nothing and counts every video", async () => {
  const bench = await aBench();
  await aStoredVideo(bench);
  await aStoredVideo(bench);
  const report = await audit(bench.engine, false);
  expect(report).toMatchObject({ videos: 2, byStatus: { stored: 2, queued: 0 }, findings: [] });
});

test("indexes that differ from the records are found, and mended from them", async () => {
  const bench = await aBench();
  const { id, lane } = await aStoredVideo(bench);
  const { redis: client, keys } = bench.engine;
  await client.zrem(keys.status("default", "stored"), id);
  await client.zadd(keys.status("default", "queued"), 0, id);
  await client.zadd(keys.due, 5, id);
  await client.zadd(keys.places(lane.upstream), 0, `${lane.model} ${id}`);
  await client.zadd(keys.due, 5, "nobody");
  await client.zadd(keys.places(lane.upstream), 0, `another-model ${id}`, 0, `${lane.model} nobody`);

  const seen = await audit(bench.engine, false);
  expect(seen.findings.map(({ repaired }) => repaired)).toEqual(Array.from({ length: 7 }, () => false));
  const mended = await audit(bench.engine, true);
  expect(mended.findings.map(({ repaired }) => repaired)).toEqual(Array.from({ length: 7 }, () => true));
  expect((await audit(bench.engine, false)).findings).toEqual([]);
  expect(await client.zscore(keys.status("default", "stored"), id)).toBe("0");
});

test("what no record can mend is left for a person: a lost file, a lost sidecar, a task of two owners", async () => {
  const bench = await aBench();
  const { id, file, task } = await aStoredVideo(bench);
  const { redis: client, keys, storage } = bench.engine;
  await storage.remove(file.key);
  await storage.remove(file.sidecarKey);
  await client.set(keys.task(task.upstream, task.id), "somebody else");
  const { findings } = await audit(bench.engine, true);
  expect(findings.map(({ about, repaired }) => [about, repaired])).toEqual([
    [id, false],
    [id, false],
    [id, false],
  ]);
  expect(findings.map(({ message }) => message).join(" ")).toMatch(/gives to somebody else.*is not in.*sidecar/);
});

test("a record that cannot be read is told, and the others are audited all the same", async () => {
  const bench = await aBench();
  const broken = await aStoredVideo(bench);
  const sound = await aStoredVideo(bench);
  const { redis: client, keys, storage } = bench.engine;
  await client.set(keys.video(broken.id), "nonsense");
  await storage.remove(sound.file.key);
  const { findings } = await audit(bench.engine, true);
  expect(findings.map(({ about }) => about).toSorted()).toEqual([broken.id, sound.id].toSorted());
  expect(await client.get(keys.video(broken.id))).toBe("nonsense");
});

test("a task that a lost attempt did make is told", async () => {
  const bench = await aBench();
  const { id } = await aStoredVideo(bench);
  await bench.engine.ledger.keepEvidence(id, { attempt: 1, upstream: "main", task: "stray" });
  const { findings } = await audit(bench.engine, false);
  expect(findings).toMatchObject([
    { about: id, message: expect.stringContaining("did make task stray") as string, repaired: false },
  ]);
});
