const SECOND = 1000;
const HOUR = 3600 * SECOND;
const longestMs = 24 * HOUR;

/** The wait that a Retry-After asks for, in seconds or until a date of HTTP; in milliseconds, at most a day. */
export function readRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d+$/.test(text)) return Math.min(longestMs, Number(text) * SECOND);
  if (!/^[a-z]{3}, \d{2} [a-z]{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/i.test(text)) return undefined;
  const waitMs = Date.parse(text) - now;
  return Number.isNaN(waitMs) ? undefined : Math.min(longestMs, Math.max(0, waitMs));
}
