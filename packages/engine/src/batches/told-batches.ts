import { type BatchBody, type BatchId, isBatchId, type LedgerEvent } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { batchView } from "./batch-view.ts";
import { openBatchStore } from "./store.ts";

/** The batches that events are about, as they are now. */
export async function toldBatches(
  events: readonly LedgerEvent[],
  engine: Engine,
): Promise<ReadonlyMap<string, BatchBody>> {
  const ids = new Set(
    events.flatMap((event): BatchId[] => ("subject" in event && isBatchId(event.subject) ? [event.subject] : [])),
  );
  const store = openBatchStore(engine);
  const bodies = new Map<string, BatchBody>();
  for (const id of ids) {
    const batch = await store.read(id);
    if (batch) bodies.set(id, await batchView(batch, engine));
  }
  return bodies;
}
