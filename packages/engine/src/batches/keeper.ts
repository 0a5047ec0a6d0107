import { randomUUID } from "node:crypto";
import { isBatchOver } from "@reelq/contract";
import { SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { cancelFree, finish, leaveShared, watchBudget, watchHeld, watchShared, watchWindow } from "./ends.ts";
import { type Keeping, openKeeping } from "./keeping.ts";
import { hasNews, hearNews } from "./news.ts";
import { lookAhead } from "./outlook.ts";
import { writeOutputs } from "./outputs.ts";
import type { BatchRecord } from "./record.ts";
import { letGo } from "./release.ts";
import { type ReportSources, sourcesOf } from "./sources.ts";

/** How often the batches are looked at. */
const everyMs = 250;

/** A keeper that says nothing for so long is gone. */
const leaseMs = 3 * SECOND;

export interface KeeperOptions {
  /** Writes the report of a batch that has ended. */
  readonly report?: ((sources: ReportSources) => Promise<void>) | undefined;
}

export interface Keeper {
  close(): Promise<void>;
}

/**
 * Keeps the batches: lets clips go, looks at those that ended, watches windows and budgets, and ends what is done. One
 * worker at a time does it; should two do it for a moment, each step is compared with the record that it is about.
 */
export function startKeeper(engine: Engine, { report }: KeeperOptions = {}): Keeper {
  const { redis, keys, facts } = engine;
  const me = randomUUID();
  const keeping = openKeeping(engine);
  const restUntil = new Map<string, number>();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const isMine = async (): Promise<boolean> => {
    if ((await redis.set(keys.batchKeeper, me, "PX", leaseMs, "NX")) !== null) return true;
    if ((await redis.get(keys.batchKeeper)) !== me) return false;
    await redis.pexpire(keys.batchKeeper, leaseMs);
    return true;
  };

  const write = async (batch: BatchRecord): Promise<readonly (string | number)[]> => {
    const set = await writeOutputs(batch, engine);
    if (!report) return set;
    await report(await sourcesOf(batch, engine));
    return [...set, "reported", 1];
  };

  const round = async (): Promise<void> => {
    if (!(await isMine())) return;
    await hearNews(keeping);
    await keepAll(keeping, restUntil, write);
  };

  const tick = (): Promise<void> =>
    round()
      .catch((error: Error) => facts.emit("hiccup", { where: "batches", error }))
      .then(() => {
        if (!stopped) timer = setTimeout(() => void (running = tick()), everyMs);
      });
  let running = tick();

  return {
    async close() {
      stopped = true;
      clearTimeout(timer);
      await running;
      if ((await redis.get(keys.batchKeeper).catch(() => null)) === me)
        await redis.del(keys.batchKeeper).catch(() => 0);
    },
  };
}

/** One that failed is looked at again after this time. */
const restMs = 5 * SECOND;

async function keepAll(
  keeping: Keeping,
  restUntil: Map<string, number>,
  write: (batch: BatchRecord) => Promise<readonly (string | number)[]>,
): Promise<void> {
  const { facts } = keeping.engine;
  const now = Date.now();
  const batches = (await keeping.store.open()).filter(({ state }) => state !== "validating");
  if (batches.length === 0) return;
  const { penniless } = await letGo(batches, keeping);
  for (const batch of batches.filter(({ id }) => now >= (restUntil.get(id) ?? 0))) {
    try {
      await keep(batch, penniless, keeping, write);
      restUntil.delete(batch.id);
    } catch (error) {
      // One that fails, because the storage does not answer for example, does not stop the others.
      restUntil.set(batch.id, now + restMs);
      facts.emit("hiccup", { where: `batch ${batch.id}`, error: error as Error });
    }
  }
}

async function keep(
  batch: BatchRecord,
  penniless: Parameters<typeof watchBudget>[1],
  keeping: Keeping,
  write: (batch: BatchRecord) => Promise<readonly (string | number)[]>,
): Promise<void> {
  if (isBatchOver(batch.state)) {
    await keeping.engine.redis.srem(keeping.engine.keys.openBatches, batch.id);
    return;
  }
  if (batch.state === "cancelling") {
    await cancelFree(batch, keeping);
    await leaveShared(batch, keeping);
  } else {
    if (batch.sharedOpen > 0) await watchShared(batch, keeping);
    await watchWindow(batch, keeping);
    await watchBudget(batch, penniless, keeping);
    await replaceCanaries(batch, keeping);
    await watchHeld(batch, keeping);
    await lookAhead(batch, keeping);
  }
  await finish(batch, keeping, write);
}

/** Canaries that somebody cancelled, or that were spent before a pause, are made good for by others. */
async function replaceCanaries(batch: BatchRecord, { engine }: Keeping): Promise<void> {
  const { state, canaryState, sendable, canary, canaryGood, counts, loose } = batch;
  const underWay = counts.submitting + counts.in_doubt + counts.rendering + counts.downloading + loose;
  if (state !== "running" || canaryState !== "running" || (sendable ?? 1) > 0 || underWay > 0) return;
  if (canaryGood >= canary || (await hasNews(engine, batch.id))) return;
  await engine.redis.hset(engine.keys.batch(batch.id), "sendable", canary - canaryGood);
}
