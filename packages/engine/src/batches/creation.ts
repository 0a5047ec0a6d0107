import { createHash } from "node:crypto";
import { type BatchCreateBody, type BatchId, judgeIdempotencyKey, newBatchId, problem } from "@reelq/contract";
import type { Repeatable } from "../ask.ts";
import type { Caller } from "../caller.ts";
import { MINUTE } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { defineScripts } from "../scripts.ts";
import { openUploads } from "../uploads.ts";
import { readInput } from "./input.ts";
import { judgeOrder, type Order } from "./order.ts";
import { type BatchSpec, writeControls } from "./record.ts";
import type { BatchStore } from "./store.ts";

/** A request without an idempotency key is known so long. */
const repeatsKeepMs = 30 * MINUTE;

interface Created {
  readonly id: BatchId;
  /** False: the same request came before. */
  readonly isNew: boolean;
}

/** How a request will be known again. */
interface Memory {
  readonly key: string;
  readonly fingerprint: string;
  readonly keepMs: number;
  /** Only where nothing is remembered yet: of two at once, one is first. */
  readonly isFirst: boolean;
}

/** Makes batches known, each request once; their manifests are judged later. Throws ProblemError for what a caller can mend. */
export function openCreation(engine: Engine, store: BatchStore) {
  const { redis, keys, clock, fleet } = engine;
  const scripts = defineScripts(redis);
  const uploads = openUploads(engine);

  async function known(name: string | undefined, fingerprint: string, caller: Caller): Promise<BatchId | undefined> {
    if (name === undefined) return undefined;
    const [before, id] = (await redis.get(keys.batchMemory(caller.key, name)))?.split(" ") ?? [];
    const batch = id === undefined ? undefined : await store.read(id as BatchId);
    if (!batch) return undefined;
    if (before === fingerprint) return batch.id;
    throw problem(
      "idempotency_conflict",
      `The Idempotency-Key was used for ${batch.id} with another request. Use a new key.`,
      "Idempotency-Key",
    );
  }

  async function create(body: BatchCreateBody, caller: Caller, again: Repeatable = {}): Promise<Created> {
    const { idempotencyKey, isRepeat } = again;
    if (idempotencyKey !== undefined) judgeIdempotencyKey(idempotencyKey);
    const order = judgeOrder(body);
    const fingerprint = createHash("sha256").update(JSON.stringify(body)).digest("base64url");
    const names = [
      ...(idempotencyKey === undefined ? [] : [`key:${idempotencyKey}`]),
      ...(idempotencyKey === undefined && isRepeat !== undefined ? [`itself:${fingerprint}`] : []),
    ];
    const [name] = names;
    const first =
      idempotencyKey !== undefined || isRepeat === true ? await known(name, fingerprint, caller) : undefined;
    if (first) return { id: first, isNew: false };
    const upload = await readInput(order.inputFile, uploads, caller);
    const now = clock.now();
    const id = newBatchId(now);
    const spec: BatchSpec = {
      project: caller.project,
      key: caller.key,
      createdAt: now,
      inputFile: upload.id,
      filename: upload.filename,
      completionWindow: order.completionWindow,
      metadata: order.metadata,
      again: order.again,
      defaults: order.defaults,
      references: order.references,
    };
    const memory =
      name === undefined
        ? undefined
        : {
            key: keys.batchMemory(caller.key, name),
            fingerprint,
            keepMs: idempotencyKey === undefined ? repeatsKeepMs : fleet.idempotencyKeepMs,
            isFirst: idempotencyKey !== undefined,
          };
    if (await write(id, spec, order, memory)) return { id, isNew: true };
    const winner = await known(name, fingerprint, caller);
    if (!winner) throw new Error("An idempotency key was in use, and is not any more.");
    return { id: winner, isNew: false };
  }

  /** @returns false where its idempotency key was used before, by one that was faster */
  async function write(id: BatchId, spec: BatchSpec, order: Order, memory: Memory | undefined): Promise<boolean> {
    const { set } = writeControls({ ...order.controls, name: order.name ?? spec.filename });
    const canary = order.canary > 0 ? ["canary", order.canary, "canaryState", "running", "sendable", order.canary] : [];
    const written = await scripts.order(
      [
        keys.batch(id),
        keys.batches,
        keys.projectBatches(spec.project),
        keys.openBatches,
        keys.projects,
        memory?.key ?? keys.batch(id),
      ],
      [
        id,
        spec.project,
        memory ? `${memory.fingerprint} ${id}` : "",
        memory?.keepMs ?? 0,
        memory?.isFirst ? "first" : "",
        "spec",
        JSON.stringify(spec),
        "state",
        "validating",
        "updatedAt",
        spec.createdAt,
        ...set,
        ...canary,
      ],
    );
    return written === 1;
  }

  return create;
}
