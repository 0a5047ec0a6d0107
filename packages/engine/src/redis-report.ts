import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { type Clock, SECOND } from "./clock.ts";
import { type Keys, keysFor } from "./keys.ts";
import { type Breaker, readBreakers } from "./lane-state.ts";

/** What a doctor wants to know of a Redis. What the server does not let its user see is undefined. */
export interface RedisReport {
  readonly version: RedisVersion | undefined;
  readonly persistence: {
    readonly appendOnly: boolean | undefined;
    /** `always`, `everysec` or `no`. */
    readonly appendFsync: string | undefined;
  };
  readonly eviction:
    | {
        readonly policy: string;
        /** 0: no limit of its own. */
        readonly maxMemoryBytes: number;
      }
    | undefined;
  /** Round trips in ms. */
  readonly pings: { readonly count: number; readonly medianMs: number; readonly worstMs: number };
  /** Its clock minus ours. */
  readonly clockSkewMs: number;
  /** Why a script that writes and deletes two keys of one hash tag did not run; undefined where it did. */
  readonly scriptRefusal: string | undefined;
  /** How many show signs of life; undefined where they may not be counted. */
  readonly workers: number | undefined;
  readonly breakers: readonly Breaker[];
}

interface RedisVersion {
  /** `Redis`, `Valkey`, or another that speaks its protocol. */
  readonly name: string;
  /** Its own. */
  readonly version: string;
  /** The version of Redis whose commands it has. */
  readonly redisVersion: string;
}

export interface RedisReportOptions {
  readonly url: string;
  readonly prefix: string;
  /** Whose breakers are told. */
  readonly upstreams: readonly string[];
  /** Cuts it short. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/**
 * Looks at a Redis over a connection of its own, and leaves no key there.
 * @throws Error whose message is the reason why there is no connection, without the password
 */
export async function reportRedis(options: RedisReportOptions): Promise<RedisReport> {
  const { url, prefix, upstreams, signal, clock = { now: Date.now } } = options;
  signal.throwIfAborted();
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 10 * SECOND,
    // A server that still reads its data says so itself, in what it is asked first.
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  let lastError: Error | undefined;
  redis.on("error", (error: Error) => (lastError = error));
  const cut = () => redis.disconnect();
  signal.addEventListener("abort", cut, { once: true });
  const keys = keysFor(prefix);
  try {
    await redis.connect();
    // It goes on with database 0 where the one of the URL is not there.
    if (lastError) throw lastError;
    // Before anything else, which would be in their way.
    const pings = await measurePings(redis);
    const clockSkewMs = await measureSkew(redis, clock);
    const info = fieldsOf((await unlessRefused(redis.info())) ?? "");
    return {
      version: versionIn(info),
      persistence: await readPersistence(redis, info),
      eviction: evictionIn(info),
      pings,
      clockSkewMs,
      scriptRefusal: await tryScript(redis, keys),
      breakers: (await unlessRefused(readBreakers(redis, keys, upstreams))) ?? [],
      workers: await unlessRefused(redis.zcount(keys.workers, clock.now(), "+inf")),
    };
  } catch (error) {
    throw new Error(reasonOf(lastError ?? error), { cause: error });
  } finally {
    signal.removeEventListener("abort", cut);
    redis.disconnect();
  }
}

const mostPings = 20;
const pingWithinMs = 3 * SECOND;

async function measurePings(redis: Redis): Promise<RedisReport["pings"]> {
  const startedAt = performance.now();
  const took: number[] = [];
  while (took.length < mostPings && performance.now() - startedAt < pingWithinMs) {
    const askedAt = performance.now();
    await redis.ping();
    took.push(performance.now() - askedAt);
  }
  const sorted = took.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    medianMs: sorted[Math.floor((sorted.length - 1) / 2)] ?? 0,
    worstMs: sorted.at(-1) ?? 0,
  };
}

async function measureSkew(redis: Redis, clock: Clock): Promise<number> {
  const askedAt = clock.now();
  const [seconds, micros] = await redis.time();
  const middle = (askedAt + clock.now()) / 2;
  return Number(seconds) * 1000 + Number(micros) / 1000 - middle;
}

/** INFO's lines, `name:value`. */
function fieldsOf(info: string): ReadonlyMap<string, string> {
  const lines = info.split(/\r?\n/).filter((line) => line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}

/** They answer `redis_version` too: with the version of Redis whose commands they have. */
const otherServers = ["Valkey", "KeyDB", "Dragonfly", "Kvrocks", "Garnet"];

function versionIn(info: ReadonlyMap<string, string>): RedisVersion | undefined {
  const redisVersion = info.get("redis_version");
  if (redisVersion === undefined) return undefined;
  for (const name of otherServers) {
    const version = info.get(`${name.toLowerCase()}_version`);
    if (version !== undefined) return { name, version, redisVersion };
  }
  return { name: "Redis", version: redisVersion, redisVersion };
}

async function readPersistence(redis: Redis, info: ReadonlyMap<string, string>): Promise<RedisReport["persistence"]> {
  const [, appendFsync] = (await unlessRefused(redis.config("GET", "appendfsync"))) ?? [];
  const enabled = info.get("aof_enabled");
  return { appendOnly: enabled === undefined ? undefined : enabled === "1", appendFsync };
}

function evictionIn(info: ReadonlyMap<string, string>): RedisReport["eviction"] {
  const policy = info.get("maxmemory_policy");
  return policy === undefined ? undefined : { policy, maxMemoryBytes: Number(info.get("maxmemory") ?? 0) };
}

/**
 * KEYS[1] and KEYS[2]: two keys of one hash tag, written and deleted again. ARGV[1]: what is written.
 * Returns what was read.
 */
const tinyScript = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', 1000)
redis.call('SET', KEYS[2], redis.call('GET', KEYS[1]), 'PX', 1000)
local read = redis.call('GET', KEYS[2])
redis.call('DEL', KEYS[1], KEYS[2])
return read`;

async function tryScript(redis: Redis, { prefix }: Keys): Promise<string | undefined> {
  const name = randomUUID();
  try {
    const read = await redis.eval(tinyScript, 2, `${prefix}:doctor:${name}:1`, `${prefix}:doctor:${name}:2`, name);
    return read === name ? undefined : "it did not give back what was just written";
  } catch (error) {
    if (!isReply(error)) throw error;
    return reasonOf(error);
  }
}

/** Undefined where the server answers with an error: the user may not do that, or the command is not there. */
async function unlessRefused<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!isReply(error)) throw error;
    return undefined;
  }
}

const isReply = (error: unknown): error is Error => error instanceof Error && error.name === "ReplyError";

/** Several addresses that all refuse are an error without words. */
function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? (error.errors as unknown[])[0] : error;
  return first instanceof Error ? first.message : String(first);
}
