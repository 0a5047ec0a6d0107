import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  atPhase,
  cellStartMs,
  type Finished,
  generationLength,
  type Learned,
  lessonOf,
  nothingLearned,
  readLearned,
  type Reading,
} from "../../packages/engine/src/learned.ts";
import { aSet, openSketch, seededDice, watchedWith } from "../bench/polling-simulation.ts";

const dice = seededDice(1);
const seconds = (ms: number) => ms * 1_000;
const lasted = (ms: number, readings: readonly Reading[] = []): Finished => ({
  earliestMs: ms,
  latestMs: ms,
  readings,
});

const hashOf = (...renders: readonly Finished[]): Record<string, string> => {
  const hash: Record<string, string> = {};
  for (const render of renders)
    for (const [field, by] of Object.entries(lessonOf(render, dice)))
      hash[field] = String(Number(hash[field] ?? 0) + by);
  return hash;
};
const times = <T>(count: number, one: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => one(at));

/** The share of renders that is thought to end between two ages. */
const shareBetween = ({ density }: Learned, fromMs: number, toMs: number): number =>
  density.reduce((sum, share, cell) => sum + (cellStartMs(cell) >= fromMs && cellStartMs(cell) < toMs ? share : 0), 0);

test("a lesson counts one render, in whole numbers that a hash can add up", () => {
  const lesson = lessonOf(lasted(seconds(90), [{ ageMs: seconds(30), progress: 33 }]), dice);
  expect(lesson["n"]).toBe(1);
  expect(Object.values(lesson)).toEqual([1, 1]);
});

test("the same render twice fills one field, and counts as two", () => {
  const hash = hashOf(lasted(seconds(90)), lasted(seconds(90)));
  expect(Object.keys(hash)).toHaveLength(2);
  expect(hash["n"]).toBe("2");
  expect(readLearned(hash, {}).count).toBe(2);
});

test("nothing is learned from nothing", () => {
  expect(readLearned({}, {})).toBe(nothingLearned);
  expect(nothingLearned.count).toBe(0);
});

test("renders whose length is known are expected to last about so long", () => {
  const learned = readLearned(hashOf(...times(40, () => lasted(seconds(100)))), {});
  expect(shareBetween(learned, seconds(93), seconds(107))).toBeGreaterThan(0.98);
});

test("two kinds of length stay two", () => {
  const learned = readLearned(hashOf(...times(100, (at) => lasted(seconds(at % 2 === 0 ? 60 : 240)))), {});
  expect(shareBetween(learned, seconds(45), seconds(80))).toBeGreaterThan(0.45);
  expect(shareBetween(learned, seconds(100), seconds(150))).toBeLessThan(0.05);
  expect(shareBetween(learned, seconds(180), seconds(320))).toBeGreaterThan(0.45);
});

test("a render that ended between two looks is taken to have ended where others did", () => {
  const known = times(30, () => lasted(seconds(100)));
  const between = times(30, () => ({ earliestMs: 0, latestMs: seconds(120), readings: [] }));
  const learned = readLearned(hashOf(...known, ...between), {});
  expect(shareBetween(learned, 0, seconds(60))).toBeLessThan(0.02);
  expect(shareBetween(learned, seconds(85), seconds(120))).toBeGreaterThan(0.95);
});

test("the generation before still counts, but less", () => {
  const [quick, slow] = [times(100, () => lasted(seconds(20))), times(100, () => lasted(seconds(200)))];
  const learned = readLearned(hashOf(...slow), hashOf(...quick));
  expect(learned.count).toBe(200);
  const [old, young] = [shareBetween(learned, 0, seconds(60)), shareBetween(learned, seconds(60), seconds(600))];
  expect(old).toBeGreaterThan(0.2);
  expect(young).toBeGreaterThan(old * 1.3);
});

test("fields that it does not know and values that are no numbers are passed over", () => {
  const values = { n: "many", "7-9": "NaN", "8-9": "-3", "9-9": "Infinity", "10-10": "0", "11-11": "1e300" };
  const fields = ["", "12", "5-9,200@3", "5-9,33@", "a-b", "5-9;30@4", "constructor"];
  const nonsense = { ...values, ...Object.fromEntries(fields.map((field) => [field, "1"])) };
  expect(readLearned(nonsense, nonsense)).toBe(nothingLearned);
  expect(readLearned({ ...nonsense, ...hashOf(lasted(seconds(10))) }, nonsense).count).toBe(1);
  expect(readLearned({ "9999-9998": "1", "3-2,99@9999": "1" }, {}).density.every(Number.isFinite)).toBe(true);
});

test("whatever was seen, what is learned adds up to one render, and a field stays short", () => {
  const span = fc.double({ min: 0, max: 1e12, noNaN: true });
  const readings = fc.array(fc.record({ ageMs: span, progress: fc.double() }), { maxLength: 30 });
  fc.assert(
    fc.property(fc.record({ earliestMs: span, latestMs: span, readings }), (finished) => {
      const hash = hashOf(finished);
      expect(Math.max(...Object.keys(hash).map(({ length }) => length))).toBeLessThanOrEqual(64);
      const learned = readLearned(hash, {});
      expect(learned.count).toBe(1);
      expect(learned.density.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3);
    }),
    { numRuns: 50 },
  );
});

test("a generation that is full becomes the one before, and the sketch stays small", () => {
  const sketch = openSketch();
  for (const length of times(generationLength * 5, (at) => seconds(30 + at / 10)))
    sketch.add(lessonOf(lasted(length), dice));
  expect(sketch.read().count).toBeLessThanOrEqual(2 * generationLength);
  expect(sketch.fields()).toBeLessThanOrEqual(2 * (generationLength + 1));
});

/** Renders that were looked at every 12 s; where the upstream did not say when they completed, the end lies between two looks. */
const rendersWith = (progress: Parameters<typeof aSet>[1], count: number, said: boolean): readonly Finished[] => {
  const set = aSet("log-normal", progress, count, 5);
  const watched = watchedWith(set, () => seconds(12));
  return watched.map((one, at) => (said ? lasted(set[at]!.durationMs, one.readings) : one));
};
const curveOf = (progress: Parameters<typeof aSet>[1], count = 150, { said = true } = {}) =>
  readLearned(hashOf(...rendersWith(progress, count, said)), {}).curve;

test.each([true, false])(
  "what progress says at each phase is learned (the upstream says when it completed: %s)",
  (said) => {
    const linear = curveOf("linear", 150, { said });
    expect(linear).toBeDefined();
    for (const phase of [0.2, 0.5, 0.8]) {
      expect(Math.abs(atPhase(linear!.mean, phase) - phase * 100)).toBeLessThan(3);
      expect(atPhase(linear!.spread, phase)).toBeLessThan(5);
    }
    const early = curveOf("fast, then slow", 150, { said });
    expect(Math.abs(atPhase(early!.mean, 0.25) - 50)).toBeLessThan(5);
  },
);

test.each(["none", "a timer", "stuck at 0", "stuck at 50", "nonsense"] as const)(
  "a progress that says nothing is found out: %s",
  (progress) => {
    expect(curveOf(progress)).toBeUndefined();
    expect(curveOf(progress, 150, { said: false })).toBeUndefined();
  },
);

test("a progress that no longer says anything is found out by the renders since", () => {
  const before = hashOf(...rendersWith("linear", generationLength, true));
  expect(readLearned(hashOf(...rendersWith("linear", 40, true)), before).curve).toBeDefined();
  expect(readLearned(hashOf(...rendersWith("stuck at 50", 40, true)), before).curve).toBeUndefined();
});

test("a handful of readings proves nothing yet", () => {
  expect(curveOf("linear", 1)).toBeUndefined();
});

test("progress 0, progress 100 and what is no number are not kept", () => {
  const readings = [0, 100, -5, 250, Number.NaN].map((progress) => ({ ageMs: seconds(10), progress }));
  expect(Object.keys(lessonOf(lasted(seconds(90), readings), dice))).toEqual(
    Object.keys(lessonOf(lasted(seconds(90)), dice)),
  );
});
