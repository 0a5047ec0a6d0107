import { createHash } from "node:crypto";
import {
  type BatchBody,
  type BatchCreateBody,
  type BatchId,
  type BatchRetryBody,
  type BatchState,
  coreOf,
  failureClasses,
  isBatchId,
  isBatchOver,
  judgeCreate,
  judgeIdempotencyKey,
  newBatchId,
  newVideoId,
  noSetbacks,
  problem,
  sayUsd,
  type Video,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import type { Repeatable } from "../ask.ts";
import type { Caller } from "../caller.ts";
import { MINUTE, SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import { readIdPage } from "../id-page.ts";
import { openPlan } from "../plan.ts";
import { defineScripts } from "../scripts.ts";
import { openUploads } from "../uploads.ts";
import { batchView } from "./batch-view.ts";
import type { Batches } from "./batches.ts";
import { type Clip, writeClip } from "./clip.ts";
import { clipView } from "./clip-view.ts";
import { type IntakeParts, openIntake } from "./intake.ts";
import { digestOf } from "./line.ts";
import { clipDigest } from "./manifest.ts";
import { judgeChange, judgeOrder, type Order, refuseNothing } from "./order.ts";
import { readInput } from "./input.ts";
import { openPlanner } from "./planner.ts";
import { parkedUntil, poolOf, turnOf } from "./pool.ts";
import { pairsAfter, readPairs } from "./pairs.ts";
import { type BatchRecord, type BatchSpec, readBatch, writeControls } from "./record.ts";
import { openBatchStore } from "./store.ts";

/** How often manifests are looked for whose process is gone. */
const lookEveryMs = 5 * SECOND;

/** A request without an idempotency key is known so long. */
const repeatsKeepMs = 30 * MINUTE;

/** Batches, and the judging of their manifests in this process, until closed. */
export interface OpenBatches extends Batches {
  close(): Promise<void>;
}

export function openBatches(engine: Engine, parts: IntakeParts): OpenBatches {
  const { redis, keys, clock, fleet, facts, ledger } = engine;
  const scripts = defineScripts(redis);
  const store = openBatchStore(engine);
  const uploads = openUploads(engine);
  const intake = openIntake(engine, parts);
  const planner = openPlanner(engine, intake, openPlan(ledger, fleet, clock, Math.random));
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

  async function known(name: string | undefined, fingerprint: string, caller: Caller): Promise<BatchBody | undefined> {
    if (name === undefined) return undefined;
    const [before, id] = (await redis.get(keys.batchMemory(caller.key, name)))?.split(" ") ?? [];
    const batch = id === undefined ? undefined : await store.read(id as BatchId);
    if (!batch) return undefined;
    if (before === fingerprint) return batchView(batch, engine);
    throw problem(
      "idempotency_conflict",
      `The Idempotency-Key was used for ${batch.id} with another request. Use a new key.`,
      "Idempotency-Key",
    );
  }

  async function create(body: BatchCreateBody, caller: Caller, again: Repeatable = {}): Promise<BatchBody> {
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
    if (first) return first;
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
    if (await write(id, spec, order, memory)) {
      take(id);
      return view(id);
    }
    const winner = await known(name, fingerprint, caller);
    if (!winner) throw new Error("An idempotency key was in use, and is not any more.");
    return winner;
  }

  /** @returns false where its idempotency key was used before, by one that was faster */
  async function write(
    id: BatchId,
    spec: BatchSpec,
    order: Order,
    memory: { key: string; fingerprint: string; keepMs: number; isFirst: boolean } | undefined,
  ): Promise<boolean> {
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
    create,
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
      if (batch.state === "validating" || batch.state === "cancelling" || batch.state === "failed")
        throw problem("conflict", `${id} is ${batch.state}; nothing of it can be sent again.`, "id");
      const wanted = wantedIds(body);
      await refuseUnknown(batch, wanted, "custom_ids");
      const failed: { number: number; clip: Clip; video: VideoIn<"failed"> }[] = [];
      for await (const { number, clip, video } of readPairs(batch, engine))
        if (
          video?.status === "failed" &&
          clip.origin === "new" &&
          (wanted === undefined || wanted.includes(clip.customId))
        )
          failed.push({ number, clip, video });
      const able = failed.filter(
        ({ clip, video }) =>
          body.insist ||
          body.prompts?.[clip.customId] !== undefined ||
          failureClasses[video.failure.class].retry === "allowed",
      );
      if (able.length === 0)
        throw problem(
          "conflict",
          failed.length === 0
            ? `${id} has no failed clip${wanted === undefined ? "" : " of these lines"}.`
            : `All ${failed.length} failed clips would most likely fail again as they are; give other prompts, or say {"insist": true}.`,
          "insist",
        );
      const requests = able.map(({ clip, video }) => edited(video, body.prompts?.[clip.customId]));
      let retried = 0;
      for (const [index, { number, clip, video }] of able.entries()) {
        const request = requests[index];
        if (request === undefined ? await sendAgain(video) : await replace(number, clip, video, request, batch))
          retried += 1;
      }
      return { batch: await view(batch.id), retried };
    },

    async waive(id, customIds, caller) {
      const batch = await find(id, caller);
      await refuseUnknown(batch, customIds, "custom_ids");
      let waived = 0;
      for await (const { number, clip, video } of readPairs(batch, engine)) {
        if (!customIds.includes(clip.customId) || clip.waived || clip.origin !== "new" || !video) continue;
        const over = await giveUp(video);
        if (!over) continue;
        await redis
          .multi()
          .hset(keys.batchClips(batch.id), String(number), writeClip({ ...clip, waived: true }))
          .hincrby(keys.batch(batch.id), `waived:${over.status}`, 1)
          .hset(keys.batch(batch.id), "updatedAt", clock.now())
          .exec();
        waived += 1;
      }
      if (waived === 0)
        throw problem(
          "conflict",
          "None of these lines can be done without: they are stored, or paid for and under way.",
          "custom_ids",
        );
      return { batch: await view(batch.id), waived };
    },

    async close() {
      clearInterval(looking);
      await Promise.allSettled(taking);
    },
  };

  async function refuseUnknown(
    batch: BatchRecord,
    customIds: readonly string[] | undefined,
    param: string,
  ): Promise<void> {
    const ids = [...new Set(customIds)];
    const numbers = await store.numbersOf(batch.id, ids);
    const unknown = ids.filter((_, index) => numbers[index] === undefined);
    if (unknown.length > 0)
      throw problem(
        "invalid_value",
        `${batch.id} has no line with the id ${unknown
          .slice(0, 10)
          .map((one) => JSON.stringify(one.slice(0, 80)))
          .join(", ")}.`,
        param,
      );
  }

  /** The same video once more: it waits in its batch. */
  async function sendAgain(video: VideoIn<"failed">): Promise<boolean> {
    const next: Video = { ...coreOf(video), status: "queued", parked: true, dueAt: parkedUntil };
    const advance = await ledger.advance(video, next);
    if (advance.kind === "moved") facts.emit("moved", { video: advance.video, from: "failed", note: "sent again" });
    return advance.kind === "moved";
  }

  /** With another prompt; undefined where it is the one that it has. @throws ProblemError */
  function edited({ request }: Video, prompt: string | undefined): VideoRequest | undefined {
    if (prompt === undefined || prompt === request.prompt) return undefined;
    const { model, seconds, size } = request;
    return { ...request, prompt: judgeCreate({ model, seconds, size, prompt }, fleet.catalogue).prompt };
  }

  /** Another video, with another prompt, in the clip's place. */
  async function replace(
    number: number,
    clip: Clip,
    video: VideoIn<"failed">,
    request: VideoRequest,
    batch: BatchRecord,
  ): Promise<boolean> {
    const now = clock.now();
    // The same as the edited line's would be, so that a manifest that is mended likewise finds it.
    const digest = request.remixOf ? digestOf(["edited", clip.renderKey, request.prompt]) : clipDigest(request);
    const renderKey = `${digest}.${clip.take}`;
    const place = video.batch && { ...video.batch, renderKey };
    if (!place) return false;
    const next: VideoIn<"queued"> = {
      ...coreOf(video),
      id: newVideoId(now),
      version: 1,
      status: "queued",
      request,
      batch: place,
      parked: true,
      createdAt: now,
      updatedAt: now,
      dueAt: parkedUntil,
      attempts: [],
      setbacks: noSetbacks,
    };
    const price = fleet.dearest(request.model, request.seconds) ?? 0;
    const replaced = await scripts.replace(
      [
        keys.batch(batch.id),
        keys.batchClips(batch.id),
        keys.video(next.id),
        keys.videos,
        keys.status(next.project, "queued"),
        keys.due,
        keys.events,
        keys.batchPool(batch.id, poolOf(next)),
        keys.batchPools(batch.id),
        keys.openBatches,
        keys.renders(next.project),
      ],
      [
        number,
        writeClip(clip),
        writeClip({ ...clip, video: next.id, renderKey, before: [...(clip.before ?? []), clip.video] }),
        next.id,
        JSON.stringify(next),
        parkedUntil,
        turnOf(place),
        poolOf(next),
        batch.id,
        next.project,
        now,
        eventStreamLength,
        price,
        renderKey,
      ],
    );
    if (replaced === 1) facts.emit("moved", { video: next, from: null, note: `in the place of ${video.id}` });
    return replaced === 1;
  }

  /** Cancelled while it is free; undefined where it is paid for and under way, or stored. */
  async function giveUp(video: Video): Promise<Video | undefined> {
    if (video.status === "failed" || video.status === "cancelled") return video;
    if (video.status !== "queued") return undefined;
    const now = clock.now();
    const advance = await ledger.advance(video, {
      ...coreOf(video),
      status: "cancelled",
      cancelledAt: now,
      abandoned: false,
      dueAt: now,
    });
    if (advance.kind !== "moved") return undefined;
    facts.emit("moved", { video: advance.video, from: "queued", note: "done without" });
    return advance.video;
  }
}

const impossible = {
  paused: "only a batch that runs can be paused.",
  running: "only a batch that is paused can be resumed.",
  cancelling: "there is nothing left to cancel.",
} as const;

const wantedIds = ({ custom_ids: ids, prompts }: BatchRetryBody): readonly string[] | undefined =>
  ids ?? (prompts === undefined ? undefined : Object.keys(prompts));
