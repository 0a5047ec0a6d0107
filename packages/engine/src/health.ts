import { SECOND } from "./clock.ts";
import type { Timings } from "./timings.ts";

/** What a call showed of its upstream: the breaker hears it, in the script that writes the call's verdict. */
export interface Health {
  readonly about: "post" | "look";
  /** `infrastructure`: no answer, or a gateway's. `account`: nothing passes until a person acts. */
  readonly said: "well" | "infrastructure" | "account";
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

const longestOpenMs = 300 * SECOND;

export function healthOf(
  about: Health["about"],
  said: Health["said"],
  why: string,
  { breakerMs, accountMs }: Pick<Timings, "breakerMs" | "accountMs">,
): Health {
  const openMs = said === "account" ? accountMs : breakerMs;
  return { about, said, why, failures: failuresOf[about], openMs, longestMs: Math.max(openMs, longestOpenMs) };
}
