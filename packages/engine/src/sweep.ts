import { type Alarm, isFinal, type Video, type VideoId } from "@reelq/contract";
import type { Redis } from "ioredis";
import { type Clock, DAY, HOUR, MINUTE } from "./clock.ts";
import { CorruptRecordError } from "./corrupt-record.ts";
import { expiryOf } from "./expiry.ts";
import type { Facts } from "./facts.ts";
import { type Fleet, serves } from "./fleet.ts";
import type { Keys } from "./keys.ts";
import { foldJournal } from "./journal.ts";
import { laneName } from "./lane.ts";
import type { Ledger } from "./ledger.ts";
import type { Queues } from "./queues.ts";
import { emptyTrash } from "./removal.ts";
import { elsewhere } from "./route.ts";
import type { Storage } from "./storage/storage.ts";

const pageLength = 200;

const abandonEveryMs = HOUR;
const uploadLifeMs = DAY;

export interface SweepParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly queues: Queues;
  readonly facts: Facts;
  readonly clock: Clock;
  readonly storage: Storage;
  readonly fleet: Fleet;
}

/**
 * Finds records whose next step is missing or overdue, and reminds again, whoever removed the reminder.
 * Safe to run anywhere at any time: a reminder that is still there is left alone.
 */
export async function sweep(parts: SweepParts): Promise<void> {
  const { redis, keys, facts } = parts;
  const { timings } = parts.fleet;
  // One worker at a time; a little less than the interval, so that the next one of the same worker is not shut out.
  if ((await redis.set(keys.sweeping, "1", "PX", Math.ceil(timings.sweepEveryMs * 0.9), "NX")) === null) return;
  const reminded: VideoId[] = [];
  let held = 0;
  for (;;) {
    const ids = await parts.ledger.overdue(parts.clock.now() - timings.graceMs, pageLength);
    const restored = await restoreAll(ids, parts);
    reminded.push(...restored);
    held += ids.length - restored.length;
    if (ids.length < pageLength) break;
  }
  if (reminded.length > 0) facts.emit("swept", { reminded, held });
  await raiseAlarms(parts);
  await emptyTrash(parts);
  await foldJournal(parts);
  await abandonUploads(parts);
}

/** Those whose next step had been lost. Each is put off, so that one pass meets it once. */
async function restoreAll(ids: readonly VideoId[], parts: SweepParts): Promise<VideoId[]> {
  const read = await Promise.all(ids.map((id) => readOrSetAside(id, parts)));
  const videos = read.filter((video) => video !== undefined);
  const served = videos.filter((video) => serves(parts.fleet, video));
  const unserved = videos.filter((video) => !served.includes(video));
  const restored = await Promise.all(served.map(async (video) => ((await restore(video, parts)) ? video.id : [])));
  // One after the other: where the last one went says where there is room for the next.
  const moved: VideoId[] = [];
  for (const video of unserved) if (await serveOrRestore(video, parts)) moved.push(video.id);
  return [...restored.flat(), ...moved];
}

/**
 * One that waits in a lane with a long queue waits for hours, and is asked for less often. With a grace of 15 s, which
 * is waited for once more, and a sweep every 10 s, what is lost is still found within a minute.
 */
const waitsFactor = 2;

/** True where its next step had been lost. */
async function restore(video: Video, { ledger, queues, clock, fleet }: SweepParts): Promise<boolean> {
  if (isFinal(video.status)) {
    await ledger.putOff(video.id, null);
    return false;
  }
  const restored = await queues.restore(video);
  const factor = video.status === "queued" && !restored ? waitsFactor : 1;
  await ledger.hold(video, clock.now() + factor * fleet.timings.graceMs);
  return restored;
}

async function serveOrRestore(video: Video, parts: SweepParts): Promise<boolean> {
  if (isFinal(video.status)) return restore(video, parts);
  if (video.status === "queued" && (await serveElsewhere(video, parts))) return true;
  parts.facts.emit("laneUnserved", { lane: video.lane, video: video.id });
  return restore(video, parts);
}

/** Its lane is gone from the configuration, as good as an upstream that is not reached. */
async function serveElsewhere(video: Video, { ledger, queues, facts, fleet }: SweepParts): Promise<boolean> {
  const lane = await elsewhere(video, { kind: "breaker" }, fleet, (lanes) => ledger.laneStates(lanes));
  if (!lane) return false;
  const advance = await ledger.advance(video, { ...video, lane });
  if (advance.kind !== "moved") return false;
  const note = `from ${laneName(video.lane)}, which is no longer served, to ${laneName(lane)}`;
  facts.emit("waited", { video: advance.video, note });
  await queues.remind(advance.video, 0);
  return true;
}

/** Tells of renders that are overdue and of files at risk, once each. */
async function raiseAlarms({ ledger, facts, clock }: SweepParts): Promise<void> {
  for (const id of await ledger.alarming(clock.now(), pageLength)) {
    const video = await readOrSetAside(id, { ledger, facts, clock });
    const told = video && alarmOf(video, clock.now());
    if (!told) await ledger.silence(id);
    else if (await ledger.raise(video, told.alarm)) facts.emit("alarm", { video, ...told });
  }
}

function alarmOf(video: Video, now: number): { alarm: Alarm; detail: string } | undefined {
  if (video.status === "rendering") {
    const minutes = Math.round((now - video.task.acceptedAt) / MINUTE);
    return { alarm: "overdue", detail: `rendering for ${minutes} minutes; it is looked at all the same` };
  }
  if (video.status !== "downloading") return undefined;
  const { lastProblem } = video.fetching;
  const expires = new Date(expiryOf(video.task)).toISOString();
  return {
    alarm: "at_risk",
    detail: `its file expires ${expires} and is not stored yet${lastProblem === undefined ? "" : `: ${lastProblem}`}`,
  };
}

/** Whoever began an upload and was killed cannot end it; nothing takes this long. */
async function abandonUploads({ redis, keys, storage, clock }: SweepParts): Promise<void> {
  if ((await redis.set(keys.tidying, "1", "PX", abandonEveryMs, "NX")) === null) return;
  await storage.abandonUploads(clock.now() - uploadLifeMs);
}

async function readOrSetAside(
  id: VideoId,
  { ledger, facts, clock }: Pick<SweepParts, "ledger" | "facts" | "clock">,
): Promise<Video | undefined> {
  try {
    const video = await ledger.read(id);
    if (!video) await ledger.putOff(id, null);
    return video;
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    facts.emit("setAside", { what: "record", id, reason: error.message });
    await ledger.putOff(id, clock.now() + DAY);
    return undefined;
  }
}
