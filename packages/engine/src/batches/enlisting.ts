import {
  newVideoId,
  noSetbacks,
  type PlaceInBatch,
  recordSchemaVersion,
  type Reference,
  type VideoId,
  type VideoIn,
} from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import { defineScripts } from "../scripts.ts";
import { type Clip, lineOf, writeClip } from "./clip.ts";
import type { Line } from "./line.ts";
import { type KnownLine, renderKeyOf } from "./manifest.ts";
import { parkedUntil, poolOf, turnOf } from "./pool.ts";
import type { BatchRecord } from "./record.ts";
import { recordText } from "../record.ts";
import { findRendered, type Rendered } from "./reuse.ts";

/** What the script answers where another render is known by now for one of the keys. */
const lookAgain = -1;

/** One take of a line. */
export interface Take {
  readonly line: Line;
  readonly known: KnownLine;
  readonly take: number;
  readonly image: Reference | undefined;
  /** The number of the clip that it remixes. */
  readonly source: number | undefined;
}

interface Wanted {
  readonly place: PlaceInBatch;
  readonly request: VideoIn<"queued">["request"];
  readonly lane: VideoIn<"queued">["lane"];
}

interface Filled extends Wanted {
  readonly rendered: Exclude<Rendered, { kind: "parked" }> | undefined;
  /** Which video was known for its render key, or none. */
  readonly seen: VideoId | undefined;
  /** The version that it must still have, where it is taken over. */
  readonly version: number | "";
}

/**
 * Makes takes of lines durable, which follow each other in the manifest's order: a video each, or the place of one that
 * is stored or on its way already.
 */
export function openEnlisting(engine: Engine) {
  const { keys, clock, fleet } = engine;
  const scripts = defineScripts(engine.redis);

  /** Finds which of the clips need no render of their own. */
  async function fill(chunk: readonly Wanted[], { spec }: BatchRecord): Promise<readonly Filled[]> {
    const rendered = spec.again
      ? []
      : await findRendered(
          chunk.map(({ place }) => place.renderKey),
          spec.project,
          engine,
        );
    return chunk.map((wanted, index) => {
      const { video, seen } = rendered[index] ?? {};
      const { place, request, lane } = wanted;
      if (video?.kind !== "parked") return { place, request, lane, rendered: video, seen, version: "" };
      return { place, request, lane, rendered: undefined, seen, version: video.version };
    });
  }

  function enlistCall(
    clips: readonly Filled[],
    first: number,
    { id, spec }: BatchRecord,
  ): Parameters<typeof scripts.enlist> {
    const now = clock.now();
    let estimated = 0;
    const each = clips.map(({ place, rendered, seen, version, request, lane }) => {
      const clip = (video: VideoId, origin: Clip["origin"]): string =>
        writeClip({
          line: place.line,
          customId: place.customId,
          take: place.take,
          video,
          origin,
          renderKey: place.renderKey,
          ...(origin === "shared" ? lineOf(place) : {}),
        });
      const firstOfLine = place.take === 1 ? place.customId : "";
      if (rendered) {
        const video = rendered.kind === "stored" ? rendered.video.id : rendered.id;
        const origin = rendered.kind === "stored" ? "reused" : "shared";
        const record = keys.video(video);
        return {
          keys: [record, record, record, record],
          args: [origin, clip(video, origin), video, "", "", "", place.renderKey, firstOfLine, seen ?? "", ""],
        };
      }
      const video: VideoIn<"queued"> = {
        schema: recordSchemaVersion,
        id: newVideoId(now),
        version: 1,
        reminder: 1,
        status: "queued",
        project: spec.project,
        request,
        lane,
        batch: place,
        parked: true,
        createdAt: now,
        updatedAt: now,
        dueAt: parkedUntil,
        attempts: [],
        setbacks: noSetbacks,
      };
      estimated += fleet.dearest(request.model, request.seconds) ?? 0;
      const pool = poolOf(video);
      return {
        keys: [
          keys.video(video.id),
          keys.batchPool(id, pool),
          place.source === undefined ? keys.video(video.id) : keys.batchDependents(id, place.source),
          keys.video(seen ?? video.id),
        ],
        args: [
          "new",
          clip(video.id, "new"),
          video.id,
          recordText(video),
          turnOf(place),
          pool,
          place.renderKey,
          firstOfLine,
          spec.again ? "*" : (seen ?? ""),
          spec.again ? "" : version,
        ],
      };
    });
    return [
      [
        keys.batch(id),
        keys.batchClips(id),
        keys.batchLines(id),
        keys.videos,
        keys.status(spec.project, "queued"),
        keys.due,
        keys.events,
        keys.projects,
        keys.renders(spec.project),
        keys.batchPools(id),
        keys.batchShared(id),
        ...each.flatMap((one) => one.keys),
      ],
      [now, eventStreamLength, spec.project, first, parkedUntil, estimated, ...each.flatMap((one) => one.args)],
    ];
  }

  function wantedClip({ line, known, take, image, source: sourceClip }: Take, { id }: BatchRecord): Wanted {
    const { shape, source } = known;
    if (!shape) throw new Error(`Line ${known.line} has no shape.`);
    const remixed = source?.kind === "video" && source.video.status === "stored" ? source.video : undefined;
    const place: PlaceInBatch = {
      id,
      number: known.number + take - 1,
      line: known.line,
      customId: line.customId,
      take,
      priority: line.priority,
      tags: [...line.tags],
      renderKey: renderKeyOf(known, take),
      ...(sourceClip === undefined ? {} : { source: sourceClip }),
    };
    const lane = remixed
      ? { upstream: remixed.task.upstream, model: shape.model }
      : (fleet.lanesOf(shape.model)[0] ?? { upstream: "none", model: shape.model });
    return {
      place,
      lane,
      request: {
        ...shape,
        prompt: line.prompt,
        ...(image ? { reference: image } : {}),
        ...(remixed ? { remixOf: { video: remixed.id, upstream: remixed.task.upstream, task: remixed.task.id } } : {}),
      },
    };
  }

  /** @throws Error where the batch is somewhere else: somebody is at it too, or it was stopped */
  return async (takes: readonly Take[], batch: BatchRecord): Promise<void> => {
    const wanted = takes.map((take) => wantedClip(take, batch));
    const first = wanted[0]?.place.number;
    if (first === undefined) return;
    let highest = lookAgain;
    // Somebody else may ask for the same at this moment: who is second looks again.
    while (highest === lookAgain)
      highest = await scripts.enlist(...enlistCall(await fill(wanted, batch), first, batch));
    if (highest !== first + wanted.length - 1)
      throw new Error(`${batch.id} is at clip ${highest}, and ${first} was next: somebody else is at it.`);
  };
}
