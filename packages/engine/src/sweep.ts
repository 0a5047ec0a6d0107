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
import type { Ledger, Overdue, Standing } from "./ledger.ts";
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
    const page = await parts.ledger.overdue(parts.clock.now() - timings.graceMs, pageLength);
    const restored = await restoreAll(page, parts);
    reminded.push(...restored);
    held += page.length - restored.length;
    if (page.length < pageLength) break;
  }
  if (reminded.length > 0) facts.emit("swept", { reminded, held });
  await raiseAlarms(parts);
  await emptyTrash(parts);
  await foldJournal(parts);
  await abandonUploads(parts);
}

/** Those whose next step had been lost. Each is put off, so that one pass meets it once. */
async function restoreAll(page: readonly Overdue[], parts: SweepParts): Promise<VideoId[]> {
  const { ledger, queues, fleet, clock } = parts;
  const records = await ledger.readAll(page.map(({ id }) => id));
  const standing: Standing[] = [];
  const others: Video[] = [];
  for (const [at, { id, dueAt: wasDueAt }] of page.entries()) {
    const video = await readable(id, records[at], parts);
    if (!video) continue;
    const reminderKey = serves(fleet, video) ? queues.reminderKey(video) : undefined;
    if (reminderKey === undefined) others.push(video);
    else {
      const factor = video.status === "queued" ? waitsFactor : 1;
      standing.push({ video, reminderKey, wasDueAt, dueAt: clock.now() + factor * fleet.timings.graceMs });
    }
  }
  const lost = await ledger.putOffStanding(standing);
  const restored = await Promise.all(lost.map(async (video) => ((await restore(video, parts)) ? video.id : [])));
  // One after the other: where the last one went says where there is room for the next.
  const moved: VideoId[] = [];
  for (const video of others) if (await serveOrRestore(video, parts)) moved.push(video.id);
  return [...restored.flat(), ...moved];
}

/**
 * One that waits in a lane with a long queue waits for hours, and is asked for less often. With a grace of 15 s, which
 * is waited for once more, and a sweep every 10 s, what is lost is still found within a minute.
 */
const waitsFactor = 2;

/** True where its next step had been lost. */
async function restore(video: Video, { ledger, queues, clock, fleet }: SweepParts): Promise<boolean> {
  const restored = await queues.restore(video);
  await ledger.hold(video, clock.now() + fleet.timings.graceMs);
  return restored;
}

async function serveOrRestore(video: Video, parts: SweepParts): Promise<boolean> {
  if (isFinal(video.status)) {
    await parts.ledger.putOff(video.id, null);
    return false;
  }
  if (serves(parts.fleet, video)) return restore(video, parts);
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
  const ids = await ledger.alarming(clock.now(), pageLength);
  const records = await ledger.readAll(ids);
  for (const [at, id] of ids.entries()) {
    const video = await readable(id, records[at], { ledger, facts, clock });
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

/** A record that cannot be read is left alone for a day, and told of; one that is gone is due no more. */
async function readable(
  id: VideoId,
  record: Video | CorruptRecordError | undefined,
  { ledger, facts, clock }: Pick<SweepParts, "ledger" | "facts" | "clock">,
): Promise<Video | undefined> {
  if (!record) await ledger.putOff(id, null);
  if (!(record instanceof CorruptRecordError)) return record;
  facts.emit("setAside", { what: "record", id, reason: record.message });
  await ledger.putOff(id, clock.now() + DAY);
  return undefined;
}
