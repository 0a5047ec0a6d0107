import { type Dice, HOUR, MINUTE, SECOND } from "./clock.ts";
import {
  atPhase,
  cellCount,
  cellStartMs,
  type Curve,
  type Learned,
  likelihood,
  type Reading,
  says,
} from "./learned.ts";

/*
 * When to look at a render again. Every look costs one; every millisecond between the render's end and the look that
 * finds it costs 1 / w. The cheapest ages to look at are the "optimum checking procedure" of Barlow, Hunter & Proschan
 * (J. SIAM 11, 1963, 1078-1095): where the chance that the render ends soon (its hazard) is high, looks lie close, about
 * as the square root of the hazard (Keller, Management Science 21, 1974, 256-260). Here they are found exactly, over a grid of ages,
 * backwards by dynamic programming. With T the unknown length and V the cost of all that follows a look that was too early:
 *
 *   V(t) = min over s > t of  1 + E[(s - T)+ / w | T > t] + P(T > s | T > t) V(s)
 *
 * The distribution of T is what was learned, and a wide prior that weighs as much as four renders. A progress that
 * has proved to say something narrows it by Bayes' rule; then V(s) may also be what is left to pay once the look at s has read the progress.
 */

export interface LookFacts {
  /** Since the upstream accepted the task. */
  readonly ageMs: number;
  /** From the catalogue; three minutes where nobody says. */
  readonly typicalRenderSeconds: number | undefined;
  readonly learned: Learned;
  /** The progress that this look found, if any. */
  readonly reading: Reading | undefined;
  /** 1 as usual; 0.25 where a place in a full lane waits for this render, so that being late costs four times as much. */
  readonly patience: number;
}

/**
 * What trades looks for lateness: where a quarter of the renders are done after a minute, so late is as dear as one look.
 * It grows slower than that quarter's length: between a second being a second and a second mattering only as a part of the render.
 */
const lookCostMs = 0.875 * SECOND;
const lookCostGrowth = 0.35;

const shortestMs = 250;
const longestMs = 5 * MINUTE;

/** Spread of every delay, so that a thousand videos accepted at once are not looked at at once. */
const jitter = 0.1;

/**
 * Until a few renders have taught something, looks come no later than this, and than a part of the age later: a fast
 * server should not wait for a slow guess, and is then never found later than that part of its render.
 */
const firstLookMs = 1.8 * SECOND;
const unlearnedGrowth = 0.35;

/** Ms from now until the next look. */
export function nextLookMs(facts: LookFacts, dice: Dice): number {
  const ageMs = Math.max(0, facts.ageMs);
  const plan = planOf(facts);
  const delayMs = ageMs > plan.overdueMs ? longestMs : bestLook(foreseen(plan, facts), ageMs) - ageMs;
  const isGuess = facts.learned.count < priorWeight && ageMs <= plan.overdueMs;
  const soonMs = isGuess ? Math.max(firstLookMs, ageMs * unlearnedGrowth) : longestMs;
  return Math.round(clamp(Math.min(delayMs, soonMs) * (1 - jitter / 2 + jitter * dice()), shortestMs, longestMs));
}

/** What is expected of the rest of a render, ms from now. */
export interface Rest {
  readonly median: number;
  /** What 9 of 10 stay under. */
  readonly ninety: number;
  /** What 19 of 20 stay under. */
  readonly ninetyFive: number;
}

export function expectedRestMs(facts: Omit<LookFacts, "patience">): Rest {
  const ageMs = Math.max(0, facts.ageMs);
  const ages = foreseen(planOf({ ...facts, patience: 1 }), facts);
  const left = at(ages, ages.left, ageMs);
  const rest = (share: number): number => Math.round(Math.max(quantile(ages, left * share) - ageMs, 0));
  return { median: rest(0.5), ninety: rest(0.1), ninetyFive: rest(0.05) };
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** A grid of ages, each with what is known and what is to be paid from there on. All but the ages are shares of all renders, not of those still running. */
interface Ages {
  readonly ms: Float64Array;
  /** Share of renders that are not finished at this age. */
  readonly left: Float64Array;
  /** Sums up to this age of share / w, and of length x share / w: the cost of being late, between any two ages, is a difference. */
  readonly rate: Float64Array;
  readonly moment: Float64Array;
  /** What follows a look at this age that was too early. */
  readonly ahead: Float64Array;
}

interface Plan extends Ages {
  /** Share of renders that end in each step of the grid. */
  readonly share: Float64Array;
  readonly overdueMs: number;
  /** How late is as dear as one look, for a render of this length. */
  readonly lateMs: (lengthMs: number) => number;
}

const plans = new WeakMap<Learned, Map<string, Plan>>();

/** The plan for a render of which only the age is known; made once for what was learned. */
function planOf({ learned, typicalRenderSeconds, patience }: Omit<LookFacts, "ageMs" | "reading">): Plan {
  const known = plans.get(learned) ?? new Map<string, Plan>();
  plans.set(learned, known);
  const key = `${typicalRenderSeconds} ${patience}`;
  const plan =
    known.get(key) ?? makePlan(learned, Math.max((typicalRenderSeconds ?? 180) * SECOND, shortestMs), patience);
  if (known.size > 64) known.clear();
  known.set(key, plan);
  return plan;
}

/** The prior weighs as much as so many renders. */
const priorWeight = 4;

function makePlan(learned: Learned, typicalMs: number, patience: number): Plan {
  const ms = Float64Array.from({ length: cellCount + 2 }, (_, edge) => (edge === 0 ? 0 : cellStartMs(edge - 1)));
  const prior = priorShares(ms, typicalMs);
  const trust = learned.weight / (learned.weight + priorWeight);
  const share = prior.map((one, step) => one * (1 - trust) + trust * (learned.density[step - 1] ?? 0));
  const left = leftOf(share);
  const quickMs = quantileOf(ms, left, 0.75);
  // Before anything is learned, late is what is late for a render of that length: it may be two seconds or an hour.
  const lateMs = (lengthMs: number): number =>
    patience * lookCostMs * ((lengthMs ** (1 - trust) * quickMs ** trust) / MINUTE) ** lookCostGrowth;
  const overdueMs = Math.max(HOUR, 10 * quantileOf(ms, left, 0.5));
  return { ...agesOf({ ms, share, lateMs, curve: learned.curve, endCost: 2 }), share, overdueMs, lateMs };
}

/** With nothing learned: most likely about the typical length, perhaps any length up to ten times that, just possibly any length at all. */
function priorShares(ms: Float64Array, typicalMs: number): Float64Array {
  const middles = ms.slice(1).map((end, step) => Math.sqrt(end * ms[step]!));
  const about = shares(middles, (length) => Math.exp(-0.5 * (Math.log(length / typicalMs) / 0.7) ** 2));
  const shortest = Math.min(SECOND, typicalMs / 20);
  const perhaps = shares(middles, (length) => (length >= shortest && length <= 10 * typicalMs ? 1 : 0));
  const possibly = shares(middles, () => 1);
  return about.map((one, step) => 0.7 * one + 0.27 * perhaps[step]! + 0.03 * possibly[step]!);
}

function shares(middles: Float64Array, likely: (lengthMs: number) => number): Float64Array {
  const all = middles.map((length) => (length > 0 ? likely(length) : 0));
  const total = all.reduce((sum, one) => sum + one, 0);
  return total > 0 ? all.map((one) => one / total) : all;
}

/** What is foreseen of this render: the plan by age, or that narrowed by what its progress promises. */
function foreseen(plan: Plan, { ageMs, learned, reading }: Omit<LookFacts, "patience">): Ages {
  return learned.curve && reading && says(reading) ? narrowed(plan, Math.max(0, ageMs), reading, learned.curve) : plan;
}

/** Steps of the finer grid over the ages at which a render with a known progress is likely to end. */
const fineSteps = 60;

/** The shares of renders that the finer grid leaves out before it and after it. */
const before = 0.01;
const after = 0.015;

function narrowed(plan: Plan, ageMs: number, reading: Reading, curve: Curve): Ages {
  const likely = (lengthMs: number): number => likelihood(curve, reading.progress, reading.ageMs / lengthMs);
  const coarse = plan.share.map((share, step) => {
    const [from, to] = [Math.max(plan.ms[step]!, ageMs), plan.ms[step + 1]!];
    return to > from ? ((share * (to - from)) / (to - plan.ms[step]!)) * likely((from + to) / 2) : 0;
  });
  const left = leftOf(coarse);
  if (!(left[0]! > 1e-15)) return plan;
  const fromMs = Math.max(quantileOf(plan.ms, left, left[0]! * (1 - before)), ageMs, 1);
  const toMs = Math.max(quantileOf(plan.ms, left, left[0]! * after), fromMs + shortestMs);
  const growth = (toMs / fromMs) ** (1 / fineSteps);
  const ms = Float64Array.from({ length: fineSteps + 2 }, (_, edge) =>
    edge === 0 ? ageMs : fromMs * growth ** (edge - 1),
  );
  let step = 0;
  const fine = Float64Array.from({ length: fineSteps + 1 }, (_, at) => {
    const middle = (ms[at]! + ms[at + 1]!) / 2;
    while (step < plan.share.length - 1 && plan.ms[step + 1]! < middle) step += 1;
    const thick = plan.share[step]! / (plan.ms[step + 1]! - plan.ms[step]!);
    return at === 0 ? 0 : thick * (ms[at + 1]! - ms[at]!) * likely(middle);
  });
  const inside = fine.reduce((sum, one) => sum + one, 0);
  const share = fine.map((one) => (one / inside) * (1 - before - after));
  share[0] = before;
  const endCost = at(plan, plan.ahead, toMs) / Math.max(at(plan, plan.left, toMs), 1e-12);
  return agesOf({ ms, share, lateMs: plan.lateMs, curve, endCost, tail: after });
}

/** Backwards over the grid: what each age costs from there on. */
function agesOf(facts: {
  readonly ms: Float64Array;
  readonly share: Float64Array;
  readonly lateMs: (lengthMs: number) => number;
  readonly curve: Curve | undefined;
  /** What a render costs that is still running at the end of the grid, and the share that is. */
  readonly endCost: number;
  readonly tail?: number;
}): Ages {
  const { ms, share, lateMs, curve, endCost } = facts;
  const left = leftOf(share, facts.tail);
  const rate = new Float64Array(ms.length);
  const moment = new Float64Array(ms.length);
  for (const [step, one] of share.entries()) {
    const middle = (ms[step]! + ms[step + 1]!) / 2;
    const dear = one / lateMs(middle);
    rate[step + 1] = rate[step]! + dear;
    moment[step + 1] = moment[step]! + dear * middle;
  }
  const ahead = new Float64Array(ms.length);
  const ages: Ages = { ms, left, rate, moment, ahead };
  const read = curve && readAhead(ages, share, lateMs, curve);
  ahead[ms.length - 1] = left[ms.length - 1]! * endCost;
  for (let edge = ms.length - 2; edge >= 0; edge -= 1) {
    const look = cheapest(ages, edge, ms[edge]!);
    ahead[edge] = Math.min(look.cost, read?.(edge, look.cost) ?? look.cost);
  }
  return ages;
}

/**
 * Once a progress was read that leaves a spread of x times w, the rest costs about 1 + this x sqrt(x). Keller's density
 * gives 2.0 for a normal distribution looked at blindly; but the next looks read again. Tuned on the benchmark's renders.
 */
const narrowCost = 1.8;

/** What follows a look that was too early, where it reads a progress that says something: told by the length that each running render will have. */
function readAhead(
  ages: Ages,
  share: Float64Array,
  lateMs: (lengthMs: number) => number,
  curve: Curve,
): (edge: number, blindCost: number) => number {
  const roots = rootSpreads(curve);
  const middles = share.map((_, step) => (ages.ms[step]! + ages.ms[step + 1]!) / 2);
  const costs = middles.map((length) => narrowCost * Math.sqrt(length / lateMs(length)));
  return (edge, blindCost) => {
    const percentMs = ages.ms[edge]! * 100;
    const blind = ages.left[edge]! > 0 ? blindCost / ages.left[edge]! : 0;
    let total = ages.left[ages.ms.length - 1]! * blind;
    for (let step = edge; step < share.length; step += 1) {
      if (share[step]! < 1e-7) continue;
      total += share[step]! * Math.min(blind, 1 + costs[step]! * roots[Math.floor(percentMs / middles[step]!)]!);
    }
    return total;
  };
}

/** By how much, at each hundredth of the phase, a progress spreads what it says of the length (as ln), square root: the flatter the curve, the wider. */
function rootSpreads({ mean, spread }: Curve): Float64Array {
  return Float64Array.from({ length: 101 }, (_, percent) => {
    const phase = (percent + 0.5) / 100;
    const slope = Math.abs(atPhase(mean, phase + 0.03) - atPhase(mean, phase - 0.03)) / 0.06;
    return Math.sqrt(atPhase(spread, phase) / Math.max(slope * phase, 1e-3));
  });
}

/** The cheapest age for the look after an age that lies in the step after this edge. */
function cheapest(ages: Ages, edge: number, ageMs: number): { readonly edge: number; readonly cost: number } {
  const { ms, rate, moment, ahead } = ages;
  const [left, ratePast, momentPast] =
    ageMs === ms[edge]
      ? [ages.left[edge]!, rate[edge]!, moment[edge]!]
      : [at(ages, ages.left, ageMs), at(ages, rate, ageMs), at(ages, moment, ageMs)];
  let best = { edge: ms.length - 1, cost: Number.POSITIVE_INFINITY };
  for (let next = edge + 1; next < ms.length; next += 1) {
    const waitMs = ms[next]! - ageMs;
    if (waitMs < shortestMs && next < ms.length - 1) continue;
    if (waitMs > longestMs && best.cost < Number.POSITIVE_INFINITY) break;
    const late = ms[next]! * (rate[next]! - ratePast) - (moment[next]! - momentPast);
    const cost = left + late + ahead[next]!;
    if (cost < best.cost) best = { edge: next, cost };
  }
  return best;
}

/** The age of the best next look. */
function bestLook(ages: Ages, ageMs: number): number {
  const last = ages.ms.length - 1;
  if (ageMs >= ages.ms[last]!) return ageMs + longestMs;
  return ages.ms[cheapest(ages, stepOf(ages.ms, ageMs), ageMs).edge]!;
}

/** Share of renders left at each edge of the grid. */
function leftOf(share: Float64Array, tail = 0): Float64Array {
  const left = new Float64Array(share.length + 1);
  left[share.length] = tail;
  for (let step = share.length - 1; step >= 0; step -= 1) left[step] = left[step + 1]! + share[step]!;
  return left;
}

/** The last edge that is not after this age. */
function stepOf(ms: Float64Array, ageMs: number): number {
  let [low, high] = [0, ms.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ms[middle]! <= ageMs) low = middle;
    else high = middle;
  }
  return low;
}

/** A column of the grid, at any age. */
function at({ ms }: { readonly ms: Float64Array }, column: Float64Array, ageMs: number): number {
  const step = stepOf(ms, ageMs);
  const part = clamp((ageMs - ms[step]!) / Math.max(ms[step + 1]! - ms[step]!, 1e-9), 0, 1);
  return column[step]! + part * (column[step + 1]! - column[step]!);
}

const quantile = (ages: Ages, left: number): number => quantileOf(ages.ms, ages.left, left);

/** The age at which so large a share is left. */
function quantileOf(ms: Float64Array, left: Float64Array, share: number): number {
  let edge = left.findIndex((one) => one <= share);
  if (edge <= 0) edge = edge === 0 ? 1 : ms.length - 1;
  const [before, after] = [left[edge - 1]!, left[edge]!];
  const part = before > after ? clamp((before - share) / (before - after), 0, 1) : 1;
  return ms[edge - 1]! + part * (ms[edge]! - ms[edge - 1]!);
}
