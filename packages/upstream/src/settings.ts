import { defaultTimeouts, type Timeouts, type UpstreamSettings } from "./upstream.ts";

/** Settings that no upstream can be opened with; `problems` holds a sentence for each mistake, never the key. */
export class UpstreamSettingsError extends Error {
  readonly code = "invalid_upstream_settings";
  readonly upstream: string;
  readonly problems: readonly string[];

  constructor(upstream: string, problems: readonly string[]) {
    super(`The upstream "${upstream}" cannot be opened: ${problems.join("; ")}.`);
    this.name = "UpstreamSettingsError";
    this.upstream = upstream;
    this.problems = problems;
  }
}

/** Settings after judgement. */
export interface JudgedSettings {
  readonly name: string;
  /** Without a slash at its end. */
  readonly base: string;
  readonly origin: string;
  readonly key: string | undefined;
  readonly createFormat: "auto" | "multipart" | "json";
  readonly timeouts: Timeouts;
  readonly now: () => number;
}

export function judgeSettings(settings: UpstreamSettings): JudgedSettings {
  const problems: string[] = [];
  const url = judgeUrl(settings.url, problems);
  const key = judgeKey(settings.key, problems);
  const timeouts = judgeTimeouts(settings.timeouts ?? {}, problems);
  const createFormat = settings.createFormat ?? "auto";
  if (!["auto", "multipart", "json"].includes(createFormat))
    problems.push(`createFormat "${createFormat}" is not one of auto, multipart, json`);
  if (!url || problems.length > 0) throw new UpstreamSettingsError(settings.name, problems);
  return {
    name: settings.name,
    base: url.origin + url.pathname.replace(/\/+$/, ""),
    origin: url.origin,
    key,
    createFormat,
    timeouts,
    now: settings.now ?? Date.now,
  };
}

function judgeUrl(given: string, problems: string[]): URL | undefined {
  const url = URL.parse(given);
  if (!url || !["http:", "https:"].includes(url.protocol)) {
    problems.push("url is not an http or https address, like https://gateway.example/v1");
    return undefined;
  }
  // An address with a secret in it would end up in reasons and logs.
  if (url.username !== "" || url.password !== "") problems.push("url holds credentials; put the token in key");
  if (url.search !== "" || url.hash !== "") problems.push("url ends with its path: it takes no ? and no #");
  return url;
}

function judgeKey(given: string | undefined, problems: string[]): string | undefined {
  const key = given?.trim();
  if (key === undefined || key === "") return undefined;
  if (!/^[\x21-\x7e]+$/.test(key)) problems.push("key holds characters that no HTTP header can carry");
  return key;
}

function judgeTimeouts(given: Partial<Timeouts>, problems: string[]): Timeouts {
  const timeouts = { ...defaultTimeouts, ...given };
  for (const [name, ms] of Object.entries(timeouts)) {
    // The upper bound is the longest that a Node timer can wait.
    if (!Number.isSafeInteger(ms) || ms <= 0 || ms > 2_147_483_647)
      problems.push(`timeouts.${name} is not a whole number of milliseconds above 0`);
  }
  return timeouts;
}
