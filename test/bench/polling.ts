import type { Bench } from "./bench.ts";
import {
  aSet,
  durations,
  type Figures,
  figuresOf,
  fixedSchedules,
  goals,
  meets,
  optimum,
  progresses,
  type Render,
  type Watched,
  watchedLearning,
  watchedWith,
} from "./polling-simulation.ts";

const seed = 7;
const size = 4_000;

/** The headline leaves out the first renders, from which the learner learns; the whole run is printed beside. */
const warmUp = 200;

type Set = keyof typeof durations;
type Progress = keyof typeof progresses;

interface Row {
  readonly set: Set;
  readonly schedule: string;
  readonly goal?: keyof typeof goals;
  readonly figures: Figures;
  readonly whole: Figures;
}

/** How many looks a finished render costs, and how late it is found: reelq's schedule against fixed ones on the same renders. */
export const polling: Bench = (print) => {
  print(
    `${size} renders a set, seed ${seed}. Figures after the first ${warmUp}; in brackets: of all, from nothing learned.`,
  );
  print("reelq learns as it goes. said: the upstream says when it completed; unsaid: the end lies between two looks.");
  print(header);
  const sets = (Object.keys(durations) as Set[]).map((set) => {
    const rows = fixedRows(set).concat(learningRows(set));
    for (const row of rows) print(line(row, rows[0]!));
    if (set === "log-normal") print(optimumLine(rows));
    print("");
    return rows;
  });
  const judged = Object.keys(goals).map(
    (goal) => `${goal} ${sets.every((rows) => reaches(rows, goal)) ? "met" : "missed"}`,
  );
  print("goals, of fixed 10 s: with progress a third of the looks at 0.6 of the mean lateness; without 0.55 at 1.3.");
  print(`goals: ${judged.join("; ")}`);
  return { seed, size, warmUp, goals, rows: sets.flat() };
};

const row = (set: Set, schedule: string, watched: readonly Watched[], goal?: keyof typeof goals): Row => ({
  set,
  schedule,
  figures: figuresOf(watched.slice(warmUp)),
  whole: figuresOf(watched),
  ...(goal && { goal }),
});

function fixedRows(set: Set): readonly Row[] {
  const renders = aSet(set, "none", size, seed);
  return Object.entries(fixedSchedules).map(([name, nextLook]) => row(set, name, watchedWith(renders, nextLook)));
}

/** What servers also report: that must do no harm, and may help. Shown on one set only. */
const oddProgresses = ["steps", "fast, then slow", "stuck at 99", "a timer", "stuck at 50", "nonsense"] as const;

function learningRows(set: Set): readonly Row[] {
  const learning = (progress: Progress, completedAt: boolean, goal?: keyof typeof goals): Row => {
    const renders: readonly Render[] = aSet(set, progress, size, seed);
    const schedule = `reelq, ${progress === "none" ? "no progress" : progress}, ${completedAt ? "said" : "unsaid"}`;
    return row(set, schedule, watchedLearning(renders, { completedAt, seed }), goal);
  };
  return [
    ...[true, false].map((said) => learning("none", said, "without")),
    ...[true, false].map((said) => learning("linear", said, "with progress")),
    ...(set === "log-normal" ? oddProgresses.map((progress) => learning(progress, false)) : []),
  ];
}

const reaches = (rows: readonly Row[], name: string): boolean =>
  rows.every(({ goal, figures }) => goal !== name || meets(figures, rows[0]!.figures, goals[goal]));

const columns = [11, 32, 6, 16, 7, 16, 7] as const;
const table = (...cells: readonly string[]): string =>
  cells.map((cell, at) => (at < 2 ? cell.padEnd(columns[at]!) : cell.padStart(columns[at]!))).join("  ");
const header = table("set", "schedule", "looks", "of fixed 10 s", "late s", "of fixed 10 s", "p99 s");

function line({ set, schedule, figures, whole }: Row, fixed: Row): string {
  const ratio = (of: (figures: Figures) => number): string =>
    `${(of(figures) / of(fixed.figures)).toFixed(3)} (${(of(whole) / of(fixed.whole)).toFixed(3)})`;
  const looks = [figures.looksPerVideo.toFixed(2), ratio(({ looksPerVideo }) => looksPerVideo)];
  const late = [seconds(figures.meanLatenessMs), ratio(({ meanLatenessMs }) => meanLatenessMs)];
  return table(set, schedule, ...looks, ...late, seconds(figures.p99LatenessMs));
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(2);

/** The optimum at 0.54 of the looks, and at as many as reelq used. */
function optimumLine(rows: readonly Row[]): string {
  const used = rows.find(({ goal }) => goal === "without")!.figures.looksPerVideo / rows[0]!.figures.looksPerVideo;
  const at = [0.54, used].map((looks) => {
    const best = optimum(105_000, 0.45, looks);
    return `${best.looks.toFixed(3)} of the looks at ${best.lateness.toFixed(3)} of the lateness`;
  });
  return `Without progress, what is best for one who knows the distribution (a sample of renders may differ by a hundredth): ${at.join("; ")}.`;
}
