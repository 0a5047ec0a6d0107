import { type Dice, HOUR, MINUTE, SECOND } from "./clock.ts";

/** Spread of every delay, so that a thousand videos accepted at once are not looked at at once. */
const jitter = 0.2;

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

const jittered = (delayMs: number, dice: Dice): number => Math.round(delayMs * (1 - jitter / 2 + jitter * dice()));

/** When a render is overdue: ten times what is typical, an hour at the least. Not an end: it is looked at all the same, slowly. */
export const renderDeadlineMs = (typicalRenderSeconds: number | undefined): number =>
  Math.max(HOUR, 10 * (typicalRenderSeconds ?? 0) * SECOND);

/** A server may ask for patience; a file that expires in an hour has none. */
const longestLookMs = 5 * MINUTE;

/** A 404 is final only after so many in a row over so long: servers forget, and remember again. */
export const notFoundTimes = 5;
export const notFoundForMs = 5 * MINUTE;

/** After a missed look: doubling from 2 s to a minute, or what the server asked for, five minutes at most. */
export const missedLookMs = (missed: number, retryAfterMs: number | undefined, dice: Dice): number =>
  Math.min(
    Math.max(retryAfterMs ?? 0, jittered(clamp(2 * SECOND * 2 ** (missed - 1), 2 * SECOND, MINUTE), dice)),
    longestLookMs,
  );

/** After a POST that was proved not sent: doubling from 2 s to two minutes. */
export const notSentMs = (times: number, dice: Dice): number =>
  jittered(clamp(2 * SECOND * 2 ** Math.max(0, times - 1), 2 * SECOND, 2 * MINUTE), dice);

/**
 * How long a throttled lane rests. Not `said`: it is doubled each time in a row. A server that says "now" and refuses
 * again is not taken by its word.
 */
export function throttledRest(
  retryAfterMs: number | undefined,
  dice: Dice,
): { readonly ms: number; readonly said: boolean } {
  if (retryAfterMs === undefined) return { ms: jittered(10 * SECOND, dice), said: false };
  return retryAfterMs < SECOND ? { ms: jittered(1.1 * SECOND, dice), said: false } : { ms: retryAfterMs, said: true };
}

/** After a try to fetch the bytes: doubling from 1 s to a minute, or what the server asked for, never past half of what is left of the file's life. */
export function nextFetchMs(
  facts: { readonly tries: number; readonly lifeLeftMs: number; readonly retryAfterMs: number | undefined },
  dice: Dice,
): number {
  const doubledMs = clamp(SECOND * 2 ** Math.max(0, facts.tries - 1), SECOND, MINUTE);
  const patienceMs = Math.min(longestLookMs, Math.max(SECOND, facts.lifeLeftMs / 2));
  return Math.round(Math.min(Math.max(facts.retryAfterMs ?? 0, jittered(doubledMs, dice)), patienceMs));
}
