/** The time, passed in so that tests can own it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
}

/** A number in [0, 1), passed in so that tests can own it. */
export type Dice = () => number;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
