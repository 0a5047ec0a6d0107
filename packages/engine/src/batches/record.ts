import {
  type BatchId,
  type BatchForecast,
  type BatchMistake,
  type BatchReason,
  type BatchState,
  type CapStyle,
  type MicroUsd,
  type SourcePolicy,
  type Status,
  statuses,
  type WindowEnd,
} from "@reelq/contract";

/** What a batch was asked for, and never changes. */
export interface BatchSpec {
  readonly project: string;
  /** The id of the API key that asked. */
  readonly key: string;
  readonly createdAt: number;
  /** The uploaded manifest. */
  readonly inputFile: string;
  readonly filename: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Renders also what is stored already. */
  readonly again: boolean;
  readonly defaults: Readonly<Record<string, unknown>>;
  /** For each path that a line names as its reference: an uploaded file. */
  readonly references: Readonly<Record<string, string>>;
}

/** What a person may change while it runs. */
export interface BatchControls {
  readonly name: string;
  readonly budget?: MicroUsd | undefined;
  readonly atBudget: CapStyle;
  readonly window?: string | undefined;
  readonly atWindowEnd: WindowEnd;
  readonly priority: number;
  readonly weight: number;
  /** Failures of one class in a row that pause it; 0: none. */
  readonly stopAfter: number;
  /** Money without a stored file that pauses it. */
  readonly stopBarren?: MicroUsd | undefined;
  readonly onSourceFailure: SourcePolicy;
}

/** One batch, as its HASH says. Times in ms since 1970. */
export interface BatchRecord extends BatchControls {
  readonly id: BatchId;
  readonly spec: BatchSpec;
  readonly state: BatchState;
  readonly reason?: BatchReason | undefined;
  readonly why: string;
  readonly since?: number | undefined;
  readonly total: number;
  /** The highest number that was accepted. */
  readonly enlisted: number;
  /** Of the videos that are its own, by status. */
  readonly counts: Readonly<Record<Status, number>>;
  /** Of those, not ended. */
  readonly open: number;
  /** Of those, waiting in a lane. */
  readonly loose: number;
  /** Clips that were stored before it was accepted. */
  readonly reused: number;
  readonly skipped: number;
  /** Lines that are done without, by how they ended. */
  readonly waived: Readonly<Record<Status, number>>;
  /** Clips that another batch is having rendered, and those of them that ended, by status. */
  readonly sharedOpen: number;
  readonly shared: Readonly<Record<Status, number>>;
  readonly canary: number;
  readonly canaryState?: "running" | "passed" | "failed" | undefined;
  /** Canaries that were verified. */
  readonly canaryGood: number;
  /** POSTs that may be sent before the canaries are verified. */
  readonly sendable?: number | undefined;
  /** Of all its own clips; a price was missing where `unpriced` says so. */
  readonly estimated: MicroUsd;
  readonly unpriced: boolean;
  readonly looks: number;
  readonly retries: number;
  readonly errors: readonly BatchMistake[];
  readonly forecast?: BatchForecast | undefined;
  readonly outputFile?: string | undefined;
  readonly errorFile?: string | undefined;
  readonly reported: boolean;
  readonly runningAt?: number | undefined;
  readonly finalizingAt?: number | undefined;
  readonly cancellingAt?: number | undefined;
  /** How it will have ended once all that was paid for has. */
  readonly ending?: "cancelled" | "expired" | "failed" | undefined;
  /** When the window closes that it was last seen before, or in. */
  readonly windowClosesAt?: number | undefined;
  /** The shares of its budget, in percent, that were told of. */
  readonly toldBudget: number;
  readonly endedAt?: number | undefined;
  readonly updatedAt: number;
}

type Fields = Readonly<Record<string, string>>;

const byStatus = (fields: Fields, prefix: string): Record<Status, number> =>
  Object.fromEntries(statuses.map((status) => [status, Number(fields[`${prefix}:${status}`] ?? 0)])) as Record<
    Status,
    number
  >;

const optional = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

/** Reads the HASH; undefined where there is none. What scripts count in it is named in `scripts/batch.lua`. */
export function readBatch(id: BatchId, fields: Fields): BatchRecord | undefined {
  const { spec } = fields;
  if (spec === undefined) return undefined;
  const number = (name: string): number => Number(fields[name] ?? 0);
  return {
    id,
    spec: JSON.parse(spec) as BatchSpec,
    ...readControls(fields),
    state: fields["state"] as BatchState,
    reason: fields["reason"] as BatchReason | undefined,
    why: fields["why"] ?? "",
    since: optional(fields["since"]),
    total: number("total"),
    enlisted: number("enlisted"),
    counts: byStatus(fields, "n"),
    open: number("open"),
    loose: number("loose"),
    reused: number("reused"),
    skipped: number("skipped"),
    waived: byStatus(fields, "waived"),
    sharedOpen: number("sharedOpen"),
    shared: byStatus(fields, "shared"),
    canary: number("canary"),
    canaryState: fields["canaryState"] as BatchRecord["canaryState"],
    canaryGood: number("canaryGood"),
    sendable: optional(fields["sendable"]),
    estimated: number("estimated"),
    unpriced: fields["unpriced"] === "1",
    looks: number("looks"),
    retries: number("retries"),
    errors: JSON.parse(fields["errors"] ?? "[]") as BatchMistake[],
    forecast: fields["forecast"] === undefined ? undefined : (JSON.parse(fields["forecast"]) as BatchForecast),
    outputFile: fields["outputFile"],
    errorFile: fields["errorFile"],
    reported: fields["reported"] === "1",
    runningAt: optional(fields["runningAt"]),
    finalizingAt: optional(fields["finalizingAt"]),
    cancellingAt: optional(fields["cancellingAt"]),
    ending: fields["ending"] as BatchRecord["ending"],
    windowClosesAt: optional(fields["windowClosesAt"]),
    toldBudget: number("toldBudget"),
    endedAt: optional(fields["endedAt"]),
    updatedAt: number("updatedAt"),
  };
}

function readControls(fields: Fields): BatchControls {
  return {
    name: fields["name"] ?? "",
    budget: optional(fields["budget"]),
    atBudget: (fields["atBudget"] ?? "finish") as CapStyle,
    window: fields["window"],
    atWindowEnd: (fields["atWindowEnd"] ?? "carry") as WindowEnd,
    priority: Number(fields["priority"] ?? 0),
    weight: Number(fields["weight"] ?? 1),
    stopAfter: Number(fields["stopAfter"] ?? 0),
    stopBarren: optional(fields["stopBarren"]),
    onSourceFailure: (fields["onSourceFailure"] ?? "skip") as SourcePolicy,
  };
}

/** The fields to set, and those to take away. */
export function writeControls(controls: Partial<BatchControls>): {
  readonly set: readonly string[];
  readonly gone: readonly string[];
} {
  const entries = Object.entries(controls);
  return {
    set: entries.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)])),
    gone: entries.flatMap(([name, value]) => (value === undefined ? [name] : [])),
  };
}

/** Clips that are still to come, whoever has them rendered. */
export const leftOf = ({ open, sharedOpen }: Pick<BatchRecord, "open" | "sharedOpen">): number => open + sharedOpen;
