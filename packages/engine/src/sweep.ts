import { isFinal, type Video, type VideoId } from "@reelq/contract";
import type { Redis } from "ioredis";
import { type Clock, DAY, SECOND } from "./clock.ts";
import { CorruptRecordError } from "./corrupt-record.ts";
import type { Facts } from "./facts.ts";
import type { Keys } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import type { Queues } from "./queues.ts";

/** How often each worker sweeps; one of them at a time. */
export const sweepEveryMs = 10 * SECOND;

/** A step may be so late before anyone is suspicious. */
const graceMs = 15 * SECOND;

/** A reminder that is still in its queue is not asked after again for so long. */
const patienceMs = 30 * SECOND;

const pageLength = 200;

export interface SweepParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly ledger: Ledger;
  readonly queues: Queues;
  readonly facts: Facts;
  readonly clock: Clock;
}

/**
 * Finds records whose next step is missing or overdue, and reminds again, whoever removed the reminder.
 * Safe to run anywhere at any time: a reminder that is still there is left alone.
 */
export async function sweep(parts: SweepParts): Promise<void> {
  const { redis, keys, facts } = parts;
  if ((await redis.set(keys.sweeping, "1", "PX", sweepEveryMs - SECOND, "NX")) === null) return;
  const reminded: VideoId[] = [];
  let held = 0;
  for (;;) {
    const ids = await parts.ledger.overdue(parts.clock.now() - graceMs, pageLength);
    for (const id of ids) {
      if (await restore(id, parts)) reminded.push(id);
      else held += 1;
    }
    if (ids.length < pageLength) break;
  }
  if (reminded.length > 0) facts.emit("swept", { reminded, held });
}

/** True where the next step had been lost. Each id is put off, so that one pass meets it once. */
async function restore(id: VideoId, { ledger, queues, facts, clock }: SweepParts): Promise<boolean> {
  const video = await readOrSetAside(id, ledger, facts, clock);
  if (!video) return false;
  if (isFinal(video.status)) {
    await ledger.putOff(id, null);
    return false;
  }
  const restored = await queues.restore(video);
  await ledger.hold(video, clock.now() + patienceMs);
  return restored;
}

async function readOrSetAside(id: VideoId, ledger: Ledger, facts: Facts, clock: Clock): Promise<Video | undefined> {
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
