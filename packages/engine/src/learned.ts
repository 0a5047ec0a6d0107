import { DAY, type Dice } from "./clock.ts";

/**
 * What finished renders taught. A sketch is one Redis hash for each lane, model and length: its field `n` counts
 * renders, and each other field is one render, rounded, with how often it was seen. A field reads
 * `<from>-<to>,<progress>@<age>,…`: between which two cells of age the render ended, and what it had reported before.
 */

/** One progress report: 0 to 100, as reported at that age. */
export interface Reading {
  readonly ageMs: number;
  readonly progress: number;
}

/** One finished render. Both ends are the same where the upstream said when it completed; else it ended somewhere between two looks. */
export interface Finished {
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly readings: readonly Reading[];
}

export interface Learned {
  /** Renders that it was learned from. */
  readonly count: number;
  /** The same, where a render of the generation before weighs less. */
  readonly weight: number;
  /** Share of the renders that ended in each cell of age; empty until the first is known. */
  readonly density: Float64Array;
  /** What progress says; undefined until it has proved to say something. */
  readonly curve: Curve | undefined;
}

/** The progress that is reported at each phase (age / length, 0 to 1 in hundredths) of a render, and how far reports lie apart. */
export interface Curve {
  readonly mean: Float64Array;
  readonly spread: Float64Array;
}

export const nothingLearned: Learned = { count: 0, weight: 0, density: new Float64Array(0), curve: undefined };

/** A generation is full at so many renders: the hash is then renamed to be the one before. Enough for a smooth curve, few enough to follow a drift. */
export const generationLength = 200;

/** What a render of the generation before still weighs, so that a drift is followed. */
const olderWeight = 0.6;

/** Cells of age: the first begins at 250 ms, each next one is 2 % longer, the last ends after a day. */
const firstCellMs = 250;
const cellWidth = Math.log(1.02);
export const cellCount = Math.ceil(Math.log(DAY / firstCellMs) / cellWidth);

/** Where a cell begins, in ms. */
export const cellStartMs = (cell: number): number => firstCellMs * Math.exp(cell * cellWidth);

/** Which cell an age lies in; what is shorter or longer than all of them lies in the first or the last. */
const cellOf = (ms: number): number =>
  Math.min(Math.max(Math.floor(Math.log(Math.max(ms, firstCellMs) / firstCellMs) / cellWidth), 0), cellCount - 1);

/** Of a render that was looked at often, so many readings are kept. */
const keptReadings = 4;

/** What to add (HINCRBYFLOAT) to the fields of the sketch's hash. */
export function lessonOf(finished: Finished, dice: Dice): Readonly<Record<string, number>> {
  const from = cellOf(Math.min(finished.earliestMs, finished.latestMs));
  const to = cellOf(finished.latestMs);
  const said = drawn(finished.readings, dice).map(({ ageMs, progress }) => `,${Math.floor(progress)}@${cellOf(ageMs)}`);
  return { n: 1, [`${from}-${to}${said.join("")}`]: 1 };
}

/** Some of the readings that say something, by lot. */
function drawn(readings: readonly Reading[], dice: Dice): readonly Reading[] {
  const kept = readings.filter(says);
  while (kept.length > keptReadings) kept.splice(Math.floor(dice() * kept.length), 1);
  return kept;
}

/** Progress 0 and 100 say nothing, nor does what is no number. */
export const says = ({ ageMs, progress }: Reading): boolean => ageMs > 0 && progress >= 1 && progress < 100;

/** Reads the two generations of a sketch: the hash being filled and the full one before it. Ignores fields it does not know and values that are no numbers. */
export function readLearned(now: Readonly<Record<string, string>>, before: Readonly<Record<string, string>>): Learned {
  const young = rendersIn(now, 1);
  const renders = [...young, ...rendersIn(before, olderWeight)];
  if (renders.length === 0) return nothingLearned;
  const weight = sum(renders.map((render) => render.weight));
  const density = densityOf(renders, weight);
  return {
    count: Math.round(sum(renders.map((render) => render.times))),
    weight,
    density,
    curve: curveFrom(keptIn(renders), keptIn(young).length, density),
  };
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}
interface Render extends Span {
  readonly times: number;
  readonly readings: readonly { readonly progress: number; readonly age: number }[];
}

const aRender = /^(\d{1,4})-(\d{1,4})((?:,\d{1,2}@\d{1,4})*)$/;

function rendersIn(fields: Readonly<Record<string, string>>, share: number): readonly Render[] {
  return Object.entries(fields).flatMap(([field, value]) => {
    const [, from, to, said] = aRender.exec(field) ?? [];
    const times = Number(value);
    if (from === undefined || !(times > 0 && times < 1e9)) return [];
    const readings = [...(said ?? "").matchAll(/(\d+)@(\d+)/g)].map(([, progress, age]) => ({
      progress: Number(progress),
      age: Math.min(Number(age), cellCount - 1),
    }));
    const last = Math.min(Number(to), cellCount - 1);
    return [{ from: Math.min(Number(from), last), to: last, times, weight: times * share, readings }];
  });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/**
 * The share of renders that ended in each cell: expectation-maximisation with a smoothing step, for observations known
 * to an interval only (Silverman, Jones, Wilson & Nychka 1990, "A smoothed EM approach to indirect estimation problems").
 * An exact length stays where it is and is smoothed once; a wide interval fills where its neighbours lie.
 */
function densityOf(spans: readonly Span[], weight: number): Float64Array {
  const kernel = gaussian(bandwidth(spans, weight));
  let density = new Float64Array(cellCount).fill(1 / cellCount);
  for (let round = 0; round < 25; round += 1) {
    const next = smoothed(expected(spans, weight, density), kernel);
    const moved = next.reduce((total, share, cell) => total + Math.abs(share - (density[cell] ?? 0)), 0);
    density = next;
    if (moved < 0.002) break;
  }
  return density;
}

/** Silverman's rule with a smaller factor, because renders may have two lengths; in cells. */
function bandwidth(spans: readonly Span[], weight: number): number {
  const mean = sum(spans.map((span) => span.to * span.weight)) / weight;
  const spread = Math.sqrt(sum(spans.map((span) => (span.to - mean) ** 2 * span.weight)) / weight);
  return Math.max(1, 0.6 * spread * weight ** -0.2);
}

function gaussian(width: number): Float64Array {
  const reach = Math.ceil(width * 3);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-0.5 * ((at - reach) / width) ** 2));
  const total = kernel.reduce((all, one) => all + one, 0);
  return kernel.map((one) => one / total);
}

/** Each span laid over the cells it covers, in proportion to what is thought to end there. */
function expected(spans: readonly Span[], weight: number, density: Float64Array): Float64Array {
  const upTo = new Float64Array(cellCount + 1);
  for (let cell = 0; cell < cellCount; cell += 1) upTo[cell + 1] = upTo[cell]! + density[cell]!;
  const steps = new Float64Array(cellCount + 1);
  for (const span of spans) {
    const factor = span.weight / weight / Math.max(upTo[span.to + 1]! - upTo[span.from]!, 1e-12);
    steps[span.from]! += factor;
    steps[span.to + 1]! -= factor;
  }
  let factor = 0;
  return density.map((share, cell) => {
    factor += steps[cell]!;
    return share * Math.max(factor, 0);
  });
}

function smoothed(density: Float64Array, kernel: Float64Array): Float64Array<ArrayBuffer> {
  const reach = (kernel.length - 1) / 2;
  const result = new Float64Array(cellCount);
  for (let cell = 0; cell < cellCount; cell += 1) {
    const share = density[cell]!;
    if (share < 1e-9) continue;
    for (let at = 0; at < kernel.length; at += 1) {
      const target = Math.min(Math.max(cell + at - reach, 0), cellCount - 1);
      result[target]! += share * kernel[at]!;
    }
  }
  return result;
}

/** A reading, and between which cells its render ended. */
interface Kept extends Span {
  readonly age: number;
  readonly progress: number;
}

const keptIn = (renders: readonly Render[]): readonly Kept[] =>
  renders.flatMap(({ from, to, weight, readings }) =>
    readings.map(({ progress, age }) => ({ from: Math.max(from, age), to: Math.max(to, age), weight, age, progress })),
  );

/** Progress has said nothing before so many readings. */
const fewestReadings = 8;

/** How much better (mean ln of the likelihoods' ratio) the ends must be foreseen with the progress than by the age alone. */
const worthwhileGain = 0.1;

/**
 * What progress is reported at each phase, given where the renders ended: expectation-maximisation, because a render whose
 * end lies between two looks may have been in several phases. Learned as progress given the phase, not as length given the progress, it
 * does not depend on when the looks came; and a progress that is stuck or nonsense is the same in every phase, and so says nothing.
 */
function curveFrom(readings: readonly Kept[], young: number, density: Float64Array): Curve | undefined {
  if (readings.length < fewestReadings) return undefined;
  const known = density.map((share) => share + 1e-9);
  const guesses = readings.map((reading) => guessesOf(reading, known));
  const all = guesses.flat();
  let curve = believed;
  for (let round = 0; round < (all.length === readings.length ? 1 : 5); round += 1) {
    for (const some of guesses) if (some.length > 1) weigh(some, curve);
    curve = refined(all);
  }
  const gains = gainsOf(readings, curve, known);
  // A server that changed its ways is found out by the renders since, long before they outnumber the others.
  const judges = young < 3 * fewestReadings ? [gains] : [gains, gains.slice(0, young)];
  return judges.every((some) => meanGain(some) > worthwhileGain) ? curve : undefined;
}

/** Before any progress is read: percents of the time, taken lightly. */
const believed: Curve = {
  mean: Float64Array.from({ length: 101 }, (_, percent) => percent),
  spread: new Float64Array(101).fill(25),
};

/** A column of the curve, at any phase. */
export function atPhase(column: Float64Array, phase: number): number {
  const place = Math.min(Math.max(phase * 100, 0), 99.999);
  const before = Math.floor(place);
  return column[before]! + (place - before) * (column[before + 1]! - column[before]!);
}

/** How likely a progress is at a phase; never nothing, because a server may change its ways. */
export function likelihood({ mean, spread }: Curve, progress: number, phase: number): number {
  const wide = atPhase(spread, phase);
  return (0.39 / wide) * Math.exp(-0.5 * ((progress - atPhase(mean, phase)) / wide) ** 2) + 0.0002;
}

const phaseOf = (age: number, cell: number): number => Math.exp((age - cell) * cellWidth);

/** A phase that a reading may have been in. */
interface Guess {
  readonly phase: number;
  readonly progress: number;
  /** Its weight by where renders end, and that by how likely the progress is there too. */
  readonly blind: number;
  weight: number;
}

/** The phases that a reading may have been in; a wide interval is sampled. */
function guessesOf({ from, to, weight, age, progress }: Kept, known: Float64Array): readonly Guess[] {
  const stride = Math.ceil((to - from + 1) / 6);
  let total = 0;
  for (let cell = from; cell <= to; cell += stride) total += known[cell]!;
  const some: Guess[] = [];
  for (let cell = from; cell <= to; cell += stride) {
    const blind = (weight * known[cell]!) / total;
    some.push({ phase: phaseOf(age, cell), progress, blind, weight: blind });
  }
  return some;
}

function weigh(guesses: readonly Guess[], curve: Curve): void {
  let [blind, seen] = [0, 0];
  for (const guess of guesses) {
    guess.weight = guess.blind * likelihood(curve, guess.progress, guess.phase);
    blind += guess.blind;
    seen += guess.weight;
  }
  for (const guess of guesses) guess.weight *= blind / seen;
}

/** Phases are learned in so many parts, joined by straight lines. */
const parts = 20;

function refined(guesses: readonly Guess[]): Curve {
  const partOf = (phase: number): number => Math.min(Math.floor(phase * parts), parts - 1);
  const sums = Array.from({ length: parts }, () => ({ weight: 0, phase: 0, progress: 0, square: 0 }));
  for (const { phase, progress, weight } of guesses) {
    const part = sums[partOf(phase)]!;
    part.weight += weight;
    part.phase += weight * phase;
    part.progress += weight * progress;
  }
  const knots = sums
    .filter(({ weight }) => weight > 1)
    .map(({ weight, phase, progress }) => ({ phase: phase / weight, progress: progress / weight }));
  const mean = polyline(knots);
  for (const { phase, progress, weight } of guesses)
    sums[partOf(phase)]!.square += weight * (progress - atPhase(mean, phase)) ** 2;
  const overall = sum(sums.map(({ square }) => square)) / sum(sums.map(({ weight }) => weight));
  // A part with few readings is taken to spread twice as far as all of them do.
  const spreads = sums.map(({ weight, square }) => Math.sqrt(Math.max((square + 8 * overall) / (weight + 2), 0.5)));
  return { mean, spread: Float64Array.from({ length: 101 }, (_, percent) => spreads[partOf(percent / 100)]!) };
}

/** Straight lines through the knots, and on past the first and the last, in hundredths of the phase. */
function polyline(knots: readonly { readonly phase: number; readonly progress: number }[]): Float64Array {
  if (knots.length < 2) return new Float64Array(101).fill(knots[0]?.progress ?? 50);
  return Float64Array.from({ length: 101 }, (_, percent) => {
    const after = knots.findIndex(({ phase }) => phase >= percent / 100);
    const at = after === -1 ? knots.length - 1 : Math.max(after, 1);
    const [one, two] = [knots[at - 1]!, knots[at]!];
    const part = (percent / 100 - one.phase) / Math.max(two.phase - one.phase, 1e-6);
    return Math.min(Math.max(one.progress + part * (two.progress - one.progress), 0), 100);
  });
}

/** A render that lasts so many cells more than its age has hardly begun: from there on the phase is as good as 0. */
const earlyCells = 200;

/** How much better the end of each render is foreseen with its progress than by its age alone: ln of the likelihoods' ratio. */
function gainsOf(readings: readonly Kept[], curve: Curve, known: Float64Array): readonly Gain[] {
  const last = known.findLastIndex((share) => share > 1e-6);
  const left = new Float64Array(cellCount + 1);
  for (let cell = cellCount - 1; cell >= 0; cell -= 1) left[cell] = left[cell + 1]! + known[cell]!;
  const rows = new Map<number, Float64Array>();
  const rowOf = (progress: number): Float64Array => {
    const row =
      rows.get(progress) ??
      Float64Array.from({ length: earlyCells + 1 }, (_, apart) => likelihood(curve, progress, phaseOf(0, apart)));
    rows.set(progress, row);
    return row;
  };
  const foreseen = (row: Float64Array, age: number, from: number, to: number): number => {
    let total = 1e-12;
    for (let cell = from; cell <= to; cell += 1) total += known[cell]! * row[Math.min(cell - age, earlyCells)]!;
    return total;
  };
  return readings.map(({ age, from, to, progress, weight }) => {
    const row = rowOf(progress);
    const blind = (left[from]! - left[to + 1]!) / left[age]!;
    const seen = foreseen(row, age, from, to) / foreseen(row, age, age, Math.max(last, to));
    return { gain: Math.log(seen / blind), weight };
  });
}

interface Gain {
  readonly gain: number;
  readonly weight: number;
}

/** The mean, less what the curve's own freedom explains. */
const meanGain = (gains: readonly Gain[]): number =>
  (sum(gains.map(({ gain, weight }) => gain * weight)) - 4) / sum(gains.map(({ weight }) => weight));
