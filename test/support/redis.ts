import { accessSync, constants, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findRedisServer, type RedisServer, startRedisServer } from "@reelq/service";
import { Redis } from "ioredis";

const ROOT = new URL("../..", import.meta.url).pathname;

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Kills it with no warning and starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Ends it, and its data with it. */
  stop(): Promise<void>;
}

/** The server's program: what set-up found or brought, else one on the path. */
export const redisServerProgram: string | undefined = broughtBySetUp() ?? findRedisServer(process.env.PATH ?? "");

/**
 * A Redis for one test file, empty, with data of its own. Where no server can be started and REDIS_URL names
 * one, it is an empty logical database there, which is emptied again at the end.
 */
export async function startRedis(): Promise<TestRedis> {
  if (redisServerProgram === undefined && process.env.REDIS_URL) return borrowDatabase(process.env.REDIS_URL);
  const dir = await mkdtemp(join(tmpdir(), "reelq-redis-"));
  const start = () => startRedisServer({ dir, binary: redisServerProgram });
  let server: RedisServer = await start();
  return {
    url: server.url,
    port: server.port,
    get pid() {
      return server.pid;
    },
    async restart() {
      process.kill(server.pid, "SIGKILL");
      await server.exited;
      server = await start();
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function broughtBySetUp(): string | undefined {
  try {
    const state: unknown = JSON.parse(readFileSync(join(ROOT, ".reelq/setup.json"), "utf8"));
    if (typeof state !== "object" || state === null || !("redisServer" in state)) return undefined;
    const program = resolve(ROOT, String(state.redisServer));
    accessSync(program, constants.X_OK);
    return program;
  } catch {
    return undefined;
  }
}

const CLAIM = "reelq-test-claim";

/** Test files run side by side: the claim keeps two of them, and somebody's data, out of one database. */
async function borrowDatabase(base: string): Promise<TestRedis> {
  for (let number = 1; number < 16; number += 1) {
    const url = new URL(base);
    url.pathname = `/${number}`;
    const redis = new Redis(url.href);
    const isOurs = (await redis.set(CLAIM, process.pid, "NX")) === "OK";
    if (isOurs && (await redis.dbsize()) === 1) return lend(redis, url);
    if (isOurs) await redis.del(CLAIM);
    redis.disconnect();
  }
  throw new Error("REDIS_URL names a Redis without an empty logical database: the tests will not touch the others.");
}

const lend = (redis: Redis, url: URL): TestRedis => ({
  url: url.href,
  port: Number(url.port || 6379),
  pid: 0,
  restart: () => Promise.reject(new Error("The Redis of REDIS_URL is not ours to restart.")),
  async stop() {
    await redis.flushdb();
    redis.disconnect();
  },
});
