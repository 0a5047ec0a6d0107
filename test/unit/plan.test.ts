import type { Lane } from "@reelq/contract";
import { expect, test } from "vitest";
import { type Finished, nothingLearned } from "../../packages/engine/src/learned.ts";
import { openPlan, type Plan } from "../../packages/engine/src/plan.ts";
import { someLane, someTime } from "../support/video.ts";

/** What the ledger was told. */
interface Written {
  readonly lane: Lane;
  readonly seconds: number;
  readonly lesson: Readonly<Record<string, number>>;
}

/** @param write what the ledger does with a lesson that it was told */
function aPlan(write: () => Promise<void> = () => Promise.resolve()): {
  readonly plan: Plan;
  readonly written: readonly Written[];
} {
  const written: Written[] = [];
  const ledger = {
    learned: () => Promise.resolve(nothingLearned),
    laneStates: () => Promise.resolve([]),
    learn(lane: Lane, seconds: number, lesson: Readonly<Record<string, number>>) {
      written.push({ lane, seconds, lesson });
      return write();
    },
  };
  const without = { inFlight: 0, perMinute: 0, looksPerSecond: 0 };
  const fleet = { catalogue: {}, limitsOf: () => ({ lane: without, account: without }) };
  return { plan: openPlan(ledger, fleet, { now: () => someTime }, () => 0), written };
}

const lasted = (ms: number): Finished => ({ earliestMs: ms, latestMs: ms, readings: [] });
const [short, long] = [lasted(20_000), lasted(200_000)];

/** Whether it has settled by the end of this turn of the event loop. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(resolve, "turn"));
  return (await Promise.race([promise.then(() => "settled"), turn])) === "settled";
}

test("lessons of one lane and length that come together are written once, with their sums", async () => {
  const { plan, written } = aPlan();
  await Promise.all([short, long, short].map((finished) => plan.learn(someLane, { seconds: 10 }, finished)));
  expect(written).toHaveLength(1);
  expect(written[0]).toMatchObject({ lane: someLane, seconds: 10 });
  expect(written[0]?.lesson["n"]).toBe(3);
  expect(Object.values(written[0]?.lesson ?? {}).toSorted((one, other) => one - other)).toEqual([1, 2, 3]);
});

test("other lengths and other lanes are written apart", async () => {
  const { plan, written } = aPlan();
  const lanes = [someLane, { ...someLane, model: "sora-2-pro" }, { ...someLane, upstream: "other" }];
  await Promise.all(lanes.flatMap((lane) => [10, 10, 15].map((seconds) => plan.learn(lane, { seconds }, short))));
  expect(written.map(({ lane, seconds, lesson }) => [lane, seconds, lesson["n"]])).toEqual(
    lanes.flatMap((lane) => [
      [lane, 10, 2],
      [lane, 15, 1],
    ]),
  );
});

test("what comes after the writing began is written by the next one, and nothing twice", async () => {
  const { plan, written } = aPlan();
  await plan.learn(someLane, { seconds: 10 }, short);
  await plan.learn(someLane, { seconds: 10 }, long);
  expect(written.map(({ lesson }) => lesson["n"])).toEqual([1, 1]);
  expect(Object.keys(written[1]!.lesson)).not.toEqual(Object.keys(written[0]!.lesson));
});

/** In the middle of writing its first lesson, until it is told to end. */
async function aPlanThatWrites() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { plan } = aPlan(() => {
    begun.resolve();
    return promise;
  });
  const learned = plan.learn(someLane, { seconds: 10 }, short);
  await begun.promise;
  return { plan, learned, end: resolve };
}

test("whoever teaches hears once it is written, and hears why it was not", async () => {
  const { learned, end } = await aPlanThatWrites();
  expect(await hasSettled(learned)).toBe(false);
  end();
  await learned;

  const refusing = aPlan(() => Promise.reject(new Error("Redis is gone."))).plan;
  const lessons = [short, long].map((finished) => refusing.learn(someLane, { seconds: 10 }, finished));
  for (const lesson of lessons) await expect(lesson).rejects.toThrow("Redis is gone.");
});

test("settling waits for lessons that are still gathered", async () => {
  const { plan, written } = aPlan();
  const learned = plan.learn(someLane, { seconds: 10 }, short);
  expect(written).toEqual([]);
  await plan.settle();
  expect(written).toHaveLength(1);
  await learned;
});

test("settling waits for lessons that are being written", async () => {
  const { plan, learned, end } = await aPlanThatWrites();
  const settled = plan.settle();
  expect(await hasSettled(settled)).toBe(false);
  end();
  await Promise.all([settled, learned]);
});

test("where nothing was taught there is nothing to wait for", async () => {
  const { plan, written } = aPlan();
  await plan.settle();
  expect(written).toEqual([]);
});
