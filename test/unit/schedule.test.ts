import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOUR, MINUTE, SECOND } from "../../packages/engine/src/clock.ts";
import { type Learned, lessonOf, nothingLearned, type Reading } from "../../packages/engine/src/learned.ts";
import { expectedRestMs, type LookFacts, nextLookMs } from "../../packages/engine/src/schedule.ts";
import {
  aSet,
  durations,
  type Figures,
  figuresOf,
  fixedSchedules,
  goals,
  meets,
  openSketch,
  optimum,
  type progresses,
  seededDice,
  watchedLearning,
  watchedWith,
} from "../bench/polling-simulation.ts";

const middling = () => 0.5;
const facts = (some: Partial<LookFacts> = {}): LookFacts => ({
  ageMs: 0,
  typicalRenderSeconds: undefined,
  learned: nothingLearned,
  reading: undefined,
  patience: 1,
  ...some,
});

/** The ages at which a render is looked at until it is found finished. */
function looksAt(durationMs: number, some: Partial<LookFacts> = {}): readonly number[] {
  const ages: number[] = [];
  for (let ageMs = 0; ageMs < durationMs;) {
    ageMs += nextLookMs(facts({ ...some, ageMs }), middling);
    ages.push(ageMs);
  }
  return ages;
}

/** What so many renders of a set taught. */
function learnedFrom(set: keyof typeof durations, progress: keyof typeof progresses, size = 300): Learned {
  const [sketch, dice] = [openSketch(), seededDice(2)];
  const renders = aSet(set, progress, size, 9);
  for (const [at, watched] of watchedWith(renders, () => 12 * SECOND).entries()) {
    const { durationMs } = renders[at]!;
    sketch.add(lessonOf({ ...watched, earliestMs: durationMs, latestMs: durationMs }, dice));
  }
  return sketch.read();
}
const learnedLength = (durationMs: number, size = 100): Learned => {
  const sketch = openSketch();
  for (let at = 0; at < size; at += 1)
    sketch.add(lessonOf({ earliestMs: durationMs, latestMs: durationMs, readings: [] }, middling));
  return sketch.read();
};

describe("against fixed 10 s, on the same renders, once the first 200 have taught it", () => {
  const [seed, warmUp] = [4, 200];
  const sizeOf = (progress: keyof typeof progresses): number => (progress === "none" ? 3_000 : 1_000);
  const learning = (
    set: keyof typeof durations,
    progress: keyof typeof progresses,
    completedAt: boolean,
    patience = 1,
  ) =>
    figuresOf(
      watchedLearning(aSet(set, progress, sizeOf(progress), seed), { completedAt, seed, patience }).slice(warmUp),
    );
  const fixed = (set: keyof typeof durations, progress: keyof typeof progresses): Figures =>
    figuresOf(watchedWith(aSet(set, progress, sizeOf(progress), seed), fixedSchedules["fixed 10 s"]).slice(warmUp));
  const sets = Object.keys(durations) as (keyof typeof durations)[];
  const cases = sets.flatMap((set) => [true, false].map((completedAt) => ({ set, completedAt })));

  test.each(cases)(
    "with progress: a third of the looks, 0.6 of the lateness ($set, completed_at $completedAt)",
    (one) => {
      const figures = learning(one.set, "linear", one.completedAt);
      expect(meets(figures, fixed(one.set, "linear"), goals["with progress"]), JSON.stringify(figures)).toBe(true);
    },
  );

  test.each(cases)("without: 0.55 of the looks, 1.3 of the lateness ($set, completed_at $completedAt)", (one) => {
    const figures = learning(one.set, "none", one.completedAt);
    expect(meets(figures, fixed(one.set, "none"), goals.without), JSON.stringify(figures)).toBe(true);
  });

  /** Looks, and lateness at the price of a look that the goals imply. */
  const cost = ({ looksPerVideo, meanLatenessMs }: Figures): number => looksPerVideo + meanLatenessMs / (0.95 * SECOND);

  test.each(["steps", "fast, then slow", "stuck at 99", "a timer", "stuck at 0", "stuck at 50", "nonsense"] as const)(
    "no progress makes it much worse than none: %s",
    (progress) => {
      const without = cost(learning("log-normal", "none", false));
      expect(cost(learning("log-normal", progress, false))).toBeLessThan(1.08 * without);
    },
  );

  test("a render that keeps a place in a full lane is found sooner", () => {
    const [patient, urgent] = [learning("log-normal", "none", true), learning("log-normal", "none", true, 0.25)];
    expect(urgent.meanLatenessMs).toBeLessThan(0.6 * patient.meanLatenessMs);
    expect(urgent.looksPerVideo).toBeLessThan(2.2 * patient.looksPerVideo);
  });

  test("it is not far from what nothing can beat", () => {
    const [figures, ten] = [learning("log-normal", "none", true), fixed("log-normal", "none")];
    const best = optimum(105 * SECOND, 0.45, figures.looksPerVideo / ten.looksPerVideo);
    expect(figures.meanLatenessMs / ten.meanLatenessMs).toBeLessThan(1.06 * best.lateness);
    expect(optimum(105 * SECOND, 0.45, 0.54).lateness).toBeCloseTo(1.23, 1);
  });
});

describe("with nothing learned", () => {
  test.each([undefined, 1, 105, 1_800])(
    "the first look comes within two seconds (typical: %s s)",
    (typicalRenderSeconds) => {
      for (const dice of [() => 0, () => 0.999])
        expect(nextLookMs(facts({ typicalRenderSeconds }), dice)).toBeLessThanOrEqual(2 * SECOND);
    },
  );

  test("the next steps grow, up to where renders are likely to end", () => {
    const early = looksAt(40 * SECOND);
    const steps = early.map((age, at) => age - (early[at - 1] ?? 0));
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(steps.length).toBeLessThan(12);
  });

  test("a render is found at most about a third of its length late, whatever its length", () => {
    for (const seconds of [3, 5, 8, 15, 30, 60, 120, 300])
      expect(looksAt(seconds * SECOND).at(-1)).toBeLessThan(seconds * SECOND * 1.45 + 2.2 * SECOND);
  });

  test("a server that renders in two seconds is found within a few", () => {
    expect(looksAt(2 * SECOND).at(-1)).toBeLessThan(8 * SECOND);
  });

  test("one that takes twenty minutes is not asked hundreds of times", () => {
    for (const typicalRenderSeconds of [undefined, 30, 105])
      expect(looksAt(20 * MINUTE, { typicalRenderSeconds }).length).toBeLessThan(80);
  });
});

describe("whatever was learned", () => {
  const lengths = [50, 2 * HOUR, 24 * HOUR].map((ms) => learnedLength(ms));
  const sets = (["none", "linear", "stuck at 99"] as const).map((progress) => learnedFrom("log-normal", progress));
  const taught = [nothingLearned, ...sets, ...lengths];
  const ages = fc.double({ min: 0, max: 40 * HOUR, noNaN: true });
  const readings = fc.option(fc.record({ ageMs: ages, progress: fc.double() }), { nil: undefined });
  const anyFacts = fc.record({
    ageMs: ages,
    typicalRenderSeconds: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
    learned: fc.constantFrom(...taught),
    reading: readings,
    patience: fc.constantFrom(1, 0.25),
  });

  test("a look comes no sooner than 250 ms and no later than five minutes", () => {
    fc.assert(
      fc.property(anyFacts, fc.double({ min: 0, max: 0.999, noNaN: true }), (some, lot) => {
        const delayMs = nextLookMs(some, () => lot);
        expect(delayMs).toBeGreaterThanOrEqual(250);
        expect(delayMs).toBeLessThanOrEqual(5 * MINUTE);
      }),
      { numRuns: 300 },
    );
  });

  test("what is expected of the rest is a time, and half of the renders need less than nine of ten", () => {
    fc.assert(
      fc.property(anyFacts, (some) => {
        const { median, ninety, ninetyFive } = expectedRestMs(some);
        expect(median).toBeGreaterThanOrEqual(0);
        expect(ninety).toBeGreaterThanOrEqual(median);
        expect(ninetyFive).toBeGreaterThanOrEqual(ninety);
        expect(Number.isFinite(ninetyFive)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("looks do not stop at a render that lasts much longer than all before it", () => {
    const ages = looksAt(20 * MINUTE, { learned: learnedLength(2 * SECOND) });
    expect(ages.length).toBeLessThan(150);
    expect(ages.at(-1)).toBeLessThan(22 * MINUTE);
  });

  test("past ten times the expected, an hour at the least, looks are five minutes apart", () => {
    const learned = learnedLength(100 * SECOND);
    expect(nextLookMs(facts({ ageMs: 61 * MINUTE, learned }), middling)).toBe(5 * MINUTE);
    expect(nextLookMs(facts({ ageMs: 61 * MINUTE, learned: learnedLength(2 * HOUR) }), middling)).toBeLessThan(
      5 * MINUTE,
    );
  });

  test("a thousand looks at once are spread by five in a hundred", () => {
    const learned = learnedFrom("log-normal", "none");
    const [early, middle, late] = [() => 0, middling, () => 1].map((dice) => nextLookMs(facts({ learned }), dice));
    expect(early! / middle!).toBeCloseTo(0.95, 3);
    expect(late! / middle!).toBeCloseTo(1.05, 3);
  });
});

describe("what people are told", () => {
  const learned = learnedFrom("log-normal", "linear");
  const rest = (ageMs: number, reading?: Reading) => expectedRestMs({ ...facts({ learned, reading }), ageMs });

  test("at the start, half take the median and nine of ten stay under the ninth tenth", () => {
    const { median, ninety, ninetyFive } = rest(0);
    expect(Math.abs(median / (105 * SECOND) - 1)).toBeLessThan(0.12);
    expect(Math.abs(ninety / (187 * SECOND) - 1)).toBeLessThan(0.15);
    expect(Math.abs(ninetyFive / (220 * SECOND) - 1)).toBeLessThan(0.15);
  });

  test("a progress that has proved to say something is believed", () => {
    const { median, ninety } = rest(180 * SECOND, { ageMs: 180 * SECOND, progress: 60 });
    expect(Math.abs(median / (120 * SECOND) - 1)).toBeLessThan(0.15);
    expect(ninety).toBeLessThan(160 * SECOND);
    expect(rest(180 * SECOND).median).toBeLessThan(80 * SECOND);
  });

  test("progress 0 and 100 change nothing", () => {
    for (const progress of [0, 100]) expect(rest(60_000, { ageMs: 60_000, progress })).toEqual(rest(60_000));
  });
});
