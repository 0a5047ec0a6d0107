/** What a batch can be; the last four are final. */
export const batchStates = [
  "validating",
  "running",
  "paused",
  "cancelling",
  "finalizing",
  "completed",
  "expired",
  "cancelled",
  "failed",
] as const;
export type BatchState = (typeof batchStates)[number];

/** What each state is towards clients that expect the OpenAI shape. */
export const batchStatusOf = {
  validating: "validating",
  running: "in_progress",
  paused: "in_progress",
  cancelling: "cancelling",
  finalizing: "finalizing",
  completed: "completed",
  expired: "expired",
  cancelled: "cancelled",
  failed: "failed",
} as const satisfies Record<BatchState, string>;

export const isBatchOver = (state: BatchState): boolean =>
  state === "completed" || state === "expired" || state === "cancelled" || state === "failed";

/** Why a batch sends nothing, or ended otherwise than by itself. */
export const batchReasons = {
  person: "somebody paused or cancelled it",
  budget: "a budget is used up",
  stop_loss: "too much went wrong",
  canary: "a canary's file is not good",
  source: "what is left remixes clips that failed",
  window: "its window has closed for good",
  manifest: "its manifest has mistakes",
} as const satisfies Record<string, string>;
export type BatchReason = keyof typeof batchReasons;

/** What becomes of a clip whose source failed: it counts as left out, it fails too, or it waits for a person's retry. */
export const sourcePolicies = ["skip", "fail", "hold"] as const;
export type SourcePolicy = (typeof sourcePolicies)[number];

/** At a cap: what is paid finishes and the rest waits; or the rest is cancelled. */
export const capStyles = ["finish", "cancel"] as const;
export type CapStyle = (typeof capStyles)[number];

/** When its window ends: the rest waits for the next one, or is given up. */
export const windowEnds = ["carry", "expire"] as const;
export type WindowEnd = (typeof windowEnds)[number];

/** One line of a manifest, in reelq's own names whatever its format was. */
export interface ManifestEntry {
  readonly kind: "entry";
  /** The line of the file that it begins on, from 1. */
  readonly line: number;
  /**
   * `id`, `prompt`, `model`, `seconds`, `size`, `reference`, `remix_of`, `takes`, `priority`, `tags`, with the
   * defaults filled in; others as they were written, to be refused by name.
   */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What cannot be read as a line of a manifest. */
export interface ManifestMistake {
  readonly kind: "mistake";
  readonly line: number;
  readonly field?: string | undefined;
  /** A whole sentence: what was given, and what is allowed. */
  readonly message: string;
}
export type ManifestItem = ManifestEntry | ManifestMistake;

/** What a line may say. */
export const manifestFields = [
  "id",
  "prompt",
  "model",
  "seconds",
  "size",
  "reference",
  "remix_of",
  "takes",
  "priority",
  "tags",
] as const;
export type ManifestField = (typeof manifestFields)[number];

/** What a head or a flag may give to every line that does not say it itself. */
export const manifestDefaults = ["model", "seconds", "size", "reference", "takes", "priority", "tags"] as const;

/** So many lines a batch may have; what the OpenAI shape allows. */
export const mostLines = 50_000;
/** So many takes of one line. */
export const mostTakes = 100;
/** Of a batch and of a line: the higher goes first. */
export const priorityRange = { least: -100, most: 100 } as const;
