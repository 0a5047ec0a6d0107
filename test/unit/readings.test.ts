import { expect, test } from "vitest";
import { believable, withReading } from "../../packages/engine/src/readings.ts";

const minute = 60_000;

test("of many reports the first and the last are kept, in order", () => {
  let kept: [number, number][] = [];
  for (let at = 1; at <= 20; at += 1) kept = withReading(kept, { ageMs: at * minute + 0.4, progress: at });
  expect(kept).toHaveLength(8);
  expect(kept.slice(0, 4).map(([, progress]) => progress)).toEqual([1, 2, 3, 4]);
  expect(kept.slice(-4).map(([, progress]) => progress)).toEqual([17, 18, 19, 20]);
  expect(kept.at(-1)).toEqual([20 * minute, 20]);
});

test("a report that is stuck near its end is believed three times, and again once it moves", () => {
  const stuck: [number, number][] = [[minute, 99]];
  const at99 = { ageMs: 5 * minute, progress: 99 };
  expect(believable(at99, stuck)).toBe(at99);
  stuck.push([2 * minute, 99]);
  expect(believable(at99, stuck)).toBe(at99);
  stuck.push([3 * minute, 99]);
  expect(believable(at99, stuck)).toBeUndefined();
  const moved = { ageMs: 5 * minute, progress: 99.5 };
  expect(believable(moved, stuck)).toBe(moved);
});

test("steps in the middle are no standstill", () => {
  const half: [number, number][] = [1, 2, 3, 4].map((at) => [at * minute, 50]);
  const reading = { ageMs: 5 * minute, progress: 50 };
  expect(believable(reading, half)).toBe(reading);
});
