import { isVideoId, type Lane, type Status, type Video, type VideoId } from "@reelq/contract";
import { Job, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { MINUTE, SECOND } from "./clock.ts";
import { expiryOf } from "./expiry.ts";
import type { StageName } from "./facts.ts";
import type { Fleet } from "./fleet.ts";
import type { Keys } from "./keys.ts";
import { within } from "./within.ts";

/** What a reminder says, by its id: look at this video now, if its record still goes by this reminder. It never holds the truth. */
export interface Reminder {
  readonly video: VideoId;
  /** Of the record, when the reminder was made. */
  readonly version: number;
}

/** The queue's name for a lane: what Bull Board shows. One queue a lane, because a rate limit stops a whole queue. */
export const submitQueueName = ({ upstream, model }: Lane): string => `submit ${upstream} ${model}`;
export const pollQueueName = "poll";
export const downloadQueueName = "download";

/**
 * Which stage looks at a video in a status; a final one needs none. An intent whose worker is gone is looked at by
 * poll: its lane's queue may rest because of the very place that it takes.
 */
const stageOf: Readonly<Record<Status, StageName | null>> = {
  queued: "submit",
  submitting: "poll",
  in_doubt: "poll",
  rendering: "poll",
  downloading: "download",
  stored: null,
  failed: null,
  cancelled: null,
};

/** Not one that has ended, nor one that its batch keeps. */
export const needsReminder = (video: Video): boolean =>
  stageOf[video.status] !== null && !(video.status === "queued" && video.parked);

/** The video's id and the record's own counter: the same reminder twice is one job, the next one is another. */
export const reminderId = ({ id, reminder }: Video): string => `${id}.${reminder}`;

/** Whether a move that one reminder brought about leaves the same one for the next look. */
export const goesOn = (video: Video, next: Video): boolean =>
  video.status === next.status && stageOf[next.status] === "poll";

/** What a job reminds of. Its data says it where an older version made it, or a person did, under another id. */
export function reminderOf({ id, data }: { readonly id?: unknown; readonly data: unknown }): Reminder | undefined {
  const { video, version } = (data ?? {}) as { video?: unknown; version?: unknown };
  if (typeof video === "string" && isVideoId(video) && typeof version === "number") return { video, version };
  const [, named = "", number] = /^([^.]+)\.(\d+)$/.exec(String(id)) ?? [];
  return isVideoId(named) ? { video: named, version: Number(number) } : undefined;
}

export interface Queues {
  /** For Bull Board. */
  readonly all: readonly Queue[];
  queueFor(video: Video): Queue | undefined;
  /** Redis's key of the reminder that a video should have; none where it needs none. */
  reminderKey(video: Video): string | undefined;
  /** Adds the reminder of a record's current version; adding it twice is one. */
  remind(video: Video, delayMs: number): Promise<void>;
  /** Adds the reminders of many, at once. */
  remindAll(videos: readonly Video[]): Promise<void>;
  /**
   * Makes sure that a record's reminder waits in its queue, whoever removed it.
   * @returns true where it had to be added
   */
  restore(video: Video): Promise<boolean>;
  close(): Promise<void>;
}

export function openQueues(connection: Redis, keys: Keys, fleet: Fleet, onError: (error: Error) => void): Queues {
  const queues = new Map<string, Queue>();
  const open = (name: string): Queue => {
    const known = queues.get(name);
    if (known) return known;
    const queue = new Queue(name, { connection, prefix: keys.prefix });
    queue.on("error", onError);
    queues.set(name, queue);
    return queue;
  };
  for (const lane of fleet.lanes) open(submitQueueName(lane));
  open(pollQueueName);
  open(downloadQueueName);

  const queueFor = (video: Video): Queue | undefined => {
    const stage = stageOf[video.status];
    if (stage === null || !needsReminder(video)) return undefined;
    return open(
      stage === "submit" ? submitQueueName(video.lane) : stage === "poll" ? pollQueueName : downloadQueueName,
    );
  };

  const remind = async (video: Video, delayMs: number): Promise<void> => {
    const queue = queueFor(video);
    if (queue) await jobOf(queue, video, delayMs).addJob(await queue.backend.client);
  };

  // What nobody waits for is not to be lost by whoever closes at once.
  const underWay = new Set<Promise<unknown>>();
  const remindAll = async (videos: readonly Video[]): Promise<void> => {
    const [only, ...others] = videos;
    if (only && others.length === 0) return remind(only, 0);
    const parts: Promise<void>[] = [];
    for (const [queue, of] of Map.groupBy(videos, queueFor)) {
      if (!queue) continue;
      for (let from = 0; from < of.length; from += mostTogether)
        parts.push(addTogether(queue, of.slice(from, from + mostTogether)));
    }
    await Promise.all(parts);
  };

  return {
    get all() {
      return [...queues.values()];
    },
    queueFor,
    reminderKey: (video) => queueFor(video)?.toKey(reminderId(video)),
    remind,

    remindAll(videos) {
      const reminding = remindAll(videos).finally(() => underWay.delete(reminding));
      underWay.add(reminding);
      return reminding;
    },

    async restore(video) {
      const queue = queueFor(video);
      if (!queue) return false;
      const id = reminderId(video);
      // Not BullMQ's own question for a job's state: it walks through the whole queue.
      const [addedAt, finishedOn] = await connection.hmget(queue.toKey(id), "timestamp", "finishedOn");
      const isFinished = typeof finishedOn === "string";
      if (typeof addedAt === "string" && !isFinished) return false;
      // A finished job of this id would swallow the new one.
      if (isFinished) await queue.remove(id);
      await remind(video, 0);
      return true;
    },

    async close() {
      await within(closeWithinMs, Promise.allSettled(underWay));
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

/** For reminders under way; the sweep makes those anew that were lost. */
const closeWithinMs = 2 * SECOND;

/** All others wait so long. */
const mostTogether = 500;

/** As BullMQ's bulk, but in transactions: Redis then syncs its file once for each, not after every 16 KiB that it reads. */
async function addTogether(queue: Queue, videos: readonly Video[]): Promise<void> {
  const transaction = (await queue.backend.client).multi();
  for (const video of videos) void jobOf(queue, video, 0).addJob(transaction);
  for (const [error] of (await transaction.exec()) ?? []) if (error) throw error;
}

/** A surprise is tried again a few times, then the sweep takes over. What is kept of finished ones, the worker says. */
const jobOptions = {
  attempts: 5,
  backoff: { type: "exponential", delay: 500 },
};

/**
 * Made by hand, and not by `Queue.add`, so that its options do not repeat its id, nor does its data: a hundred thousand
 * lie in Redis.
 */
function jobOf(queue: Queue, video: Video, delayMs: number): Job {
  const options = {
    ...jobOptions,
    delay: Math.max(0, Math.round(delayMs)),
    ...(video.status === "downloading" ? { priority: urgencyOf(expiryOf(video.task)) } : {}),
    // BullMQ takes what has no priority first: work that is no batch's.
    ...(video.status === "queued" && video.batch ? { priority: 1 } : {}),
  };
  return new Job(queue, reminderName(video), {}, options, reminderId(video));
}

/** With a name so long, a reminder takes 192 bytes where Redis packs it. */
const longestName = 36;

/** What a person reads in Bull Board below the id: the prompt's beginning. */
function reminderName({ request }: Video): string {
  const prompt = request.prompt.slice(0, 200).replaceAll(/\s+/g, " ").trim();
  return prompt.length > longestName ? `${prompt.slice(0, longestName - 1)}…` : prompt;
}

/** The coarse clock's zero and tick: BullMQ's priorities end at 2,097,152, so this one lasts until 2033. */
const urgencyEpoch = Date.UTC(2026, 0, 1);
const urgencyTickMs = 2 * MINUTE;

/** Earliest expiry first: BullMQ takes the lowest number next. */
const urgencyOf = (expiresAt: number): number =>
  Math.min(Math.max(Math.floor((expiresAt - urgencyEpoch) / urgencyTickMs), 1), 2_097_152);
