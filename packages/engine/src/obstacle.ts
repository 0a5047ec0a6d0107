import { sayUsd } from "@reelq/contract";
import { type LaneLimits, rateWindowMs } from "./lane.ts";
import type { LaneState } from "./lane-state.ts";
import { span } from "./span.ts";

/** Whose limit it is. */
export type LimitOwner = "lane" | "account";

/** What keeps a lane from sending: what `scripts/leave.lua` answers where it gives no leave. */
export type Obstacle =
  /** Nothing is sent to the upstream; `isTried`: but for one video that tries it now. */
  | { readonly kind: "breaker"; readonly reason: string; readonly waitMs: number; readonly isTried: boolean }
  | { readonly kind: "resting"; readonly reason: string; readonly waitMs: number }
  /** `isLearned`: nobody configured so few places, refusals taught it. */
  | {
      readonly kind: "full";
      readonly inFlight: number;
      readonly places: number;
      readonly whose: LimitOwner;
      readonly isLearned: boolean;
    }
  | { readonly kind: "rate"; readonly allowed: number; readonly waitMs: number; readonly whose: LimitOwner };

/** What keeps one video from being sent, and not its lane. */
export type HeldBack =
  /** Its batch sends nothing: which state it is in, and why. */
  | { readonly kind: "held"; readonly state: string; readonly reason: string }
  /** Its batch's first clips are not verified yet. */
  | { readonly kind: "canary" }
  /** It would pass a cap; amounts in millionths of a US dollar. */
  | {
      readonly kind: "budget";
      readonly whose: string;
      readonly spent: number;
      readonly cap: number;
      readonly needed: number;
    };

/** The same as `scripts/leave.lua` would answer, in the same order, without asking for leave; undefined: nothing. */
export function obstacleOf(state: LaneState, limits: LaneLimits): Obstacle | undefined {
  const { breaker, rest } = state;
  if (breaker.state === "open" || breaker.waitMs > 0)
    return { kind: "breaker", reason: breaker.why, waitMs: breaker.waitMs, isTried: breaker.state === "half_open" };
  if (rest) return { kind: "resting", ...rest };
  return fullnessOf(state, limits) ?? rateOf(state, limits);
}

/** Whether every place is taken, whatever else is in the way. */
export const fullnessOf = (state: LaneState, { lane, account }: LaneLimits) =>
  fullness(state.inFlight, lane.inFlight, state.learnedPlaces, "lane") ??
  fullness(state.accountInFlight, account.inFlight, state.accountLearnedPlaces, "account");

const rateOf = (state: LaneState, { lane, account }: LaneLimits) =>
  used(state.sent, lane.perMinute, "lane", state.now) ??
  used(state.accountSent, account.perMinute, "account", state.now);

function fullness(
  inFlight: number,
  configured: number,
  learned: number | undefined,
  whose: LimitOwner,
): (Obstacle & { readonly kind: "full" }) | undefined {
  const isLearned = learned !== undefined && (configured === 0 || learned < configured);
  const places = isLearned ? learned : configured;
  if (places === 0 || inFlight < places) return undefined;
  return { kind: "full", inFlight, places, whose, isLearned };
}

function used(
  sent: readonly number[],
  allowed: number,
  whose: LimitOwner,
  now: number,
): (Obstacle & { readonly kind: "rate" }) | undefined {
  const oldest = sent.at(-allowed);
  if (allowed === 0 || sent.length < allowed || oldest === undefined) return undefined;
  return { kind: "rate", allowed, waitMs: Math.max(1, oldest + rateWindowMs - now), whose };
}

/** Videos that this lane lets run at the same time; Infinity where nobody limits it. */
export function placesOf(state: LaneState, { lane, account }: LaneLimits): number {
  return Math.min(
    lane.inFlight || Infinity,
    account.inFlight || Infinity,
    state.learnedPlaces ?? Infinity,
    state.accountLearnedPlaces ?? Infinity,
  );
}

/** A lane in one line, for people who watch its queue. */
export function sayLane(state: LaneState, limits: LaneLimits): string {
  const obstacle = obstacleOf(state, limits);
  const way = obstacle ? `In its way: ${sayObstacle(obstacle, state.lane.upstream)}.` : "Nothing is in the way.";
  return `${state.waiting} wait, ${state.inFlight} in flight. ${way}`;
}

/** What is in the way, as a part of a sentence. */
export function sayObstacle(obstacle: Obstacle, upstream: string): string {
  switch (obstacle.kind) {
    case "breaker":
      return obstacle.isTried
        ? `${upstream} failed (${obstacle.reason}), and one video tries it now`
        : `nothing is sent to ${upstream} for ${span(obstacle.waitMs)} (${obstacle.reason})`;
    case "resting":
      return `its lane rests for ${span(obstacle.waitMs)} (${obstacle.reason})`;
    case "full":
      return obstacle.places === 1
        ? `the one place ${sayOwner(obstacle, upstream)} is taken`
        : `all ${obstacle.places} places ${sayOwner(obstacle, upstream)} are taken`;
    case "rate":
      return `the ${obstacle.allowed === 1 ? "one request" : `${obstacle.allowed} requests`} a minute of ${obstacle.whose === "lane" ? "its lane" : upstream} ${obstacle.allowed === 1 ? "is" : "are"} used up for ${span(obstacle.waitMs)}`;
  }
}

/** The same of what keeps one video from being sent. */
export function sayHeldBack(by: HeldBack): string {
  switch (by.kind) {
    case "held":
      return `its batch is ${by.state}${by.reason === "" ? "" : `: ${by.reason.replace(/\.$/, "")}`}`;
    case "canary":
      return "the first clips of its batch are not verified yet";
    case "budget":
      return `${by.whose} has ${sayUsd(Math.max(0, by.cap - by.spent))} left of ${sayUsd(by.cap)}, and it costs ${sayUsd(by.needed)}`;
  }
}

function sayOwner({ whose, isLearned }: Obstacle & { readonly kind: "full" }, upstream: string): string {
  if (isLearned) return `that ${upstream} has been seen to allow`;
  return whose === "account" ? `at ${upstream}` : "of its lane";
}
