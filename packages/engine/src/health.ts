import { SECOND } from "./clock.ts";
import type { LaneLimits } from "./lane.ts";
import type { Timings } from "./timings.ts";

/** What a call showed of its upstream: the breaker hears it, in the script that writes the call's verdict. */
export interface Health {
  readonly about: "post" | "look";
  /**
   * `infrastructure`: no answer, or a gateway's. `account`: nothing passes until a person acts. `nothing`: the upstream
   * was not met.
   */
  readonly said: "well" | "infrastructure" | "account" | "nothing";
  /** One sentence. */
  readonly why: string;
  /** Failures in a row that open the breaker. */
  readonly failures: number;
  /** How long it is open the first time, in ms; twice as long each time that it opens again. */
  readonly openMs: number;
  readonly longestMs: number;
}

/** So many POSTs in a row that met no server; looks come more often, and are harmless. */
const failuresOf = { post: 5, look: 10 };

const longestOpenMs = { infrastructure: 120 * SECOND, account: 300 * SECOND };

/** @param limits of the lane: each failed POST may hold a place, so no more failures than places are waited for */
export function healthOf(
  about: Health["about"],
  said: Health["said"],
  why: string,
  { breakerMs, accountMs }: Pick<Timings, "breakerMs" | "accountMs">,
  limits?: LaneLimits,
): Health {
  const kind = said === "account" ? "account" : "infrastructure";
  const openMs = kind === "account" ? accountMs : breakerMs;
  const places = Math.min(limits?.lane.inFlight || Infinity, limits?.account.inFlight || Infinity);
  const failures = about === "post" ? Math.min(failuresOf.post, places) : failuresOf.look;
  return { about, said, why, failures, openMs, longestMs: Math.max(openMs, longestOpenMs[kind]) };
}
