import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import type { BatchBody, BatchId, ClipBody, MicroUsd } from "@reelq/contract";
import { audit, type Caller, type Clock } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type NightBench, openNightBench } from "../support/night-bench.ts";
import { commitments, type NightEntry } from "../support/night-bill.ts";
import { startApp } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

/** In millionths of a US dollar. One model is served by both, for different prices; one is paid by the second. */
const accounts = {
  north: { atlas: { perClip: 213_457 }, brook: { perSecond: 120_503 } },
  south: { atlas: { perClip: 98_311 }, cedar: { perClip: 161_999 } },
} as const;
const dearest = accounts.north.brook.perSecond * 2;
const southCap = { usd: 500, micros: 500_000_000 };
const places = { north: 36, south: 28 } as const;
/** Until then a POST whose worker died may still be on its way. */
const timeouts = { createSeconds: 3 };
const entries = {
  north: { format: "json", timeouts, limits: { inFlight: places.north } },
  south: { format: "multipart", timeouts, limits: { inFlight: places.south }, budget: { totalUsd: southCap.usd } },
} as const;
const fates = { failing: 0.05, refusing: 0.01, throttleEvery: 120, renderMs: 250 };

const studio: Caller = { project: "studio", key: "studio-key", isAdmin: false };
const lab: Caller = { project: "lab", key: "lab-key", isAdmin: false };
const lines = { studio: 700, lab: 300 } as const;
const dayCap = { usd: 58, micros: 58_000_000 };
const firstBudget = { usd: 40, micros: 40_000_000 };
const raisedBudget = { usd: 60, micros: 60_000_000 };

/** The night in which Berlin's clocks go back: 21:30, and what the window `22:00-06:00` means in it and in the next. */
const bedtime = Date.UTC(2026, 9, 24, 19, 30);
const midnight = Date.UTC(2026, 9, 24, 22);
const windows = [
  { opensAt: Date.UTC(2026, 9, 24, 20), closesAt: Date.UTC(2026, 9, 25, 5) },
  { opensAt: Date.UTC(2026, 9, 25, 21), closesAt: Date.UTC(2026, 9, 26, 5) },
] as const;
const nextMorning = Date.UTC(2026, 9, 26, 9);

/** One in two may be rendered at either account. */
const models = ["atlas", "brook", "atlas", "cedar"];

/** @param longer every other four lines ask for two seconds, the others for one */
const manifest = (project: "studio" | "lab", longer: boolean): string =>
  Array.from({ length: lines[project] }, (_, index) =>
    JSON.stringify({
      id: `shot-${index + 1}`,
      prompt: `${project}: shot number ${index + 1} of the night`,
      model: models[index % models.length],
      seconds: longer && index % 8 > 3 ? 2 : 1,
    }),
  ).join("\n");
const manifests = { studio: manifest("studio", false), lab: manifest("lab", true) };

const of =
  (project: "studio" | "lab") =>
  ({ prompt }: NightEntry): boolean =>
    prompt.startsWith(`${project}:`);

/** Runs on, and is put forward. */
interface NightClock extends Clock {
  skipTo(ms: number): void;
}

function nightClock(): NightClock {
  let aheadMs = bedtime - Date.now();
  const now = (): number => Date.now() + aheadMs;
  return {
    now,
    skipTo(ms) {
      if (ms < now()) throw new Error(`It is ${new Date(now()).toISOString()} already.`);
      aheadMs += ms - now();
    },
  };
}

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const underWay = ({ reelq: { counts } }: BatchBody): number =>
  counts.submitting + counts.in_doubt + counts.rendering + counts.downloading;

/** As the worker wrote it when the batch had ended. */
async function reportOf(id: string, { storage }: NightBench): Promise<{ batch: BatchBody; clips: ClipBody[] }> {
  const file = await storage.get(`batches/${id}/report.json`);
  if (!file) throw new Error(`There is no report of ${id}.`);
  return JSON.parse(await text(file.body)) as { batch: BatchBody; clips: ClipBody[] };
}

const chargedIn = ({ clips }: { readonly clips: readonly ClipBody[] }): MicroUsd =>
  clips.reduce((sum, { money }) => sum + money.charged, 0);

/** Each stored clip's file, byte by byte what the upstream made of its prompt. */
async function expectWholeFiles(clips: readonly ClipBody[], { storage, upstream }: NightBench): Promise<void> {
  const wrong: string[] = [];
  for (const { custom_id: customId, prompt, file } of clips.filter(({ status }) => status === "stored")) {
    const stored = file && (await storage.get(file.key));
    const sha256 =
      stored &&
      createHash("sha256")
        .update(await buffer(stored.body))
        .digest("hex");
    if (!file || sha256 !== file.sha256 || !upstream.filesOf(prompt).includes(sha256)) wrong.push(customId);
  }
  expect(wrong).toEqual([]);
}

describe("a night of 1,000 clips, in which a worker dies, a window closes and two budgets are reached", () => {
  const clock = nightClock();
  let night: NightBench;
  let ids: Readonly<Record<"studio" | "lab", string>>;
  /** Prompts of clips that were let go into their lanes before the window opened. */
  let early: ReadonlySet<string>;
  let raisedAt = Number.POSITIVE_INFINITY;
  let [left, looseAtClosing] = [0, 0];

  const read = (project: "studio" | "lab"): Promise<BatchBody> => night.read(ids[project]);
  const isOver = async (id: string): Promise<boolean> => (await night.read(id)).reelq.state === "completed";

  beforeAll(async () => {
    night = await openNightBench(redis, {
      clock,
      accounts,
      entries,
      ...fates,
      projects: { studio: { budget: { perDayUsd: dayCap.usd }, weight: 1 } },
      budget: { timeZone: "Europe/Berlin" },
    });
    const { bill, upstream, engine } = night;
    const evening = await night.startWorker("evening");
    await night.startWorker("late");

    // 21:30. The window of one is closed; the other has none.
    ids = {
      studio: await night.order(manifests.studio, { window: "22:00-06:00 Europe/Berlin" }, studio),
      lab: await night.order(manifests.lab, { budget_usd: firstBudget.usd }, lab),
    };
    await night.when(() => bill.count("charged", of("lab")) >= 10, "some of the lab's were rendered");

    const waiting = await Promise.all(
      engine.fleet.lanes.map((lane) => engine.redis.zrange(engine.keys.waiting(lane), "0", "-1")),
    );
    const inLanes = new Set(waiting.flat());
    early = new Set((await night.clips(ids.lab)).flatMap((clip) => (inLanes.has(clip.video_id) ? [clip.prompt] : [])));

    // 22:00. Both wait for the same lanes; the worker dies that has just sent a POST.
    clock.skipTo(windows[0].opensAt);
    const death = Promise.withResolvers<void>();
    const listen = (entry: NightEntry): void => {
      if (entry.kind !== "asked" || entry.worker !== "evening" || bill.count("asked", of("studio")) < 60) return;
      bill.events.off("entry", listen);
      evening.kill().then(death.resolve, death.reject);
    };
    bill.events.on("entry", listen);
    await night.when(async () => (await read("lab")).reelq.state === "paused", "the lab's budget was used up");
    await death.promise;
    const isUsedUp = async (): Promise<boolean> => {
      if (bill.running() > 0) return false;
      const batches = await Promise.all([read("studio"), read("lab")]);
      return batches.every((batch) => batch.reelq.reason?.code === "budget" && underWay(batch) === 0);
    };
    await night.when(isUsedUp, "the lab's budget and the studio's of the day were used up");

    // Midnight: a new day's budget.
    const sent = bill.count("asked", of("studio"));
    clock.skipTo(midnight);
    await night.when(() => bill.count("asked", of("studio")) >= sent + 30, "the studio's went on");
    await night.pause(ids.studio);
    await night.when(async () => underWay(await read("studio")) === 0, "what was sent of the studio's was stored");

    // 05:59 in winter time. All lanes rest when the window closes, with clips in them that were let go before.
    clock.skipTo(windows[0].closesAt - 60_000);
    const before = bill.entries.length;
    await night.resume(ids.studio);
    await night.when(() => bill.entries.slice(before).some(({ kind }) => kind === "charged"), "the studio's went on");
    upstream.crowd(2);
    const areResting = async (): Promise<boolean> => {
      const lanes = (await engine.ledger.laneStates(engine.fleet.lanes)).filter(({ waiting }) => waiting > 0);
      const isResting = lanes.length > 0 && lanes.every(({ rest }) => (rest?.waitMs ?? 0) > 500);
      return isResting && (await read("studio")).reelq.counts.submitting === 0;
    };
    await night.when(areResting, "every lane rested in which something waits");
    looseAtClosing = Number(await engine.redis.hget(engine.keys.batch(ids.studio as BatchId), "loose"));
    clock.skipTo(windows[0].closesAt + 1_000);
    upstream.crowd(undefined);

    // The day: a raised budget, and a closed window.
    raisedAt = bill.entries.length;
    await night.change(ids.lab, { budget_usd: raisedBudget.usd });
    await night.when(() => isOver(ids.lab), "the lab's were done");
    await night.when(async () => underWay(await read("studio")) === 0, "what was sent of the studio's was stored");
    left = (await read("studio")).reelq.counts.queued;

    // The next night.
    clock.skipTo(windows[1].opensAt - 1_000);
    await night.when(() => isOver(ids.studio), "the studio's were done");
  }, 180_000);
  afterAll(() => night.close());

  test("ends with every clip stored or failed, and the window's rest was carried to the next night", async () => {
    const { bill } = night;
    expect(left).toBeGreaterThan(0);
    for (const project of ["studio", "lab"] as const) {
      const { counts } = (await read(project)).reelq;
      const failed = bill.count("free", of(project)) + bill.count("refused", of(project));
      expect(counts).toMatchObject({ total: lines[project], stored: lines[project] - failed, failed });
      expect(failed).toBeGreaterThan(lines[project] * 0.02);
    }
  });

  test("is charged at the upstream what the reports say and what the ledger says, to the micro-dollar", async () => {
    const { bill } = night;
    for (const project of ["studio", "lab"] as const) {
      const report = await reportOf(ids[project], night);
      expect(chargedIn(report)).toBe(bill.total(of(project)));
      expect(report.batch.reelq.money).toMatchObject({ reserved: 0, charged: bill.total(of(project)), unknown: 0 });
    }
    const { money } = await audit(night.engine, false);
    expect(money).toEqual({ reserved: 0, charged: bill.total(), unknown: 0, isProven: true });
  });

  test("pays no clip twice, though a worker died with a POST on the wire", async () => {
    const tasks = Map.groupBy(
      night.bill.entries.filter(({ kind }) => kind === "began"),
      ({ prompt }) => prompt,
    );
    expect([...tasks].filter(([, { length }]) => length > 1)).toEqual([]);
    const { videos } = await night.engine.ledger.list({ limit: 1_000, order: "asc" });
    expect(videos.some(({ setbacks }) => setbacks.doubts > 0)).toBe(true);
  });

  test("passes no cap at any time, and reaches two", () => {
    const { bill } = night;
    const raised = bill.entries[raisedAt]?.machineMs ?? 0;
    const sums = [...commitments(bill, of("lab"))];
    const before = sums.filter(({ entry }) => entry.machineMs < raised).map(({ micros }) => micros);
    const peak = Math.max(...before);
    expect(peak).toBeLessThanOrEqual(firstBudget.micros);
    expect(peak).toBeGreaterThan(firstBudget.micros - dearest);
    expect(Math.max(...sums.map(({ micros }) => micros))).toBeLessThanOrEqual(raisedBudget.micros);

    const isToday = ({ at }: NightEntry): boolean => at < midnight;
    const [today, tomorrow] = [isToday, (entry: NightEntry) => !isToday(entry)].map((isThen) =>
      Math.max(...[...commitments(bill, (entry) => of("studio")(entry) && isThen(entry))].map(({ micros }) => micros)),
    );
    expect(today).toBeLessThanOrEqual(dayCap.micros);
    expect(today).toBeGreaterThan(dayCap.micros - dearest);
    expect(tomorrow).toBeLessThanOrEqual(dayCap.micros);

    const south = [...commitments(bill, ({ account }) => account === "south")].map(({ micros }) => micros);
    expect(Math.max(...south)).toBeLessThanOrEqual(southCap.micros);
  });

  test("sends nothing while the window is closed", () => {
    expect(looseAtClosing).toBeGreaterThan(0);
    const asked = night.bill.entries.filter((entry) => entry.kind === "asked" && of("studio")(entry));
    const isInside = ({ at }: NightEntry): boolean =>
      windows.some(({ opensAt, closesAt }) => at >= opensAt && at < closesAt);
    expect(asked.filter((entry) => !isInside(entry)).map(({ at }) => new Date(at).toISOString())).toEqual([]);
    for (const { opensAt, closesAt } of windows)
      expect(asked.some(({ at }) => at >= opensAt && at < closesAt)).toBe(true);
  });

  test("never has more renders at an account than it has places", () => {
    for (const [account, most] of Object.entries(places)) {
      const running = [...commitments(night.bill, (entry) => entry.account === account)].map((one) => one.running);
      expect(Math.max(...running)).toBeLessThanOrEqual(most);
      expect(Math.max(...running)).toBeGreaterThan(most / 2);
    }
  });

  test("shares each lane out while both projects wait for it", () => {
    const { bill } = night;
    // Until the lab can pay for no more than a few.
    const last = [...commitments(bill, of("lab"))].find(({ micros }) => micros > firstBudget.micros - 5 * dearest);
    const contention = bill.entries.slice(0, last && bill.entries.indexOf(last.entry));
    const lanes = Map.groupBy(
      contention.filter(({ kind, prompt }) => kind === "asked" && !early.has(prompt)),
      ({ account, model }) => `${account}/${model}`,
    );
    const together = [...lanes].map(([lane, asked]) => [lane, asked.slice(asked.findIndex(of("studio")))] as const);
    // Some dozens are let go at once, in any order: fewer say little.
    const busy = together.filter(([, asked]) => asked.length >= 48);
    expect(busy.length).toBeGreaterThan(0);
    for (const [lane, asked] of busy) {
      const share = asked.filter(of("studio")).length / asked.length;
      expect(share, lane).toBeGreaterThan(0.3);
      expect(share, lane).toBeLessThan(0.7);
    }
  });

  test("has every stored clip's file, whole", async () => {
    for (const project of ["studio", "lab"] as const) await expectWholeFiles(await night.clips(ids[project]), night);
  });

  test("posts only what failed when the manifests are ordered again, and then nothing", async () => {
    const { bill } = night;
    clock.skipTo(nextMorning);
    const again = async (): Promise<{ began: number; asked: number; reused: number; stored: number }> => {
      const before = { began: bill.count("began"), asked: bill.count("asked") };
      const orders = [await night.order(manifests.studio, {}, studio), await night.order(manifests.lab, {}, lab)];
      for (const id of orders) await night.when(() => isOver(id), `${id} was done`);
      const counts = (await Promise.all(orders.map(night.read))).map(({ reelq }) => reelq.counts);
      return {
        began: bill.count("began") - before.began,
        asked: bill.count("asked") - before.asked,
        reused: counts.reduce((sum, { reused }) => sum + reused, 0),
        stored: counts.reduce((sum, { stored }) => sum + stored, 0),
      };
    };
    const failed = bill.count("free") + bill.count("refused");
    expect(await again()).toMatchObject({ began: failed, reused: 1_000 - failed, stored: 1_000 });
    expect(await again()).toEqual({ began: 0, asked: 0, reused: 1_000, stored: 1_000 });
  });

  test("is found sound by the audit, with its money proven", async () => {
    const { findings, money } = await audit(night.engine, false);
    expect(findings).toEqual([]);
    expect(money).toEqual({ reserved: 0, charged: night.bill.total(), unknown: 0, isProven: true });
  });
});

test("a worker process killed with -9 in the middle of a batch costs nothing, and the report says so", async () => {
  const night = await openNightBench(redis, { clock: { now: Date.now }, accounts, entries, ...fates });
  onTestFinished(() => night.close());
  const [victim, other] = await Promise.all(
    ["victim", "other"].map(async (name) => {
      const file = join(night.folder, `${name}.yaml`);
      // JSON is YAML too.
      await writeFile(file, JSON.stringify(night.config(name)));
      const env = {
        REDIS_URL: redis.url,
        REELQ_CONFIG: file,
        STORAGE_URL: `file:${night.folder}`,
        REELQ_CONCURRENCY: "16",
      };
      const app = startApp("worker", { args: [`--prefix=${night.prefix}`], env });
      onTestFinished(() => void app.kill("SIGKILL"));
      await app.ready;
      return app;
    }),
  );
  const { bill } = night;
  const death = Promise.withResolvers<unknown>();
  const listen = (entry: NightEntry): void => {
    if (entry.kind !== "asked" || entry.worker !== "victim" || bill.count("asked") < 40) return;
    bill.events.off("entry", listen);
    victim?.kill("SIGKILL").then(death.resolve, death.reject);
  };
  bill.events.on("entry", listen);
  const id = await night.order(manifests.lab, { budget_usd: raisedBudget.usd }, lab);
  await death.promise;
  await night.when(async () => (await night.read(id)).reelq.state === "completed", "the rest was done");

  const report = await reportOf(id, night);
  const failed = bill.count("free") + bill.count("refused");
  expect(report.batch.reelq.counts).toMatchObject({ total: lines.lab, stored: lines.lab - failed, failed });
  expect(chargedIn(report)).toBe(bill.total());
  expect(bill.count("began")).toBe(lines.lab - bill.count("refused"));
  await expectWholeFiles(report.clips, night);
  const { findings, money } = await audit(night.engine, false);
  expect(findings).toEqual([]);
  expect(money).toEqual({ reserved: 0, charged: bill.total(), unknown: 0, isProven: true });
  expect(await other?.kill("SIGTERM")).toBe(0);
});
