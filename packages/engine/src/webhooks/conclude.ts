import { DAY, type Dice, HOUR, MINUTE, SECOND } from "../clock.ts";
import type { Delivery, Try } from "./delivery.ts";

/** What came of sending a delivery. */
export interface Answer {
  /** The HTTP status; null where none came. */
  readonly status: number | null;
  readonly retryAfterMs?: number | undefined;
  readonly ms: number;
  /** Why none came, in a sentence. */
  readonly error?: string;
}

/** What becomes of a delivery after a try. */
export interface Conclusion {
  readonly status: "pending" | "delivered" | "failed" | "cancelled";
  /** Of the next try, where it is pending. */
  readonly nextAt?: number;
  readonly tries: readonly Try[];
  readonly firstTryAt?: number;
  /** What the try showed of its target. */
  readonly health?: "well" | "failing" | "gone";
}

/** Most servers that are restarted are back within the first four; the rest is for those that somebody must mend. */
const waitsMs = [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR];
const longestWaitMs = 2 * HOUR;

/** Spread of every wait, so that what failed together does not come back together. */
const jitter = 0.2;

const tryForMs = DAY;

/** A delivery of a day has about 18; more are kept only of one that was redelivered again and again. */
const mostTriesKept = 50;

export function conclude(delivery: Delivery, answer: Answer, now: number, dice: Dice): Conclusion {
  const { status, ms } = answer;
  const isWell = status !== null && status >= 200 && status < 300;
  const error = isWell ? null : (answer.error ?? `The address answered ${status}, not 2xx.`);
  const firstTryAt = delivery.firstTryAt ?? now;
  const tries = [...delivery.tries, { at: now, status, ms, error }].slice(-mostTriesKept);
  if (isWell) return { status: "delivered", tries, firstTryAt, health: "well" };
  if (status === 410) return { status: "failed", tries, firstTryAt, health: "gone" };
  const nextAt = now + waitMs(tries.filter(({ at }) => at >= firstTryAt).length, answer.retryAfterMs, dice);
  return nextAt > firstTryAt + tryForMs
    ? { status: "failed", tries, firstTryAt, health: "failing" }
    : { status: "pending", nextAt, tries, firstTryAt, health: "failing" };
}

/** Of one that is not to be sent. */
export const cancelled = ({ tries }: Delivery): Conclusion => ({ status: "cancelled", tries });

/** A server may ask for more patience than this, not for less; two hours at most. */
function waitMs(times: number, retryAfterMs: number | undefined, dice: Dice): number {
  const step = waitsMs[times - 1] ?? longestWaitMs;
  const jittered = Math.round(step * (1 - jitter / 2 + jitter * dice()));
  return Math.max(jittered, Math.min(Math.round(retryAfterMs ?? 0), longestWaitMs));
}
