import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forecast, type ForecastLane, lastStart } from "../../packages/engine/src/batches/forecast.ts";
import { readWindow, stretchAt } from "../../packages/engine/src/batches/window.ts";
import { HOUR, MINUTE, SECOND } from "../../packages/engine/src/clock.ts";
import { rateWindowMs } from "../../packages/engine/src/lane.ts";
import { seededDice } from "../bench/polling-simulation.ts";

/** Ten minutes to midnight in Berlin, on a Friday. */
const now = Date.parse("2026-11-20T22:50Z");
const midnightTo = (closes: string) => ({ opensAt: now - HOUR, closesAt: Date.parse(closes) });
const morning = midnightTo("2026-11-21T05:30Z");

/** Two minutes a render, all of them; three at once. */
const aLane = (some: Partial<ForecastLane> = {}): ForecastLane => ({
  lane: "wisgate/sora-2",
  waiting: 300,
  running: [],
  places: 3,
  perMinute: Infinity,
  medianMs: 2 * MINUTE,
  p95Ms: 2 * MINUTE,
  foreignAhead: 0,
  ...some,
});

const endOf = (lane: ForecastLane, opensAt = now, downloadMs = 0): number | null => {
  const { endsAt } = forecast([lane], now, { opensAt, closesAt: now + 1e12 }, downloadMs);
  return endsAt === null ? null : (endsAt - now) / MINUTE;
};

describe("where every render takes two minutes", () => {
  test.each([
    ["one after the other", aLane({ waiting: 5, places: 1 }), 10],
    ["three at once", aLane({ waiting: 7 }), 6],
    ["all at once", aLane({ waiting: 7, places: Infinity }), 2],
    ["after what runs", aLane({ waiting: 3, running: [MINUTE, MINUTE, 0.5 * MINUTE] }), 3.5],
    ["beside what runs", aLane({ waiting: 2, running: [MINUTE] }), 2],
    ["after more than there is room for", aLane({ waiting: 1, places: 1, running: [MINUTE, 0] }), 4],
    ["after a render that is overdue", aLane({ waiting: 1, places: 1, running: [HOUR] }), 2],
    ["in turn with others", aLane({ waiting: 3, places: 1, foreignAhead: 2 }), 10],
    ["in turn with many others", aLane({ waiting: 3, places: 1, foreignAhead: 5_000 }), 12],
    ["at a rate", aLane({ waiting: 5, places: Infinity, perMinute: 2 }), (2 * rateWindowMs) / MINUTE + 2],
    ["at a rate that the places do not use", aLane({ waiting: 4, places: 2, perMinute: 60 }), 4],
    ["with nothing but what runs", aLane({ waiting: 0, running: [MINUTE], places: 0 }), 1],
  ])("%s", (_, lane, minutes) => {
    expect(endOf(lane)).toBe(minutes);
  });

  test("it begins when the window opens, and ends when the file is there", () => {
    expect(endOf(aLane({ waiting: 3 }), now + HOUR, 30 * SECOND)).toBe(62.5);
  });

  test("others that share its places do not all go first", () => {
    const lane = aLane({ waiting: 6, places: 1, foreignAhead: 6 });
    const stretch = { opensAt: now, closesAt: now + 12 * MINUTE };
    expect(forecast([lane], now, stretch, 0)).toMatchObject({ unfit: 3, of: 6, endsAt: now + 24 * MINUTE });
  });

  test("what ran has left by then", () => {
    expect(endOf(aLane({ waiting: 3, running: [0, 0, 0] }), now + HOUR)).toBe(62);
  });

  test("lanes do not wait for each other", () => {
    const lanes = [aLane({ waiting: 30 }), aLane({ lane: "b", waiting: 6, places: 1 })];
    expect(forecast(lanes, now, undefined, 0)).toMatchObject({ endsAt: now + 20 * MINUTE, of: 36, fits: null });
  });

  test("clips of several lengths share their lane's places", () => {
    const lanes = [aLane({ waiting: 30 }), aLane({ waiting: 6 })];
    expect(forecast(lanes, now, undefined, 0)).toMatchObject({ endsAt: now + 24 * MINUTE, of: 36 });
  });

  test("a clip fits if it is sent before the last start, or then", () => {
    expect(lastStart(now + 10 * MINUTE, 2 * MINUTE)).toBe(now + 8 * MINUTE);
    const unfitBy = (closesAt: number) => forecast([aLane({ waiting: 15 })], now, { opensAt: now, closesAt }, 0);
    expect(unfitBy(now + 10 * MINUTE)).toMatchObject({ unfit: 0, fits: true, of: 15 });
    expect(unfitBy(now + 10 * MINUTE - 1)).toMatchObject({ unfit: 3, fits: false, endsAt: now + 10 * MINUTE });
    expect(unfitBy(now + 3 * MINUTE)).toMatchObject({ unfit: 12, fits: false });
    expect(unfitBy(now + MINUTE)).toMatchObject({ unfit: 15, fits: false });
  });
});

test("the longer a render has run, the longer it may still go on, where lengths differ", () => {
  const restAfter = (minutes: number) =>
    endOf(aLane({ waiting: 0, running: [minutes * MINUTE], p95Ms: 8 * MINUTE })) ?? Number.NaN;
  expect(restAfter(0)).toBeCloseTo(2, 1);
  expect(restAfter(1)).toBeLessThan(1.5);
  expect(restAfter(4)).toBeCloseTo(1.8, 1);
  expect(restAfter(20)).toBeGreaterThan(5);
});

describe("it says", () => {
  const inBerlin = (lanes: readonly ForecastLane[], stretch: { opensAt: number; closesAt: number } | undefined) =>
    forecast(lanes, now, stretch, 0, "Europe/Berlin").sentence;

  test.each([
    [[aLane()], morning, "All 300 should be stored by 03:10, 3 h 20 min before the window closes."],
    [[aLane()], undefined, "All 300 should be stored in about 3 h 20 min, at 03:10."],
    [
      [aLane()],
      midnightTo("2026-11-21T01:20Z"),
      "75 of 300 will not fit: the window closes at 02:20 (in 2 h 30 min), and they need until about 03:10.",
    ],
    [
      [aLane()],
      midnightTo("2026-11-20T22:51Z"),
      "None of 300 will fit: the window closes at 23:51 (in 1 min), and they need until about 03:10.",
    ],
    [
      [aLane({ waiting: 1, p95Ms: 4 * MINUTE })],
      midnightTo("2026-11-20T22:53Z"),
      "The one that waits will not fit: the window closes at 23:53 (in 3 min), and what is sent in the last 4 min may not be done by then.",
    ],
    [
      [aLane({ waiting: 100, places: Infinity, p95Ms: 4 * MINUTE })],
      midnightTo("2026-11-20T22:54Z"),
      "All 100 should be stored by 23:55, sent in time and stored 1 min after the window closes.",
    ],
    [[aLane({ waiting: 1 })], undefined, "The one that waits should be stored in about 2 min, at 23:52."],
    [[aLane({ waiting: 3_000 })], undefined, "All 3,000 should be stored in about 33 h 20 min, at 09:10 on Sunday."],
    [
      [aLane({ waiting: 50_000 })],
      undefined,
      "All 50,000 should be stored in about 23 d 4 h, at 03:24 on 14 December 2026.",
    ],
    [
      [aLane({ waiting: 0, running: [MINUTE] })],
      morning,
      "Nothing waits; what renders should be stored by 23:51, 6 h 39 min before the window closes.",
    ],
    [[aLane({ waiting: 0, places: 0 })], morning, "Nothing is left to be done."],
    [[], undefined, "Nothing is left to be done."],
    [
      [aLane({ waiting: 20, places: 0 }), aLane({ lane: "b" })],
      morning,
      "Nobody can say when 20 of 320 will be stored: wisgate/sora-2 has no places.",
    ],
    [
      [aLane({ perMinute: 0 })],
      undefined,
      "Nobody can say when all 300 will be stored: wisgate/sora-2 may send nothing.",
    ],
    [
      [aLane({ waiting: 0, running: [MINUTE], medianMs: Number.NaN })],
      undefined,
      "Nobody can say when what renders will be stored: nobody knows how long wisgate/sora-2 renders.",
    ],
    [
      [aLane({ waiting: 20, places: 0 }), aLane({ lane: "b" })],
      midnightTo("2026-11-20T23:50Z"),
      "210 of 320 will not fit: the window closes at 00:50 (in 1 h); and nobody can say when 20 of 320 will be stored: wisgate/sora-2 has no places.",
    ],
  ] as const)("$2", (lanes, stretch, sentence) => {
    expect(inBerlin(lanes, stretch)).toBe(sentence);
  });

  test("the same of a window that is always open as without one", () => {
    const always = stretchAt(readWindow("00:00-24:00 Europe/Berlin", "window"), now);
    expect(forecast([aLane()], now, always, 0)).toEqual(forecast([aLane()], now, undefined, 0));
  });

  test("UTC where no zone is told", () => {
    expect(forecast([aLane()], now, undefined, 0).sentence).toBe(
      "All 300 should be stored in about 3 h 20 min, at 02:10 UTC.",
    );
  });

  test("neither an end nor a fit where a lane sends nothing", () => {
    expect(forecast([aLane({ places: 0 }), aLane()], now, morning, 0)).toMatchObject({ endsAt: null, fits: null });
  });
});

/** A lane as the upstream has it: lengths by lot (log-normal), and whoever is first takes the place that is free. */
function nightByLot(lane: ForecastLane, dice: () => number): number {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice());
  const length = (): number => lane.medianMs * Math.exp((Math.log(lane.p95Ms / lane.medianMs) / 1.645) * normal());
  const longer = (ageMs: number): number => {
    for (;;) {
      const whole = length();
      if (whole > ageMs) return whole - ageMs;
    }
  };
  let busy = lane.running.map((ageMs) => now + longer(ageMs));
  const sent: number[] = [];
  let [at, left, last] = [now, lane.waiting, now];
  while (left > 0) {
    busy = busy.filter((end) => end > at);
    const recent = sent.filter((moment) => moment > at - rateWindowMs);
    if (busy.length < lane.places && recent.length < lane.perMinute) {
      const end = at + length();
      busy.push(end);
      sent.push(at);
      last = Math.max(last, end);
      left -= 1;
    } else {
      const next = busy.length < lane.places ? [] : busy;
      at = Math.min(...next, ...(recent.length < lane.perMinute ? [] : [recent[0]! + rateWindowMs]));
    }
  }
  return last;
}

test.each([
  ["few places", aLane({ waiting: 200, p95Ms: 250 * SECOND })],
  ["many places", aLane({ waiting: 400, places: 40, p95Ms: 250 * SECOND, running: [MINUTE, 2 * MINUTE, 3 * MINUTE] })],
  ["a rate", aLane({ waiting: 300, places: 100, perMinute: 10, p95Ms: 250 * SECOND })],
  ["places and a rate", aLane({ waiting: 300, places: 12, perMinute: 5, p95Ms: 200 * SECOND, running: [MINUTE] })],
  ["lengths that differ much", aLane({ waiting: 200, places: 4, p95Ms: 5 * MINUTE })],
])("a hundred nights by lot lie around it: %s", (_, lane) => {
  const dice = seededDice(5);
  const nights = Array.from({ length: 100 }, () => nightByLot(lane, dice) - now).sort((a, b) => a - b);
  const foreseen = forecast([lane], now, undefined, 0).endsAt! - now;
  expect(foreseen / nights[50]!).toBeGreaterThan(0.92);
  expect(foreseen / nights[50]!).toBeLessThan(1.08);
});

describe("whatever the lane", () => {
  const lanes = fc.record({
    lane: fc.constant("a/b"),
    waiting: fc.integer({ min: 1, max: 120 }),
    running: fc.array(fc.integer({ min: 0, max: HOUR }), { maxLength: 8 }),
    places: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.constant(Infinity)),
    perMinute: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(Infinity)),
    medianMs: fc.integer({ min: SECOND, max: 10 * MINUTE }),
    p95Ms: fc.integer({ min: SECOND, max: 30 * MINUTE }),
    foreignAhead: fc.nat({ max: 200 }),
  });
  const moments = fc.integer({ min: 0, max: 12 * HOUR });
  const seen = (lane: ForecastLane, closesInMs: number) =>
    forecast([lane], now, { opensAt: now, closesAt: now + closesInMs }, 0);

  test("a window that closes later leaves out no more, and ends nothing sooner", () => {
    fc.assert(
      fc.property(lanes, moments, moments, (lane, one, other) => {
        const [soon, late] = [seen(lane, Math.min(one, other)), seen(lane, Math.max(one, other))];
        expect(late.unfit).toBeLessThanOrEqual(soon.unfit);
        expect(late.endsAt).toBe(soon.endsAt);
        expect(soon.unfit).toBeLessThanOrEqual(soon.of);
        expect(soon.fits).toBe(soon.unfit === 0);
      }),
    );
  });

  test("one clip more is never stored sooner, and leaves out no fewer", () => {
    fc.assert(
      fc.property(lanes, moments, (lane, closesInMs) => {
        const [fewer, more] = [seen(lane, closesInMs), seen({ ...lane, waiting: lane.waiting + 1 }, closesInMs)];
        expect(more.endsAt).toBeGreaterThanOrEqual(fewer.endsAt!);
        expect(more.unfit).toBeGreaterThanOrEqual(fewer.unfit);
      }),
    );
  });

  test("the batch's own clips go no sooner because others share its places", () => {
    fc.assert(
      fc.property(lanes, (lane) => {
        const alike = { ...lane, p95Ms: lane.medianMs };
        expect(endOf(alike)).toBeGreaterThanOrEqual(endOf({ ...alike, foreignAhead: 0 })!);
      }),
    );
  });

  test("50,000 clips are foreseen without an overflow of any stack", () => {
    const large = aLane({ waiting: 50_000, places: 1_000, running: Array.from({ length: 200_000 }, () => 0) });
    expect(endOf({ ...large, foreignAhead: 50_000 })).toBe(2 * (1 + 100));
    expect(endOf({ ...large, places: Infinity })).toBe(2);
  });
});
