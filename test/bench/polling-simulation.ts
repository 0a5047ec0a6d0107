import {
  generationLength,
  type Learned,
  lessonOf,
  nothingLearned,
  type Reading,
  readLearned,
} from "../../packages/engine/src/learned.ts";
import { nextLookMs } from "../../packages/engine/src/schedule.ts";

/** A render as the upstream knows it: how long it takes, and what progress it reports while it runs. */
export interface Render {
  readonly durationMs: number;
  readonly progressAt: (ageMs: number) => number | undefined;
}

export interface Figures {
  readonly renders: number;
  readonly looksPerVideo: number;
  readonly meanLatenessMs: number;
  readonly p99LatenessMs: number;
}

/** Dice that always fall the same: mulberry32. */
export function seededDice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const normal = (dice: () => number): number => Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice());

const logNormal = (medianMs: number, sigma: number, dice: () => number): number =>
  medianMs * Math.exp(sigma * normal(dice));

/** How long renders take, in the order in which they are asked for; `part` runs from 0 to 1 over the set. */
export const durations = {
  "log-normal": (_part: number, dice: () => number): number => logNormal(105_000, 0.45, dice),
  bimodal: (_part: number, dice: () => number): number => logNormal(dice() < 0.5 ? 60_000 : 240_000, 0.2, dice),
  drifting: (part: number, dice: () => number): number => logNormal(60_000 * (200 / 60) ** part, 0.45, dice),
} as const;

type Progress = (durationMs: number, dice: () => number) => Render["progressAt"];

const whole = (percents: number): number => Math.min(Math.max(Math.round(percents), 0), 99);

/** What upstreams report. */
export const progresses = {
  none: () => () => undefined,
  /** Whole percents of the time, each report off by two points or so. */
  linear: (durationMs, dice) => (ageMs) => whole((100 * ageMs) / durationMs + 2 * normal(dice)),
  steps: (durationMs) => (ageMs) => 25 * Math.floor((4 * ageMs) / durationMs),
  /** Up to five times too fast: then 99 until the end. */
  "stuck at 99": (durationMs, dice) => {
    const fast = 1 + 4 * dice();
    return (ageMs) => whole((100 * fast * ageMs) / durationMs);
  },
  /** What a server makes up from the clock: 90 s for every render, then 99. It says nothing. */
  "a timer": () => (ageMs) => whole(ageMs / 900),
  "stuck at 0": () => () => 0,
  "stuck at 50": () => () => 50,
  "fast, then slow": (durationMs) => (ageMs) => whole(100 * Math.sqrt(ageMs / durationMs)),
  /** Says nothing about the render at all. */
  nonsense: (_durationMs, dice) => () => whole(100 * dice()),
} as const satisfies Record<string, Progress>;

export function aSet(
  kind: keyof typeof durations,
  progress: keyof typeof progresses,
  size: number,
  seed: number,
): readonly Render[] {
  const dice = seededDice(seed);
  const noise = seededDice(seed + 1);
  return Array.from({ length: size }, (_, at) => {
    const durationMs = durations[kind](at / size, dice);
    return { durationMs, progressAt: progresses[progress](durationMs, noise) };
  });
}

/** Looks at one render until it is found finished. */
export interface Watched {
  readonly looks: number;
  readonly latenessMs: number;
  /** Between which two looks it ended, and what the looks before had read. */
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly readings: readonly Reading[];
}

type NextLook = (look: {
  readonly ageMs: number;
  readonly looks: number;
  readonly reading: Reading | undefined;
}) => number;

function watch({ durationMs, progressAt }: Render, nextLook: NextLook): Watched {
  const readings: Reading[] = [];
  let [ageMs, earliestMs, looks] = [0, 0, 0];
  let reading: Reading | undefined;
  for (;;) {
    ageMs += nextLook({ ageMs, looks, reading });
    looks += 1;
    if (ageMs >= durationMs) return { looks, latenessMs: ageMs - durationMs, earliestMs, latestMs: ageMs, readings };
    earliestMs = ageMs;
    const progress = progressAt(ageMs);
    reading = progress === undefined ? undefined : { ageMs, progress };
    if (reading) readings.push(reading);
  }
}

export function figuresOf(watched: readonly Watched[]): Figures {
  const mean = (of: (one: Watched) => number): number =>
    watched.reduce((sum, one) => sum + of(one), 0) / watched.length;
  const sorted = watched.map(({ latenessMs }) => latenessMs).toSorted((a, b) => a - b);
  return {
    renders: watched.length,
    looksPerVideo: mean(({ looks }) => looks),
    meanLatenessMs: mean(({ latenessMs }) => latenessMs),
    p99LatenessMs: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
  };
}

/** The schedules that reelq is held against. */
export const fixedSchedules = {
  "fixed 10 s": () => 10_000,
  "fixed 5 s": () => 5_000,
  /** 5, 10, 20, 40, then every 60 s. */
  "exponential 5-60 s": ({ looks }) => Math.min(5_000 * 2 ** looks, 60_000),
} as const satisfies Record<string, NextLook>;

export const watchedWith = (renders: readonly Render[], nextLook: NextLook): readonly Watched[] =>
  renders.map((render) => watch(render, nextLook));

/** A worker reads the sketch again after so many renders: what finished last is not known at once, because many are in flight. */
const rereadAfter = 30;

/**
 * reelq's schedule with the learner in the loop: it begins with nothing, and learns from each finished render what a worker would see.
 * @param completedAt whether the upstream says when it completed a render, to the second; else the end lies between two looks
 */
export function watchedLearning(
  renders: readonly Render[],
  {
    completedAt,
    seed,
    patience = 1,
  }: { readonly completedAt: boolean; readonly seed: number; readonly patience?: number },
): readonly Watched[] {
  const dice = seededDice(seed);
  const sketch = openSketch();
  let learned: Learned = nothingLearned;
  return renders.map((render, at) => {
    if (at % rereadAfter === 0) learned = sketch.read();
    const watched = watch(render, ({ ageMs, reading }) =>
      nextLookMs({ ageMs, typicalRenderSeconds: undefined, learned, reading, patience }, dice),
    );
    const saidMs = Math.round(render.durationMs / 1_000) * 1_000;
    const ends = completedAt ? { earliestMs: saidMs, latestMs: saidMs } : watched;
    sketch.add(lessonOf({ ...watched, ...ends }, dice));
    return watched;
  });
}

/** The two hashes of a sketch, without a Redis. */
export function openSketch() {
  let now: Record<string, string> = {};
  let before: Record<string, string> = {};
  return {
    read: (): Learned => readLearned(now, before),
    add(lesson: Readonly<Record<string, number>>): void {
      for (const [field, by] of Object.entries(lesson)) now[field] = String(Number(now[field] ?? 0) + by);
      if (Number(now["n"]) < generationLength) return;
      [now, before] = [{}, now];
    },
    fields: (): number => Object.keys(now).length + Object.keys(before).length,
  };
}

/** Where reelq is held to: at most so large a part of fixed 10 s's looks, and of its mean lateness. */
export const goals = {
  "with progress": { looks: 1 / 3, lateness: 0.6 },
  without: { looks: 0.55, lateness: 1.3 },
} as const;

export const meets = (
  figures: Figures,
  against: Figures,
  goal: { readonly looks: number; readonly lateness: number },
): boolean =>
  figures.looksPerVideo <= goal.looks * against.looksPerVideo &&
  figures.meanLatenessMs <= goal.lateness * against.meanLatenessMs;

/**
 * What no schedule without progress can beat on log-normal renders whose distribution is known: the least mean lateness at so large a
 * part of fixed 10 s's looks, both as ratios to fixed 10 s. By dynamic programming over half seconds; independent of the schedule's own.
 */
export function optimum(
  medianMs: number,
  sigma: number,
  looks: number,
): { readonly looks: number; readonly lateness: number } {
  const stepMs = 500;
  const steps = Math.ceil((medianMs * Math.exp(4 * sigma)) / stepMs);
  const middle = (step: number): number => (step + 0.5) * stepMs;
  const weights = Array.from({ length: steps }, (_, step) => {
    const apart = Math.log(middle(step) / medianMs) / sigma;
    return Math.exp(-0.5 * apart ** 2) / middle(step);
  });
  const total = weights.reduce((sum, one) => sum + one, 0);
  const [left, moment] = [new Float64Array(steps + 1), new Float64Array(steps + 1)];
  for (let step = steps - 1; step >= 0; step -= 1) left[step] = left[step + 1]! + weights[step]! / total;
  for (let step = 0; step < steps; step += 1)
    moment[step + 1] = moment[step]! + (weights[step]! / total) * middle(step);
  const late = (from: number, to: number): number =>
    to * stepMs * (left[from]! - left[to]!) - (moment[to]! - moment[from]!);

  const along = (next: (step: number) => number) => {
    let [looks, lateness] = [0, 0];
    for (let step = 0; step < steps;) {
      const after = next(step);
      looks += left[step]!;
      lateness += late(step, after);
      step = after;
    }
    return { looks, lateness };
  };
  const cheapest = (lookMs: number) => {
    const [ahead, choice] = [new Float64Array(steps + 1), new Int32Array(steps + 1)];
    for (let step = steps - 1; step >= 0; step -= 1) {
      ahead[step] = Number.POSITIVE_INFINITY;
      for (let next = step + 1; next <= steps; next += 1) {
        const cost = left[step]! * lookMs + late(step, next) + ahead[next]!;
        if (cost < ahead[step]!) [ahead[step], choice[step]] = [cost, next];
      }
    }
    return along((step) => choice[step]!);
  };

  const fixed = along((step) => Math.min(step + 10_000 / stepMs, steps));
  let [low, high] = [10, 10_000];
  let best = cheapest(low);
  for (let round = 0; round < 14; round += 1) {
    const lookMs = Math.sqrt(low * high);
    best = cheapest(lookMs);
    if (best.looks > looks * fixed.looks) low = lookMs;
    else high = lookMs;
  }
  return { looks: best.looks / fixed.looks, lateness: best.lateness / fixed.lateness };
}
