import { instantFleet, instantModel } from "../frame/instant.ts";
import type { RedisCost } from "../frame/redis-cost.ts";

/** What producer and worker are told. */
export interface CrowdInput {
  readonly redisUrl: string;
  /** Videos that render at once. */
  readonly size: number;
  readonly concurrency: number;
  /** How long it takes to ask for all of them. */
  readonly askingSeconds: number;
  readonly measuredSeconds: number;
  /** How long nobody looks before the second sweep. */
  readonly standstillSeconds: number;
  readonly catchUpSeconds: number;
}

/** What a stretch of looks was like. */
export interface Watch {
  readonly seconds: number;
  readonly looks: number;
  /** Looks that became due in it. */
  readonly needed: number;
  /** Of each look: made after it was due, in ms. */
  readonly lateMs: { readonly median: number; readonly p99: number; readonly worst: number };
  /** Of the worker's process. */
  readonly cpuSeconds: number;
  readonly redis: RedisCost;
  readonly slices: readonly Slice[];
}

/** A few seconds of it. */
export interface Slice {
  readonly looks: number;
  readonly medianLateMs: number;
  /** Redis was writing its append-only file anew when it ended. */
  readonly rewritesFile: boolean;
}

/** What one pass of the sweep cost, with nothing else at work. */
export interface SweepCost {
  readonly ms: number;
  readonly commands: number;
  /** Videos whose next step was late, and those of them that had no reminder any more. */
  readonly late: number;
  readonly reminded: number;
  /** The command that kept all others waiting the longest. */
  readonly longest: { readonly ms: number; readonly command: string };
}

export interface WorkerFigures {
  readonly fillSeconds: number;
  readonly residentBytes: number;
  readonly mostResidentBytes: number;
  /** Of it what is still in use once all that is not has been collected. */
  readonly liveHeapBytes: number;
  readonly watch: Watch;
  /** The slowest commands that Redis ran meanwhile, in ms. */
  readonly slowest: readonly SlowCommand[];
  readonly calmSweep: SweepCost;
  readonly lateSweep: SweepCost;
  /** After the standstill, when more is due than can be looked at. */
  readonly catchUp: Watch;
  readonly hiccups: readonly string[];
}

export interface SlowCommand {
  readonly ms: number;
  readonly command: string;
}

/** What the worker tells while it works, and waits for an answer to. */
export type WorkerWord = "listening" | "all closed";

/**
 * Renders end with the same chance in every second, after so long on average: the cheapest looks at such ones lie evenly,
 * 125 s apart, whatever their age. So 100,000 that were sent evenly over that time need 800 looks a second from then on.
 */
export const meanRenderSeconds = 3_600;

/** Enough for the plan to trust what it learned. */
export const knownRenders = 190;

const model = instantFleet.models[instantModel];

export const crowdFleet = {
  ...instantFleet,
  models: { [instantModel]: { ...model, typicalRenderSeconds: Math.round(meanRenderSeconds * Math.LN2) } },
};

/** About as long as people's prompts are. */
export const promptOf = (number: number): string =>
  `Take ${number}. A cat walks over the old stone bridge at dusk, slow dolly in, warm light, 35 mm film, no people in frame`;
