import { once } from "node:events";
import { newVideoId, type Video } from "@reelq/contract";
import { reminderId } from "@reelq/engine";
import { UnrecoverableError, Worker } from "bullmq";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { sweep } from "../../packages/engine/src/sweep.ts";
import { type Bench, type BenchOptions, caller, openBench } from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aVideo, inStatus } from "../support/video.ts";

const MINUTE = 60_000;
let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

interface SleepingBench extends Bench {
  /** Sweeps once, as if so much time had passed. */
  sweepAfter(ms: number): Promise<void>;
}

/** A bench whose time is the test's own, and where nobody works yet. */
async function sleepingBench(options: BenchOptions = {}): Promise<SleepingBench> {
  let passedMs = 0;
  const clock = { now: () => Date.now() + passedMs };
  const bench = await openBench(redis, { ...options, clock, working: false });
  onTestFinished(() => bench.close());
  const sweepAfter = async (ms: number) => {
    passedMs += ms;
    const { engine } = bench;
    await engine.redis.del(engine.keys.sweeping);
    await sweep(engine);
  };
  return { ...bench, sweepAfter };
}

const createMany = (bench: Bench, count: number): Promise<Video[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => bench.create(`prompt ${index}`)));

const reminderOf = async (bench: Bench, video: Video) =>
  bench.engine.queues.queueFor(video)?.getJobState(reminderId(video));

test("videos whose reminders were all removed are reminded again and end stored", async () => {
  const bench = await sleepingBench();
  const videos = await createMany(bench, 12);
  for (const queue of bench.engine.queues.all) await queue.obliterate({ force: true });
  const swept = until(bench.engine.facts, "swept", () => true, "a sweep that found something");

  await bench.sweepAfter(MINUTE);

  expect((await swept).reminded.toSorted()).toEqual(videos.map(({ id }) => id).toSorted());
  expect(await reminderOf(bench, videos[0]!)).toBe("waiting");
  expect(await bench.engine.ledger.overdue(bench.engine.clock.now(), 100)).toEqual([]);
  await bench.work();
  await Promise.all(videos.map(({ id }) => bench.reach(id, "stored")));
  expect(bench.simulator.tasks()).toHaveLength(videos.length);
});

test("a video in any status is reminded in the queue of its stage", async () => {
  const bench = await sleepingBench();
  const { ledger, queues } = bench.engine;
  const ways = [
    [],
    ["submitting"],
    ["submitting", "in_doubt"],
    ["submitting", "rendering"],
    ["submitting", "rendering", "downloading"],
  ] as const;
  const videos: Video[] = [];
  for (const way of ways) {
    const queued = aVideo("queued", { dueAt: Date.now() });
    await ledger.accept([{ video: queued }]);
    let video: Video = queued;
    for (const step of way) {
      const advance = await ledger.advance(video, inStatus(video, step, { dueAt: Date.now() }));
      if (advance.kind !== "moved") throw new Error(advance.kind);
      video = advance.video;
    }
    videos.push(video);
  }

  await bench.sweepAfter(MINUTE);

  const states = await Promise.all(videos.map((video) => reminderOf(bench, video)));
  expect(states).toEqual(["waiting", "waiting", "waiting", "waiting", "prioritized"]);
  expect(videos.map((video) => queues.queueFor(video)?.name)).toEqual([
    "submit main sora-2",
    // Its lane's queue may rest because of the very place that it takes.
    "poll",
    "poll",
    "poll",
    "download",
  ]);
});

test("a finished job of the reminder's id does not keep a video from being reminded", async () => {
  const bench = await sleepingBench();
  const [done, failed] = await Promise.all([bench.create("done"), bench.create("failed")]);
  const queue = bench.engine.queues.queueFor(done)!;
  // Somebody's mistake: jobs that end without anything having been done.
  const careless = new Worker(
    queue.name,
    (job) => (job.id === reminderId(failed) ? Promise.reject(new UnrecoverableError("no")) : Promise.resolve()),
    { connection: { url: redis.url }, prefix: bench.engine.keys.prefix },
  );
  await Promise.all([once(careless, "completed"), once(careless, "failed")]);
  await careless.close();
  expect([await reminderOf(bench, done), await reminderOf(bench, failed)]).toEqual(["completed", "failed"]);

  await bench.sweepAfter(MINUTE);
  await bench.work();

  await Promise.all([bench.reach(done.id, "stored"), bench.reach(failed.id, "stored")]);
  expect(bench.simulator.tasks()).toHaveLength(2);
});

test("a reminder that is still there is left alone, and asked after again later", async () => {
  const bench = await sleepingBench();
  const video = await bench.create("patient");
  const reminders = recorded(bench.engine.facts, "swept");
  const queue = bench.engine.queues.queueFor(video)!;

  await bench.sweepAfter(MINUTE);
  await bench.sweepAfter(10_000);

  expect(reminders).toEqual([]);
  expect(await queue.count()).toBe(1);
  await queue.obliterate({ force: true });
  // Within its patience it does not ask again; after it, it finds out.
  await bench.sweepAfter(0);
  expect(await queue.count()).toBe(0);
  await bench.sweepAfter(MINUTE);
  expect(await queue.count()).toBe(1);
});

test("what waits in a lane is asked after less often, and found within a minute once its reminder is lost", async () => {
  const bench = await sleepingBench({ config: { timings: { graceSeconds: 15, sweepSeconds: 10 } } });
  const { engine } = bench;
  const [video] = await createMany(bench, 1);
  await bench.sweepAfter(20_000);
  await engine.queues.queueFor(video!)?.obliterate({ force: true });

  await bench.sweepAfter(40_000);
  expect(await reminderOf(bench, video!)).toBe("unknown");
  await bench.sweepAfter(10_000);
  expect(await reminderOf(bench, video!)).toBe("waiting");
});

test("more overdue videos than one page are all found in one sweep", async () => {
  const bench = await sleepingBench();
  const videos = await createMany(bench, 450);
  const queue = bench.engine.queues.queueFor(videos[0]!)!;
  await queue.obliterate({ force: true });

  await bench.sweepAfter(MINUTE);

  expect(await queue.count()).toBe(450);
});

test("a record that cannot be read is set aside for a day, and everything else goes on", async () => {
  const bench = await sleepingBench();
  const { redis: connection, keys, facts, ledger, queues } = bench.engine;
  const [broken, ...sound] = await createMany(bench, 5);
  await connection.set(keys.video(broken!.id), "1 queued {half");
  for (const queue of queues.all) await queue.obliterate({ force: true });
  const setAside = recorded(facts, "setAside");

  await bench.sweepAfter(MINUTE);

  expect(setAside).toEqual([{ what: "record", id: broken!.id, reason: expect.stringContaining("cannot be read") }]);
  await bench.work();
  await Promise.all(sound.map(({ id }) => bench.reach(id, "stored")));
  await bench.sweepAfter(60 * MINUTE);
  expect(setAside).toHaveLength(1);
  expect(await connection.get(keys.video(broken!.id))).toBe("1 queued {half");
  await bench.sweepAfter(24 * 60 * MINUTE);
  expect(setAside).toHaveLength(2);
  await expect(ledger.read(broken!.id)).rejects.toThrow("cannot be read");
});

test("a reminder of a record that cannot be read is set aside, and its worker goes on", async () => {
  const bench = await sleepingBench();
  const { redis: connection, keys, facts } = bench.engine;
  const [broken, sound] = [await bench.create("broken"), await bench.create("sound")];
  await connection.set(keys.video(broken.id), "1 queued {half");
  const setAside = until(facts, "setAside", () => true, "a record that cannot be read");

  await bench.work();

  expect(await setAside).toMatchObject({ what: "record", id: broken.id });
  await bench.reach(sound.id, "stored");
});

test("reminders of unknown videos, of old versions and of nonsense change nothing", async () => {
  const bench = await sleepingBench();
  const { facts, queues, ledger } = bench.engine;
  const video = await bench.create("sound");
  const queue = queues.queueFor(video)!;
  const unknown = newVideoId(Date.now());
  const nonsense = [{}, { video: 7, version: 1 }, { video: "video_1", version: 1 }, { video: unknown }, "text", null];
  const stale = recorded(facts, "staleReminder");
  const setAside = recorded(facts, "setAside");
  const known = await ledger.advance(video, inStatus(video, "queued"));
  if (known.kind !== "moved") throw new Error(known.kind);
  await queues.remind(known.video, 0);
  await queue.add("unknown", { video: unknown, version: 1 });
  for (const data of nonsense) await queue.add("nonsense", data);

  await bench.work();
  const stored = await bench.reach(video.id, "stored");

  expect(stale).toContainEqual({ id: video.id, reminded: 1, standing: 2 });
  expect(stale).toContainEqual({ id: unknown, reminded: 1, standing: null });
  expect(setAside.map(({ what }) => what)).toEqual(nonsense.map(() => "reminder"));
  expect(stored.attempts).toHaveLength(1);
  expect(bench.simulator.posts()).toHaveLength(1);
});

test("a reminder names its video once, by its own id", async () => {
  const bench = await sleepingBench();
  const video = await bench.create("A cat walks over the old stone bridge, slow dolly in");
  const queue = bench.engine.queues.queueFor(video)!;

  const kept = await bench.engine.redis.hgetall(queue.toKey(reminderId(video)));

  expect(kept).toMatchObject({ name: "A cat walks over the old stone brid…", data: "{}" });
  expect(JSON.stringify(kept)).not.toContain(video.id);
  await bench.work();
  expect(await bench.reach(video.id, "stored")).toMatchObject({ id: video.id });
});

test("a reminder of an older version, whose data names its video, is heard", async () => {
  const bench = await sleepingBench();
  const video = await bench.create("asked before the upgrade");
  const queue = bench.engine.queues.queueFor(video)!;
  await queue.remove(reminderId(video));
  await queue.add("older", { video: video.id, version: video.version }, { jobId: "older" });
  await bench.work();
  await bench.reach(video.id, "stored");
  expect(bench.simulator.posts()).toHaveLength(1);
});

test("the same reminder over and over runs a stage once", async () => {
  const bench = await sleepingBench();
  const { queues } = bench.engine;
  const video = await bench.create("eager");
  const queue = queues.queueFor(video)!;
  await Promise.all(Array.from({ length: 20 }, () => queues.remind(video, 0)));
  expect(await queue.count()).toBe(1);
  // Even under other ids, as after a lost finished job, it is the version that decides.
  await queue.addBulk(Array.from({ length: 20 }, () => ({ name: "twin", data: { video: video.id, version: 1 } })));

  await Promise.all([bench.work(), bench.work()]);
  await bench.reach(video.id, "stored");

  expect(bench.simulator.posts()).toHaveLength(1);
});

test("a final video that was left among the due is taken out", async () => {
  const bench = await sleepingBench();
  const { redis: connection, keys, ledger } = bench.engine;
  const video = await bench.create("gone");
  const cancelled = await bench.person.cancel(video.id, false, caller);
  await connection.zadd(keys.due, 1, cancelled.id);
  await connection.zadd(keys.due, 1, newVideoId(Date.now()));

  await bench.sweepAfter(0);

  expect(await connection.zcard(keys.due)).toBe(0);
  expect(await ledger.read(video.id)).toEqual(cancelled);
});

test("what lies under a reminder's key and is none keeps nobody else from being reminded", async () => {
  const bench = await sleepingBench();
  const [odd, lost] = (await createMany(bench, 2)) as [Video, Video];
  const { queues, redis: connection, facts } = bench.engine;
  const queue = queues.queueFor(odd)!;
  await queue.remove(reminderId(odd));
  await connection.set(queue.toKey(reminderId(odd)), "a text");
  await queue.remove(reminderId(lost));
  const swept = recorded(facts, "swept");

  await bench.sweepAfter(MINUTE);

  expect(swept.map(({ reminded }) => reminded)).toEqual([[lost.id]]);
});

test("a record that is empty, or is no text, is set aside and stays due", async () => {
  const bench = await sleepingBench();
  const [empty, other] = (await createMany(bench, 2)) as [Video, Video];
  const { keys, redis: connection, facts } = bench.engine;
  await connection.set(keys.video(empty.id), "");
  await connection.del(keys.video(other.id));
  await connection.hset(keys.video(other.id), { status: "queued" });
  const setAside = recorded(facts, "setAside");

  await bench.sweepAfter(MINUTE);

  expect(setAside.map(({ id }) => id).toSorted()).toEqual([empty.id, other.id].toSorted());
  expect(await connection.zcard(keys.due)).toBe(2);
});

test("of several that sweep at the same time one does", async () => {
  const bench = await sleepingBench();
  const video = await bench.create("one");
  const { queues, facts } = bench.engine;
  await queues.queueFor(video)!.obliterate({ force: true });
  const swept = recorded(facts, "swept");

  await bench.sweepAfter(MINUTE);
  await Promise.all([sweep(bench.engine), sweep(bench.engine)]);
  await queues.queueFor(video)!.obliterate({ force: true });
  await Promise.all([sweep(bench.engine), sweep(bench.engine)]);

  expect(swept).toHaveLength(1);
});

test("a video whose lane is gone from the configuration goes to another one of its model, or is told of", async () => {
  const bench = await sleepingBench();
  const { engine } = bench;
  const gone = { upstream: "gone", model: "tiny-1" };
  const [movable, bound] = await Promise.all(
    [{}, { remixOf: { video: newVideoId(0), upstream: "gone", task: "t" } }].map(async (remix) => {
      const base = await bench.create("the lane is gone");
      const next = { ...base, lane: gone, request: { ...base.request, ...remix } };
      const advance = await engine.ledger.advance(base, next);
      if (advance.kind !== "moved") throw new Error(advance.kind);
      return advance.video;
    }),
  );
  const unserved = recorded(engine.facts, "laneUnserved");

  await bench.sweepAfter(MINUTE);

  expect(unserved.map(({ video }) => video)).toEqual([bound?.id]);
  await bench.work();
  expect(await bench.reach(movable!.id, "stored")).toMatchObject({ lane: { upstream: "main", model: "tiny-1" } });
  expect(await bench.read(bound!.id)).toMatchObject({ status: "queued", lane: gone });
  expect(bench.simulator.posts()).toHaveLength(1);
});
