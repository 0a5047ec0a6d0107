import { sayUsd } from "@reelq/contract";
import { audit, foldJournal } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BatchBench, openBatchBench, tinyLines, tinyPrice } from "../support/batches.ts";
import { caller } from "../support/engine.ts";
import { until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let bench: BatchBench;

beforeAll(async () => {
  redis = await startRedis();
  bench = await openBatchBench(redis);
  bench.simulator.addFault({ on: "create", do: "status", times: 0, prompt: "Nobody renders", with: { status: 400 } });
  bench.simulator.addFault({ on: "create", do: "fail_task", times: 0, prompt: "A forbidden house" });
});
afterAll(async () => {
  await bench.close();
  await redis.stop();
});

/** POSTs that the upstream saw with this in their prompts. */
const postsWith = (text: string): number =>
  bench.simulator.posts().filter(({ prompt }) => prompt?.includes(text)).length;

const anew = (count: number): string => tinyLines(count, { seconds: 2 }).replaceAll("Shot number", "Again shot");

const line = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify(fields);

describe.concurrent("a batch", () => {
  test("renders every line, and says what it cost", async () => {
    const { id } = await bench.order(tinyLines(20).replaceAll("Shot number", "Whole shot"));
    const batch = await bench.over(id);
    expect(batch.reelq.state).toBe("completed");
    expect(batch.reelq.counts).toMatchObject({ total: 20, stored: 20, failed: 0 });
    expect(batch.reelq.money).toEqual({ estimated: 20 * tinyPrice, reserved: 0, charged: 20 * tinyPrice, unknown: 0 });
    const clips = await bench.clips(id);
    expect(clips.map(({ custom_id: customId }) => customId)).toEqual(
      Array.from({ length: 20 }, (_, index) => `shot-${index + 1}`),
    );
    expect(clips.every(({ money }) => money.charged === tinyPrice)).toBe(true);
    const inOrder = { limit: 15, order: "asc" as const, batch: id };
    const page = await bench.producer.list(inOrder, caller);
    expect(page.hasMore).toBe(true);
    const rest = await bench.producer.list({ ...inOrder, after: page.videos.at(-1)?.id }, caller);
    expect([...page.videos, ...rest.videos].map((video) => video.id)).toEqual(clips.map((clip) => clip.video_id));
    const [last] = (await bench.producer.list({ ...inOrder, order: "desc", statuses: ["stored"] }, caller)).videos;
    expect(last?.id).toBe(clips.at(-1)?.video_id);
    expect(batch.output_file_id).toMatch(/^file_/);
    expect(batch.error_file_id).toBeNull();
  });

  test("with a mistake in any line accepts none, and tells all of them", async () => {
    const lines = [
      line({ id: "a", prompt: "Wrong manifest a" }),
      line({ id: "a", prompt: "Wrong manifest b", seconds: 3 }),
      line({ id: "c", prompt: "Wrong manifest c", sise: "64x64" }),
      line({ id: "d", prompt: "Wrong manifest d", remix_of: "nobody" }),
      line({ id: "e", prompt: "Wrong manifest e", remix_of: "f" }),
      line({ id: "f", prompt: "Wrong manifest f", remix_of: "e" }),
      line({ id: "g", prompt: "Wrong manifest g", takes: 0 }),
      line({ id: "a", prompt: "Wrong manifest h" }),
      line({ id: "i", prompt: "Wrong manifest i", reference: "pictures/i.png" }),
      "{",
    ];
    const { id } = await bench.order(lines.join("\n"));
    const batch = await bench.over(id);
    expect(batch.reelq.state).toBe("failed");
    const told = batch.errors?.data.map(({ line: at, param }) => `${at} ${param ?? ""}`);
    expect(told).toEqual([
      "2 seconds",
      "2 id",
      "3 sise",
      "4 remix_of",
      "5 remix_of",
      "6 remix_of",
      "7 takes",
      "8 id",
      "9 reference",
      "10 ",
    ]);
    expect(batch.reelq.counts.total).toBe(0);
    expect(postsWith("Wrong manifest")).toBe(0);
  });

  test("renders again only what is new, changed or failed", async () => {
    const first = await bench.over((await bench.order(anew(4))).id);
    expect(first.reelq.counts).toMatchObject({ stored: 4, reused: 0 });
    const before = postsWith("Again shot");
    const again = await bench.over((await bench.order(anew(4))).id);
    expect(again.reelq.counts).toMatchObject({ total: 4, stored: 4, reused: 4 });
    expect(again.reelq.money.charged).toBe(0);
    expect(postsWith("Again shot")).toBe(before);
    const changed = await bench.over((await bench.order(anew(5))).id);
    expect(changed.reelq.counts).toMatchObject({ total: 5, stored: 5, reused: 4 });
    expect(postsWith("Again shot")).toBe(before + 1);
    const afresh = await bench.over((await bench.order(anew(2), { again: true })).id);
    expect(afresh.reelq.counts).toMatchObject({ stored: 2, reused: 0 });
    expect(postsWith("Again shot")).toBe(before + 3);
  });

  test("gives takes of a line, and of lines that ask for the same", async () => {
    const lines = [
      line({ id: "one", prompt: "A take of it", takes: 2 }),
      line({ id: "two", prompt: "A take of it" }),
    ].join("\n");
    const batch = await bench.over((await bench.order(lines)).id);
    expect(batch.reelq.counts).toMatchObject({ total: 3, stored: 3 });
    expect(postsWith("A take of it")).toBe(3);
    await bench.over((await bench.order(lines)).id);
    expect(postsWith("A take of it")).toBe(3);
  });

  test("remixes a clip once that is stored, wherever in the manifest it is", async () => {
    const { id } = await bench.order(
      [
        line({ id: "second", prompt: "The same at night", remix_of: "first" }),
        line({ id: "third", prompt: "And in the rain", remix_of: "second" }),
        line({ id: "first", prompt: "A house by day" }),
      ].join("\n"),
    );
    const batch = await bench.over(id);
    expect(batch.reelq.counts).toMatchObject({ total: 3, stored: 3 });
    const [second, third, first] = await bench.clips(id);
    expect(second?.remix_of).toBe(first?.video_id);
    expect(third?.remix_of).toBe(second?.video_id);
  });
});

describe.concurrent("what remixes a clip that fails", () => {
  const lines = (which: string) =>
    [
      line({ id: "source", prompt: `A forbidden house ${which}` }),
      line({ id: "remix", prompt: "The same at night", remix_of: "source" }),
    ].join("\n");

  test("is left out", async () => {
    const batch = await bench.over((await bench.order(lines("one"), { on_source_failure: "skip" })).id);
    expect(batch.reelq.counts).toMatchObject({ failed: 1, cancelled: 1, skipped: 1 });
  });

  test("fails too", async () => {
    const batch = await bench.over((await bench.order(lines("two"), { on_source_failure: "fail" })).id);
    expect(batch.reelq.counts).toMatchObject({ failed: 2, skipped: 0 });
    const [, remix] = await bench.clips(batch.id);
    expect(remix?.failure?.class).toBe("source_failed");
  });

  test("waits for a person", async () => {
    const { id } = await bench.order(lines("three"), { on_source_failure: "hold" });
    await until(
      bench.engine.facts,
      "waited",
      ({ video }) => video.batch?.id === id && video.status === "queued" && video.waiting?.reason === "dependency",
      "held",
    );
    const [source, remix] = await bench.clips(id);
    expect(source?.status).toBe("failed");
    expect(remix?.status).toBe("queued");
    const { retried } = await bench.batches.retry(id, { prompts: { source: "An allowed house" } }, caller);
    expect(retried).toBe(1);
    const batch = await bench.over(id);
    expect(batch.reelq.counts).toMatchObject({ stored: 2, failed: 0 });
    const [mended] = await bench.clips(id);
    expect(mended?.before).toEqual([source?.video_id]);
  });
});

describe.concurrent("money", () => {
  test("is never spent above a batch's budget; raising it goes on", async () => {
    const { id } = await bench.order(
      tinyLines(6, { prompt: "Within a budget" }).replaceAll('"prompt":"', '"prompt":"B '),
      {
        budget_usd: "0.35",
        name: "budgeted",
      },
    );
    const stopped = await bench.becomes(id, "paused");
    expect(stopped.reelq.reason).toMatchObject({ code: "budget" });
    await until(
      bench.engine.facts,
      "moved",
      ({ video }) => video.batch?.id === id && video.status === "stored",
      "one",
    ).catch(() => undefined);
    await bench.batches.change(id, { budget_usd: "1" }, caller);
    const batch = await bench.over(id);
    expect(batch.reelq.counts.stored).toBe(6);
    expect(sayUsd(batch.reelq.money.charged)).toBe("$0.60");
  });

  test("of failures that cost nothing is given back", async () => {
    const lines = tinyLines(3).replaceAll("Shot number", "Nobody renders");
    const batch = await bench.over((await bench.order(lines)).id);
    expect(batch.reelq.counts.failed).toBe(3);
    expect(batch.reelq.money).toMatchObject({ reserved: 0, charged: 0, unknown: 0 });
  });
});

describe("control", () => {
  test("pausing sends nothing more, and resuming goes on", async () => {
    const { id } = await bench.order(tinyLines(3).replaceAll("Shot", "Paused shot"));
    await bench.batches.pause(id, caller).catch(() => undefined);
    const known = await bench.becomes(id, "running", "paused");
    if (known.reelq.state === "running") await bench.batches.pause(id, caller);
    await bench.becomes(id, "paused");
    await bench.batches.resume(id, caller);
    const batch = await bench.over(id);
    expect(batch.reelq.counts.stored).toBe(3);
  });
});

describe.concurrent("what somebody else asked for too", () => {
  const closed = "Mon 00:00-00:01 Pacific/Kiritimati";

  test("is taken over from a batch that does not send, which then uses it", async () => {
    const lines = tinyLines(3).replaceAll("Shot number", "Wanted twice");
    const asleep = await bench.order(lines, { window: closed });
    await bench.becomes(asleep.id, "running");
    const batch = await bench.over((await bench.order(lines)).id);
    expect(batch.reelq.counts).toMatchObject({ stored: 3, reused: 0 });
    await bench.batches.change(asleep.id, { window: null }, caller);
    const awake = await bench.over(asleep.id);
    expect(awake.reelq.counts).toMatchObject({ total: 3, stored: 3, cancelled: 0 });
    expect(postsWith("Wanted twice")).toBe(3);
  });

  test("is rendered after all where that one gives it up", async () => {
    const lines = tinyLines(2).replaceAll("Shot number", "Given up");
    const first = await bench.order(lines, { window: closed });
    await bench.becomes(first.id, "running");
    const second = await bench.order(lines, { window: closed });
    await bench.becomes(second.id, "running");
    await bench.batches.change(first.id, { window: null }, caller);
    await until(
      bench.engine.facts,
      "moved",
      ({ video, note }) => video.batch?.id === first.id && note?.includes("rendered for the same clip") === true,
      "the first one shares",
    );
    await bench.batches.cancel(second.id, caller);
    await bench.over(second.id);
    expect((await bench.over(first.id)).reelq.counts).toMatchObject({ total: 2, stored: 2, cancelled: 0 });
  });

  test("is rendered once, through however many hands it goes", async () => {
    const lines = tinyLines(1).replaceAll("Shot number", "Lent on");
    const asleep = [await bench.order(lines, { window: closed }), await bench.order(lines, { window: closed })];
    for (const { id } of asleep) await bench.becomes(id, "running");
    const [one, two] = asleep;
    await bench.batches.change(one?.id ?? "", { window: null }, caller);
    await until(
      bench.engine.facts,
      "moved",
      ({ video, note }) => video.batch?.id === one?.id && note?.includes("rendered for the same clip") === true,
      "the first one shares",
    );
    await bench.over((await bench.order(lines)).id);
    await bench.batches.change(two?.id ?? "", { window: null }, caller);
    for (const { id } of asleep) expect((await bench.over(id)).reelq.counts).toMatchObject({ total: 1, stored: 1 });
    expect(postsWith("Lent on")).toBe(1);
  });

  test("may be deleted, and is rendered anew", async () => {
    const lines = tinyLines(1).replaceAll("Shot number", "Deleted");
    const { id } = await bench.over((await bench.order(lines)).id);
    const [clip] = await bench.clips(id);
    await bench.producer.remove(clip?.video_id ?? "", caller);
    expect((await bench.over((await bench.order(lines)).id)).reelq.counts).toMatchObject({ stored: 1, reused: 0 });
    expect(postsWith("Deleted")).toBe(2);
  });
});

test("chains and circles of remixes are judged at once, however long", async () => {
  const chain = (count: number, first: object) =>
    Array.from({ length: count }, (_, at) =>
      line({ id: `c${at}`, prompt: `Link ${at}`, ...(at === 0 ? first : { remix_of: `c${at - 1}` }) }),
    ).join("\n");
  const wrong = await bench.over((await bench.order(chain(3_000, { seconds: 7 }))).id);
  expect(wrong.errors?.data).toHaveLength(1);
  const circle = await bench.over((await bench.order(chain(3_000, { remix_of: "c2999" }))).id);
  expect(circle.errors?.data[0]?.message).toBe("This line remixes itself, by way of others.");
});

test("the audit finds nothing wrong after all of this", async () => {
  const { findings, money } = await audit(bench.engine, false);
  expect(findings).toEqual([]);
  expect(money.isProven).toBe(true);
});

test("a journal that is drawn together says the same", async () => {
  const { redis: client, keys } = bench.engine;
  await foldJournal(bench.engine, 3);
  expect(await client.xlen(keys.moneyJournal)).toBe(3);
  const { findings, money } = await audit(bench.engine, false);
  expect(findings).toEqual([]);
  expect(money.isProven).toBe(true);
});
