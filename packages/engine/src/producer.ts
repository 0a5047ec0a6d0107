import {
  isVideoId,
  judgeOptions,
  judgeRemix,
  type Lane,
  newVideoId,
  noSetbacks,
  type Problem,
  problem,
  ProblemError,
  recordSchemaVersion,
  type Video,
  type VideoId,
  type VideoIn,
  type VideoRequest,
} from "@reelq/contract";
import { type Ask, type Judged, judgeAsk, type ReferenceGiven, type Repeatable } from "./ask.ts";
import { videosOfBatch } from "./batches/videos.ts";
import type { Caller } from "./caller.ts";
import { openDoor } from "./door.ts";
import type { Engine } from "./engine.ts";
import type { Draft, ListOptions, RequestMemory, VideoPage } from "./ledger.ts";
import { judgeFit, judgeReference, keepReference } from "./reference.ts";
import { type RemovedVideo, removeVideo } from "./removal.ts";
import { conflictOf, memoryOf } from "./request-memory.ts";
import { openRouter } from "./route.ts";
import { openUploads } from "./uploads.ts";
import { RefusedItemsError } from "./refused-items-error.ts";

export interface Accepted {
  readonly video: Video;
  /** The same request came before: this is the first video again. */
  readonly replayed: boolean;
  /** To be called once the answer went out whole, where that matters to a repeat. */
  readonly told?: () => Promise<void>;
}

/** The producer's side of the engine: validate, make durable, remind. Every call throws ProblemError for what a caller can mend. */
export interface Producer {
  create(ask: Ask, caller: Caller, again?: Repeatable): Promise<Accepted>;
  /**
   * Accepts all or none.
   * @throws RefusedItemsError with what is wrong with each that is
   */
  createMany(asks: readonly (Ask & Pick<Repeatable, "idempotencyKey">)[], caller: Caller): Promise<Accepted[]>;
  /** @param source our id of a stored video, or the id of its task at the upstream */
  remix(
    source: string,
    fields: Readonly<Record<string, unknown>>,
    caller: Caller,
    again?: Repeatable,
  ): Promise<Accepted>;
  read(id: string, caller: Caller): Promise<Video>;
  /** The caller's own; everyone's for an admin. `batch`: only that one's, in its manifest's order. */
  list(
    options: Omit<ListOptions, "project"> & { readonly batch?: string | undefined },
    caller: Caller,
  ): Promise<VideoPage>;
  /** Takes a video that no stage works on out of the ledger, and its files out of the storage. */
  remove(id: string, caller: Caller): Promise<RemovedVideo>;
}

/** What a producer needs of the world outside. Each throws ProblemError for what a caller can mend. */
export interface Outside {
  /** The image at an address that a caller named. */
  readonly fetchImage: (url: string) => Promise<Uint8Array>;
  /** Refuses an address that no webhook can be sent to. */
  readonly judgeWebhookUrl: (url: string) => void;
}

/** For a producer that names no strangers' addresses. */
const nothingOutside: Outside = {
  fetchImage: () =>
    Promise.reject(
      problem("invalid_value", "Addresses are not fetched here; give the image itself.", "input_reference"),
    ),
  // Whether it leads inside is judged when it is sent to.
  judgeWebhookUrl(url) {
    if (!/^https?:\/\//i.test(url))
      throw problem(
        "invalid_value",
        `The webhook's address ${JSON.stringify(url.slice(0, 80))} must be an https URL.`,
        "reelq.webhook_url",
      );
  },
};

export function producerOn(engine: Engine, outside: Outside = nothingOutside): Producer {
  const { ledger, fleet, storage, clock } = engine;
  const uploads = openUploads(engine);
  const judge = (ask: Ask): Judged => judgeAsk(ask, fleet.catalogue, outside.judgeWebhookUrl);
  const router = openRouter(fleet, (lanes) => ledger.laneStates(lanes));
  const door = openDoor((drafts) => acceptAll(drafts));

  /** The whole request, its image read and kept. */
  async function complete({ request, reference }: Judged, caller: Caller): Promise<VideoRequest> {
    if (!reference) return request;
    const bytes = await bytesOf(reference, caller);
    const kept = judgeReference(bytes, "input_reference");
    if (fleet.refusesMisfits) judgeFit(kept, request.size);
    await keepReference(storage, kept, bytes);
    return { ...request, reference: kept };
  }

  function bytesOf(reference: ReferenceGiven, caller: Caller): Promise<Uint8Array> {
    switch (reference.kind) {
      case "bytes":
        return Promise.resolve(reference.bytes);
      case "url":
        return outside.fetchImage(reference.url);
      case "file":
        return uploads.image(reference.id, caller);
    }
  }

  function draftOf(request: VideoRequest, { options }: Judged, lane: Lane | undefined, caller: Caller) {
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
      reminder: 1,
      status: "queued",
      project: caller.project,
      request,
      lane,
      ...(options.webhookUrl === undefined ? {} : { webhook: { url: options.webhookUrl, key: caller.key } }),
      createdAt: now,
      updatedAt: now,
      dueAt: now,
      attempts: [],
      setbacks: noSetbacks,
    };
    return draft;
  }

  /** Where each goes, told to the router once it is there. */
  async function withLanes<Result>(
    judged: readonly Judged[],
    use: (lanes: readonly (Lane | undefined)[]) => Promise<Result>,
  ): Promise<Result> {
    const chosen = await router.choose(judged.map(({ request }) => request));
    try {
      return await use(
        judged.map(({ request, upstream }, index) =>
          upstream === undefined
            ? chosen.lanes[index]
            : fleet.lanesOf(request.model).find((lane) => lane.upstream === upstream),
        ),
      );
    } finally {
      chosen.arrived();
    }
  }

  async function accept(judged: Judged, caller: Caller, again: Repeatable): Promise<Accepted> {
    const memory = memoryOf(judged, caller, again);
    const known = memory?.way.kind === "key" && isLong(judged) && (await ledger.recall(caller.key, memory.way.key));
    if (known && memory) return { video: await replay(known, memory), replayed: true };
    const request = judged.reference ? await complete(judged, caller) : judged.request;
    return withLanes([judged], async ([lane]) => {
      const accepted = await door.enter({ video: draftOf(request, judged, lane, caller), memory });
      if (!memory || memory.way.kind === "key") return accepted;
      return { ...accepted, told: () => ledger.told(memory, accepted.video) };
    });
  }

  /** Whether there is something to do, or to refuse, before the ledger is asked: not where the video is known. */
  const isLong = ({ reference, request }: Judged): boolean =>
    reference !== undefined || fleet.lanesOf(request.model).length === 0;

  /** Writes drafts in one step; of each, what became of it. */
  async function acceptAll(drafts: readonly Draft[]): Promise<readonly Promise<Accepted>[]> {
    const acceptance = await ledger.accept(drafts, fleet.idempotencyKeepMs);
    if (acceptance.kind === "accepted") {
      // Nobody needs to wait for it: it is the next thing that is said to Redis.
      void announce(drafts, acceptance.ids);
      return outcomesOf(drafts, acceptance.ids);
    }
    const [conflict] = acceptance.conflicts;
    const [{ memory } = {}, ...others] = drafts;
    // Nothing was written because of some of them: the others go on without those.
    if (others.length > 0) return drafts.map(async (draft) => (await acceptAll([draft]))[0]!);
    if (!conflict || !memory) throw new Error("The ledger told of a conflict, and not which.");
    return [replay(conflict, memory).then((video) => ({ video, replayed: true }))];
  }

  /** Says what is new, and reminds of it. */
  async function announce(drafts: readonly Draft[], ids: readonly VideoId[]): Promise<void> {
    const fresh = drafts.flatMap(({ video }, index) => (ids[index] === video.id ? [video] : []));
    for (const video of fresh) engine.facts.emit("moved", { video, from: null });
    // Accepted is durable from here on: should the reminders be lost, the sweep makes others.
    await engine.queues
      .remindAll(fresh)
      .catch((error: Error) => engine.facts.emit("hiccup", { where: "remind", error }));
  }

  /** Reads what is not new. */
  const outcomesOf = (drafts: readonly Draft[], ids: readonly VideoId[]): Promise<Accepted>[] =>
    drafts.map(async ({ video, memory }, index) => {
      const id = ids[index];
      if (id === video.id) return { video, replayed: false };
      if (id === undefined || !memory) throw new Error(`The ledger did not say what became of ${video.id}.`);
      return { video: await replay({ id, fingerprint: memory.fingerprint }, memory), replayed: true };
    });

  async function replay(
    { id, fingerprint }: { id: VideoId; fingerprint: string },
    memory: RequestMemory,
  ): Promise<Video> {
    const first = await ledger.read(id);
    if (!first)
      throw problem(
        "idempotency_conflict",
        `The Idempotency-Key was used for ${id}, which has been deleted since; use a new key.`,
        "Idempotency-Key",
      );
    if (fingerprint === memory.fingerprint) return first;
    throw conflictOf(id, fingerprint, memory.fingerprint);
  }

  async function read(id: string, caller: Caller): Promise<Video> {
    const video = isVideoId(id) ? await ledger.read(id) : undefined;
    if (!video || !(caller.isAdmin || video.project === caller.project))
      throw problem("not_found", `There is no video ${JSON.stringify(id)}.`, "id");
    return video;
  }

  /** Our own id, or the upstream's id of a task that one of our videos owns. */
  async function findSource(id: string, caller: Caller): Promise<Video> {
    if (isVideoId(id)) return read(id, caller);
    const owners = await Promise.all(Object.keys(fleet.upstreams).map((upstream) => ledger.ownerOf(upstream, id)));
    const owner = owners.find((video) => video !== undefined);
    const source = owner && (await ledger.read(owner));
    if (!source || !(caller.isAdmin || source.project === caller.project))
      throw problem(
        "not_found",
        `There is no video ${JSON.stringify(id)} to remix: name a stored video by its id, or by the upstream's id of its task.`,
        "id",
      );
    return source;
  }

  /** A remix that is known by its key is known also when its source is gone. */
  async function knownRemix(
    id: string,
    { reelq, ...asked }: Readonly<Record<string, unknown>>,
    caller: Caller,
    again: Repeatable,
  ): Promise<Accepted | undefined> {
    const { idempotencyKey: key } = again;
    const known = key === undefined ? undefined : await ledger.recall(caller.key, key);
    const first = known && (await ledger.read(known.id));
    const { remixOf } = first?.request ?? {};
    if (!known || !first || !remixOf || (remixOf.video !== id && remixOf.task !== id)) return undefined;
    const request = judgeRemix(asked, first.request, remixOf);
    const memory = memoryOf({ request, options: judgeOptions(reelq) }, caller, again);
    return memory && { video: await replay(known, memory), replayed: true };
  }

  return {
    create: async (ask, caller, again = {}) => accept(judge(ask), caller, again),

    async createMany(asks, caller) {
      const refused = new Map<number, readonly [Problem, ...Problem[]]>();
      const each = async <Value, Result>(
        values: readonly Value[],
        work: (value: Value, index: number) => Result | Promise<Result>,
      ): Promise<Result[]> => {
        const results: Result[] = [];
        for (const [index, value] of values.entries()) {
          try {
            results.push(await work(value, index));
          } catch (error) {
            if (!(error instanceof ProblemError)) throw error;
            refused.set(index, error.problems);
          }
        }
        if (refused.size > 0) throw new RefusedItemsError(asks.length, refused);
        return results;
      };
      const judged = await each(asks, judge);
      const memories = await each(judged, (one, index) => memoryOf(one, caller, asks[index] ?? {}));
      const keys = new Map<string, number>();
      await each(memories, (memory, index) => {
        if (memory?.way.kind !== "key") return;
        const first = keys.get(memory.way.key) ?? index;
        if (first !== index)
          throw problem("invalid_value", `Item ${first} has the same idempotency key.`, "idempotencyKey");
        keys.set(memory.way.key, index);
      });
      const requests = await each(judged, (one) => (one.reference ? complete(one, caller) : one.request));
      return withLanes(judged, async (lanes) => {
        const drafts = await each(judged, (one, index) => ({
          video: draftOf(requests[index] ?? one.request, one, lanes[index], caller),
          memory: memories[index],
        }));
        const acceptance = await ledger.accept(drafts, fleet.idempotencyKeepMs);
        if (acceptance.kind === "accepted") {
          await announce(drafts, acceptance.ids);
          return Promise.all(outcomesOf(drafts, acceptance.ids));
        }
        for (const { index, id, fingerprint } of acceptance.conflicts) {
          const { problems } = conflictOf(id, fingerprint, memories[index]?.fingerprint ?? "");
          refused.set(index, problems);
        }
        throw new RefusedItemsError(asks.length, refused);
      });
    },

    async remix(id, fields, caller, again = {}) {
      const known = await knownRemix(id, fields, caller, again);
      if (known) return known;
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
      const { reelq, ...asked } = fields;
      const options = judgeOptions(reelq);
      if (options.webhookUrl !== undefined) outside.judgeWebhookUrl(options.webhookUrl);
      const request = judgeRemix(asked, source.request, { video: source.id, upstream, task });
      return accept({ request, options, upstream }, caller, again);
    },

    read,

    list: ({ batch, ...options }, caller) =>
      batch === undefined
        ? ledger.list({ ...options, project: caller.isAdmin ? undefined : caller.project })
        : videosOfBatch(batch, options, caller, engine),

    remove: async (id, caller) => removeVideo(await read(id, caller), engine),
  };
}
