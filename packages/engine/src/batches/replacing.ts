import {
  type BatchId,
  coreOf,
  newVideoId,
  noSetbacks,
  type PlaceInBatch,
  type Video,
  type VideoId,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import { recordText } from "../record.ts";
import { defineScripts } from "../scripts.ts";
import { type Clip, writeClip } from "./clip.ts";
import { digestOf } from "./line.ts";
import { clipDigest } from "./manifest.ts";
import { isSkipped, parkedUntil, poolOf, turnOf } from "./pool.ts";

/** A clip whose video has ended, and what is to be rendered in its place. */
export interface Replacement {
  readonly number: number;
  readonly clip: Clip;
  readonly video: Video;
  readonly request: VideoRequest;
  /** Where it must go; the lane of the video before it where left out. */
  readonly lane?: Video["lane"];
  /** The batch's field that counts the video before it; by its status where left out. */
  readonly from?: "sharedOpen" | "shared:failed" | undefined;
}

/** Puts new videos in the places of clips that failed or were left out. False: somebody was faster. */
export function openReplacing(engine: Engine) {
  const { keys, clock, fleet, facts } = engine;
  const scripts = defineScripts(engine.redis);

  return async (id: BatchId, replacement: Replacement): Promise<boolean> => {
    const { number, clip, video, request, lane = video.lane, from = `n:${video.status}` } = replacement;
    const now = clock.now();
    const batch = placeOf(id, replacement);
    const renderKey = renderKeyOf(clip, video, request);
    const next: VideoIn<"queued"> = {
      ...coreOf(video),
      id: newVideoId(now),
      version: 1,
      reminder: 1,
      status: "queued",
      request,
      lane,
      batch: { ...batch, renderKey },
      parked: true,
      createdAt: now,
      updatedAt: now,
      dueAt: parkedUntil,
      attempts: [],
      setbacks: noSetbacks,
    };
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
        batch.source === undefined ? keys.video(next.id) : keys.batchDependents(batch.id, batch.source),
        keys.batchShared(batch.id),
        keys.batchNews,
      ],
      [
        number,
        writeClip(clip),
        writeClip({ ...ownClip(clip), video: next.id, renderKey, before: beforeOf(clip) }),
        next.id,
        recordText(next),
        parkedUntil,
        turnOf(batch),
        poolOf(next),
        batch.id,
        next.project,
        now,
        eventStreamLength,
        fleet.dearest(request.model, request.seconds) ?? 0,
        renderKey,
        from,
        isSkipped(video) ? 1 : 0,
        batch.source === undefined ? "" : `${batch.id} ${batch.source}`,
      ],
    );
    if (replaced === 1) facts.emit("moved", { video: next, from: null, note: `in the place of ${video.id}` });
    return replaced === 1;
  };
}

/** The place of what another batch had rendered is not in its record. */
function placeOf(id: BatchId, { number, clip, video }: Replacement): PlaceInBatch {
  if (video.batch?.id === id) return video.batch;
  const { line, customId, take, renderKey, priority = 0, tags = [], source } = clip;
  return { id, number, line, customId, take, renderKey, priority, tags, ...(source === undefined ? {} : { source }) };
}

/** From now on its batch has it rendered itself. */
const ownClip = ({ line, customId, take, renderKey, waived }: Clip): Omit<Clip, "video"> => ({
  line,
  customId,
  take,
  renderKey,
  origin: "new",
  ...(waived ? { waived } : {}),
});

/** What others paid for is none of the videos before it. */
const beforeOf = ({ before = [], origin, video }: Clip): VideoId[] => (origin === "new" ? [...before, video] : before);

/** With another prompt, the key that the edited line would have: a manifest that is mended likewise finds it. */
function renderKeyOf(clip: Clip, video: Video, request: VideoRequest): string {
  if (request.prompt === video.request.prompt) return clip.renderKey;
  const digest = request.remixOf ? digestOf(["edited", clip.renderKey, request.prompt]) : clipDigest(request);
  return `${digest}.${clip.take}`;
}

/** A remix of a clip of its own batch starts from that, and not from what the other batch's starts from. */
export function requestOfShared(clip: Clip, { request }: Video): VideoRequest {
  const { remixOf: _, ...rest } = request;
  return clip.source === undefined ? request : rest;
}
