import {
  type BatchBody,
  type BatchId,
  type BatchState,
  isBatchId,
  isBatchOver,
  problem,
  sayUsd,
} from "@reelq/contract";
import type { Caller } from "../caller.ts";
import { SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { readIdPage } from "../id-page.ts";
import { openPlan } from "../plan.ts";
import { batchView } from "./batch-view.ts";
import type { Batches } from "./batches.ts";
import { openClipChanges } from "./clip-changes.ts";
import { clipView } from "./clip-view.ts";
import { openCreation } from "./creation.ts";
import { type IntakeParts, openIntake } from "./intake.ts";
import { judgeChange, judgeOrder, refuseNothing } from "./order.ts";
import { pairsAfter } from "./pairs.ts";
import { openPlanner } from "./planner.ts";
import { type BatchRecord, readBatch, writeControls } from "./record.ts";
import { openBatchStore } from "./store.ts";

/** How often manifests are looked for whose process is gone. */
const lookEveryMs = 5 * SECOND;

/** Batches, and the judging of their manifests in this process, until closed. */
export interface OpenBatches extends Batches {
  close(): Promise<void>;
}

export function openBatches(engine: Engine, parts: IntakeParts): OpenBatches {
  const { redis, keys, clock, fleet, facts, ledger } = engine;
  const store = openBatchStore(engine);
  const intake = openIntake(engine, parts);
  const planner = openPlanner(engine, intake, openPlan(ledger, fleet, clock, Math.random));
  const changes = openClipChanges(engine, store);
  const creation = openCreation(engine, store);
  const taking = new Set<Promise<void>>();

  function take(id: BatchId): void {
    const work: Promise<void> = intake
      .take(id)
      .catch((error: Error) => void facts.emit("hiccup", { where: `the manifest of ${id}`, error }))
      .finally(() => taking.delete(work));
    taking.add(work);
  }

  const looking = setInterval(() => {
    store
      .open()
      .then((batches) => batches.filter(({ state }) => state === "validating").forEach(({ id }) => take(id)))
      .catch((error: Error) => facts.emit("hiccup", { where: "manifests", error }));
  }, lookEveryMs);

  async function find(id: string, caller: Caller): Promise<BatchRecord> {
    const batch = isBatchId(id) ? await store.read(id) : undefined;
    if (!batch || !(caller.isAdmin || batch.spec.project === caller.project))
      throw problem("not_found", `There is no batch ${JSON.stringify(id.slice(0, 80))}.`, "id");
    return batch;
  }

  const view = async (id: BatchId): Promise<BatchBody> => {
    const batch = await store.read(id);
    if (!batch) throw problem("not_found", `There is no batch ${id}.`, "id");
    return batchView(batch, engine);
  };

  /** Takes it to another state, or says why that cannot be. */
  async function turned(
    id: string,
    caller: Caller,
    to: "paused" | "running" | "cancelling",
    decide: (batch: BatchRecord) => Parameters<typeof store.turn>[3] | undefined,
    from: readonly BatchState[],
  ): Promise<BatchBody> {
    const batch = await find(id, caller);
    const together = decide(batch);
    if (together === undefined) return batchView(batch, engine);
    if (!from.includes(batch.state) || !(await store.turn(batch, from, to, together))) {
      const now = await store.read(batch.id);
      throw problem("conflict", `${id} is ${now?.state ?? "gone"}; ${impossible[to]}`, "id");
    }
    return view(batch.id);
  }

  return {
    async create(body, caller, again) {
      const { id, isNew } = await creation(body, caller, again);
      if (isNew) take(id);
      return view(id);
    },

    plan: (body, caller) => planner(judgeOrder(body), caller),

    read: async (id, caller) => batchView(await find(id, caller), engine),

    async list({ after, limit, order, states }, { project, isAdmin }) {
      const index = isAdmin ? keys.batches : keys.projectBatches(project);
      const found: BatchRecord[] = [];
      for (let from = after; ;) {
        const { ids, hasMore } = await readIdPage(redis, [index], { after: from, limit, order });
        const records = await Promise.all(
          (ids as BatchId[]).map(async (id) => readBatch(id, await redis.hgetall(keys.batch(id)))),
        );
        for (const record of records)
          if (record && (states === undefined || states.includes(record.state))) found.push(record);
        if (found.length > limit || !hasMore) {
          const batches = await Promise.all(found.slice(0, limit).map((batch) => batchView(batch, engine)));
          return { batches, hasMore: found.length > limit || hasMore };
        }
        from = ids.at(-1);
      }
    },

    async clips(id, { after = 0, limit, statuses }, caller) {
      const batch = await find(id, caller);
      const clips = [];
      for (let from = after; from < batch.enlisted;) {
        const page = await pairsAfter(batch, from, statuses ? 500 : limit - clips.length, engine);
        for (const pair of page) {
          const clip = clipView(pair, fleet);
          from = pair.number;
          if (clip && (statuses === undefined || statuses.includes(clip.status))) clips.push(clip);
          if (clips.length >= limit) return { clips, lastNumber: from, hasMore: from < batch.enlisted };
        }
        if (page.length === 0) break;
      }
      return { clips, lastNumber: clips.at(-1)?.number ?? null, hasMore: false };
    },

    pause: (id, caller) =>
      turned(
        id,
        caller,
        "paused",
        ({ state, reason }) =>
          state === "paused" && reason === "person"
            ? undefined
            : {
                event: "batch.paused",
                set: ["reason", "person", "why", "Somebody paused it.", "since", clock.now()],
              },
        ["running", "paused"],
      ),

    resume: (id, caller) =>
      turned(
        id,
        caller,
        "running",
        ({ state, reason, canary }) =>
          state === "running"
            ? undefined
            : {
                event: "batch.resumed",
                gone: ["reason", "why", "since", "streakClass"],
                set: [
                  "streak",
                  0,
                  "barren",
                  0,
                  ...(reason === "canary" ? ["canaryState", "running", "canaryGood", 0, "sendable", canary] : []),
                ],
              },
        ["paused"],
      ),

    cancel: (id, caller) =>
      turned(
        id,
        caller,
        "cancelling",
        ({ state }) =>
          state === "cancelling" || state === "cancelled"
            ? undefined
            : {
                set: [
                  "ending",
                  "cancelled",
                  "cancellingAt",
                  clock.now(),
                  "reason",
                  "person",
                  "why",
                  "Somebody cancelled it.",
                  "since",
                  clock.now(),
                ],
              },
        ["validating", "running", "paused"],
      ),

    async change(id, change, caller) {
      const batch = await find(id, caller);
      refuseNothing(change);
      if (isBatchOver(batch.state))
        throw problem("conflict", `${id} is ${batch.state}; nothing of it can be changed any more.`, "id");
      const controls = judgeChange(change);
      if (controls.budget !== undefined && batch.unpriced)
        throw problem(
          "invalid_value",
          `A budget of ${sayUsd(controls.budget)} cannot be held: nobody said what one of its models costs.`,
          "budget_usd",
        );
      const { set, gone } = writeControls(controls);
      const forget = [...gone, ...(controls.window === undefined ? [] : ["windowClosesAt"]), "forecast"];
      const isFunded = batch.reason === "budget" && batch.state === "paused" && "budget" in controls;
      const states: BatchState[] = [batch.state];
      const went = await store.turn(batch, states, isFunded ? "running" : batch.state, {
        set,
        gone: [...forget, ...(isFunded ? ["reason", "why", "since"] : [])],
        ...(isFunded ? { event: "batch.resumed" as const } : {}),
      });
      if (!went) throw problem("conflict", `${id} was just moved on; try again.`, "id");
      return view(batch.id);
    },

    async retry(id, body, caller) {
      const batch = await find(id, caller);
      const retried = await changes.retry(batch, body);
      return { batch: await view(batch.id), retried };
    },

    async waive(id, customIds, caller) {
      const batch = await find(id, caller);
      const waived = await changes.waive(batch, customIds);
      return { batch: await view(batch.id), waived };
    },

    async close() {
      clearInterval(looking);
      await Promise.allSettled(taking);
    },
  };
}

const impossible = {
  paused: "only a batch that runs can be paused.",
  running: "only a batch that is paused can be resumed.",
  cancelling: "there is nothing left to cancel.",
} as const;
