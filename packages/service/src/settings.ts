import { isIP } from "node:net";
import { z } from "zod";
import type { Setting } from "./setting.ts";

const setting = <Schema extends z.ZodType>(one: Setting<Schema>): Setting<Schema> => one;

const HTTP = ["http:", "https:"];

const redisUrl = setting({
  variable: "REDIS_URL",
  description: "The Redis that holds the ledger and the queues.",
  allowed: "a URL like redis://127.0.0.1:6379 or rediss://user:password@host:6379/0",
  schema: z.string().refine(isRedisUrl, { abort: true }).default("redis://127.0.0.1:6379"),
});

function isRedisUrl(text: string): boolean {
  const url = parsedUrl(text, ["redis:", "rediss:"]);
  return url !== undefined && /^\/?\d*$/.test(url.pathname);
}

const upstreamUrl = setting({
  variable: "UPSTREAM_URL",
  description: "The server that renders, up to and with /v1, where there is only one.",
  allowed: "an http or https URL that ends in /v1, like https://gateway.example/v1",
  schema: z.string().transform(withoutSlash).refine(isUpstreamUrl).optional(),
});

function isUpstreamUrl(text: string): boolean {
  const url = parsedUrl(text, HTTP);
  return url !== undefined && isBare(url) && /\/v\d+$/.test(url.pathname);
}

const upstreamApiKey = setting({
  variable: "UPSTREAM_API_KEY",
  description: "The bearer token for UPSTREAM_URL.",
  allowed: "printable ASCII without spaces",
  secret: true,
  schema: z
    .string()
    .regex(/^[\x21-\x7e]+$/)
    .optional(),
});

const storageUrl = setting({
  variable: "STORAGE_URL",
  description: "Where finished files are kept: a directory, or a bucket and a prefix in it.",
  allowed: "file: and a path, like file:./videos, or s3://bucket/prefix",
  schema: z.string().refine(isStorageUrl).default("file:./videos"),
});

function isStorageUrl(text: string): boolean {
  if (text.startsWith("file:")) return text.length > "file:".length && !/^file:\/\/[^/]/.test(text);
  return /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[^?#]*)?$/.test(text);
}

const awsAccessKeyId = setting({
  variable: "AWS_ACCESS_KEY_ID",
  description: "The bucket's access key; without it, AWS's own chain of sources is asked.",
  allowed: "an access key id",
  secret: true,
  schema: z.string().optional(),
});

const awsSecretAccessKey = setting({
  variable: "AWS_SECRET_ACCESS_KEY",
  description: "The secret that belongs to AWS_ACCESS_KEY_ID.",
  allowed: "a secret access key",
  secret: true,
  schema: z.string().optional(),
});

const awsSessionToken = setting({
  variable: "AWS_SESSION_TOKEN",
  description: "The third part of temporary credentials.",
  allowed: "a session token",
  secret: true,
  schema: z.string().optional(),
});

const awsRegion = setting({
  variable: "AWS_REGION",
  description: "The bucket's region.",
  allowed: "a region like us-east-1",
  schema: z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .optional(),
});

const awsEndpointUrl = setting({
  variable: "AWS_ENDPOINT_URL_S3",
  description: "Where S3 is spoken, if not at AWS.",
  allowed: "an http or https URL like https://s3.example:9000",
  schema: z.string().transform(withoutSlash).refine(isHttpUrl).optional(),
});

/** A producer that may call the API: its name becomes the video's project. */
export interface ApiKey {
  readonly name: string;
  readonly key: string;
}

const SHORTEST_KEY = 8;

const apiKeys = setting({
  variable: "REELQ_API_KEYS",
  description: "Who may call the API. Empty: everyone who reaches it, which is why it then listens on loopback only.",
  allowed: `name:key,name:key with a different name each and keys of at least ${SHORTEST_KEY} characters`,
  secret: true,
  schema: z.string().default("").transform(readApiKeys),
});

function readApiKeys(text: string, context: z.RefinementCtx): readonly ApiKey[] {
  const keys: ApiKey[] = [];
  const complain = (message: string) => context.addIssue({ code: "custom", message });
  for (const [index, part] of text.split(",").entries()) {
    // A comma at the end is no mistake.
    if (part.trim() === "") continue;
    const [, name, key] = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*:\s*([\x21-\x7e]+)\s*$/.exec(part) ?? [];
    if (name === undefined || key === undefined) complain(`entry ${index + 1} is not name:key`);
    else if (key.length < SHORTEST_KEY) complain(`the key of ${name} has only ${key.length} characters`);
    else if (keys.some((other) => other.name === name)) complain(`there are two keys named ${name}`);
    else if (keys.some((other) => other.key === key)) complain(`${name} has the key of another name`);
    else keys.push({ name, key });
  }
  return keys;
}

const port = setting({
  variable: "PORT",
  description: "The port that the API listens on; 0 takes a free one.",
  allowed: "a whole number from 0 to 65535",
  schema: wholeNumber(0, 65_535).default(8787),
});

const host = setting({
  variable: "HOST",
  description: "The address that the API listens on.",
  allowed: "an address or a name without a port, like 127.0.0.1 or 0.0.0.0",
  schema: z
    .string()
    .regex(/^([A-Za-z0-9.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/)
    .refine((text) => !/^[^:]+:\d+$/.test(text))
    .default("127.0.0.1"),
});

/** What is wrong where whoever listens beyond this machine does not know its callers. */
export function refusePublicWithoutKeys(address: string, hasKeys: boolean): string | undefined {
  if (hasKeys || isLoopback(address)) return undefined;
  return `HOST is "${address}", which others can reach, and there is no API key; set REELQ_API_KEYS, make one with reelq keys create, or leave HOST at 127.0.0.1.`;
}

export const isLoopback = (address: string): boolean =>
  address === "localhost" || address === "::1" || /^127(\.\d{1,3}){3}$/.test(address);

const listOf = (text: string): readonly string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

const rateLimit = setting({
  variable: "REELQ_RATE_LIMIT",
  description:
    "Calls a minute of each API key that has no limit of its own; 0 is no limit. Without keys there is none.",
  allowed: "a whole number from 0 to 1000000",
  schema: wholeNumber(0, 1_000_000).default(6_000),
});

const corsOrigins = setting({
  variable: "REELQ_CORS_ORIGINS",
  description: "Whose pages may call the API from a browser. Empty: nobody's but its own.",
  allowed: "origins like https://app.example,https://other.example:8443",
  schema: z.string().default("").transform(readOrigins),
});

function readOrigins(text: string, context: z.RefinementCtx): readonly string[] {
  const origins = listOf(text);
  for (const origin of origins)
    if (URL.parse(origin)?.origin !== origin)
      context.addIssue({
        code: "custom",
        message: "holds what is no origin: scheme, name and port, nothing behind them",
      });
  return origins;
}

const allowAddresses = setting({
  variable: "REELQ_ALLOW_ADDRESSES",
  description: "Addresses that webhooks and image URLs may lead to though they are not public, also by plain http.",
  allowed: "addresses and networks like 127.0.0.1,10.0.0.0/8,::1",
  schema: z
    .string()
    .default("")
    .transform(listOf)
    .refine((addresses) => addresses.every(isNetwork)),
});

function isNetwork(text: string): boolean {
  const [, address = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && Number(length ?? 0) <= (version === 4 ? 32 : 128);
}

const inDoubt = setting({
  variable: "REELQ_IN_DOUBT",
  description: "What becomes of a video whose POST may have created a paid task, when nothing more can be learned.",
  allowed: "hold (a person decides) or resubmit (pay twice rather than wait)",
  schema: z.enum(["hold", "resubmit"]).default("hold"),
});

const concurrency = setting({
  variable: "REELQ_CONCURRENCY",
  description: "How many videos one worker works on at the same time, in each stage.",
  allowed: "a whole number from 1 to 1000",
  schema: wholeNumber(1, 1000).default(16),
});

const logLevel = setting({
  variable: "LOG_LEVEL",
  description: "The least important lines that are logged.",
  allowed: "trace, debug, info, warn, error, fatal or silent",
  schema: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]))
    .default("info"),
});

const reelqUrl = setting({
  variable: "REELQ_URL",
  description: "Where the client commands find the API.",
  allowed: "an http or https URL like http://127.0.0.1:8787",
  schema: z.string().transform(withoutSlash).refine(isHttpUrl).default("http://127.0.0.1:8787"),
});

const reelqApiKey = setting({
  variable: "REELQ_API_KEY",
  description: "The key that the client commands show to the API: the part after the name in its REELQ_API_KEYS.",
  allowed: "printable ASCII without spaces",
  secret: true,
  schema: z
    .string()
    .regex(/^[\x21-\x7e]+$/)
    .optional(),
});

const configPath = setting({
  variable: "REELQ_CONFIG",
  description: "A YAML file with upstreams, limits, models, prices and projects.",
  allowed: "a file's path",
  schema: z.string().optional(),
});

/** Every setting of reelq, by the name that code has for it. A process reads those that it needs. */
export const settings = {
  redisUrl,
  upstreamUrl,
  upstreamApiKey,
  storageUrl,
  awsAccessKeyId,
  awsSecretAccessKey,
  awsSessionToken,
  awsRegion,
  awsEndpointUrl,
  apiKeys,
  port,
  host,
  rateLimit,
  corsOrigins,
  allowAddresses,
  inDoubt,
  concurrency,
  logLevel,
  reelqUrl,
  reelqApiKey,
  configPath,
};

/** Both or neither: half a credential sends the S3 client to look for another one elsewhere. */
export function refuseHalfCredential(id: string | undefined, secret: string | undefined): string | undefined {
  if ((id === undefined) === (secret === undefined)) return undefined;
  const [have, lack] = id === undefined ? [awsSecretAccessKey, awsAccessKeyId] : [awsAccessKeyId, awsSecretAccessKey];
  return `${have.variable} is set and ${lack.variable} is not; set both or neither.`;
}

function wholeNumber(least: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .pipe(z.number().min(least).max(most));
}

function withoutSlash(text: string): string {
  return text.replace(/\/+$/, "");
}

function isHttpUrl(text: string): boolean {
  const url = parsedUrl(text, HTTP);
  return url !== undefined && isBare(url);
}

/** No credentials, which `fetch` refuses to send, and nothing behind the path, to which paths are added. */
const isBare = (url: URL): boolean => url.username === "" && url.password === "" && !/[?#]/.test(url.href);

function parsedUrl(text: string, protocols: readonly string[]): URL | undefined {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && url.hostname !== "" ? url : undefined;
}
