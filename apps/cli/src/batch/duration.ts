const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** `45 s`, `12 min`, `2 h 10 min`, `3 d 4 h`: as exact as a person would say it. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 2 * minute) return `${whole} s`;
  if (whole < hour) return `${Math.round(whole / minute)} min`;
  if (whole < 2 * day) return pair(Math.round(whole / minute), 60, "h", "min");
  return pair(Math.round(whole / hour), 24, "d", "h");
}

function pair(small: number, size: number, bigUnit: string, smallUnit: string): string {
  const [big, rest] = [Math.floor(small / size), small % size];
  return rest === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${rest} ${smallUnit}`;
}

/** From now until a moment of the API's. */
export const untilText = (at: string, nowMs: number): string => durationText((Date.parse(at) - nowMs) / 1000);
