import { SECOND } from "./clock.ts";

/** About how long, for a sentence: `12 s`, `3 min`, `2.5 h`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / SECOND));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 6) / 10} h`;
}
