import type { Task, TaskTable } from "./tasks.ts";

/** Counts of what was asked of the simulator since the last reset. */
export interface Looks {
  retrieves: number;
  /** Retrieves and content calls that named an unknown task. */
  unknown: number;
  lists: number;
  contents: number;
  /** Videos that left the simulator to the last byte. */
  wholeContents: number;
  contentsOpen: number;
  contentsOpenPeak: number;
  /** Calls of the key-free file URLs that carried an Authorization header: a key that went where it must not. */
  keysLeaked: number;
}

export const noLooks = (): Looks => ({
  retrieves: 0,
  unknown: 0,
  lists: 0,
  contents: 0,
  wholeContents: 0,
  contentsOpen: 0,
  contentsOpenPeak: 0,
  keysLeaked: 0,
});

export interface RenderLoad {
  readonly now: number;
  readonly peak: number;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

/** How many renders run now and how many ran at most at once, in all and by model. */
export function renderLoad(tasks: TaskTable, now: number): RenderLoad & { byModel: Record<string, RenderLoad> } {
  const byModel = Map.groupBy(tasks.all(), ({ model }) => model);
  return {
    ...loadOf(tasks.all(), now),
    byModel: Object.fromEntries([...byModel].map(([model, list]) => [model, loadOf(list, now)])),
  };
}

function loadOf(tasks: readonly Task[], now: number): RenderLoad {
  const spans = tasks.map((task) => spanOf(task, now));
  return { now: spans.filter(({ to }) => to > now).length, peak: peakOf(spans) };
}

const spanOf = ({ createdAt, endsAt, deletedAt }: Task, now: number): Span => ({
  from: createdAt,
  // What still runs reaches past every start.
  to: Math.min(endsAt, deletedAt ?? Infinity) > now ? Infinity : Math.min(endsAt, deletedAt ?? Infinity),
});

function peakOf(spans: readonly Span[]): number {
  const ends = spans.map(({ to }) => to).sort((a, b) => a - b);
  const starts = spans.map(({ from }) => from).sort((a, b) => a - b);
  let ended = 0;
  let peak = 0;
  for (const [index, start] of starts.entries()) {
    while ((ends[ended] ?? Infinity) <= start) ended += 1;
    peak = Math.max(peak, index + 1 - ended);
  }
  return peak;
}
