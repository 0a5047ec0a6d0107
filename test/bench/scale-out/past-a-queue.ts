import { setTimeout as delay } from "node:timers/promises";
import { type Engine, openEngine, openFleet, producerOn, startWorker } from "@reelq/engine";
import { sweep } from "../../../packages/engine/src/sweep.ts";
import { asChild } from "../frame/child.ts";
import { instantModel, instantStorage } from "../frame/instant.ts";
import { ownCpuSeconds } from "../frame/cpu.ts";
import { type Flow, flowFleet, type FlowInput, type Question } from "./flow.ts";
import { redisWork, workBetween } from "./redis-work.ts";
import { timedUpstream } from "./timed-upstream.ts";

/** One process that asks for videos and carries them, each that is stored followed by another one. */
asChild(async ({ redisUrl, concurrency, atOnce, before, forMs }: FlowInput): Promise<Flow> => {
  const engine = openEngine({ redisUrl, fleet: openFleet(flowFleet), storage: instantStorage(), patient: true });
  const producer = producerOn(engine);
  const upstream = await timedUpstream();
  const hiccups: string[] = [];
  engine.facts.on("hiccup", ({ where, error }) => hiccups.push(`${where}: ${error.message}`));
  const caller = { project: "default", key: "open", isAdmin: true };
  let asked = 0;
  const ask = () =>
    producer.create({ fields: { model: instantModel, prompt: `a dog runs past queue ${(asked += 1)}` } }, caller);
  const begun = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  let stored = 0;
  engine.facts.on("moved", ({ video }) => {
    if (video.status === "failed") failed.reject(new Error(JSON.stringify(video.failure)));
    if (video.status !== "stored") return;
    stored += 1;
    if (stored === before) begun.resolve();
    ask().catch(failed.reject);
  });
  const queued = async () => (await engine.ledger.counts()).queued;

  const worker = await startWorker(engine, {
    name: "bench",
    stages: ["submit", "poll", "download"],
    concurrency,
    upstreams: [upstream],
    doubtPolicy: "hold",
  });
  await Promise.all(Array.from({ length: atOnce }, ask));
  await Promise.race([begun.promise, failed.promise]);
  const queuedBefore = await queued();
  const looksBefore = upstream.asked.looks;
  const storedBefore = stored;
  const workBefore = await redisWork(engine.redis);
  const cpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  await Promise.race([delay(forMs), failed.promise]);
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuSeconds = ownCpuSeconds() - cpuBefore;
  const done = stored - storedBefore;
  const redis = workBetween(workBefore, await redisWork(engine.redis));
  const looks = upstream.asked.looks - looksBefore;
  const queuedAfter = await queued();
  await worker.close(5_000);
  const question = await askAsSweep(engine);
  await engine.close();
  return { lives: done, seconds, cpuSeconds, looks, redis, queued: [queuedBefore, queuedAfter], question, hiccups };
});

/** As many as are queued where they are few. */
const askedAbout = 800;

/** One short pass of the sweep, over the oldest ones alone. */
async function askAsSweep(engine: Engine): Promise<Question> {
  const { redis, keys, clock, fleet, ledger } = engine;
  // The worker's last sweep keeps others away for a while.
  await redis.del(keys.sweeping);
  // So late that those are late again that were asked about just now.
  const now = clock.now() + 3 * fleet.timings.graceMs;
  let videos = 0;
  const overdue = async (before: number, limit: number) => {
    const page = videos < askedAbout ? await ledger.overdue(before, limit) : [];
    videos += page.length;
    return page;
  };
  const workBefore = await redisWork(redis);
  const startedAt = performance.now();
  await sweep({ ...engine, clock: { now: () => now }, ledger: { ...ledger, overdue } });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (videos === 0) throw new Error("No queued video was late.");
  return { videos, seconds, redis: workBetween(workBefore, await redisWork(redis)) };
}
