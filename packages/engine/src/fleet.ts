import {
  type Catalogue,
  type Charged,
  type FailureClass,
  failureClasses,
  type Lane,
  type MicroUsd,
  type Model,
  priceOf,
  readUsd,
  seedCatalogue,
  type Video,
  type VideoRequest,
} from "@reelq/contract";
import type { z } from "zod";
import { DAY, SECOND } from "./clock.ts";
import { assumedLifeMs } from "./expiry.ts";
import {
  type BudgetSettings,
  type Capability,
  type FleetConfig,
  fleetSchema,
  type LimitSettings,
  servedBy,
  type UpstreamEntry,
} from "./fleet-config.ts";
import { isSameLane, type LaneLimits, type Limits } from "./lane.ts";
import { type Timings, timingsOf } from "./timings.ts";

/** The upstreams and models, and how they meet in lanes. */
export interface Fleet {
  readonly config: FleetConfig;
  readonly catalogue: Catalogue;
  readonly upstreams: Readonly<Record<string, UpstreamEntry>>;
  readonly lanes: readonly Lane[];
  readonly timings: Timings;
  /** The lanes of a model, in the order of the file. */
  lanesOf(model: string): readonly Lane[];
  /** The lanes of the models that may stand in for the one asked for, where they allow its length and size. */
  equivalentsOf(request: Pick<VideoRequest, "model" | "seconds" | "size">): readonly Lane[];
  /** What the upstream calls the lane's model. */
  wireModel(lane: Lane): string;
  /** A lane's share of the videos that others could render too. */
  weightOf(lane: Lane): number;
  limitsOf(lane: Lane): LaneLimits;
  /** What was said of an upstream's ability; `auto`: it shows. */
  capability(upstream: string, what: "list" | "range" | "remix" | "variants"): Capability;
  /** How long an idempotency key is remembered. */
  readonly idempotencyKeepMs: number;
  /** A reference image must have the video's size. */
  readonly refusesMisfits: boolean;
  /** How a lane's clips are priced; undefined where nobody said it. */
  tariffOf(lane: Lane): Model["price"];
  /** What one clip is expected to cost in a lane; undefined where nobody said a price. */
  priceIn(lane: Lane, seconds: number): MicroUsd | undefined;
  /** The same in the dearest of the model's lanes; undefined where one of them has no price. */
  dearest(model: string, seconds: number): MicroUsd | undefined;
  /** What may be spent, of everything, of a project and at an upstream, by day and ever. */
  readonly budgets: Budgets;
  /** Whether an attempt that ended so cost money there. */
  chargedBy(upstream: string, failure: FailureClass): Charged;
  /** A project's share of a lane that batches of several projects wait for. */
  projectWeight(project: string): number;
  /** How long an upstream keeps a finished file where the task does not say, in ms. */
  retentionMs(upstream: string): number;
}

export function openFleet(given: z.input<typeof fleetSchema>): Fleet {
  const config = fleetSchema.parse(given);
  const catalogue: Catalogue = { ...seedCatalogue, ...config.models };
  const served = Object.fromEntries(
    Object.entries(config.upstreams).map(([upstream, entry]) => [upstream, servedBy(entry, catalogue)]),
  );
  const lanes = Object.entries(served).flatMap(([upstream, models]) =>
    Object.keys(models).map((model) => ({ upstream, model })),
  );
  const lanesOf = (model: string): readonly Lane[] => lanes.filter((lane) => lane.model === model);
  const tariffOf = ({ upstream, model }: Lane): Model["price"] =>
    served[upstream]?.[model]?.price ?? catalogue[model]?.price;
  const priceIn = (lane: Lane, seconds: number): MicroUsd | undefined => priceOf(tariffOf(lane), seconds);
  return {
    config,
    // A model that nobody serves cannot be asked for, once there are upstreams at all.
    catalogue:
      lanes.length === 0
        ? catalogue
        : Object.fromEntries(Object.entries(catalogue).filter(([model]) => lanesOf(model).length > 0)),
    upstreams: config.upstreams,
    timings: timingsOf(config.timings),
    lanes,
    lanesOf,
    equivalentsOf: ({ model, seconds, size }) =>
      (config.equivalents[model] ?? [])
        .filter((other) => catalogue[other]?.seconds.includes(seconds) && catalogue[other].sizes.includes(size))
        .flatMap(lanesOf),
    wireModel: ({ upstream, model }) => served[upstream]?.[model]?.name ?? model,
    weightOf: ({ upstream, model }) => served[upstream]?.[model]?.weight ?? config.upstreams[upstream]?.weight ?? 1,
    limitsOf: ({ upstream, model }) => ({
      lane: limitsFrom(served[upstream]?.[model]?.limits),
      account: limitsFrom(config.upstreams[upstream]?.limits),
    }),
    capability: (upstream, what) => config.upstreams[upstream]?.capabilities?.[what] ?? "auto",
    idempotencyKeepMs: config.idempotency.keepDays * DAY,
    refusesMisfits: config.references.misfit === "refuse",
    tariffOf,
    priceIn,
    dearest: (model, seconds) => {
      const prices = lanesOf(model).map((lane) => priceIn(lane, seconds));
      return prices.length === 0 || prices.includes(undefined) ? undefined : Math.max(...(prices as number[]));
    },
    budgets: {
      timeZone: config.budget.timeZone,
      all: budgetFrom(config.budget),
      of: (project) => budgetFrom(config.projects[project]?.budget),
      at: (upstream) => budgetFrom(config.upstreams[upstream]?.budget),
    },
    chargedBy: (upstream, failure) => {
      const bills = config.upstreams[upstream]?.bills?.[failure];
      return bills === undefined ? failureClasses[failure].charged : bills ? "yes" : "no";
    },
    projectWeight: (project) => config.projects[project]?.weight ?? 1,
    retentionMs: (upstream) => {
      const { retentionSeconds } = config.upstreams[upstream] ?? {};
      return retentionSeconds === undefined ? assumedLifeMs : retentionSeconds * SECOND;
    },
  };
}

/** A cap in millionths of a US dollar; undefined: none. */
interface Budget {
  readonly perDay: MicroUsd | undefined;
  readonly total: MicroUsd | undefined;
}

interface Budgets {
  readonly timeZone: string;
  readonly all: Budget;
  of(project: string): Budget;
  at(upstream: string): Budget;
}

const budgetFrom = ({ perDayUsd, totalUsd }: BudgetSettings = {}): Budget => ({
  perDay: perDayUsd === undefined ? undefined : readUsd(perDayUsd),
  total: totalUsd === undefined ? undefined : readUsd(totalUsd),
});

const limitsFrom = ({ inFlight, requestsPerMinute, looksPerSecond }: LimitSettings = {}): Limits => ({
  inFlight: inFlight ?? 0,
  perMinute: requestsPerMinute ?? 0,
  looksPerSecond: looksPerSecond ?? 0,
});

/** Whether somebody works on the video where it is: a queued one needs its lane, one that was sent its upstream. */
export const serves = ({ lanes, upstreams }: Pick<Fleet, "lanes" | "upstreams">, { status, lane }: Video): boolean =>
  status === "queued" ? lanes.some((one) => isSameLane(one, lane)) : upstreams[lane.upstream] !== undefined;

/** Where a video that could be rendered in any of these lanes may go besides the one it is in. */
export const othersThan = (lane: Lane, lanes: readonly Lane[]): readonly Lane[] =>
  lanes.filter((other) => !isSameLane(other, lane));

const millis = (seconds: number): number => Math.round(seconds * SECOND);

/** What `@reelq/upstream` is told of the time-outs of one. */
export function timeoutsOf({ timeouts = {} }: UpstreamEntry) {
  const { connectSeconds, createSeconds, lookSeconds, idleSeconds } = timeouts;
  return {
    ...(connectSeconds === undefined ? {} : { connectMs: millis(connectSeconds) }),
    ...(createSeconds === undefined ? {} : { headersMs: millis(createSeconds), totalMs: millis(createSeconds) }),
    ...(lookSeconds === undefined ? {} : { lookMs: millis(lookSeconds) }),
    ...(idleSeconds === undefined ? {} : { bodyIdleMs: millis(idleSeconds) }),
  };
}

/** The name of the one upstream that UPSTREAM_URL stands for. */
const singleName = "main";

/** The file's upstreams, or the one of UPSTREAM_URL. */
export const withSingleUpstream = (
  config: FleetConfig,
  url: string | undefined,
  key: string | undefined,
): FleetConfig =>
  url === undefined ? config : { ...config, upstreams: { [singleName]: key === undefined ? { url } : { url, key } } };

/** What is wrong between UPSTREAM_URL and the file of REELQ_CONFIG. */
export function refuseUpstreams(config: FleetConfig, url: string | undefined): string | undefined {
  const named = Object.keys(config.upstreams);
  if (url !== undefined && named.length > 0)
    return `UPSTREAM_URL is set, and REELQ_CONFIG names upstreams too (${named.join(", ")}); keep one of them.`;
  if (url === undefined && named.length === 0)
    return "There is no upstream: set UPSTREAM_URL, or name upstreams in the file of REELQ_CONFIG.";
  return undefined;
}
