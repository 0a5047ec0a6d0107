import { DAY, HOUR, MINUTE, SECOND } from "@reelq/engine";

/** A time for people: `0.3 ms`, `12 ms`, `1.5 s`, `3 min`, `24 h`, `3 days`. */
export function spell(ms: number): string {
  if (ms < 10) return `${round(ms)} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 1.5 * MINUTE) return `${round(ms / SECOND)} s`;
  // So near to an hour that it would read "60 min".
  if (ms < 59.9 * MINUTE) return `${round(ms / MINUTE)} min`;
  return ms < 2 * DAY ? `${round(ms / HOUR)} h` : `${round(ms / DAY)} days`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** @param skewMs another clock minus ours */
export const apart = (skewMs: number): string =>
  `its clock is ${spell(Math.abs(skewMs))} ${skewMs < 0 ? "behind" : "ahead of"} ours`;
