import { fieldOf, isObject } from "./json.ts";

const latestMs = Date.UTC(9999, 11, 31);

export function readText(raw: unknown): string | undefined {
  const text = typeof raw === "number" || typeof raw === "bigint" ? String(raw) : raw;
  return typeof text === "string" && text.trim() !== "" ? text.trim() : undefined;
}

/** An id as text. The bound only keeps garbage out of paths and records; dots alone would lead a path elsewhere. */
export function readId(raw: unknown): string | undefined {
  const id = readText(raw)?.toWellFormed();
  return id !== undefined && id.length <= 2048 && !/^\.{1,2}$/.test(id) ? id : undefined;
}

/** 0 to 100 from 45, 45.5, "45", "45%" or the fraction 0.45; the whole number 1 is one percent. */
export function readProgress(raw: unknown): number | undefined {
  const text = readText(raw);
  const number = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%?)$/i.exec(text ?? "");
  if (!number) return undefined;
  const value = Number(number[1]);
  if (!Number.isFinite(value)) return undefined;
  const isFraction = number[2] === "" && value > 0 && value < 1;
  return Math.min(100, Math.max(0, isFraction ? value * 100 : value));
}

/** Milliseconds since 1970, from seconds, milliseconds, ISO 8601 or an HTTP date. Zero is Go's way to say "not yet". */
export function readTime(raw: unknown): number | undefined {
  const text = readText(raw);
  if (text === undefined) return undefined;
  const ms = /^-?\d+(\.\d+)?(e\+?\d+)?$/i.test(text) ? readEpoch(Number(text)) : readDate(text);
  return ms > 0 && ms <= latestMs ? Math.round(ms) : undefined;
}

// 1e11 is the year 5138 in seconds and 1973 in milliseconds; the same factor again tells micro- and nanoseconds.
function readEpoch(value: number): number {
  if (value < 1e11) return value * 1000;
  if (value < 1e14) return value;
  return value < 1e17 ? value / 1e3 : value / 1e6;
}

// Python's isoformat() of a UTC time and C's asctime() have no zone, and JavaScript would take that for local time.
function readDate(text: string): number {
  // Date.parse finds a date in nearly everything: what does not begin as ISO 8601 or HTTP write it is none.
  if (!/^(\d{4}-\d{2}-\d{2}|(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )/i.test(text)) return Number.NaN;
  const hasZone = /(z|utc|gmt|[+-]\d{2}:?\d{2})$/i.test(text);
  if (hasZone || !/\d{2}:\d{2}/.test(text)) return Date.parse(text);
  return Date.parse(/^\d{4}-/.test(text) ? `${text.replace(" ", "T")}Z` : `${text} GMT`);
}

/** A clip's length in seconds, from 10, 10.0, "10" or "10s". */
export function readSeconds(raw: unknown): number | undefined {
  const seconds = Number(/^(\d+(?:\.\d+)?)\s*s?$/i.exec(readText(raw) ?? "")?.[1]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
}

/** An error as object, as `{code: int}` or as a plain string; one that says nothing is none. */
export function readError(raw: unknown): { code?: string; message: string } | undefined {
  if (!isObject(raw)) {
    const message = readText(raw);
    return message === undefined ? undefined : { message };
  }
  const code = readText(raw["code"]) ?? readText(raw["type"]);
  const message = readText(raw["message"]) ?? readText(raw["detail"]) ?? readText(raw["msg"]) ?? code;
  if (message === undefined) return undefined;
  return code === undefined ? { message } : { code, message };
}

const placesOfUrl: readonly (readonly string[])[] = [
  ["video_url"],
  ["url"],
  ["output_url"],
  ["output", "url"],
  ["meta_data", "url"],
  ["metadata", "url"],
  ["unsigned_urls", "0"],
  ["video", "url"],
  ["output"],
];

/** Where the bytes are, from any of the places where servers say it. */
export function readUrl(body: unknown, isWanted: (url: string) => boolean): string | undefined {
  for (const place of placesOfUrl) {
    const found = place.reduce(step, body);
    if (typeof found === "string" && isWanted(found.trim())) return found.trim();
  }
  return undefined;
}

const step = (value: unknown, name: string): unknown =>
  Array.isArray(value) ? (value as unknown[])[Number(name)] : fieldOf(value, name);
