import type { Bench, Figures as Findings, Line, Print } from "./frame/bench.ts";
import {
  aSet,
  durations,
  type Figures,
  figuresOf,
  fixedSchedules,
  goals,
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

export const polling: Bench = {
  question:
    "How many looks does a finished render cost, and how late is it found, by reelq's schedule and by fixed ones, on the same renders?",
  run: (print) => Promise.resolve(simulate(print)),
};

function simulate(print: Print): Findings {
  print("reelq learns as it goes. said: the upstream says when it completed; unsaid: the end lies between two looks.");
  print("In brackets: of all renders, from nothing learned.");
  print(header);
  const sets = (Object.keys(durations) as Set[]).map((set) => {
    const rows = fixedRows(set).concat(learningRows(set));
    for (const row of rows) print(line(row, rows[0]!));
    if (set === "log-normal") print(optimumLine(rows));
    print("");
    return rows;
  });
  return {
    lines: sets.flatMap(linesOf),
    notes: [
      `${size} simulated renders a set, seed ${seed}; figures after the first ${warmUp}. Beside it: a look every ten seconds, and a delay that doubles from one second to a minute.`,
      "Goals, of every ten seconds: with progress a third of the looks at 0.6 of the mean lateness; without 0.55 at 1.3.",
    ],
    raw: { seed, size, warmUp, goals, rows: sets.flat() },
  };
}

/** Where no upstream says when it completed: what costs most looks. */
function linesOf(rows: readonly Row[]): Line[] {
  return rows
    .filter(({ schedule }) => schedule.startsWith("reelq") && schedule.endsWith("unsaid"))
    .flatMap((mine) =>
      rows
        .filter(({ schedule }) => Object.hasOwn(fixedSchedules, schedule))
        .flatMap(({ schedule, figures }, at) => {
          const goal = at === 0 && mine.goal ? goals[mine.goal] : undefined;
          const [about, name] = [`${mine.set}, ${mine.schedule.split(", ")[1]}`, schedule];
          return [
            {
              what: `looks a video (${about})`,
              unit: "",
              reelq: mine.figures.looksPerVideo,
              beside: { name, figure: figures.looksPerVideo },
              ...(goal ? { goal: { of: "ratio" as const, atMost: goal.looks } } : {}),
            },
            {
              what: `mean lateness (${about})`,
              unit: "s",
              reelq: mine.figures.meanLatenessMs / 1_000,
              beside: { name, figure: figures.meanLatenessMs / 1_000 },
              ...(goal ? { goal: { of: "ratio" as const, atMost: goal.lateness } } : {}),
            },
          ];
        }),
    );
}

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
