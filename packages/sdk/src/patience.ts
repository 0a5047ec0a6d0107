import { ReelqError } from "./reelq-error.ts";
import { UnreachableError } from "./unreachable-error.ts";

/** The first pause after a failure, in milliseconds; each further one is twice as long. */
const firstPauseMs = 250;
const longestPauseMs = 15_000;

/** Nobody is kept waiting longer than that before a call is sent again. */
export const longestRetryAfterMs = 60_000;

/** Failures that the next try may not meet: nobody there, a gateway's errors, too many calls. */
const isPassing = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ReelqError && (error.status >= 500 || error.status === 429));

/**
 * How long to pause before a call is sent again, in milliseconds: what the API asked for, and at least a pause
 * that grows; some of it is left to chance, so that many clients do not come back at once.
 */
export function pauseAfter(error: unknown, failures: number): number {
  const grown = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 4);
  const asked = error instanceof ReelqError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(grown, Math.min(asked, longestRetryAfterMs));
}

/** How long an API that is away is waited for. */
export interface Patience {
  /** It answered. */
  heard(): void;
  /**
   * It did not.
   * @returns how long to pause before the next try, in milliseconds
   * @throws the error itself where no further try would help, or once the API was away for too long
   */
  missed(error: unknown): number;
}

/** @param awayMs without a break between failures */
export function openPatience(awayMs: number): Patience {
  let failures = 0;
  let awaySince = 0;
  return {
    heard() {
      failures = 0;
    },
    missed(error) {
      if (!isPassing(error)) throw error;
      const now = performance.now();
      if (failures === 0) awaySince = now;
      failures += 1;
      const pauseMs = pauseAfter(error, failures);
      if (now + pauseMs - awaySince > awayMs) throw error;
      return pauseMs;
    },
  };
}
