import type { Readable } from "node:stream";
import type { StoredFile, Video, VideoIn } from "@reelq/contract";
import type { Content, Upstream } from "@reelq/upstream";
import { SECOND } from "./clock.ts";
import { fileKey, type Gathered, peek, shown } from "./file.ts";
import { laneName } from "./lane.ts";
import { maxPictureBytes, PictureJudge, pictureTypeOf, type PictureType, pictureTypes } from "./picture.ts";
import type { StageContext } from "./stages/context.ts";
import { StorageError } from "./storage/storage-error.ts";
import { type Miss, openVariantMemory, type VariantMemory } from "./variant-memory.ts";

type VariantContext = Pick<StageContext, "storage" | "fleet" | "clock" | "signal">;
type Variants = NonNullable<StoredFile["variants"]>;
type VariantName = keyof Variants;
type Picture = NonNullable<Variants[VariantName]>;

const variantNames = ["thumbnail", "spritesheet"] as const satisfies readonly VariantName[];

/** How long a video that is safe already may be kept waiting for its pictures. */
const mostMs = 10 * SECOND;

/** What came of one picture. `unsaid`: it says nothing of what the upstream has. */
type Fetched =
  | { readonly kind: "kept"; readonly picture: Picture }
  | { readonly kind: Miss | "unsaid"; readonly reason: string };

/**
 * Asks the upstream for a video's pictures and stores them beside it, all at once. Best effort: it takes at most ten
 * seconds, and never throws.
 */
export async function fetchVariants(
  video: VideoIn<"downloading">,
  upstream: Upstream,
  context: VariantContext,
): Promise<Gathered> {
  const { fleet, clock, storage } = context;
  const said = fleet.capability(upstream.name, "variants");
  if (said === false) return nothing;
  const memory = memoryOf(upstream);
  const about = (name: VariantName) => `${laneName(video.lane)} ${name}`;
  const asked = variantNames.filter((name) => said === true || memory.mayAsk(about(name), clock.now()));
  const fetched = await withinTime(asked, Math.min(mostMs, upstream.timeouts.lookMs), context, (name, signal) =>
    fetchOne(video, name, upstream, { storage, signal }),
  );
  for (const [name, { kind }] of fetched) {
    if (kind === "kept") memory.had(about(name));
    else if (kind !== "unsaid") memory.hadNot(about(name), kind, clock.now());
  }
  return gathered(fetched);
}

/** The pictures that an earlier try put and could not record. */
export async function variantsBefore(video: VideoIn<"downloading">, context: VariantContext): Promise<Gathered> {
  const { storage } = context;
  const found = await withinTime(variantNames, mostMs, context, async (name, signal) => {
    for (const type of Object.keys(pictureTypes) as PictureType[]) {
      const object = await storage.get(pictureKey(video, name, type));
      // From itself onto itself: proves it whole.
      if (object) return { kind: "kept", picture: await keep(video, name, object.body, { storage, signal }) };
    }
    return { kind: "none", reason: "none was stored before" };
  });
  return gathered(found);
}

const nothing: Gathered = { missing: [] };

/** One memory for each account of a worker, for as long as the worker has it. */
const memories = new WeakMap<Upstream, VariantMemory>();

function memoryOf(upstream: Upstream): VariantMemory {
  const memory = memories.get(upstream) ?? openVariantMemory();
  memories.set(upstream, memory);
  return memory;
}

/** Whatever is not done when the time is up, or the worker must stop, is missing. */
async function withinTime(
  names: readonly VariantName[],
  ms: number,
  { signal: stopping }: VariantContext,
  fetch: (name: VariantName, signal: AbortSignal) => Promise<Fetched>,
): Promise<[VariantName, Fetched][]> {
  const cut = new AbortController();
  const { promise: over, resolve } = Promise.withResolvers<Fetched>();
  const end = (kind: Miss | "unsaid", reason: string) => {
    resolve({ kind, reason });
    cut.abort(new Error(reason));
  };
  const stop = () => end("unsaid", "the worker stops");
  const timer = setTimeout(end, ms, "missed", `no end after ${ms} ms`);
  stopping.addEventListener("abort", stop, { once: true });
  if (stopping.aborted) stop();
  try {
    return await Promise.all(
      names.map(async (name): Promise<[VariantName, Fetched]> => {
        const fetching = fetch(name, cut.signal).catch((error: Error) => missOf(error));
        return [name, await Promise.race([fetching, over])];
      }),
    );
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener("abort", stop);
  }
}

async function fetchOne(
  video: VideoIn<"downloading">,
  name: VariantName,
  upstream: Upstream,
  room: Pick<StageContext, "storage" | "signal">,
): Promise<Fetched> {
  const content = await upstream.content(video.task.id, { variant: name, signal: room.signal });
  if (content.kind !== "bytes") return { kind: missKinds[content.kind], reason: content.reason };
  try {
    if ((content.totalBytes ?? 0) > maxPictureBytes)
      return { kind: "none", reason: `${content.totalBytes} bytes are too many for a picture` };
    return { kind: "kept", picture: await keep(video, name, content.body, room) };
  } finally {
    // A server that does not know the parameter sends the whole video: no more of it than its head is read.
    content.body.destroy();
  }
}

const missKinds: Readonly<Record<Exclude<Content["kind"], "bytes">, Miss | "unsaid">> = {
  not_ready: "none",
  not_video: "none",
  missed: "missed",
  // Of this task alone.
  expired: "unsaid",
};

class NoPictureError extends Error {}

function missOf(error: Error): Fetched {
  const kind = error instanceof NoPictureError ? "none" : error instanceof StorageError ? "unsaid" : "missed";
  return { kind, reason: error.message };
}

/** Wherever a picture of a video may lie, recorded or not. */
export const pictureKeys = (video: Pick<Video, "id" | "createdAt">): string[] =>
  variantNames.flatMap((name) =>
    (Object.keys(pictureTypes) as PictureType[]).map((type) => pictureKey(video, name, type)),
  );

const pictureKey = (video: Pick<Video, "id" | "createdAt">, name: VariantName, type: PictureType): string =>
  fileKey(video, `${name}.${type}`);

/** @throws NoPictureError, or whatever the stream or the storage failed with */
async function keep(
  video: VideoIn<"downloading">,
  name: VariantName,
  body: Readable,
  { storage, signal }: Pick<StageContext, "storage" | "signal">,
): Promise<Picture> {
  const { head, rest } = await peek(body);
  const type = pictureTypeOf(head);
  if (!type) throw new NoPictureError(`the bytes are no picture: they begin with ${shown(head)}`);
  const key = pictureKey(video, name, type);
  const contentType = pictureTypes[type];
  const { bytes, sha256 } = await storage.put(key, rest, { contentType, signal, judge: new PictureJudge(type) });
  return { key, bytes, sha256, contentType };
}

function gathered(fetched: readonly (readonly [VariantName, Fetched])[]): Gathered {
  const kept = fetched.flatMap(([name, one]) => (one.kind === "kept" ? [[name, one.picture] as const] : []));
  const missing = fetched.flatMap(([name, one]) => (one.kind === "kept" ? [] : [`no ${name}: ${one.reason}`]));
  return kept.length === 0 ? { missing } : { variants: Object.fromEntries(kept), missing };
}
