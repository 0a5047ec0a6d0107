import type { Redis } from "ioredis";
import type { Clock } from "./clock.ts";
import { Facts } from "./facts.ts";
import type { Fleet } from "./fleet.ts";
import { defaultPrefix, type Keys, keysFor } from "./keys.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { openQueues, type Queues } from "./queues.ts";
import { connect } from "./redis.ts";
import type { Storage } from "./storage/storage.ts";

export interface EngineOptions {
  readonly redisUrl: string;
  readonly fleet: Fleet;
  readonly storage: Storage;
  /** Workers wait for Redis to come back; producers are told within about a second. */
  readonly patient: boolean;
  /** How long one that is not patient waits for an answer of Redis. @default 2,000 */
  readonly answerWithinMs?: number | undefined;
  readonly clock?: Clock;
  /** Before every key; holds the hash tag. */
  readonly prefix?: string;
}

/** Ledger and queues on one Redis, with the storage beside it. */
export interface Engine {
  readonly redis: Redis;
  readonly redisUrl: string;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly facts: Facts;
  readonly fleet: Fleet;
  readonly storage: Storage;
  readonly ledger: Ledger;
  readonly queues: Queues;
  /** Answers or throws, for health checks. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export function openEngine({
  redisUrl,
  fleet,
  storage,
  patient,
  answerWithinMs,
  clock = { now: Date.now },
  prefix = defaultPrefix,
}: EngineOptions): Engine {
  const facts = new Facts();
  const onError = (error: Error) => facts.emit("hiccup", { where: "redis", error });
  const redis = connect(redisUrl, { patient, answerWithinMs }, onError);
  const keys = keysFor(prefix);
  const queues = openQueues(redis, keys, fleet, onError);
  return {
    redis,
    redisUrl,
    keys,
    clock,
    facts,
    fleet,
    storage,
    ledger: openLedger(redis, keys, clock),
    queues,
    async ping() {
      if (redis.status !== "ready" && !patient) throw new Error(`There is no connection to Redis (${redis.status}).`);
      await redis.ping();
    },
    async close() {
      await queues.close();
      redis.disconnect();
      await storage.close();
    },
  };
}
