import {
  type BatchChange,
  type BatchCreateBody,
  collecting,
  manifestDefaults,
  nearestName,
  type Problem,
  problem,
  ProblemError,
  readUsd,
} from "@reelq/contract";
import type { BatchControls } from "./record.ts";
import { readWindow } from "./window.ts";

const endpoint = "/v1/videos";

/** What a batch has that says nothing else. */
const usualStopAfter = 5;

/** What a call may say of a batch, judged as far as it can be without the manifest. */
export interface Order {
  readonly inputFile: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly controls: Omit<BatchControls, "name">;
  readonly name: string | undefined;
  readonly canary: number;
  readonly again: boolean;
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly references: Readonly<Record<string, string>>;
}

/** @throws ProblemError with all that is wrong */
export function judgeOrder(body: BatchCreateBody): Order {
  const problems: Problem[] = [];
  const { reelq = {} } = body;
  if (body.endpoint !== undefined && body.endpoint !== endpoint)
    problems.push({
      code: "invalid_value",
      message: `endpoint ${JSON.stringify(body.endpoint.slice(0, 80))} is not served; allowed: ${endpoint}.`,
      param: "endpoint",
    });
  for (const name of Object.keys(reelq.defaults ?? {}).filter((one) => !isDefault(one))) {
    const meant = nearestName(name.slice(0, 80), manifestDefaults);
    problems.push({
      code: "unknown_field",
      message: `${JSON.stringify(name.slice(0, 80))} can be no default; ${meant ? `did you mean "${meant}"?` : `allowed: ${manifestDefaults.join(", ")}.`}`,
      param: "reelq.defaults",
    });
  }
  const changed = collecting(problems, () => judgeChange(reelq, "reelq."));
  if (problems.length > 0 || !changed) throw new ProblemError(problems as [Problem, ...Problem[]]);
  return {
    inputFile: body.input_file_id,
    completionWindow: body.completion_window ?? "24h",
    metadata: body.metadata ?? null,
    controls: {
      atBudget: "finish",
      atWindowEnd: "carry",
      priority: 0,
      weight: 1,
      stopAfter: usualStopAfter,
      onSourceFailure: "skip",
      ...changed,
    },
    name: reelq.name,
    canary: reelq.canary ?? 0,
    again: reelq.again ?? false,
    defaults: reelq.defaults ?? {},
    references: reelq.references ?? {},
  };
}

const isDefault = (name: string): boolean => (manifestDefaults as readonly string[]).includes(name);

/**
 * What a person wants different; what is null is taken away.
 * @param prefix of the fields in problems
 * @throws ProblemError with all that is wrong
 */
export function judgeChange(change: BatchChange, prefix = ""): Partial<BatchControls> {
  const problems: Problem[] = [];
  const amount = (given: string | number | null | undefined, field: string): number | undefined => {
    if (given === undefined || given === null) return undefined;
    const micros = readUsd(given);
    if (micros === undefined)
      problems.push({
        code: "invalid_value",
        message: `${prefix}${field} must be an amount in US dollars with at most six decimals, like 25 or "12.50"; ${JSON.stringify(given).slice(0, 80)} was given.`,
        param: `${prefix}${field}`,
      });
    return micros;
  };
  const budget = amount(change.budget_usd, "budget_usd");
  const stopBarren = amount(change.stop_after_usd, "stop_after_usd");
  const { window } = change;
  if (typeof window === "string") collecting(problems, () => readWindow(window, `${prefix}window`));
  if (problems.length > 0) throw new ProblemError(problems as [Problem, ...Problem[]]);
  return {
    ...(change.budget_usd === undefined ? {} : { budget }),
    ...(change.stop_after_usd === undefined ? {} : { stopBarren }),
    ...(window === undefined ? {} : { window: window ?? undefined }),
    ...(change.at_budget === undefined ? {} : { atBudget: change.at_budget }),
    ...(change.at_window_end === undefined ? {} : { atWindowEnd: change.at_window_end }),
    ...(change.priority === undefined ? {} : { priority: change.priority }),
    ...(change.weight === undefined ? {} : { weight: change.weight }),
    ...(change.stop_after_failures === undefined ? {} : { stopAfter: change.stop_after_failures }),
    ...(change.on_source_failure === undefined ? {} : { onSourceFailure: change.on_source_failure }),
  };
}

/** @throws ProblemError where a change says nothing */
export function refuseNothing(change: BatchChange): void {
  if (Object.keys(change).length === 0)
    throw problem("missing_value", "The body names nothing to change; budget_usd or window, for example.");
}
