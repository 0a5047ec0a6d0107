import { once } from "node:events";
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import { type Bench, type BenchOptions, openBench } from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open({ onTestFinished }: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const bench = await openBench(redis, options);
  onTestFinished(() => bench.close());
  return bench;
}

const endlessMs = 600_000;

describe.concurrent("a worker that is closed", () => {
  test("ends what it is at, and takes nothing new", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const { simulator } = bench;
    simulator.addFault({ on: "create", do: "slow", late: true, with: { ms: 500 } });
    const worker = await bench.work();
    const sent = until(bench.engine.facts, "moved", ({ video }) => video.status === "submitting", "the intent");
    const first = await bench.create("first");
    await sent;

    await worker.close(10_000);
    const second = await bench.create("second");

    expect(await bench.read(first.id)).toMatchObject({ status: "rendering", setbacks: { doubts: 0 } });
    expect(await bench.read(second.id)).toMatchObject({ status: "queued" });
    await bench.work();
    await Promise.all([first, second].map(({ id }) => bench.reach(id, "stored")));
    expect(simulator.posts()).toHaveLength(2);
  });

  test("and has no more time leaves its downloads to the next one, nothing half stored", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false, simulator: { minimumBytes: 500_000 } });
    const { simulator, engine } = bench;
    simulator.addFault({ on: "content", do: "slow", with: { bytesPerSecond: 20_000 } });
    const worker = await bench.work();
    const { id } = await bench.create("slow");
    await bench.reach(id, "downloading");
    await expect.poll(() => simulator.looks().contentsOpen).toBe(1);
    const broken = once(simulator, "content");

    await worker.close(100);

    expect((await broken)[0]).toMatchObject({ whole: false });
    const key = `${new Date((await bench.read(id)).createdAt).toISOString().slice(0, 10).replaceAll("-", "/")}/${id}.mp4`;
    expect(await engine.storage.head(key)).toBeUndefined();
    await bench.work();
    const stored = await bench.reach(id, "stored");
    expect(await bench.file(stored.file.key)).toHaveLength(stored.file.bytes);
    expect(stored.file.key).toBe(key);
  });

  test("and has no more time leaves a POST without a reply in doubt, and the next one adopts its task", async (context) => {
    const { expect } = context;
    const bench = await open(context, { working: false });
    const { simulator } = bench;
    simulator.addFault({ on: "create", do: "hang", late: true });
    const worker = await bench.work();
    const posted = once(simulator, "post");
    const { id } = await bench.create("held");
    await posted;

    await worker.close(100);

    expect(await bench.read(id)).toMatchObject({ status: "submitting" });
    await bench.work();
    const stored = await bench.reach(id, "stored");
    expect(stored.attempts).toMatchObject([{ outcome: "adopted" }]);
    expect(simulator.tasks()).toHaveLength(1);
  });
});

describe.concurrent("stages side by side", () => {
  test("submits that hang hold up no render and no download", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { renderMs: endlessMs } });
    const { simulator } = bench;
    const paid = await bench.create("paid");
    await bench.reach(paid.id, "rendering");
    simulator.addFault({ on: "create", do: "hang", times: 0 });
    const posted = once(simulator, "post");
    await Promise.all(Array.from({ length: 30 }, (_, index) => bench.create(`hangs ${index}`)));
    await posted;

    simulator.complete();

    await bench.reach(paid.id, "stored");
    expect(simulator.posts().length).toBeLessThan(31);
  });

  test("a silent worker that lives is not taken for dead: its POST is nobody else's to judge", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator, engine } = bench;
    // Longer than grace, lock and look at an overdue intent; shorter than the POST may take.
    simulator.addFault({ on: "create", do: "slow", late: true, with: { ms: 8_000 } });
    const waits = recorded(engine.facts, "waited");
    await bench.work();
    const { id } = await bench.create("slow upstream");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.doubts).toBe(0);
    expect(stored.attempts).toMatchObject([{ outcome: "accepted" }]);
    expect(waits.filter(({ video }) => video.status === "in_doubt")).toEqual([]);
    expect(simulator.posts()).toHaveLength(1);
  });
});
