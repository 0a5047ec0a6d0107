/** Prints a line as it goes. */
export type Print = (line: string) => void;

/** A goal that a figure is held against; no test asserts it. */
export interface Goal {
  /** `ratio`: of reelq's figure to the one beside it. */
  readonly of: "ratio" | "figure";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** One line of a table: what reelq did, and what something else did in the same minute. */
export interface Line {
  readonly what: string;
  readonly unit: string;
  readonly reelq: number;
  /** The same of its counterpart. */
  readonly beside?: { readonly name: string; readonly figure: number };
  readonly goal?: Goal;
}

/** What a benchmark found out. */
export interface Figures {
  readonly lines: readonly Line[];
  /** What the lines do not say: sizes, rounds, how they were taken, what could not be run. */
  readonly notes: readonly string[];
  /** All that was measured, for whoever wants to look closer. */
  readonly raw: unknown;
}

/** Thrown where this machine lacks what a benchmark needs; the others go on. */
export class CannotRunError extends Error {
  override readonly name = "CannotRunError";
}

export interface Bench {
  /** What it finds out, in a sentence. */
  readonly question: string;
  /** @throws CannotRunError */
  run(print: Print): Promise<Figures>;
}
