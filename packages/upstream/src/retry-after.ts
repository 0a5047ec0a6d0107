import { readText, readTime } from "./field-values.ts";
import { fieldOf } from "./json.ts";
import { header, type Headers } from "./transport.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const longestMs = HOUR;

/**
 * How long the server wants to be left alone, in milliseconds, from whichever place it says so; at most an hour.
 * What it says of this very refusal comes before when its limits start anew.
 */
export function readRetryAfter(headers: Headers, body: unknown, now: number): number | undefined {
  const waitMs =
    readWait(header(headers, "retry-after-ms"), 1, now) ??
    readWait(header(headers, "retry-after"), SECOND, now) ??
    readHint(body, now) ??
    readReset(headers, now);
  return waitMs === undefined ? undefined : bounded(waitMs);
}

/** How long until requests come back to an account that has just used up its last; undefined where it has more. */
export function readRest(headers: Headers, now: number): number | undefined {
  const left = firstOf(headers, ["x-ratelimit-remaining-requests", "x-ratelimit-remaining", "ratelimit-remaining"]);
  // Below 0 is some servers' way to say "without limit".
  if (left === undefined || !/^0+(\.0+)?$/.test(left.trim())) return undefined;
  const reset = firstOf(headers, ["x-ratelimit-reset-requests", "x-ratelimit-reset", "ratelimit-reset"]);
  const waitMs = readWait(reset, SECOND, now);
  return waitMs !== undefined && waitMs > 0 ? bounded(waitMs) : undefined;
}

/** When the server wants the next look, in milliseconds from now. */
export function readPollAfter(headers: Headers, now: number): number | undefined {
  const waitMs = readWait(header(headers, "openai-poll-after-ms"), 1, now);
  return waitMs === undefined ? undefined : bounded(waitMs);
}

const bounded = (ms: number): number => Math.min(longestMs, Math.max(0, Math.ceil(ms)));

const firstOf = (headers: Headers, names: readonly string[]): string | undefined =>
  names.map((name) => header(headers, name)).find((value) => value !== undefined);

/** Requests are what a create uses up; of the other limits the one that lasts longest. */
function readReset(headers: Headers, now: number): number | undefined {
  const resetOf = (name: string): number | undefined => readWait(header(headers, name), SECOND, now);
  const others = Object.keys(headers)
    .filter((name) => name.startsWith("x-ratelimit-reset-"))
    .flatMap((name) => resetOf(name) ?? []);
  return (
    resetOf("x-ratelimit-reset-requests") ??
    (others.length > 0 ? Math.max(...others) : undefined) ??
    resetOf("x-ratelimit-reset") ??
    resetOf("ratelimit-reset")
  );
}

/** The wait that a body asks for: at its top, in its error, or in that error's details. */
function readHint(body: unknown, now: number): number | undefined {
  const error = fieldOf(body, "error");
  const details = [body, error].flatMap((place) => ["details", "metadata"].map((name) => fieldOf(place, name)));
  for (const place of [body, error, ...details.flat()]) {
    for (const [name, unitMs] of hints) {
      const waitMs = readWait(fieldOf(place, name), unitMs, now);
      if (waitMs !== undefined) return waitMs;
    }
  }
  return undefined;
}

// `retryDelay` is Google's, in a list of details.
const hints: readonly (readonly [name: string, unitMs: number])[] = [
  ["retry_after_ms", 1],
  ["retry_after", SECOND],
  ["retryAfter", SECOND],
  ["retryDelay", SECOND],
];

/** A wait from a plain number, from `6m0s`, or from the time when it ends: Unix seconds or milliseconds, a date. */
function readWait(raw: unknown, unitMs: number, now: number): number | undefined {
  const text = readText(raw);
  if (text === undefined) return undefined;
  if (/^[-+]?\d+(\.\d+)?$/.test(text)) {
    // Nobody asks for thirty years: so large a number is a time, not a wait.
    const number = Number(text);
    return number < 1e9 ? number * unitMs : (readTime(text) ?? Infinity) - now;
  }
  const timeMs = readTime(text);
  return readDuration(text) ?? (timeMs === undefined ? undefined : timeMs - now);
}

/** `1s`, `6m0s`, `20ms`, `1h2m3.5s`. */
function readDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)]
    .map(([, amount, unit]) => Number(amount) * (unitsMs[unit ?? ""] ?? 0))
    .reduce((sum, ms) => sum + ms, 0);
}

const unitsMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
};
