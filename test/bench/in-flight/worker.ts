import { setTimeout as delay } from "node:timers/promises";
import { type Engine, openEngine, openFleet, startWorker } from "@reelq/engine";
import { lessonOf } from "../../../packages/engine/src/learned.ts";
import { asChild } from "../frame/child.ts";
import { instantModel, instantStorage } from "../frame/instant.ts";
import { crowdFleet, type CrowdInput, knownRenders, meanRenderSeconds, type WorkerFigures } from "./crowd.ts";
import { endlessUpstream } from "./endless.ts";
import { passOnce } from "./sweeps.ts";
import { listenForSlowness, slowestCommands, watchLooks } from "./watch.ts";

asChild(async (input: CrowdInput, parent): Promise<WorkerFigures> => {
  const { redisUrl, size, concurrency } = input;
  const engine = openEngine({ redisUrl, fleet: openFleet(crowdFleet), storage: instantStorage(), patient: true });
  const upstream = await endlessUpstream(size);
  const hiccups: string[] = [];
  engine.facts.on("hiccup", ({ where, error }) => hiccups.push(`${where}: ${error.message}`));
  engine.facts.on("waited", ({ video }) => {
    if (video.status === "rendering") upstream.expect(video.task.id, video.dueAt);
  });
  let rendering = 0;
  const all = Promise.withResolvers<void>();
  engine.facts.on("moved", ({ video }) => {
    if (video.status !== "rendering") return;
    upstream.expect(video.task.id, video.dueAt);
    if ((rendering += 1) === size) all.resolve();
  });
  const open = () =>
    startWorker(engine, {
      name: "bench",
      stages: ["submit", "poll", "download"],
      concurrency,
      upstreams: [upstream],
      doubtPolicy: "hold",
    });

  await teach(engine);
  const worker = await open();
  parent.tell("listening");
  await parent.answer();
  const startedAt = performance.now();
  await all.promise;
  const fillSeconds = (performance.now() - startedAt) / 1_000;
  while (upstream.asked.looks === 0) await delay(100);
  // Some seconds after the first ones, looks are as many as they will be.
  await delay(3_000);
  await listenForSlowness(engine.redis, 1_000);
  const watch = await watchLooks(upstream, engine.redis, input.measuredSeconds);
  const slowest = await slowestCommands(engine.redis);
  const { rss: residentBytes } = process.memoryUsage();
  const mostResidentBytes = process.resourceUsage().maxRSS * 1_024;

  await worker.close(5_000);
  const stoodStillFrom = performance.now();
  globalThis.gc?.();
  const liveHeapBytes = process.memoryUsage().heapUsed;
  const calmSweep = await passOnce(engine);
  parent.tell("all closed");
  await parent.answer();
  await delay(Math.max(0, input.standstillSeconds * 1_000 - (performance.now() - stoodStillFrom)));
  const lateSweep = await passOnce(engine);
  const again = await open();
  await delay(1_000);
  const catchUp = await watchLooks(upstream, engine.redis, input.catchUpSeconds);
  await again.close(5_000);

  if (upstream.asked.creates !== size) throw new Error(`${upstream.asked.creates} POSTs for ${size} videos.`);
  const stillRendering = (await engine.ledger.counts()).rendering;
  if (stillRendering !== size) throw new Error(`${stillRendering} of ${size} videos are rendering.`);
  await engine.close();
  return {
    fillSeconds,
    residentBytes,
    mostResidentBytes,
    liveHeapBytes,
    watch,
    slowest,
    calmSweep,
    lateSweep,
    catchUp,
    hiccups,
  };
});

/** What finished renders would have taught the lane. */
async function teach({ ledger, fleet }: Engine): Promise<void> {
  const [lane] = fleet.lanes;
  const [seconds] = crowdFleet.models[instantModel].seconds;
  for (let number = 0; number < knownRenders; number += 1) {
    const lengthMs = -meanRenderSeconds * 1_000 * Math.log(1 - (number + 0.5) / knownRenders);
    const lesson = lessonOf({ earliestMs: lengthMs, latestMs: lengthMs, readings: [] }, Math.random);
    await ledger.learn(lane!, seconds!, lesson);
  }
}
