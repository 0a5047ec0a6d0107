import type { Lane, Status, VideoId } from "@reelq/contract";
import { laneName } from "./lane.ts";

/**
 * Every key the ledger uses, with its Redis type. All of them, and BullMQ's own, share one hash tag, so that a
 * script may touch any of them and Redis Cluster keeps them together.
 */
export interface Keys {
  /** What BullMQ puts before its queues' names. */
  readonly prefix: string;
  /** STRING `version status json`: one video's record. */
  readonly video: (id: VideoId) => string;
  /** ZSET, all scores 0, so ordered by id, which is by age: every video. */
  readonly videos: string;
  /** ZSET like `videos`: those in one status. */
  readonly status: (status: Status) => string;
  /** ZSET id -> ms since 1970: when the next step of a video that is not final is due. */
  readonly due: string;
  /** ZSET id -> ms since 1970: when somebody should hear that a video is still where it is. */
  readonly alarms: string;
  /** HASH attempt number -> `upstream task`: what a worker brought that had been taken for lost. */
  readonly evidence: (id: VideoId) => string;
  /** STREAM of moves and alarms: `video`, `version`, `status`, `at`, and `alarm` where it is one. */
  readonly events: string;
  /** STRING `fingerprint id`, expires: what an idempotency key was first used for. */
  readonly idempotency: (project: string, key: string) => string;
  /** STRING id: the video that owns an upstream's task. */
  readonly task: (upstream: string, task: string) => string;
  /** ZSET task -> ms since 1970: the latest tasks that videos came to own at an upstream. */
  readonly recentTasks: (upstream: string) => string;
  /** ZSET, all scores 0, so by age: the queued videos of a lane. */
  readonly waiting: (lane: Lane) => string;
  /** ZSET id -> ms since 1970: the videos that take up a place in a lane, since when. */
  readonly inFlight: (lane: Lane) => string;
  /** ZSET like `inFlight`: those of a whole account. */
  readonly accountInFlight: (upstream: string) => string;
  /** HASH name -> count: what has happened since the ledger began; see `metrics.ts`. */
  readonly counters: string;
  /** ZSET id and version -> ms since 1970, by Redis's clock: the leaves to send that a lane gave in the last minute. */
  readonly sent: (lane: Lane) => string;
  /** ZSET like `sent`: those that a whole account gave. */
  readonly accountSent: (upstream: string) => string;
  /** ZSET of looks -> ms since 1970, by Redis's clock: those of a lane in the last second. */
  readonly looks: (lane: Lane) => string;
  /** STRING ms since 1970, expires: until when the looks of a lane are spoken for. */
  readonly looksAhead: (lane: Lane) => string;
  /** ZSET like `looks`: those at a whole account. */
  readonly accountLooks: (upstream: string) => string;
  /** STRING like `looksAhead`: of a whole account. */
  readonly accountLooksAhead: (upstream: string) => string;
  /** STRING with expiry: why a lane rests. */
  readonly rest: (lane: Lane) => string;
  /** HASH, expires: how many tasks at once a lane's refusals taught; see `scripts/leave.lua`. */
  readonly cap: (lane: Lane) => string;
  /** HASH like `cap`: how many the account lets run in all its lanes together. */
  readonly accountCap: (upstream: string) => string;
  /** HASH, expires: failures in a row at an upstream, and until when nothing is sent there; see `scripts/breaker.lua`. */
  readonly breaker: (upstream: string) => string;
  /** HASH of sums, expires: what finished renders of a lane and a length taught; see `learned.ts`. */
  readonly learned: (lane: Lane, seconds: number) => string;
  /** HASH like `learned`: the full sketch before it. */
  readonly learnedBefore: (lane: Lane, seconds: number) => string;
  /** STRING with expiry: a worker lives. */
  readonly worker: (name: string) => string;
  /** ZSET name -> ms since 1970: until when each worker is taken to live. */
  readonly workers: string;
  /** STRING with expiry: somebody sweeps. */
  readonly sweeping: string;
  /** STRING with expiry: unfinished uploads were looked for. */
  readonly tidying: string;
}

export const defaultPrefix = "{reelq}";

/** How a process is told of another prefix: API and workers that belong together share one. */
export const prefixOption = {
  name: "prefix",
  value: defaultPrefix,
  help: "before every key in Redis, in braces; the same for all that belong together",
  judge: (prefix: string) =>
    /^\{[A-Za-z0-9._-]+\}$/.test(prefix)
      ? undefined
      : `--prefix: "${prefix}" must be a name in braces, like ${defaultPrefix}.`,
};

export function keysFor(prefix: string): Keys {
  return {
    prefix,
    video: (id) => `${prefix}:video:${id}`,
    videos: `${prefix}:videos`,
    status: (status) => `${prefix}:status:${status}`,
    due: `${prefix}:due`,
    alarms: `${prefix}:alarms`,
    evidence: (id) => `${prefix}:evidence:${id}`,
    counters: `${prefix}:counters`,
    events: `${prefix}:events`,
    idempotency: (project, key) => `${prefix}:idempotency:${project}:${key}`,
    task: (upstream, task) => `${prefix}:task:${upstream}:${task}`,
    recentTasks: (upstream) => `${prefix}:recent-tasks:${upstream}`,
    waiting: (lane) => `${prefix}:waiting:${laneName(lane)}`,
    inFlight: (lane) => `${prefix}:in-flight:${laneName(lane)}`,
    accountInFlight: (upstream) => `${prefix}:account-in-flight:${upstream}`,
    sent: (lane) => `${prefix}:sent:${laneName(lane)}`,
    accountSent: (upstream) => `${prefix}:account-sent:${upstream}`,
    looks: (lane) => `${prefix}:looks:${laneName(lane)}`,
    looksAhead: (lane) => `${prefix}:looks-ahead:${laneName(lane)}`,
    accountLooks: (upstream) => `${prefix}:account-looks:${upstream}`,
    accountLooksAhead: (upstream) => `${prefix}:account-looks-ahead:${upstream}`,
    rest: (lane) => `${prefix}:rest:${laneName(lane)}`,
    cap: (lane) => `${prefix}:cap:${laneName(lane)}`,
    accountCap: (upstream) => `${prefix}:account-cap:${upstream}`,
    breaker: (upstream) => `${prefix}:breaker:${upstream}`,
    learned: (lane, seconds) => `${prefix}:learned:${laneName(lane)}/${seconds}`,
    learnedBefore: (lane, seconds) => `${prefix}:learned-before:${laneName(lane)}/${seconds}`,
    worker: (name) => `${prefix}:worker:${name}`,
    workers: `${prefix}:workers`,
    sweeping: `${prefix}:sweeping`,
    tidying: `${prefix}:tidying`,
  };
}
