import { randomUUID } from "node:crypto";
import { isAllowed, type Lane, type Status, statuses, type Video, type VideoId, type VideoIn } from "@reelq/contract";
import type { Redis } from "ioredis";
import { type Advance, type AdvanceOptions, advanceOf, eventStreamLength, moveOf } from "./advance.ts";
import type { Clock } from "./clock.ts";
import type { Keys } from "./keys.ts";
import { type Breaker, type LaneState, readBreakers, readLaneStates } from "./lane-state.ts";
import type { LaneLimits } from "./lane.ts";
import { generationLength, type Learned, readLearned } from "./learned.ts";
import { parseRecord, readable } from "./record.ts";
import { defineScripts } from "./scripts.ts";

type Acceptance =
  | { readonly kind: "accepted"; readonly video: VideoIn<"queued"> }
  | { readonly kind: "known"; readonly id: VideoId; readonly fingerprint: string };

interface Idempotency {
  readonly key: string;
  /** Of the whole request: the same key with another one is a conflict. */
  readonly fingerprint: string;
  readonly keepMs: number;
}

export interface ListOptions {
  /** The last id of the page before. */
  readonly after?: VideoId | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
  /** Only those in one of these. */
  readonly statuses?: readonly Status[] | undefined;
}

export interface VideoPage {
  readonly videos: readonly Video[];
  readonly hasMore: boolean;
}

export interface VideoEvent {
  /** The stream's own id: ascends. */
  readonly id: string;
  readonly video: VideoId;
  readonly version: number;
  readonly status: Status;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Not a move: the video is still where it is, and somebody should know. */
  readonly alarm?: Alarm;
}

/** `overdue`: a render takes far too long. `at_risk`: a file may expire before it is stored. */
export type Alarm = "overdue" | "at_risk";

/** A task that a worker brought after its attempt had been taken for lost. */
export interface Evidence {
  readonly attempt: number;
  readonly upstream: string;
  readonly task: string;
}

/** The records in Redis, moved by compare-and-set: the truth. */
export interface Ledger {
  accept(draft: VideoIn<"queued">, idempotency?: Idempotency & { readonly project: string }): Promise<Acceptance>;
  /** @throws CorruptRecordError */
  read(id: VideoId): Promise<Video | undefined>;
  /**
   * Writes `next` if the record still is what `video` says; the version and the time of the write are the ledger's.
   * @throws if the table of moves does not hold the move
   */
  advance(video: Video, next: Video, options?: AdvanceOptions): Promise<Advance>;
  /** Puts the due time off while somebody works; false if the record moved on. */
  hold(video: Video, dueAt: number): Promise<boolean>;
  /** Videos by age. Ids, not offsets, so that pages stay true while videos come and go. */
  list(options: ListOptions): Promise<VideoPage>;
  counts(): Promise<Record<Status, number>>;
  /** What has happened since the ledger began: moves into each status (failures by class) and alarms, by name. */
  counters(): Promise<Readonly<Record<string, number>>>;
  /** Ids whose due time has passed, the most overdue first. */
  overdue(before: number, limit: number): Promise<VideoId[]>;
  /** Puts off an id whose record nobody can read or that is gone. */
  putOff(id: string, dueAt: number | null): Promise<void>;
  ownerOf(upstream: string, task: string): Promise<VideoId | undefined>;
  /** Tasks that videos came to own at an upstream between two times, of the latest 50. */
  recentTasks(upstream: string, since: number, until: number): Promise<string[]>;
  /** What each lane holds and why it may not send. */
  laneStates(lanes: readonly Lane[]): Promise<LaneState[]>;
  breakers(upstreams: readonly string[]): Promise<Breaker[]>;
  /** Whether a worker shows signs of life. */
  isAlive(worker: string): Promise<boolean>;
  /** How many workers do. */
  workers(): Promise<number>;
  /** How many queued videos of its lane are older. */
  position(video: Video): Promise<number>;
  /** Leave for one look at a lane's tasks: 0 for now, else the ms to wait. */
  askToLook(lane: Lane, limits: LaneLimits): Promise<number>;
  /** What finished renders of a lane and a length taught. */
  learned(lane: Lane, seconds: number): Promise<Learned>;
  /** Adds to it. */
  learn(lane: Lane, seconds: number, lesson: Readonly<Record<string, number>>): Promise<void>;
  /** Ids whose alarm time has passed. */
  alarming(before: number, limit: number): Promise<VideoId[]>;
  /** Writes the alarm's event, once; false if the record moved on. */
  raise(video: Video, alarm: Alarm): Promise<boolean>;
  /** Takes an alarm back: its record cannot be read, or needs none. */
  silence(id: string): Promise<void>;
  /** Puts an index right, if the record still is what was looked at; null takes the id out. */
  mendIndex(video: Video, index: string, score: number | null): Promise<void>;
  keepEvidence(id: VideoId, evidence: Evidence): Promise<void>;
  evidenceFor(id: VideoId): Promise<Evidence[]>;
  events(options: { readonly after: string; readonly limit: number }): Promise<VideoEvent[]>;
}

export function openLedger(redis: Redis, keys: Keys, clock: Clock): Ledger {
  const scripts = defineScripts(redis);

  return {
    async accept(draft, idempotency) {
      const video: VideoIn<"queued"> = { ...draft, version: 1 };
      const [kind, first, second] = await scripts.accept(
        [
          keys.video(video.id),
          keys.videos,
          keys.status("queued"),
          keys.due,
          keys.events,
          keys.idempotency(idempotency?.project ?? "", idempotency?.key ?? ""),
          keys.waiting(video.lane),
        ],
        [
          video.id,
          video.version,
          video.status,
          JSON.stringify(video),
          video.dueAt,
          eventStreamLength,
          idempotency?.fingerprint ?? "",
          idempotency?.keepMs ?? 0,
          video.createdAt,
        ],
      );
      if (kind === "known") return { kind, fingerprint: String(first), id: String(second) as VideoId };
      if (kind === "exists") throw new Error(`A video ${video.id} exists already: ids must be new.`);
      return { kind: "accepted", video };
    },

    async read(id) {
      const text = await redis.get(keys.video(id));
      return text === null ? undefined : parseRecord(id, text);
    },

    async advance(video, next, options = {}) {
      if (!isAllowed(video.status, next.status))
        throw new Error(`No move leads from ${video.status} to ${next.status} (${video.id}).`);
      const written = { ...next, dueAt: Math.ceil(next.dueAt), version: video.version + 1, updatedAt: clock.now() };
      const task = written.status === "rendering" ? written.task : undefined;
      const { lane } = video;
      const reply = await scripts.advance(
        [
          keys.video(video.id),
          keys.status(video.status),
          keys.status(written.status),
          keys.due,
          keys.events,
          keys.inFlight(lane),
          keys.rest(lane),
          task ? keys.task(task.upstream, task.id) : keys.video(video.id),
          keys.alarms,
          keys.sent(lane),
          keys.counters,
          keys.recentTasks(lane.upstream),
          keys.waiting(lane),
          keys.waiting(written.lane),
          keys.accountInFlight(lane.upstream),
          keys.accountSent(lane.upstream),
          keys.cap(lane),
          keys.breaker(lane.upstream),
          keys.accountCap(lane.upstream),
        ],
        [JSON.stringify(moveOf(video, written, options)), JSON.stringify(written)],
      );
      return advanceOf(reply, written);
    },

    async hold(video, dueAt) {
      return (await scripts.hold([keys.video(video.id), keys.due], [video.id, video.version, Math.ceil(dueAt)])) === 1;
    },

    async list({ after, limit, order, statuses }) {
      const indexes = statuses ? statuses.map(keys.status) : [keys.videos];
      const found = await Promise.all(
        indexes.map((index) =>
          order === "asc"
            ? redis.zrange(index, after ? `(${after}` : "-", "+", "BYLEX", "LIMIT", 0, limit + 1)
            : redis.zrange(index, after ? `(${after}` : "+", "-", "BYLEX", "REV", "LIMIT", 0, limit + 1),
        ),
      );
      // Each index is in order, so the first of them all are among the first of each.
      const ids = found.flat().sort();
      if (order === "desc") ids.reverse();
      const page = ids.slice(0, limit) as VideoId[];
      const texts = page.length > 0 ? await redis.mget(page.map(keys.video)) : [];
      return { videos: page.flatMap((id, index) => readable(id, texts[index])), hasMore: ids.length > limit };
    },

    async counts() {
      const names = statuses;
      const counted = await Promise.all(names.map((status) => redis.zcard(keys.status(status))));
      return Object.fromEntries(names.map((status, index) => [status, counted[index] ?? 0])) as Record<Status, number>;
    },

    async counters() {
      const counted = await redis.hgetall(keys.counters);
      return Object.fromEntries(Object.entries(counted).map(([name, count]) => [name, Number(count)]));
    },

    async overdue(before, limit) {
      return (await redis.zrange(keys.due, "-inf", `(${before}`, "BYSCORE", "LIMIT", 0, limit)) as VideoId[];
    },

    async putOff(id, dueAt) {
      if (dueAt === null) await redis.zrem(keys.due, id);
      else await redis.zadd(keys.due, "XX", dueAt, id);
    },

    async ownerOf(upstream, task) {
      return ((await redis.get(keys.task(upstream, task))) as VideoId | null) ?? undefined;
    },

    async alarming(before, limit) {
      return (await redis.zrange(keys.alarms, "-inf", `(${before}`, "BYSCORE", "LIMIT", 0, limit)) as VideoId[];
    },

    async raise(video, alarm) {
      const event = await scripts.alarm(
        [keys.video(video.id), keys.alarms, keys.events, keys.counters],
        [video.id, video.version, video.status, alarm, clock.now(), eventStreamLength],
      );
      return event !== "";
    },

    async silence(id) {
      await redis.zrem(keys.alarms, id);
    },

    async mendIndex(video, index, score) {
      await scripts.mend([keys.video(video.id), index], [video.id, video.version, score ?? ""]);
    },

    async keepEvidence(id, { attempt, upstream, task }) {
      await redis.hset(keys.evidence(id), String(attempt), `${upstream} ${task}`);
    },

    async evidenceFor(id) {
      const kept = await redis.hgetall(keys.evidence(id));
      return Object.entries(kept).map(([attempt, text]) => {
        const gap = text.indexOf(" ");
        return { attempt: Number(attempt), upstream: text.slice(0, gap), task: text.slice(gap + 1) };
      });
    },

    recentTasks: (upstream, since, until) => redis.zrange(keys.recentTasks(upstream), since, String(until), "BYSCORE"),

    async askToLook(lane, limits) {
      const { upstream } = lane;
      if (limits.lane.looksPerSecond === 0 && limits.account.looksPerSecond === 0) return 0;
      return scripts.look(
        [keys.looks(lane), keys.looksAhead(lane), keys.accountLooks(upstream), keys.accountLooksAhead(upstream)],
        [limits.lane.looksPerSecond, limits.account.looksPerSecond, randomUUID()],
      );
    },

    async learned(lane, seconds) {
      const [now, before] = await Promise.all([
        redis.hgetall(keys.learned(lane, seconds)),
        redis.hgetall(keys.learnedBefore(lane, seconds)),
      ]);
      return readLearned(now, before);
    },

    async learn(lane, seconds, lesson) {
      await scripts.learn(
        [keys.learned(lane, seconds), keys.learnedBefore(lane, seconds)],
        [generationLength, ...Object.entries(lesson).flat()],
      );
    },

    laneStates: (lanes) => readLaneStates(redis, keys, lanes),
    breakers: (upstreams) => readBreakers(redis, keys, upstreams),

    isAlive: async (worker) => (await redis.exists(keys.worker(worker))) === 1,

    workers: () => redis.zcount(keys.workers, clock.now(), "+inf"),

    async position(video) {
      return (await redis.zrank(keys.waiting(video.lane), video.id)) ?? 0;
    },

    async events({ after, limit }) {
      const entries = await redis.xrange(keys.events, `(${after}`, "+", "COUNT", limit);
      return entries.map(([id, fields]) => eventOf(id, fields));
    },
  };
}

function eventOf(id: string, fields: string[]): VideoEvent {
  const read = new Map(
    fields.flatMap((name, index) => (index % 2 === 0 ? [[name, fields[index + 1] ?? ""] as const] : [])),
  );
  const alarm = read.get("alarm") as Alarm | undefined;
  return {
    id,
    video: read.get("video") as VideoId,
    version: Number(read.get("version")),
    status: read.get("status") as Status,
    at: Number(read.get("at")),
    ...(alarm === undefined ? {} : { alarm }),
  };
}
