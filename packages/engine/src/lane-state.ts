import type { Lane } from "@reelq/contract";
import type { ChainableCommander, Redis } from "ioredis";
import type { Keys } from "./keys.ts";
import { placesOfLane, rateWindowMs } from "./lane.ts";

/** Whether anything is sent to an upstream; shared by all workers. */
export interface Breaker {
  readonly upstream: string;
  /** `half_open`: its time has passed, and one video may try. */
  readonly state: "closed" | "open" | "half_open";
  /** Why it is not closed, one sentence; empty where it is. */
  readonly why: string;
  readonly kind?: "infrastructure" | "account";
  /** Until when it is open, or until when one video tries, in ms from now. */
  readonly waitMs: number;
  /** POSTs and looks in a row that failed. */
  readonly failures: { readonly post: number; readonly look: number };
}

/** What a lane holds, and what keeps it from sending. */
export interface LaneState {
  readonly lane: Lane;
  /** Queued videos. */
  readonly waiting: number;
  /** Places taken in the lane, and in its whole account. */
  readonly inFlight: number;
  readonly accountInFlight: number;
  /** Tasks at once as refusals taught it, of the lane and of its account. */
  readonly learnedPlaces?: number;
  readonly accountLearnedPlaces?: number;
  /** Leaves of the last minute, the lane's and its account's, each as ms since 1970 by Redis's clock, oldest first. */
  readonly sent: readonly number[];
  readonly accountSent: readonly number[];
  readonly rest?: { readonly waitMs: number; readonly reason: string };
  readonly breaker: Breaker;
  /** Redis's clock. */
  readonly now: number;
}

const millis = ([seconds, micros]: readonly [unknown, unknown]): number =>
  Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);

export async function readBreakers(redis: Redis, keys: Keys, upstreams: readonly string[]): Promise<Breaker[]> {
  const pipeline = redis.pipeline().time();
  for (const upstream of upstreams) pipeline.hgetall(keys.breaker(upstream));
  const [time, ...hashes] = await results(pipeline);
  const now = millis(time as [string, string]);
  return upstreams.map((upstream, index) => breakerOf(upstream, hashes[index] as Record<string, string>, now));
}

export async function readLaneStates(redis: Redis, keys: Keys, lanes: readonly Lane[]): Promise<LaneState[]> {
  if (lanes.length === 0) return [];
  const pipeline = redis.pipeline().time();
  for (const lane of lanes) {
    pipeline
      .zcard(keys.waiting(lane))
      .zlexcount(keys.places(lane.upstream), ...placesOfLane(lane))
      .zcard(keys.places(lane.upstream))
      .hget(keys.cap(lane), "cap")
      .hget(keys.accountCap(lane.upstream), "cap")
      .zrange(keys.sent(lane), 0, "-1", "WITHSCORES")
      .zrange(keys.accountSent(lane.upstream), 0, "-1", "WITHSCORES")
      .pttl(keys.rest(lane))
      .get(keys.rest(lane))
      .hgetall(keys.breaker(lane.upstream));
  }
  const [time, ...values] = await results(pipeline);
  const now = millis(time as [string, string]);
  const width = values.length / lanes.length;
  return lanes.map((lane, index) => laneStateOf(lane, values.slice(index * width, (index + 1) * width), now));
}

function laneStateOf(lane: Lane, values: readonly unknown[], now: number): LaneState {
  const [waiting, inFlight, accountInFlight, cap, accountCap, sent, accountSent, restMs, why, breaker] = values;
  const scores = (pairs: unknown): number[] =>
    (pairs as string[])
      .filter((_, index) => index % 2 === 1)
      .map(Number)
      .filter((at) => at > now - rateWindowMs);
  return {
    lane,
    waiting: Number(waiting),
    inFlight: Number(inFlight),
    accountInFlight: Number(accountInFlight),
    sent: scores(sent),
    accountSent: scores(accountSent),
    breaker: breakerOf(lane.upstream, breaker as Record<string, string>, now),
    now,
    ...(cap === null ? {} : { learnedPlaces: placesFrom(cap) }),
    ...(accountCap === null ? {} : { accountLearnedPlaces: placesFrom(accountCap) }),
    ...(Number(restMs) > 0 ? { rest: { waitMs: Number(restMs), reason: String(why) } } : {}),
  };
}

/** Rounded as in `scripts/leave.lua`. */
const placesFrom = (cap: unknown): number => Math.max(1, Math.floor(Number(cap) + 0.5));

/** The fields are those that `scripts/breaker.lua` names. */
function breakerOf(upstream: string, fields: Readonly<Record<string, string>>, now: number): Breaker {
  const failures = { post: Number(fields["post"] ?? 0), look: Number(fields["look"] ?? 0) };
  const { until, why = "", kind, probe_until: probeUntil } = fields;
  if (until === undefined) return { upstream, state: "closed", why: "", waitMs: 0, failures };
  const waitMs = Math.max(0, Number(until) - now, Number(probeUntil ?? 0) - now);
  return {
    upstream,
    state: Number(until) > now ? "open" : "half_open",
    why,
    kind: kind === "account" ? kind : "infrastructure",
    waitMs,
    failures,
  };
}

async function results(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}
