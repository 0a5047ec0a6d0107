import { type BatchId, isFinal, type Status, statuses } from "@reelq/contract";
import type { Finding } from "../finding.ts";
import type { Engine } from "../engine.ts";
import { readPairs } from "./pairs.ts";
import { isLoose } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import { openBatchStore } from "./store.ts";

/** Compares what each batch counts with its clips' records, and mends the counts. */
export async function auditBatches(engine: Engine, mend: boolean): Promise<Finding[]> {
  const { redis, keys } = engine;
  const store = openBatchStore(engine);
  const findings: Finding[] = [];
  for (const id of (await redis.zrange(keys.batches, 0, "-1")) as BatchId[]) {
    const batch = await store.read(id);
    if (!batch)
      findings.push({ about: id, message: "it is in the index of all batches and has no record.", repaired: false });
    else if (batch.state !== "validating") findings.push(...(await auditCounts(batch, engine, mend)));
  }
  return findings;
}

async function auditCounts(batch: BatchRecord, engine: Engine, mend: boolean): Promise<Finding[]> {
  const { redis, keys } = engine;
  const counts = Object.fromEntries(statuses.map((status) => [status, 0])) as Record<Status, number>;
  let loose = 0;
  for await (const { clip, video } of readPairs(batch, engine)) {
    if (clip.origin !== "new" || !video) continue;
    counts[video.status] += 1;
    if (isLoose(video)) loose += 1;
  }
  const open = statuses.filter((status) => !isFinal(status)).reduce((sum, status) => sum + counts[status], 0);
  const expected: Record<string, number> = {
    ...Object.fromEntries(statuses.map((status) => [`n:${status}`, counts[status]])),
    open,
    loose,
  };
  const said = await redis.hmget(keys.batch(batch.id), ...Object.keys(expected));
  const wrong = Object.entries(expected).filter(([, count], index) => count !== Number(said[index] ?? 0));
  if (wrong.length === 0) return [];
  // One whose clips move while they are counted is not wrong.
  const now = await openBatchStore(engine).read(batch.id);
  if (now && now.updatedAt !== batch.updatedAt) return auditCounts(now, engine, mend);
  if (mend) await redis.hset(keys.batch(batch.id), Object.fromEntries(wrong));
  return wrong.map(([name, count]) => ({
    about: batch.id,
    message: `it counts ${name} otherwise than its clips do, which are ${count}.`,
    repaired: mend,
  }));
}
