import { MINUTE } from "../clock.ts";

/*
 * Whose clip is next. The highest priority goes first; those of the same share out the turns: projects by their
 * weights, and in each project its batches by theirs. That is "earliest eligible virtual deadline first" (Stoica &
 * Abdel-Wahab 1995): each has a virtual time, the turns that it had for its weight; who has had no more than the average may
 * have the next one, and among these who is due first. Nobody is then ever a whole turn from its share.
 */

/**
 * A batch that wants turns. One that has something but may not send it now is passed too, with nothing ready: then it is
 * still owed its turn. Of who is missing only what it owes is kept, until the others have had as much.
 */
export interface Contender {
  readonly batch: string;
  readonly project: string;
  /** The higher goes first. */
  readonly priority: number;
  /** Its share among its project's batches; above 0. */
  readonly weight: number;
  /** The project's share among projects; 1 where left out, the largest where its batches differ. */
  readonly projectWeight?: number | undefined;
  /** Since when its next clip could be sent but for its turn, in ms. */
  readonly waitedMs: number;
  /** Clips that it could send now. */
  readonly ready: number;
}

/** What each has had beyond the average, in turns for its weight; below 0 for whom a turn is owed. JSON as it is. */
type Share = Readonly<Record<string, number>>;
export interface Shares {
  readonly projects: Share;
  /** By project, the shares of its batches. */
  readonly batches: Readonly<Record<string, Share>>;
}

export const noShares: Shares = { projects: {}, batches: {} };

/** So long a clip waits for one step of priority. */
export const agingMs = 10 * MINUTE;

/**
 * The priority with what waiting adds to it. It lifts up to the highest that has something to send, and no further:
 * then turns are shared out, and of two that waited long neither goes before the other.
 */
export const raised = ({ priority, waitedMs }: Contender, highest: number): number =>
  Math.max(priority, Math.min(highest, priority + Math.floor(Math.max(0, waitedMs) / agingMs)));

/** Picks up to `count` turns, one after the other; fewer where less is ready. @returns batches, in the order of their turns */
export function nextTurns(
  contenders: readonly Contender[],
  shares: Shares,
  count: number,
): { readonly turns: readonly string[]; readonly shares: Shares } {
  // Sorted, so that sums and ties do not depend on the order given.
  const all = contenders.toSorted((one, other) => order(one.project, other.project) || order(one.batch, other.batch));
  const left = new Map(all.map(({ batch, ready }) => [batch, ready]));
  const isReady = ({ batch }: Contender): boolean => (left.get(batch) ?? 0) >= 1;
  const projects = readShare(shares.projects);
  const batches = new Map(Object.entries(shares.batches).map(([project, share]) => [project, readShare(share)]));
  const turns: string[] = [];
  while (turns.length < count) {
    const first = foremost(all.filter(isReady));
    if (first.length === 0) break;
    const project = take(projects, projectsOf(first));
    const times = batches.get(project) ?? new Map<string, number>();
    batches.set(project, times);
    const batch = take(times, batchesOf(first, project));
    left.set(batch, left.get(batch)! - 1);
    turns.push(batch);
  }
  const written = writeShare(projects, projectsOf(all));
  const own = Object.keys(written).map((project) => {
    return [project, writeShare(batches.get(project) ?? new Map(), batchesOf(all, project))] as const;
  });
  return { turns, shares: { projects: written, batches: Object.fromEntries(own) } };
}

const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** Those of the highest priority. */
function foremost(ready: readonly Contender[]): readonly Contender[] {
  const highest = ready.reduce((most, { priority }) => Math.max(most, priority), Number.NEGATIVE_INFINITY);
  return ready.filter((one) => raised(one, highest) === highest);
}

interface Weighted {
  readonly name: string;
  readonly weight: number;
}

function projectsOf(contenders: readonly Contender[]): readonly Weighted[] {
  const weights = new Map<string, number>();
  for (const { project, projectWeight = 1 } of contenders)
    weights.set(project, Math.max(projectWeight, weights.get(project) ?? 0));
  return [...weights].map(([name, weight]) => ({ name, weight }));
}

const batchesOf = (contenders: readonly Contender[], project: string): readonly Weighted[] =>
  contenders.flatMap((one) => (one.project === project ? [{ name: one.batch, weight: one.weight }] : []));

/** Virtual times; 0 is the average, and where a newcomer begins. */
type Times = Map<string, number>;

const readShare = (share: Share): Times => new Map(Object.entries(share));

/** What rounding may add up to. */
const rounding = 1e-9;

/** Gives one of them the turn. */
function take(times: Times, ready: readonly Weighted[]): string {
  for (const { name, weight } of ready) times.set(name, within(times.get(name) ?? 0, weight));
  const timeOf = ({ name }: Weighted): number => times.get(name)!;
  const dueAt = (one: Weighted): number => timeOf(one) + 1 / one.weight;
  const total = ready.reduce((sum, { weight }) => sum + weight, 0);
  const average = ready.reduce((sum, one) => sum + timeOf(one) * one.weight, 0) / total;
  const least = ready.reduce((least, one) => Math.min(least, timeOf(one)), Number.POSITIVE_INFINITY);
  const next = ready
    .filter((one) => timeOf(one) <= Math.max(average, least) + rounding)
    .reduce((best, one) => (dueAt(one) < dueAt(best) - rounding ? one : best));
  times.set(next.name, dueAt(next));
  // The average has moved on by this turn, and is 0 again. It never moves back: that would make debts of turns long had.
  const moved = Math.max(0, average + 1 / total);
  for (const [name, time] of times) times.set(name, time - moved);
  return next.name;
}

/** Nobody is owed more than a turn, or owes more: no burst for who was away, and a weight that was changed counts at once. */
const within = (time: number, weight: number): number => Math.min(Math.max(time, -1 / weight), 1 / weight);

/** Of those that owe turns and are missing, so many at the most are remembered. */
const mostOwing = 256;

function writeShare(times: Times, present: readonly Weighted[]): Share {
  const owing = [...times].filter(([, time]) => time > rounding);
  return Object.fromEntries([
    ...owing.sort(([one, owes], [other, more]) => more - owes || order(one, other)).slice(0, mostOwing),
    ...present.map(({ name, weight }) => [name, within(times.get(name) ?? 0, weight)] as const),
  ]);
}
