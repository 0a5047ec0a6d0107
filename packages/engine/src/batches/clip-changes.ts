import {
  type BatchRetryBody,
  coreOf,
  failureClasses,
  judgeCreate,
  problem,
  type Status,
  type Video,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import { cancelledFree } from "../cancelled.ts";
import type { Engine } from "../engine.ts";
import { defineScripts } from "../scripts.ts";
import { type Clip, writeClip } from "./clip.ts";
import { readPairs } from "./pairs.ts";
import { isHeld, isSkipped, parkedUntil } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import { openReplacing, requestOfShared } from "./replacing.ts";
import type { BatchStore } from "./store.ts";

/** A failed clip. */
interface Failed {
  readonly number: number;
  readonly clip: Clip;
  readonly video: VideoIn<"failed">;
}

/** How a clip has ended that is done without. */
interface Over {
  readonly status: Status;
  /** It was left out for its source's sake. */
  readonly skipped?: boolean;
}

/** What a person changes about single clips of a batch. Each throws ProblemError for what cannot be. */
export interface ClipChanges {
  /** Sends failed clips again, with other prompts where some are given. @returns how many */
  retry(batch: BatchRecord, body: BatchRetryBody): Promise<number>;
  /** Does without lines. @returns how many clips */
  waive(batch: BatchRecord, customIds: readonly string[]): Promise<number>;
}

export function openClipChanges(engine: Engine, store: BatchStore): ClipChanges {
  const { keys, clock, fleet, facts, ledger } = engine;
  const scripts = defineScripts(engine.redis);
  const replace = openReplacing(engine);

  return {
    async retry(batch, body) {
      if (batch.state === "validating" || batch.state === "cancelling" || batch.state === "failed")
        throw problem("conflict", `${batch.id} is ${batch.state}; nothing of it can be sent again.`, "id");
      const wanted = wantedIds(body);
      await refuseUnknown(batch, wanted, "custom_ids");
      const failed: Failed[] = [];
      for await (const { number, clip, video } of readPairs(batch, engine))
        if (video?.status === "failed" && !clip.waived && (wanted === undefined || wanted.includes(clip.customId)))
          failed.push({ number, clip, video });
      const able = withSources(
        failed.filter(
          ({ clip, video }) =>
            body.insist ||
            body.prompts?.[clip.customId] !== undefined ||
            failureClasses[video.failure.class].retry === "allowed",
        ),
      );
      if (able.length === 0)
        throw problem(
          "conflict",
          failed.length === 0
            ? `${batch.id} has no failed clip${wanted === undefined ? "" : " of these lines"}.`
            : `${failed.length === 1 ? "The failed clip" : `Each of the ${failed.length} failed clips`} would most likely fail again as it is; give another prompt, or say {"insist": true}. What remixes a failed clip is sent again together with that.`,
          "insist",
        );
      const requests = able.map(({ clip, video }) => edited(video, body.prompts?.[clip.customId]));
      let retried = 0;
      for (const [index, { number, clip, video }] of able.entries()) {
        const request = requests[index];
        const isOurs = clip.origin === "new";
        const replacement = { number, clip, video, request: request ?? requestOfShared(clip, video) };
        const from = isOurs ? undefined : ("shared:failed" as const);
        if (
          isOurs && request === undefined ? await sendAgain(video) : await replace(batch.id, { ...replacement, from })
        )
          retried += 1;
      }
      return retried;
    },

    async waive(batch, customIds) {
      await refuseUnknown(batch, customIds, "custom_ids");
      let waived = 0;
      for await (const { number, clip, video } of readPairs(batch, engine)) {
        if (!customIds.includes(clip.customId) || clip.waived || !video) continue;
        const over = clip.origin === "new" ? await giveUp(video) : await leave(number, video, batch);
        if (!over || over.status === "stored") continue;
        waived += await scripts.waive(
          [keys.batch(batch.id), keys.batchClips(batch.id)],
          [
            number,
            writeClip(clip),
            writeClip({ ...clip, waived: true }),
            over.status,
            clock.now(),
            over.skipped ? 1 : 0,
          ],
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

  /** It waits no longer for what another batch has rendered. */
  async function leave(number: number, video: Video, { id }: BatchRecord): Promise<Over> {
    const left = await scripts.part(
      [keys.batch(id), keys.batchShared(id), keys.batchNews],
      [number, "cancelled", `${id} ${number}`, clock.now()],
    );
    return { status: left === 1 ? "cancelled" : video.status };
  }

  /** Cancelled while it is free; undefined where it is paid for and under way, or stored. */
  async function giveUp(video: Video): Promise<Over | undefined> {
    if (video.status === "failed" || video.status === "cancelled")
      return { status: video.status, skipped: isSkipped(video) };
    if (video.status !== "queued") return undefined;
    const advance = await ledger.advance(video, cancelledFree(video, clock.now()));
    if (advance.kind !== "moved") return undefined;
    facts.emit("moved", { video: advance.video, from: "queued", note: "done without" });
    return { status: "cancelled" };
  }
}

/** What remixes a clip that is neither stored nor sent again would only fail once more. */
function withSources(able: readonly Failed[]): readonly Failed[] {
  const numbers = new Set(able.map(({ number }) => number));
  const kept = able.filter(({ video }) => !isHeld(video) || numbers.has(video.batch?.source ?? 0));
  return kept.length === able.length ? kept : withSources(kept);
}

const wantedIds = ({ custom_ids: ids, prompts }: BatchRetryBody): readonly string[] | undefined =>
  ids ?? (prompts === undefined ? undefined : Object.keys(prompts));
