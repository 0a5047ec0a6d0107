import type {
  BatchBody,
  BatchChange,
  BatchCreateBody,
  BatchPlanBody,
  BatchRetryBody,
  BatchState,
  ClipBody,
  Status,
} from "@reelq/contract";
import type { Repeatable } from "../ask.ts";
import type { Caller } from "../caller.ts";

export interface BatchListOptions {
  /** The last id of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly states?: readonly BatchState[] | undefined;
}

export interface ClipListOptions {
  /** The last number of the page before; 0 where left out. */
  readonly after?: number | undefined;
  readonly limit: number;
  /** Only those in one of these. */
  readonly statuses?: readonly Status[] | undefined;
}

/** Batches, as callers see them. Every call throws ProblemError for what a caller can mend. */
export interface Batches {
  /** Makes the batch known; its manifest is judged and accepted behind it. A manifest with mistakes ends it as `failed`. */
  create(body: BatchCreateBody, caller: Caller, again?: Repeatable): Promise<BatchBody>;
  /** What it would do; creates nothing. */
  plan(body: BatchCreateBody, caller: Caller): Promise<BatchPlanBody>;
  read(id: string, caller: Caller): Promise<BatchBody>;
  /** The caller's own; everyone's for an admin. */
  list(options: BatchListOptions, caller: Caller): Promise<{ batches: readonly BatchBody[]; hasMore: boolean }>;
  /** A page of its clips, in the manifest's order. */
  clips(
    id: string,
    options: ClipListOptions,
    caller: Caller,
  ): Promise<{ clips: readonly ClipBody[]; lastNumber: number | null; hasMore: boolean }>;
  pause(id: string, caller: Caller): Promise<BatchBody>;
  /** Goes on after a pause, whoever made it. */
  resume(id: string, caller: Caller): Promise<BatchBody>;
  /** Cancels what is free; what is paid for finishes. */
  cancel(id: string, caller: Caller): Promise<BatchBody>;
  change(id: string, change: BatchChange, caller: Caller): Promise<BatchBody>;
  /** Sends failed clips again, with other prompts where some are given. @returns the batch, and how many clips */
  retry(id: string, body: BatchRetryBody, caller: Caller): Promise<{ batch: BatchBody; retried: number }>;
  /** Does without lines. */
  waive(id: string, customIds: readonly string[], caller: Caller): Promise<{ batch: BatchBody; waived: number }>;
}
