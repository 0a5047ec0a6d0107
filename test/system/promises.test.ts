import { isFinal, type Status, type VideoId } from "@reelq/contract";
import { MINUTE } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { type Bench, type BenchOptions, caller, openBench, tinyRenders } from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { videoEvents } from "../support/ledger.ts";
import { type Deployment, deploy } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

// The promises of the design, each by its name. The crash points behind the first two are tried in test/chaos.

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function aBench(options: BenchOptions = {}): Promise<Bench> {
  const bench = await openBench(redis, options);
  onTestFinished(() => bench.close());
  return bench;
}

async function aDeployment(options: SimulatorOptions = {}): Promise<Deployment & { simulator: Simulator }> {
  const simulator = await startSimulator({ ...tinyRenders, ...options });
  onTestFinished(() => simulator.close());
  const deployment = await deploy(redis, simulator.url, { createSeconds: 3 });
  onTestFinished(() => deployment.close());
  return { ...deployment, simulator };
}

const many = <Value>(count: number, make: (index: number) => Promise<Value>): Promise<Value[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));

/** The ways in which looks, and the ways in which downloads, were seen to go wrong. */
const blips = ["html", "reset", "garbage", "throttle", "json_error", "status", "word"] as const;
const brokenDownloads = ["not_ready", "truncate", "html", "json_error", "garbage", "reset"] as const;

test("promise 1: accepted is durable", async () => {
  const { simulator, create, startWorker, moves } = await aDeployment();
  const worker = await startWorker();
  const ids = await many(12, (index) => create(`durable ${index}`));
  await Promise.all([worker.kill("SIGKILL"), redis.restart()]);

  await startWorker();
  await moves.reach(ids, ["stored"], MINUTE);
  expect(simulator.tasks()).toHaveLength(ids.length);
});

test("promise 2: one paid task per video", async () => {
  const { simulator, create, startWorker, moves } = await aDeployment();
  simulator.addFault({ on: "create", do: "lose_reply", times: 3 });
  simulator.addFault({ on: "create", do: "hang", late: true, times: 1 });
  const first = await startWorker();
  await startWorker();
  const ids = await many(16, (index) => create(`once ${index}`));
  await simulator.wait({ posts: 8 });
  await first.kill("SIGKILL");

  await moves.reach(ids, ["stored"], MINUTE);
  const prompts = simulator.posts().map(({ prompt }) => prompt);
  expect(new Set(prompts).size).toBe(ids.length);
  expect(simulator.tasks()).toHaveLength(ids.length);
});

test("promise 3: a blip never fails a render", async () => {
  const bench = await aBench({ timeouts: { lookMs: 500 } });
  for (const blip of blips) bench.simulator.addFault({ on: "retrieve", do: blip, times: 2 });
  bench.simulator.addFault({ on: "retrieve", do: "hang", times: 1 });
  const videos = await many(6, (index) => bench.create(`blip ${index}`));
  await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", MINUTE)));
  expect(bench.simulator.faults().map(({ struck }) => struck)).toEqual([...blips.map(() => 2), 1]);
});

describe("promise 4: every completed render is stored and verified before it expires", () => {
  test("whatever goes wrong on the way, the file is the upstream's to the byte", async () => {
    const bench = await aBench();
    for (const fault of brokenDownloads) bench.simulator.addFault({ on: "content", do: fault, times: 2 });
    const videos = await many(6, (index) => bench.create(`whole ${index}`));
    for (const { id } of videos) {
      const { file, task } = await bench.reach(id, "stored", MINUTE);
      const original = await fetch(`${bench.simulator.url}/videos/${task.id}/content`);
      expect(Buffer.from(await original.arrayBuffer()).equals(await bench.file(file.key))).toBe(true);
      expect(file.differences).toEqual([]);
    }
  });

  test("the file that expires first is fetched first, whichever was completed first", async () => {
    const bench = await aBench({ working: false });
    const { engine } = bench;
    const hours = [9, 3, 7, 1, 5];
    const ids: VideoId[] = [];
    for (const hour of hours) ids.push(await aCompletedRender(bench, engine.clock.now() + hour * 60 * MINUTE));
    const order: VideoId[] = [];
    engine.facts.on("moved", ({ video }) => void (video.status === "stored" && order.push(video.id)));
    const stored = until(engine.facts, "moved", () => order.length === ids.length, "five stored videos", MINUTE);
    await bench.work({ concurrency: 1 });
    await stored;
    const expected = hours.map((hour, index) => ({ hour, id: ids[index] })).toSorted((a, b) => a.hour - b.hour);
    expect(order).toEqual(expected.map(({ id }) => id));
  });
});

/** A video that waits for its download, its task completed at the upstream. */
async function aCompletedRender({ engine, create, simulator }: Bench, expiresAt: number): Promise<VideoId> {
  const video = await create(`expires ${expiresAt}`);
  const posted = await fetch(`${simulator.url}/videos`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer bench-key" },
    body: JSON.stringify({ prompt: video.request.prompt, model: "tiny-1", seconds: "1", size: "64x64" }),
  });
  const { id: task } = (await posted.json()) as { id: string };
  simulator.complete({ task });
  const now = engine.clock.now();
  const rendering = {
    task: { upstream: "main", id: task, acceptedAt: now, completedAt: now, expiresAt },
    looks: { count: 1, missed: 0, notFound: 0 },
  };
  const steps = [
    { status: "submitting", worker: "nobody" },
    { status: "rendering", ...rendering },
    { status: "downloading", ...rendering, fetching: { tries: 0 } },
  ] as const;
  let current = await engine.ledger.read(video.id);
  for (const step of steps) {
    if (!current) throw new Error("It is gone.");
    const advance = await engine.ledger.advance(current, { ...video, dueAt: now, ...step });
    if (advance.kind !== "moved") throw new Error(advance.kind);
    current = advance.video;
  }
  if (current) await engine.queues.remind(current, 0);
  return video.id;
}

describe("promise 7: a cancel is never overwritten, and a paid result is never thrown away unasked", () => {
  test("a cancel races a submit and either ends it unsent or is refused", async () => {
    const bench = await aBench();
    const videos = await many(30, (index) => bench.create(`race ${index}`));
    const ends = await Promise.all(
      videos.map(({ id }) =>
        bench.person.cancel(id, false, caller).then(
          () => "cancelled" as const,
          () => "refused" as const,
        ),
      ),
    );
    const sent = new Set(bench.simulator.posts().map(({ prompt }) => prompt));
    for (const [index, video] of videos.entries()) {
      if (ends[index] === "refused") await bench.reach(video.id, "stored", MINUTE);
      else expect((await bench.read(video.id)).status).toBe("cancelled");
      expect(sent.has(`race ${index}`) && ends[index] === "cancelled").toBe(false);
    }
  });

  test("what is paid for is stored in spite of a cancel, unless it is abandoned by name", async () => {
    const bench = await aBench({ simulator: { renderMs: 60 * MINUTE } });
    const kept = await bench.create("kept");
    const abandoned = await bench.create("abandoned");
    await Promise.all([bench.reach(kept.id, "rendering"), bench.reach(abandoned.id, "rendering")]);
    await expect(bench.person.cancel(kept.id, false, caller)).rejects.toMatchObject({ code: "conflict" });
    await bench.person.cancel(abandoned.id, true, caller);
    bench.simulator.complete();
    await bench.reach(kept.id, "stored", MINUTE);
    expect(await bench.read(abandoned.id)).toMatchObject({ status: "cancelled", abandoned: true });
  });
});

test("promise 8: events come at least once, in order per video, and can be told apart by id", async () => {
  const bench = await aBench();
  const videos = await many(8, (index) => bench.create(`told ${index}`));
  await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", MINUTE)));
  const all = await videoEvents(bench.engine.ledger);
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  const steps: readonly Status[] = ["queued", "submitting", "rendering", "downloading", "stored"];
  for (const { id } of videos) {
    const own = all.filter(({ video }) => video === id);
    expect(own.map(({ status }) => status)).toEqual(steps);
    expect(own.map(({ version }) => version)).toEqual(own.map(({ version }) => version).toSorted((a, b) => a - b));
  }
  // Replayed from any id, nothing is left out and nothing comes twice.
  const middle = all[10]?.id ?? "";
  const rest = await videoEvents(bench.engine.ledger, { after: middle });
  expect(rest).toEqual(all.slice(11));
});

test("promise 11: nothing stops silently", async () => {
  const bench = await aBench({ working: false });
  const videos = await many(10, (index) => bench.create(`silent ${index}`));
  await Promise.all(bench.engine.queues.all.map((queue) => queue.obliterate({ force: true })));
  const swept = recorded(bench.engine.facts, "swept");
  await bench.work();
  await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", MINUTE)));
  expect(new Set(swept.flatMap(({ reminded }) => reminded)).size).toBe(videos.length);
  expect(videos.every(({ status }) => !isFinal(status))).toBe(true);
});
