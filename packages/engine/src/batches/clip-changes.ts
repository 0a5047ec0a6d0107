import {
  type BatchRetryBody,
  coreOf,
  failureClasses,
  judgeCreate,
  newVideoId,
  noSetbacks,
  problem,
  type Video,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import { defineScripts } from "../scripts.ts";
import { type Clip, writeClip } from "./clip.ts";
import { digestOf } from "./line.ts";
import { clipDigest } from "./manifest.ts";
import { readPairs } from "./pairs.ts";
import { parkedUntil, poolOf, turnOf } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import type { BatchStore } from "./store.ts";

/** What a person changes about single clips of a batch. Each throws ProblemError for what cannot be. */
export interface ClipChanges {
  /** Sends failed clips again, with other prompts where some are given. @returns how many */
  retry(batch: BatchRecord, body: BatchRetryBody): Promise<number>;
  /** Does without lines. @returns how many clips */
  waive(batch: BatchRecord, customIds: readonly string[]): Promise<number>;
}

export function openClipChanges(engine: Engine, store: BatchStore): ClipChanges {
  const { redis, keys, clock, fleet, facts, ledger } = engine;
  const scripts = defineScripts(redis);

  return {
    async retry(batch, body) {
      if (batch.state === "validating" || batch.state === "cancelling" || batch.state === "failed")
        throw problem("conflict", `${batch.id} is ${batch.state}; nothing of it can be sent again.`, "id");
      const wanted = wantedIds(body);
      await refuseUnknown(batch, wanted, "custom_ids");
      const failed: { number: number; clip: Clip; video: VideoIn<"failed"> }[] = [];
      for await (const { number, clip, video } of readPairs(batch, engine))
        if (
          video?.status === "failed" &&
          clip.origin === "new" &&
          !clip.waived &&
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
            ? `${batch.id} has no failed clip${wanted === undefined ? "" : " of these lines"}.`
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
      return retried;
    },

    async waive(batch, customIds) {
      await refuseUnknown(batch, customIds, "custom_ids");
      let waived = 0;
      for await (const { number, clip, video } of readPairs(batch, engine)) {
        if (!customIds.includes(clip.customId) || clip.waived || clip.origin !== "new" || !video) continue;
        const over = await giveUp(video);
        if (!over) continue;
        waived += await scripts.waive(
          [keys.batch(batch.id), keys.batchClips(batch.id)],
          [number, writeClip(clip), writeClip({ ...clip, waived: true }), over.status, clock.now()],
        );
      }
      if (waived === 0)
        throw problem(
          "conflict",
          "None of these lines can be done without: they are stored, or paid for and under way.",
          "custom_ids",
        );
      return waived;
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

const wantedIds = ({ custom_ids: ids, prompts }: BatchRetryBody): readonly string[] | undefined =>
  ids ?? (prompts === undefined ? undefined : Object.keys(prompts));
