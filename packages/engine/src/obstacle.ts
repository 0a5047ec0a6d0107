import type { LimitOwner } from "./advance.ts";
import type { LaneLimits } from "./lane.ts";
import { type LaneState, rateWindowMs } from "./lane-state.ts";

/** What keeps a lane from sending now, as `scripts/leave.lua` would say it; undefined: nothing. */
export type Obstacle =
  | { readonly kind: "breaker"; readonly why: string; readonly waitMs: number; readonly isTried: boolean }
  | { readonly kind: "rest"; readonly why: string; readonly waitMs: number }
  | { readonly kind: "full"; readonly inFlight: number; readonly places: number; readonly whose: LimitOwner }
  | {
      readonly kind: "rate";
      readonly allowed: number;
      readonly waitMs: number;
      readonly whose: "lane" | "account";
    };

/** In the same order as `scripts/leave.lua`. */
export function obstacleOf(state: LaneState, { lane, account }: LaneLimits): Obstacle | undefined {
  const { breaker, rest, learnedPlaces } = state;
  if (breaker.state === "open" || breaker.waitMs > 0)
    return { kind: "breaker", why: breaker.why, waitMs: breaker.waitMs, isTried: breaker.state === "half_open" };
  if (rest) return { kind: "rest", why: rest.reason, waitMs: rest.waitMs };
  return (
    fullness(state.inFlight, lane.inFlight, learnedPlaces, "lane") ??
    fullness(state.accountInFlight, account.inFlight, state.accountLearnedPlaces, "account") ??
    rateOf(state.sent, lane.perMinute, "lane", state) ??
    rateOf(state.accountSent, account.perMinute, "account", state)
  );
}

function fullness(
  inFlight: number,
  configured: number,
  learned: number | undefined,
  owner: "lane" | "account",
): Obstacle | undefined {
  const isLearned = learned !== undefined && (configured === 0 || learned < configured);
  const places = isLearned ? learned : configured;
  if (places === 0 || inFlight < places) return undefined;
  return { kind: "full", inFlight, places, whose: isLearned ? "learned" : owner };
}

function rateOf(
  sent: readonly number[],
  allowed: number,
  whose: "lane" | "account",
  { now }: LaneState,
): Obstacle | undefined {
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
  return `${state.waiting} wait, ${state.inFlight} in flight. ${obstacle ? sayObstacle(obstacle, state.lane.upstream) : "Nothing is in the way."}`;
}

function sayObstacle(obstacle: Obstacle, upstream: string): string {
  const seconds = "waitMs" in obstacle ? Math.ceil(obstacle.waitMs / 1000) : 0;
  switch (obstacle.kind) {
    case "breaker":
      return obstacle.isTried
        ? `BREAKER HALF-OPEN: one video tries ${upstream} (${obstacle.why}).`
        : `BREAKER OPEN for ${seconds} s: ${obstacle.why}.`;
    case "rest":
      return `At rest for ${seconds} s: ${obstacle.why}.`;
    case "full":
      return `Full: ${obstacle.inFlight} of the ${obstacle.places} places ${obstacle.whose === "account" ? `of ${upstream}` : obstacle.whose === "learned" ? "that refusals taught" : "of the lane"} are taken.`;
    case "rate":
      return `Its ${obstacle.allowed} requests a minute are used up for ${seconds} s.`;
  }
}
