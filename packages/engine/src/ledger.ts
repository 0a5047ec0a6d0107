import { createHash, randomUUID } from "node:crypto";
import {
  type Alarm,
  isAllowed,
  isFinal,
  type Lane,
  type LedgerEvent,
  type Status,
  statuses,
  type Video,
  type VideoId,
  type VideoIn,
} from "@reelq/contract";
import type { Redis } from "ioredis";
import { type Advance, type AdvanceOptions, advanceOf, moveOf, staysPut, touchesLane } from "./advance.ts";
import { isLoose, poolOf } from "./batches/pool.ts";
import { positionsOf } from "./money.ts";
import { type Clock, DAY, MINUTE } from "./clock.ts";
import { eventOf, eventStreamLength } from "./event-stream.ts";
import { readIdPage } from "./id-page.ts";
import { CorruptRecordError } from "./corrupt-record.ts";
import type { Keys } from "./keys.ts";
import { type Breaker, type LaneState, readBreakers, readLaneStates } from "./lane-state.ts";
import type { LaneLimits } from "./lane.ts";
import { generationLength, type Learned, readLearned } from "./learned.ts";
import { parseRecord, readable, recordText } from "./record.ts";
import { defineScripts } from "./scripts.ts";

/** A request without one for so long: the official SDKs wait ten minutes for an answer before they ask again. */
const repeatsKeepMs = 30 * MINUTE;

/** See `scripts/memory.lua`. */
const toldOffset = 1e13;

/** How a request is known again. Its key names the API key that it came with, for that alone knows it. */
export interface RequestMemory {
  readonly apiKey: string;
  /** Of the whole request, without spaces: the same idempotency key with another one is a conflict. */
  readonly fingerprint: string;
  readonly way:
    /** By the key that the client made up. */
    | { readonly kind: "key"; readonly key: string }
    /** By itself; `isRepeat`: the client says that it asked before. */
    | { readonly kind: "itself"; readonly isRepeat: boolean };
}

export interface Draft {
  readonly video: VideoIn<"queued">;
  readonly memory?: RequestMemory | undefined;
}

/** What its key was first used for, where that was another request. */
interface Conflict {
  /** Place in the list of drafts, from 0. */
  readonly index: number;
  readonly fingerprint: string;
  readonly id: VideoId;
}

type Acceptance =
  /** Under which id each is known: another one where it was asked before. */
  | { readonly kind: "accepted"; readonly ids: readonly VideoId[] }
  | { readonly kind: "conflict"; readonly conflicts: readonly Conflict[] };

export interface ListOptions {
  /** The last id of the page before. */
  readonly after?: VideoId | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
  /** Only this project's; everyone's where left out. */
  readonly project?: string | undefined;
  /** Only those in one of these. */
  readonly statuses?: readonly Status[] | undefined;
}

export interface VideoPage {
  readonly videos: readonly Video[];
  readonly hasMore: boolean;
}

export interface Overdue {
  readonly id: VideoId;
  readonly dueAt: number;
}

/** A video that is overdue, and the key of the reminder that it should have. Times in ms since 1970. */
export interface Standing {
  readonly video: Video;
  readonly reminderKey: string;
  /** As `overdue` said it. */
  readonly wasDueAt: number;
  /** When it is due again. */
  readonly dueAt: number;
}

/** A task that a worker brought after its attempt had been taken for lost. */
export interface Evidence {
  readonly attempt: number;
  readonly upstream: string;
  readonly task: string;
}

/** The records in Redis, moved by compare-and-set: the truth. */
export interface Ledger {
  /**
   * Makes new videos durable, all or none; one that was asked before is known under its first id.
   * @param keepMs how long idempotency keys are remembered
   */
  accept(drafts: readonly Draft[], keepMs?: number): Promise<Acceptance>;
  /** What an idempotency key was first used for. */
  recall(apiKey: string, key: string): Promise<Omit<Conflict, "index"> | undefined>;
  /** The answer to a request that is remembered by itself went out whole. */
  told(memory: RequestMemory, video: Pick<Video, "id" | "createdAt">): Promise<void>;
  /** Takes a video out; false if it moved on meanwhile. @param files object keys, for the trash */
  remove(video: Video, files: readonly string[]): Promise<boolean>;
  /** Files of removed videos that are still to be removed, by the video's id. */
  trash(): Promise<ReadonlyMap<string, readonly string[]>>;
  emptyTrash(id: string): Promise<void>;
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
  /** Whose due time has passed, the most overdue first; times in ms since 1970. */
  overdue(before: number, limit: number): Promise<Overdue[]>;
  /** The records of many, in one question; an error in the place of one that cannot be read. */
  readAll(ids: readonly VideoId[]): Promise<(Video | CorruptRecordError | undefined)[]>;
  /**
   * Puts off those of many overdue videos whose reminder is there.
   * @returns those without one; nothing of those that moved on meanwhile
   */
  putOffStanding(videos: readonly Standing[]): Promise<Video[]>;
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
  /** Puts an index right, if the record still is what was looked at; null takes the member out. */
  mendIndex(video: Video, index: string, member: string, score: number | null): Promise<void>;
  keepEvidence(id: VideoId, evidence: Evidence): Promise<void>;
  evidenceFor(id: VideoId): Promise<Evidence[]>;
  events(options: { readonly after: string; readonly limit: number }): Promise<LedgerEvent[]>;
}

export function openLedger(redis: Redis, keys: Keys, clock: Clock): Ledger {
  const scripts = defineScripts(redis);

  const statusKeys = async (projects: readonly string[] | undefined, wanted: readonly Status[]) =>
    (projects ?? (await redis.smembers(keys.projects))).flatMap((project) =>
      wanted.map((status) => keys.status(project, status)),
    );

  return {
    async accept(drafts, keepMs = 7 * DAY) {
      const [kind, ...rest] = await scripts.accept(
        [keys.videos, keys.due, keys.events, keys.projects, ...drafts.flatMap((draft) => keysOf(draft, keys))],
        [
          clock.now(),
          eventStreamLength,
          repeatsKeepMs,
          keepMs,
          ...drafts.flatMap(({ video, memory }) => [
            video.id,
            recordText(video),
            video.dueAt,
            video.project,
            memory?.fingerprint ?? "",
            memory ? memoryWord(memory) : "",
          ]),
        ],
      );
      if (kind === "done") return { kind: "accepted", ids: rest as VideoId[] };
      if (kind === "conflict") return { kind, conflicts: conflictsOf(rest) };
      throw new Error(`A video ${drafts[Number(rest[0]) - 1]?.video.id} exists already: ids must be new.`);
    },

    async recall(apiKey, key) {
      const known = await redis.get(keys.idempotency(apiKey, key));
      const [fingerprint, id] = known?.split(" ") ?? [];
      return fingerprint === undefined || id === undefined ? undefined : { fingerprint, id: id as VideoId };
    },

    async told({ apiKey, fingerprint }, { id, createdAt }) {
      await redis.zadd(keys.repeats(apiKey, digest(fingerprint)), "XX", createdAt - toldOffset, id);
    },

    async remove(video, files) {
      const { batch } = video;
      const [kind] = await scripts.remove(
        [
          keys.video(video.id),
          keys.videos,
          keys.status(video.project, video.status),
          keys.due,
          keys.events,
          keys.alarms,
          keys.evidence(video.id),
          keys.waiting(video.lane),
          keys.trash,
          keys.moneyGone,
          keys.renders(video.project),
          ...(batch
            ? [keys.batch(batch.id), keys.batchPool(batch.id, poolOf(video)), keys.batchNews]
            : Array.from({ length: 3 }, () => keys.video(video.id))),
        ],
        [
          video.id,
          video.version,
          video.project,
          clock.now(),
          eventStreamLength,
          JSON.stringify(files),
          JSON.stringify(positionsOf(video).map(({ scope, account, micros }) => [`${scope} ${account}`, micros])),
          batch?.renderKey ?? "",
          video.status,
          batch?.number ?? "",
          isFinal(video.status) ? 0 : 1,
          batch ? `${batch.id} ${batch.number}` : "",
          isLoose(video) ? 1 : 0,
        ],
      );
      return kind === "removed";
    },

    async trash() {
      const kept = await redis.hgetall(keys.trash);
      return new Map(Object.entries(kept).map(([id, list]) => [id, JSON.parse(list) as string[]]));
    },

    async emptyTrash(id) {
      await redis.hdel(keys.trash, id);
    },

    async read(id) {
      const text = await redis.get(keys.video(id));
      return text === null ? undefined : parseRecord(id, text);
    },

    async advance(video, next, options = {}) {
      if (!isAllowed(video.status, next.status))
        throw new Error(`No move leads from ${video.status} to ${next.status} (${video.id}).`);
      const version = video.version + 1;
      const reminder = options.keepsReminder ? video.reminder : version;
      const written = { ...next, dueAt: Math.ceil(next.dueAt), version, reminder, updatedAt: clock.now() };
      const task = written.status === "rendering" ? written.task : undefined;
      const { lane } = video;
      const { move, scopes } = moveOf(video, written, options);
      const { batch } = written;
      if (staysPut(video, move)) {
        const stays = [keys.video(video.id), keys.due, keys.alarms, keys.breaker(lane.upstream)];
        const { id, had, due, alarm, health } = move;
        const said = JSON.stringify({ id, had, due, alarm, health });
        return advanceOf(await scripts.stay(stays, [said, recordText(written)]), written);
      }
      const isCounted = batch !== undefined || scopes.length > 0;
      const reply = await scripts.advance(
        [
          keys.video(video.id),
          keys.status(video.project, video.status),
          keys.status(video.project, written.status),
          keys.due,
          keys.events,
          keys.places(lane.upstream),
          keys.alarms,
          keys.counters,
          keys.olderPlaces(lane.upstream),
          keys.breaker(lane.upstream),
          ...(isCounted || touchesLane(move)
            ? [
                keys.waiting(lane),
                keys.waiting(written.lane),
                keys.rest(lane),
                keys.sent(lane),
                keys.accountSent(lane.upstream),
                keys.cap(lane),
                keys.accountCap(lane.upstream),
                task ? keys.task(task.upstream, task.id) : keys.video(video.id),
                keys.recentTasks(lane.upstream),
              ]
            : []),
          ...(isCounted
            ? [
                batch ? keys.batch(batch.id) : keys.video(video.id),
                keys.batchNews,
                batch ? keys.batchPool(batch.id, poolOf(video)) : keys.video(video.id),
                batch ? keys.batchPool(batch.id, poolOf(written)) : keys.video(video.id),
                batch ? keys.batchPools(batch.id) : keys.video(video.id),
                keys.openBatches,
                keys.moneyJournal,
                keys.moneyScopes,
                keys.renders(video.project),
                ...scopes.map(keys.money),
              ]
            : []),
        ],
        [JSON.stringify(move), recordText(written)],
      );
      return advanceOf(reply, written);
    },

    async hold(video, dueAt) {
      return (await scripts.hold([keys.video(video.id), keys.due], [video.id, video.version, Math.ceil(dueAt)])) === 1;
    },

    async list({ after, limit, order, project, statuses: wanted }) {
      const indexes =
        project === undefined && wanted === undefined
          ? [keys.videos]
          : await statusKeys(project === undefined ? undefined : [project], wanted ?? statuses);
      const { ids, hasMore } = await readIdPage(redis, indexes, { after, limit, order });
      const page = ids as VideoId[];
      const texts = page.length > 0 ? await redis.mget(page.map(keys.video)) : [];
      return { videos: page.flatMap((id, index) => readable(id, texts[index])), hasMore };
    },

    async counts() {
      const projects = await redis.smembers(keys.projects);
      const counted = await Promise.all(
        statuses.map(async (status) => {
          const each = await Promise.all(projects.map((project) => redis.zcard(keys.status(project, status))));
          return [status, each.reduce((sum, count) => sum + count, 0)] as const;
        }),
      );
      return Object.fromEntries(counted) as Record<Status, number>;
    },

    async counters() {
      const counted = await redis.hgetall(keys.counters);
      return Object.fromEntries(Object.entries(counted).map(([name, count]) => [name, Number(count)]));
    },

    async overdue(before, limit) {
      const found = await redis.zrange(keys.due, "-inf", `(${before}`, "BYSCORE", "LIMIT", 0, limit, "WITHSCORES");
      return Array.from({ length: found.length / 2 }, (_, at) => ({
        id: found[at * 2] as VideoId,
        dueAt: Number(found[at * 2 + 1]),
      }));
    },

    async readAll(ids) {
      const texts = ids.length > 0 ? await redis.mget(ids.map(keys.video)) : [];
      return Promise.all(
        ids.map(async (id, at) => {
          const text = texts[at] ?? null;
          // MGET takes what is no text for missing.
          if (text === null)
            return (await redis.exists(keys.video(id))) === 1
              ? new CorruptRecordError(id, "it is no text.")
              : undefined;
          try {
            return parseRecord(id, text);
          } catch (error) {
            if (error instanceof CorruptRecordError) return error;
            throw error;
          }
        }),
      );
    },

    async putOffStanding(videos) {
      if (videos.length === 0) return [];
      const lost = await scripts.standing(
        [keys.due, ...videos.map(({ reminderKey }) => reminderKey)],
        videos.flatMap(({ video, wasDueAt, dueAt }) => [video.id, wasDueAt, Math.ceil(dueAt)]),
      );
      return lost.flatMap((number) => videos[number - 1]?.video ?? []);
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
        [video.id, video.version, video.status, alarm, clock.now(), eventStreamLength, video.project],
      );
      return event !== "";
    },

    async silence(id) {
      await redis.zrem(keys.alarms, id);
    },

    async mendIndex(video, index, member, score) {
      await scripts.mend([keys.video(video.id), index], [member, video.version, score ?? ""]);
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

const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

function keysOf({ video, memory }: Draft, keys: Keys): string[] {
  const record = keys.video(video.id);
  return [
    record,
    keys.status(video.project, "queued"),
    keys.waiting(video.lane),
    memory ? memoryKey(memory, keys) : record,
  ];
}

const memoryKey = ({ apiKey, fingerprint, way }: RequestMemory, keys: Keys): string =>
  way.kind === "key" ? keys.idempotency(apiKey, way.key) : keys.repeats(apiKey, digest(fingerprint));

const memoryWord = ({ way }: RequestMemory): string => (way.kind === "key" ? "key" : way.isRepeat ? "again" : "first");

function conflictsOf(words: readonly (string | number | null)[]): Conflict[] {
  const conflicts: Conflict[] = [];
  for (let at = 0; at + 2 < words.length; at += 3)
    conflicts.push({ index: Number(words[at]) - 1, fingerprint: String(words[at + 1]), id: words[at + 2] as VideoId });
  return conflicts;
}
