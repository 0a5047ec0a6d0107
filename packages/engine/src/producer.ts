import { createHash } from "node:crypto";
import {
  isVideoId,
  judgeCreate,
  judgeRemix,
  type Lane,
  newVideoId,
  noSetbacks,
  problem,
  recordSchemaVersion,
  type Video,
  type VideoId,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import { DAY } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { ListOptions, VideoPage } from "./ledger.ts";
import { openRouter } from "./route.ts";
import { judgeReference, keepReference } from "./reference.ts";

/** How long an idempotency key is remembered. */
const keepKeysMs = 7 * DAY;

export interface Caller {
  readonly project: string;
  readonly idempotencyKey?: string | undefined;
}

export interface Accepted {
  readonly video: Video;
  /** The same idempotency key and request came before: this is the first video again. */
  readonly replayed: boolean;
}

/** The producer's side of the engine: validate, make durable, remind. Every call throws ProblemError for what a caller can mend. */
export interface Producer {
  /** @param reference the bytes of `input_reference` */
  create(
    fields: Readonly<Record<string, unknown>>,
    reference: Uint8Array | undefined,
    caller: Caller,
  ): Promise<Accepted>;
  /** @param source our id of a stored video, or the id of its task at the upstream */
  remix(source: string, fields: Readonly<Record<string, unknown>>, caller: Caller): Promise<Accepted>;
  read(id: string, caller: Caller): Promise<Video>;
  list(options: ListOptions): Promise<VideoPage>;
}

export function openProducer(engine: Engine): Producer {
  const { ledger, fleet, storage, clock } = engine;

  const router = openRouter(fleet, (lanes) => ledger.laneStates(lanes));

  async function accept(request: VideoRequest, caller: Caller, upstream?: string): Promise<Accepted> {
    if (upstream !== undefined)
      return acceptInto(
        fleet.lanesOf(request.model).find((lane) => lane.upstream === upstream),
        request,
        caller,
      );
    const chosen = await router.choose(request);
    try {
      return await acceptInto(chosen?.lane, request, caller);
    } finally {
      chosen?.arrived();
    }
  }

  async function acceptInto(lane: Lane | undefined, request: VideoRequest, caller: Caller): Promise<Accepted> {
    if (!lane)
      throw problem(
        "unknown_model",
        `No upstream serves the model ${request.model}; name one under upstreams in REELQ_CONFIG, or set UPSTREAM_URL.`,
        "model",
      );
    const now = clock.now();
    const draft: VideoIn<"queued"> = {
      schema: recordSchemaVersion,
      id: newVideoId(now),
      version: 1,
      status: "queued",
      project: caller.project,
      request,
      lane,
      createdAt: now,
      updatedAt: now,
      dueAt: now,
      attempts: [],
      setbacks: noSetbacks,
    };
    const { idempotencyKey: key } = caller;
    const acceptance = await ledger.accept(
      draft,
      key === undefined
        ? undefined
        : { key, project: caller.project, fingerprint: fingerprintOf(request), keepMs: keepKeysMs },
    );
    if (acceptance.kind === "known") return { video: await replay(acceptance, request), replayed: true };
    engine.facts.emit("moved", { video: acceptance.video, from: null });
    // Accepted is durable from here on: should the reminder be lost, the sweep makes another.
    await engine.queues
      .remind(acceptance.video, 0)
      .catch((error: Error) => engine.facts.emit("hiccup", { where: "remind", error }));
    return { video: acceptance.video, replayed: false };
  }

  async function replay(
    { id, fingerprint }: { id: VideoId; fingerprint: string },
    request: VideoRequest,
  ): Promise<Video> {
    const first = await ledger.read(id);
    if (!first)
      throw problem(
        "idempotency_conflict",
        `The Idempotency-Key was used for ${id}, which has been deleted since; use a new key.`,
        "Idempotency-Key",
      );
    if (fingerprint === fingerprintOf(request)) return first;
    const differing = differingFields(first.request, request).join(", ");
    throw problem(
      "idempotency_conflict",
      `The Idempotency-Key was used for ${id} with another request; these differ: ${differing}. Use a new key.`,
      "Idempotency-Key",
    );
  }

  async function read(id: string, { project }: Caller): Promise<Video> {
    const video = isVideoId(id) ? await ledger.read(id) : undefined;
    if (!video || video.project !== project)
      throw problem("not_found", `There is no video ${JSON.stringify(id)}.`, "id");
    return video;
  }

  /** Our own id, or the upstream's id of a task that one of our videos owns. */
  async function findSource(id: string, caller: Caller): Promise<Video> {
    if (isVideoId(id)) return read(id, caller);
    const owners = await Promise.all(Object.keys(fleet.upstreams).map((upstream) => ledger.ownerOf(upstream, id)));
    const owner = owners.find((video) => video !== undefined);
    if (!owner)
      throw problem(
        "not_found",
        `There is no video ${JSON.stringify(id)} to remix: name a stored video by its id, or by the upstream's id of its task.`,
        "id",
      );
    return read(owner, caller);
  }

  return {
    async create(fields, reference, caller) {
      const judged = judgeCreate(fields, fleet.catalogue);
      if (reference === undefined) return accept(judged, caller);
      const kept = judgeReference(reference, "input_reference");
      await keepReference(storage, kept, reference);
      return accept({ ...judged, reference: kept }, caller);
    },

    async remix(id, fields, caller) {
      const source = await findSource(id, caller);
      if (source.status !== "stored")
        throw problem("not_ready", `${source.id} is ${source.status}; only a stored video can be remixed.`, "id");
      const { upstream, id: task } = source.task;
      if (fleet.capability(upstream, "remix") === false)
        throw problem(
          "conflict",
          `${source.id} was rendered at ${upstream}, which cannot remix (capabilities in REELQ_CONFIG); create a new video instead.`,
          "id",
        );
      return accept(judgeRemix(fields, source.request, { video: source.id, upstream, task }), caller, upstream);
    },

    read,

    list: (options) => ledger.list(options),
  };
}

/** The same whatever order the fields came in. */
function fingerprintOf(request: VideoRequest): string {
  const { prompt, model, seconds, size, reference, remixOf } = request;
  return createHash("sha256")
    .update(JSON.stringify([prompt, model, seconds, size, reference?.sha256 ?? null, remixOf?.video ?? null]))
    .digest("hex");
}

function differingFields(first: VideoRequest, second: VideoRequest): string[] {
  const read = ({ prompt, model, seconds, size, reference, remixOf }: VideoRequest) => ({
    prompt,
    model,
    seconds,
    size,
    input_reference: reference?.sha256,
    remix_of: remixOf?.video,
  });
  const [one, other] = [read(first), read(second)];
  return (Object.keys(one) as (keyof typeof one)[]).filter((name) => one[name] !== other[name]);
}
