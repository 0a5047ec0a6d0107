import type { Video, VideoCore, VideoIn } from "@reelq/contract";
import type { AdvanceOptions } from "./advance.ts";
import type { Finished } from "./learned.ts";
import type { HeldBack, Obstacle } from "./obstacle.ts";

/**
 * What a stage concluded: a value, read in one place (`runner.ts`). A stage never writes the ledger and never
 * touches a queue.
 */
export type Verdict =
  /** Write this record, and look again after a while if it is not final. */
  | {
      readonly kind: "move";
      readonly next: Video;
      /** Until the next reminder; ignored for a final record. */
      readonly delayMs: number;
      /** What happened, in a few words, where the status alone does not say it. */
      readonly note?: string;
      readonly options?: AdvanceOptions;
      /** What this render teaches about the next ones. */
      readonly lesson?: Finished;
    }
  /** Write the intent, with the lane's leave, in one script; only if that was granted, go on at once. */
  | {
      readonly kind: "intend";
      readonly next: VideoIn<"submitting">;
      readonly options: AdvanceOptions;
      readonly send: (written: VideoIn<"submitting">) => Promise<Verdict>;
      /** What to do where leave was refused; undefined: wait in the lane. */
      readonly refused: (obstacle: Obstacle) => Promise<Verdict | undefined>;
      /** What to do where its batch or a budget does not let it go. */
      readonly heldBack: (by: HeldBack) => Verdict;
    }
  /** Nothing to write: look again after a while. */
  | { readonly kind: "later"; readonly delayMs: number; readonly note: string };

export type Move = Extract<Verdict, { kind: "move" }>;

/** The record as a stage hands it on: core, and what its new status adds. */
export function again(core: VideoCore, setback: keyof VideoCore["setbacks"]): VideoCore {
  return { ...core, setbacks: { ...core.setbacks, [setback]: core.setbacks[setback] + 1 } };
}
