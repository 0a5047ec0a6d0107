import { once } from "node:events";
import type { VideoId } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Simulator, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { tinyRenders } from "../support/engine.ts";
import { type App, type Deployment, deploy, tapRedis } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Much longer than lease, lock, sweeps and the proof of an absence take together. */
const recoveryMs = 60_000;

/** Renders end when the test says so. */
const endlessMs = 600_000;

/** How many messages to Redis each worker lives for, some of them for its start. */
const lastMessages = [60, 70, 85, 105, 130, 160, 190, 230];

interface Caught {
  readonly downloading: readonly VideoId[];
  readonly rendering: readonly VideoId[];
  /** The POST took effect, and its connection broke before the reply. */
  readonly lost: readonly VideoId[];
  /** The POST took effect, and its reply is on its way for ever. */
  readonly held: readonly VideoId[];
  readonly queued: readonly VideoId[];
}

/** Brings videos to every point between a worker and its neighbours, and kills the worker there. */
async function killInTheMiddle(simulator: Simulator, { create, moves, startWorker }: Deployment): Promise<Caught> {
  const worker = await startWorker();
  const ask = (name: string, count: number) =>
    Promise.all(Array.from({ length: count }, (_, index) => create(`${name} ${index}`)));

  const downloading = await ask("download", 3);
  const rendering = await ask("render", 4);
  await moves.reach([...downloading, ...rendering], ["rendering"]);
  simulator.addFault({ on: "content", do: "slow", times: 3, with: { bytesPerSecond: 10_000 } });
  simulator.complete({ prompt: "download" });
  await moves.reach(downloading, ["downloading"]);
  await expect.poll(() => simulator.looks().contentsOpen, { timeout: 10_000 }).toBe(3);

  // The worker is killed while it reads the list.
  simulator.addFault({ on: "list", do: "hang", times: 0 });
  simulator.addFault({ on: "create", do: "lose_reply", times: 0, prompt: "lost" });
  const lost = await ask("lost", 2);
  await moves.reach(lost, ["in_doubt"]);

  simulator.addFault({ on: "create", do: "hang", late: true, times: 0, prompt: "held" });
  const held = await ask("held", 4);
  const seen = await simulator.wait({ posts: 13 });
  expect(seen).toMatchObject({ posts: 13, tasks: 13 });
  // All the worker's places for submits are taken.
  const queued = await ask("queued", 3);
  expect(await worker.kill("SIGKILL")).toBe("SIGKILL");

  expect([...lost, ...held, ...queued].map((id) => moves.statuses.get(id))).toEqual([
    ...lost.map(() => "in_doubt"),
    ...held.map(() => "submitting"),
    ...queued.map(() => "queued"),
  ]);
  expect(simulator.looks().wholeContents).toBe(0);
  simulator.clearFaults();
  return { downloading, rendering, lost, held, queued };
}

const promptsOf = (simulator: Simulator) => simulator.posts().map(({ prompt }) => prompt);

describe.concurrent("a worker that is killed without warning", () => {
  test("leaves nothing lost and nothing paid twice where the upstream has a list", async ({
    expect,
    onTestFinished,
  }) => {
    const simulator = await startSimulator({ ...tinyRenders, renderMs: endlessMs, minimumBytes: 200_000 });
    onTestFinished(() => simulator.close());
    const deployment = await deploy(redis, simulator.url);
    onTestFinished(() => deployment.close());
    const caught = await killInTheMiddle(simulator, deployment);
    simulator.configure({ renderMs: 300 });
    simulator.complete();

    await deployment.startWorker();

    const all = Object.values(caught).flat();
    await deployment.moves.reach(all, ["stored"], recoveryMs);
    expect(simulator.tasks()).toHaveLength(all.length);
    expect(simulator.posts()).toHaveLength(all.length);
    expect(new Set(promptsOf(simulator)).size).toBe(all.length);
    // Each video has the file of its own task.
    const tasks = await Promise.all(all.map((id) => deployment.client.retrieve(id)));
    const prompts = new Map(simulator.tasks().map(({ id, prompt }) => [id, prompt]));
    for (const video of tasks) expect(prompts.get(video.reelq.task)).toBe(video.prompt);
    const adopted = tasks.filter(({ reelq }) => reelq.attempts[0]?.outcome === "adopted");
    expect(adopted.map(({ id }) => id).sort()).toEqual([...caught.lost, ...caught.held].sort());
  });

  test("leaves what is in doubt to a person where the upstream has no list", async ({ expect, onTestFinished }) => {
    const simulator = await startSimulator({
      ...tinyRenders,
      renderMs: endlessMs,
      minimumBytes: 200_000,
      capabilities: { list: false },
    });
    onTestFinished(() => simulator.close());
    const deployment = await deploy(redis, simulator.url);
    onTestFinished(() => deployment.close());
    const caught = await killInTheMiddle(simulator, deployment);
    simulator.configure({ renderMs: 300 });
    simulator.complete();

    await deployment.startWorker();

    const doubtful = [...caught.lost, ...caught.held];
    const clear = [...caught.downloading, ...caught.rendering, ...caught.queued];
    const { moves, client } = deployment;
    await Promise.all([moves.reach(clear, ["stored"], recoveryMs), moves.reach(doubtful, ["in_doubt"], recoveryMs)]);
    const areHeld = async () => {
      const videos = await Promise.all(doubtful.map((id) => client.retrieve(id)));
      return videos.map(({ reelq }) => reelq.in_doubt?.held);
    };
    await expect.poll(areHeld, { timeout: recoveryMs, interval: 250 }).toEqual(doubtful.map(() => true));
    expect(simulator.posts()).toHaveLength(clear.length + doubtful.length);
    expect(new Set(promptsOf(simulator)).size).toBe(clear.length + doubtful.length);
    expect(simulator.tasks()).toHaveLength(clear.length + doubtful.length);
  });

  test("leaves nothing lost and nothing paid twice, at whatever message to Redis it dies", async ({
    expect,
    onTestFinished,
  }) => {
    const simulator = await startSimulator({ ...tinyRenders, renderMs: 500 });
    // Long enough for some to die in.
    simulator.addFault({ on: "create", do: "slow", with: { ms: 250 }, times: 0 });
    onTestFinished(() => simulator.close());
    const deployment = await deploy(redis, simulator.url, { concurrency: 8, createSeconds: 3 });
    onTestFinished(() => deployment.close());
    const ids = await Promise.all(Array.from({ length: 48 }, (_, index) => deployment.create(`prompt ${index}`)));

    for (const [round, last] of lastMessages.entries()) {
      const died = Promise.withResolvers<void>();
      let worker: App | undefined;
      const tap = await tapRedis(redis, (message) => {
        if (message < last) return true;
        void worker?.kill("SIGKILL").then(() => died.resolve());
        // Now and then the last message still arrives.
        return message === last && round % 2 === 0;
      });
      onTestFinished(() => tap.close());
      worker = await deployment.startWorker(tap.url);
      await died.promise;
    }
    await deployment.startWorker();

    await deployment.moves.reach(ids, ["stored"], recoveryMs);
    expect(simulator.tasks()).toHaveLength(ids.length);
    expect(new Set(promptsOf(simulator)).size).toBe(ids.length);
    const videos = await Promise.all(ids.map((id) => deployment.client.retrieve(id)));
    // Some died between an intent and its outcome, or nothing was shown.
    expect(videos.filter(({ reelq }) => reelq.setbacks.doubts > 0)).not.toEqual([]);
  });
});

describe.concurrent("a worker that is told to stop", () => {
  test("while a POST hangs ends in time and in order, and the next one adopts its task", async ({
    expect,
    onTestFinished,
  }) => {
    const simulator = await startSimulator(tinyRenders);
    onTestFinished(() => simulator.close());
    const { create, moves, startWorker, close } = await deploy(redis, simulator.url, { createSeconds: 100 });
    onTestFinished(close);
    simulator.addFault({ on: "create", do: "hang", late: true });
    const worker = await startWorker();
    const posted = once(simulator, "post");
    const id = await create("held");
    await posted;

    expect(await worker.kill("SIGTERM")).toBe(0);

    await startWorker();
    await moves.reach([id], ["stored"], recoveryMs);
    expect(simulator.posts()).toHaveLength(1);
  });
});

test("a Redis that is killed and comes back loses nothing that was accepted, and nothing is paid twice", async ({
  skip,
}) => {
  const own = await startRedis();
  onTestFinished(() => own.stop());
  if (own.pid === 0) skip("the Redis is not ours to kill");
  const simulator = await startSimulator({ ...tinyRenders, renderMs: 1000 });
  onTestFinished(() => simulator.close());
  const { create, moves, startWorker, close } = await deploy(own, simulator.url, { createSeconds: 3 });
  onTestFinished(close);
  const first = await Promise.all(Array.from({ length: 15 }, (_, index) => create(`before ${index}`)));
  await startWorker();
  await moves.reach(first.slice(0, 3), ["rendering", "downloading", "stored"]);

  await own.restart();

  const second = await Promise.all(Array.from({ length: 5 }, (_, index) => create(`after ${index}`)));
  await moves.reach([...first, ...second], ["stored"], recoveryMs);
  expect(simulator.tasks()).toHaveLength(20);
  expect(new Set(promptsOf(simulator)).size).toBe(20);
});
