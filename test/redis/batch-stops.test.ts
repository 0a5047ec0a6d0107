import type { BatchBody, Video } from "@reelq/contract";
import { audit, openExplainer } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BatchBench, openBatchBench, tinyLines, tinyPrice } from "../support/batches.ts";
import { caller, movableClock, type MovableClock } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let clock: MovableClock;
let bench: BatchBench;

beforeAll(async () => {
  redis = await startRedis();
  clock = movableClock();
  bench = await openBatchBench(redis, { clock, places: 6 });
  const { simulator } = bench;
  simulator.addFault({ on: "create", do: "fail_task", times: 0, prompt: "that fails" });
  simulator.addFault({
    on: "content",
    do: "wrong_video",
    times: 0,
    prompt: "of another size",
    with: { size: "480x854" },
  });
});
afterAll(async () => {
  await bench.close();
  await redis.stop();
});

const postsWith = (text: string): number =>
  bench.simulator.posts().filter(({ prompt }) => prompt?.includes(text)).length;

/** `HH:MM` in UTC, so many minutes from now by the bench's clock. */
const timeIn = (minutes: number): string => new Date(clock.now() + minutes * 60_000).toISOString().slice(11, 16);

const shots = (count: number, what: string): string => tinyLines(count).replaceAll("Shot number", what);

const why = ({ reelq }: BatchBody): string | undefined => reelq.reason?.code;

describe.concurrent("canaries", () => {
  test("go first, and the rest only once their files are good", async ({ onTestFinished }) => {
    const { id } = await bench.order(shots(6, "Bird"), { canary: 2 });
    let sentBefore = 0;
    let stored = 0;
    const count = ({ video }: { video: Video }) => {
      if (video.batch?.id !== id) return;
      if (video.status === "stored") stored += 1;
      if (stored < 2) sentBefore = Math.max(sentBefore, postsWith("Bird"));
    };
    bench.engine.facts.on("moved", count);
    onTestFinished(() => void bench.engine.facts.off("moved", count));
    const batch = await bench.over(id);
    expect(batch.reelq.counts.stored).toBe(6);
    expect(batch.reelq.canary).toEqual({ count: 2, state: "passed" });
    expect(sentBefore).toBe(2);
  });

  test("that are not what was asked for pause the batch", async () => {
    const { id } = await bench.order(shots(4, "Fish of another size"), { canary: 1 });
    const batch = await bench.becomes(id, "paused");
    expect(why(batch)).toBe("canary");
    expect(postsWith("Fish of another size")).toBe(1);
    await bench.batches.cancel(id, caller);
    expect((await bench.over(id)).reelq.counts).toMatchObject({ stored: 1, cancelled: 3 });
  });
});

describe.concurrent("a batch stops itself", () => {
  test("after failures of one class in a row, and goes on when resumed", async () => {
    const lines = [shots(12, "A shot that fails"), shots(1, "A good end").replaceAll("shot-", "end-")].join("\n");
    const { id } = await bench.order(lines, { stop_after_failures: 3 });
    const batch = await bench.becomes(id, "paused");
    expect(batch.reelq.reason).toMatchObject({ code: "stop_loss", command: `reelq batch resume ${id}` });
    // Those that were on their way.
    expect(postsWith("A shot that fails")).toBeLessThanOrEqual(10);
    await bench.batches.change(id, { stop_after_failures: 0 }, caller);
    await bench.batches.resume(id, caller);
    const ended = await bench.over(id);
    expect(ended.reelq.counts).toMatchObject({ failed: 12, stored: 1 });
    expect(ended.reelq.money).toMatchObject({ charged: tinyPrice, unknown: 12 * tinyPrice });
  });

  test("after too much money without a stored file", async () => {
    const { id } = await bench.order(shots(8, "Money that fails"), {
      stop_after_failures: 0,
      stop_after_usd: "0.20",
    });
    const batch = await bench.becomes(id, "paused");
    expect(batch.reelq.reason?.message).toMatch(/^\$0\.[2-9]0 was spent without a stored file\.$/);
    await bench.batches.cancel(id, caller);
    await bench.over(id);
  });
});

describe("a window", () => {
  test("that is closed sends nothing; explain says when it opens", async () => {
    const { id } = await bench.order(shots(3, "Night"), { window: `${timeIn(60)}-${timeIn(120)} UTC` });
    await bench.becomes(id, "running");
    const [clip] = await bench.clips(id);
    const video = clip && (await bench.engine.ledger.read(clip.video_id as never));
    const said = video && (await openExplainer(bench.engine)(video));
    expect(said?.sentence).toMatch(/whose window .* opens in about/);
    expect(postsWith("Night")).toBe(0);
    clock.skip(61 * 60_000);
    const batch = await bench.over(id);
    expect(batch.reelq.counts.stored).toBe(3);
  });

  test("that closes for good gives up the rest", async () => {
    const { id } = await bench.order(shots(3, "Dusk"), {
      window: `${timeIn(-60)}-${timeIn(2)} UTC`,
      at_window_end: "expire",
      priority: 1,
    });
    await bench.becomes(id, "running");
    await bench.batches.pause(id, caller);
    clock.skip(4 * 60_000);
    const batch = await bench.over(id);
    expect(batch.reelq.state).toBe("expired");
    expect(why(batch)).toBe("window");
    expect(batch.status).toBe("expired");
  });
});

describe.concurrent("a person", () => {
  test("does without a line that failed", async () => {
    const { id } = await bench.order(
      [shots(1, "One that fails"), shots(1, "Another good one").replaceAll("shot-", "x-")].join("\n"),
    );
    const failed = await bench.over(id);
    expect(failed.reelq.counts).toMatchObject({ failed: 1, stored: 1 });
    const { waived } = await bench.batches.waive(id, ["shot-1"], caller);
    expect(waived).toBe(1);
    const batch = await bench.batches.read(id, caller);
    expect(batch.reelq.counts).toMatchObject({ failed: 0, waived: 1, stored: 1 });
    await expect(bench.batches.waive(id, ["nobody"], caller)).rejects.toThrow(/no line with the id "nobody"/);
  });

  test("has a failed line tried with another prompt, in a batch that was over", async () => {
    const { id } = await bench.order(shots(1, "A sentence that fails"));
    await bench.over(id);
    await bench.batches.retry(id, { prompts: { "shot-1": "A second sentence that fails" } }, caller);
    await bench.over(id);
    await bench.batches.retry(id, { prompts: { "shot-1": "A sentence that succeeds" } }, caller);
    const batch = await bench.over(id);
    expect(batch.reelq.counts).toMatchObject({ stored: 1, failed: 0 });
    expect(batch.reelq.money).toMatchObject({ charged: tinyPrice, unknown: 2 * tinyPrice });
    const again = await bench.over(
      (await bench.order(shots(1, "A sentence that fails").replace("that fails 1", "that succeeds"))).id,
    );
    expect(again.reelq.counts.reused).toBe(1);
  });

  test("may hand in the same manifest twice: it is rendered once", async () => {
    const lines = shots(5, "Twice the same");
    const [one, two] = await Promise.all([bench.order(lines), bench.order(lines)]);
    const [first, second] = await Promise.all([bench.over(one.id), bench.over(two.id)]);
    expect(first.reelq.counts.stored).toBe(5);
    expect(second.reelq.counts.stored).toBe(5);
    expect(postsWith("Twice the same")).toBe(5);
  });
});

test("a small batch does not wait for all of a large one", async () => {
  const [large, small] = await Promise.all([bench.order(shots(48, "Large")), bench.order(shots(3, "Small"))]);
  const over = await bench.over(small.id);
  expect(over.reelq.counts.stored).toBe(3);
  const rest = await bench.batches.read(large.id, caller);
  expect(rest.reelq.counts.stored).toBeLessThan(40);
  await bench.batches.cancel(large.id, caller);
  await bench.over(large.id);
});

test("the audit finds nothing wrong after all of this", async () => {
  const { findings, money } = await audit(bench.engine, false);
  expect(findings).toEqual([]);
  expect(money.isProven).toBe(true);
});
