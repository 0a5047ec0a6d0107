import { once } from "node:events";
import type { VideoId, VideoIn } from "@reelq/contract";
import { reminderId } from "@reelq/engine";
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import {
  type Bench,
  type BenchOptions,
  movableClock,
  type MovableClock,
  openBench,
  skipWaits,
} from "../support/engine.ts";
import { recorded, until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { inFlightOf } from "../support/video.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

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

/** A bench where no look has to be waited for, and that says what time it is there. */
async function openTimeless(
  context: TestContext,
  options: BenchOptions = {},
): Promise<Bench & { clock: MovableClock }> {
  const clock = movableClock();
  const bench = await open(context, { ...options, clock, working: false });
  context.onTestFinished(await skipWaits(bench.engine, clock));
  await bench.work();
  return { ...bench, clock };
}

describe.concurrent("a look that is missed", () => {
  const blips = [
    { do: "html", with: { status: 502 } },
    { do: "status", with: { status: 500 } },
    { do: "status", with: { status: 503, body: "upstream connect error" } },
    { do: "reset" },
    { do: "lose_reply" },
    { do: "garbage" },
    { do: "hang" },
    { do: "json_error" },
    { do: "throttle", with: { retryAfterSeconds: 1 } },
    { do: "status", with: { status: 404 } },
    // An error body that could be mistaken for a task that failed.
    { do: "status", with: { status: 502, body: { id: "req_1", status: "error", error: { message: "bad gateway" } } } },
    { do: "status", with: { status: 200, body: { status: "failed" } } },
  ] as const;
  test("only delays, whatever it was: every render is stored", async (context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: { lookMs: 300 } });
    for (const [index, blip] of blips.entries())
      bench.simulator.addFault({ on: "retrieve", prompt: `<${index}>`, times: 2, ...blip });
    const videos = await Promise.all(blips.map((_, index) => bench.create(`blip <${index}>`)));

    const stored = await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", 40_000)));

    for (const [index, { setbacks, attempts }] of stored.entries()) {
      expect(setbacks.missedLooks, JSON.stringify(blips[index])).toBe(2);
      expect(attempts).toHaveLength(1);
    }
    expect(bench.simulator.posts()).toHaveLength(blips.length);
  });

  test("is no failure even when a hundred come in a row", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    bench.simulator.addFault({ on: "retrieve", do: "html", times: 100 });
    const { id } = await bench.create("patience");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.missedLooks).toBe(100);
    expect(stored.looks.count).toBeGreaterThan(100);
  });

  test("by an account that refuses is told, and the render is stored once it is repaired", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    bench.simulator.addFault({ on: "retrieve", do: "status", times: 3, with: { status: 401 } });
    const stopped = recorded(bench.engine.facts, "accountStopped");
    const { id } = await bench.create("paid already");

    await bench.reach(id, "stored");

    expect(stopped.map(({ code }) => code)).toEqual(["invalid_api_key", "invalid_api_key", "invalid_api_key"]);
  });
});

describe.concurrent("a status word", () => {
  test("that nobody knows means running, and is told once", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    bench.simulator.addFault({ on: "retrieve", do: "word", times: 4, with: { word: "marinating" } });
    const words = recorded(bench.engine.facts, "unknownWord");
    const videos = [await bench.create("one"), await bench.create("two")];

    for (const { id } of videos) await bench.reach(id, "stored");

    expect(words.map(({ word }) => word)).toEqual(["marinating"]);
  });

  test("for failure ends the video with the upstream's own code and message", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { simulator, engine } = bench;
    simulator.addFault({
      on: "create",
      do: "fail_task",
      prompt: "ends",
      with: { code: "gpu_lost", message: "It melted." },
    });
    simulator.addFault({ on: "retrieve", do: "fail_task", prompt: "rude", with: { code: "moderation_blocked" } });
    simulator.addFault({
      on: "retrieve",
      do: "patch",
      prompt: "served with a 500",
      with: { status: 500, body: { status: "failed", error: "out of memory" } },
    });
    simulator.addFault({ on: "retrieve", do: "patch", prompt: "expired", with: { body: { status: "expired" } } });
    const ask = async (prompt: string) => bench.reach((await bench.create(prompt)).id, "failed");

    const failed = await Promise.all(["ends", "rude", "served with a 500", "expired"].map(ask));

    expect(failed.map(({ failure }) => failure)).toMatchObject([
      { class: "render_failed", code: "gpu_lost", message: "It melted." },
      { class: "moderated", code: "moderation_blocked" },
      { class: "render_failed", message: "out of memory" },
      { class: "lost_to_expiry" },
    ]);
    for (const { task, lane } of failed) {
      expect(task?.id).toBeDefined();
      expect(await inFlightOf(engine.ledger, lane)).toBe(0);
    }
  });
});

describe.concurrent("a task that the upstream does not know", () => {
  test("is looked for again: a server may remember", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    bench.simulator.addFault({ on: "retrieve", do: "status", times: 4, with: { status: 404 } });
    const { id } = await bench.create("forgotten for a while");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.missedLooks).toBe(4);
    expect(stored.looks.notFound).toBe(0);
  });

  test("is lost after several looks in a row over minutes, and not sooner", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context, { simulator: { renderMs: 10 * MINUTE } });
    const misses = recorded(bench.engine.facts, "waited");
    const { id } = await bench.create("gone");
    await until(bench.engine.facts, "moved", ({ video }) => video.status === "rendering", "it renders");
    bench.simulator.restart({ forget: true });

    const lost = await bench.reach(id, "failed");

    expect(lost.failure.class).toBe("task_lost");
    const [first] = misses.filter(({ note }) => note.startsWith("not found")).map(({ video }) => video);
    const since = (first as VideoIn<"rendering">).looks.notFoundSince ?? 0;
    expect(lost.failedAt - since).toBeGreaterThanOrEqual(5 * MINUTE);
    expect(lost.setbacks.missedLooks).toBeGreaterThanOrEqual(4);
    // Whether it was paid nobody knows, so it is not sent again by itself.
    expect(bench.simulator.posts()).toHaveLength(1);
  });

  test("starts anew with each look that finds it", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    const { simulator } = bench;
    for (let round = 0; round < 4; round += 1) {
      simulator.addFault({ on: "retrieve", do: "status", times: 4, with: { status: 404 } });
      simulator.addFault({ on: "retrieve", do: "word", times: 1 });
    }
    const { id } = await bench.create("flickering");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.missedLooks).toBe(16);
  });
});

describe.concurrent("a render without an end", () => {
  test.for([
    { said: "still running", fault: undefined },
    { said: "nothing readable", fault: { on: "retrieve", do: "html", times: 0 } as const },
  ])("is given up after a day: $said", async ({ fault }, context) => {
    const { expect } = context;
    const clock = movableClock();
    const bench = await open(context, { clock, simulator: { renderMs: 100 * HOUR } });
    const { id } = await bench.create("endless");
    await bench.reach(id, "rendering");
    if (fault) bench.simulator.addFault(fault);

    clock.skip(23 * HOUR);
    await until(bench.engine.facts, "waited", ({ video }) => video.status === "rendering", "one more look");
    const queue = bench.engine.queues.queueFor(await bench.read(id))!;
    await expect.poll(() => queue.getDelayedCount()).toBe(1);
    clock.skip(2 * HOUR);
    await queue.promoteJobs();

    const given = await bench.reach(id, "failed");
    expect(given.failure.class).toBe("given_up");
    expect(given.task?.id).toBe(bench.simulator.tasks()[0]?.["id"]);
  });
});

describe.concurrent("a look that finds it running", () => {
  const idsIn = async ({ engine }: Bench): Promise<unknown[]> => {
    const poll = engine.queues.all.find(({ name }) => name === "poll")!;
    const jobs = await poll.getJobs(["delayed", "waiting", "active", "completed", "failed"]);
    return jobs.map(({ id }) => id);
  };
  const looked = ({ engine }: Bench, id: VideoId, times: number) =>
    until(
      engine.facts,
      "waited",
      ({ video }) => video.id === id && video.status === "rendering" && video.looks.count >= times,
      `${times} looks at ${id}`,
    );

  test("keeps its reminder for the next one, until the render is done", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context, { simulator: { renderMs: 600_000 } });
    const stale = recorded(bench.engine.facts, "staleReminder");
    const { id } = await bench.create("patience");
    const begun = await bench.reach(id, "rendering");

    await looked(bench, id, 3);
    const video = await bench.read(id);

    expect(video.version).toBeGreaterThanOrEqual(begun.version + 3);
    expect(video.reminder).toBe(begun.reminder);
    expect(await idsIn(bench)).toEqual([reminderId(begun)]);

    bench.simulator.complete();
    const stored = await bench.reach(id, "stored");
    expect(stored.reminder).toBe(stored.version);
    expect(await idsIn(bench)).toEqual([]);
    expect(stale).toEqual([]);
  });

  test("because of a copy of its reminder leaves one, and no copy", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { renderMs: 600_000 } });
    const { id } = await bench.create("copied");
    const begun = await bench.reach(id, "rendering");
    const poll = bench.engine.queues.queueFor(begun)!;

    const next = looked(bench, id, 3);
    const copy = { name: "copy", data: { video: id, version: begun.reminder } };
    await poll.addBulk(Array.from({ length: 5 }, () => copy));
    // Under its very id, where another stage works.
    const download = bench.engine.queues.all.find(({ name }) => name === "download")!;
    await download.add("copy", {}, { jobId: reminderId(begun) });
    await next;

    const now = await bench.read(id);
    expect(now.reminder).toBeGreaterThan(begun.reminder);
    expect((await idsIn(bench)).filter((job) => job !== reminderId(begun))).toEqual([reminderId(now)]);
    expect(await download.getJobCountByTypes("delayed", "waiting", "active")).toBe(0);
  });

  test("while somebody else looked because of the same reminder leaves it for the next one", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { renderMs: 600_000 }, timeouts: { lookMs: 500 } });
    const { facts, ledger } = bench.engine;
    const swept = recorded(facts, "swept");
    bench.simulator.addFault({ on: "retrieve", do: "hang", times: 1 });
    const fenced = until(facts, "fenced", () => true, "a look that came second");
    const hanging = once(bench.simulator, "look");
    const { id } = await bench.create("looked at twice");
    await hanging;

    const before = (await bench.read(id)) as VideoIn<"rendering">;
    const looks = { ...before.looks, count: before.looks.count + 1 };
    const advance = await ledger.advance(
      before,
      { ...before, looks, dueAt: Date.now() + 700 },
      { keepsReminder: true },
    );
    expect(advance.kind).toBe("moved");
    expect(await fenced).toMatchObject({ id, version: before.version });
    bench.simulator.complete();

    const stored = await bench.reach(id, "stored");
    expect(stored.looks.count).toBeGreaterThan(looks.count);
    expect(swept).toEqual([]);
  });
});
