import { readText } from "./field-values.ts";
import { fieldOf } from "./json.ts";
import { header, type Headers } from "./transport.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const longestMs = HOUR;

/** How long the server wants to be left alone, from whichever place it says so; at most an hour. */
export function readRetryAfter(headers: Headers, body: unknown, now: number): number | undefined {
  const waitMs =
    scaled(header(headers, "retry-after-ms"), 1) ??
    readRetryAfterHeader(header(headers, "retry-after"), now) ??
    readReset(header(headers, "x-ratelimit-reset-requests"), now) ??
    scaled(bodyHint(body), SECOND);
  return waitMs === undefined ? undefined : bounded(waitMs);
}

/** When the server wants the next look, in milliseconds from now. */
export function readPollAfter(headers: Headers): number | undefined {
  const waitMs = scaled(header(headers, "openai-poll-after-ms"), 1);
  return waitMs === undefined ? undefined : bounded(waitMs);
}

const bounded = (ms: number): number => Math.min(longestMs, Math.max(0, Math.ceil(ms)));

function scaled(raw: unknown, unitMs: number): number | undefined {
  const text = readText(raw);
  return text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) * unitMs : undefined;
}

function readRetryAfterHeader(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const dateMs = Date.parse(text);
  return scaled(text, SECOND) ?? (Number.isNaN(dateMs) ? undefined : dateMs - now);
}

/** `1s`, `6m0s`, `20ms`, plain seconds, or the time itself in Unix seconds. */
function readReset(text: string | undefined, now: number): number | undefined {
  const plainMs = scaled(text, SECOND);
  if (plainMs !== undefined) return plainMs > 1e12 ? plainMs - now : plainMs;
  if (text === undefined || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text.trim())) return undefined;
  let sumMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    sumMs += Number(amount) * (unitsMs[unit ?? ""] ?? 0);
  return sumMs;
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR };

function bodyHint(body: unknown): unknown {
  const error = fieldOf(body, "error");
  for (const place of [body, error]) {
    const hint = fieldOf(place, "retry_after") ?? fieldOf(place, "retryAfter");
    if (hint !== undefined) return hint;
  }
  return undefined;
}
