import { finished, Readable } from "node:stream";
import type { StoredFile, Video, VideoIn } from "@reelq/contract";
import type { Clock } from "./clock.ts";
import {
  contentTypes,
  containerOf,
  differencesFrom,
  magicBytes,
  type Media,
  MediaJudge,
  UnusableBytesError,
} from "./media.ts";
import type { Storage } from "./storage/storage.ts";

/** The pictures that were stored beside a video; of each that was not, a sentence that says why. */
export interface Gathered {
  readonly variants?: NonNullable<StoredFile["variants"]>;
  readonly missing: readonly string[];
}

/**
 * Streams a video's bytes into storage under its deterministic key, and a JSON sidecar beside it. What is
 * no whole video is refused before the storage can commit it.
 * @param gather brings the pictures, once the video itself is safe
 * @throws UnusableBytesError, or whatever the stream or the storage failed with
 */
export async function store(
  video: VideoIn<"downloading">,
  body: Readable,
  gather: () => Promise<Gathered>,
  context: { readonly storage: Storage; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<{ readonly file: StoredFile; readonly missing: readonly string[] }> {
  const whole = await putWhole(video, body, context);
  const { variants, missing } = await gather();
  const file: StoredFile = {
    ...whole,
    sidecarKey: `${whole.key}.json`,
    differences: differencesFrom(video.request, whole.media),
    ...(variants ? { variants } : {}),
  };
  await putSidecar(video, file, context);
  return { file, missing };
}

async function putWhole(
  video: VideoIn<"downloading">,
  body: Readable,
  { storage, signal }: { readonly storage: Storage; readonly signal: AbortSignal },
): Promise<Omit<StoredFile, "sidecarKey" | "differences" | "variants" | "media"> & { readonly media: Media }> {
  try {
    const { head, rest } = await peek(body);
    const container = containerOf(head);
    if (!container)
      throw new UnusableBytesError("not_video", `The bytes are no video: they begin with ${shown(head)}.`);
    const judge = new MediaJudge(container);
    const contentType = contentTypes[container];
    const key = fileKey(video, container);
    const { bytes, sha256 } = await storage.put(key, rest, { contentType, signal, judge });
    return { key, bytes, sha256, contentType, media: judge.media };
  } finally {
    // At once: else what feeds it, once it is cut, would be fetched anew for nobody.
    body.destroy();
  }
}

/** What an earlier try put and could not record, under whichever key it would have; a put is all or nothing. */
export async function storedBefore(video: VideoIn<"downloading">, storage: Storage): Promise<Readable | undefined> {
  for (const container of Object.keys(contentTypes)) {
    const found = await storage.get(fileKey(video, container));
    if (found) return found.body;
  }
  return undefined;
}

/** `2026/11/22/video_….mp4`, by the day the video was asked for (UTC): the same key on every try. */
export function fileKey({ id, createdAt }: Pick<Video, "id" | "createdAt">, extension: string): string {
  return `${new Date(createdAt).toISOString().slice(0, 10).replaceAll("-", "/")}/${id}.${extension}`;
}

/** Enough of the stream to know what it is; `rest` is the whole of it again. */
export async function peek(body: Readable): Promise<{ head: Buffer; rest: Readable }> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < magicBytes && !body.readableEnded) {
    const chunk = body.read() as Buffer | null;
    if (chunk === null) {
      await moreOf(body);
      continue;
    }
    chunks.push(chunk);
    length += chunk.length;
  }
  const head = Buffer.concat(chunks);
  if (body.readableEnded) return { head, rest: Readable.from([head], { objectMode: false }) };
  body.unshift(head);
  return { head, rest: body };
}

/** Resolves when there is more to read, or the end. */
async function moreOf(body: Readable): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  body.once("readable", resolve);
  const forget = finished(body, { writable: false }, (error) => (error ? reject(error) : resolve()));
  try {
    await promise;
  } finally {
    body.off("readable", resolve);
    forget();
  }
}

export const shown = (head: Buffer): string =>
  head.length === 0 ? "nothing at all" : JSON.stringify(head.toString("latin1", 0, magicBytes));

/** All that is known of the file, for whoever finds it in the bucket in ten years. */
async function putSidecar(
  video: VideoIn<"downloading">,
  file: StoredFile,
  { storage, clock }: { readonly storage: Storage; readonly clock: Clock },
): Promise<void> {
  const { request, task, lane } = video;
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const sidecar = {
    id: video.id,
    request: { ...request, reference: request.reference ?? null, remixOf: request.remixOf ?? null },
    model: request.model,
    upstream: lane.upstream,
    task: task.id,
    times: {
      created: iso(video.createdAt),
      accepted: iso(task.acceptedAt),
      completed: iso(task.completedAt),
      stored: iso(clock.now()),
      upstreamExpires: iso(task.expiresAt),
    },
    file: {
      key: file.key,
      bytes: file.bytes,
      sha256: file.sha256,
      contentType: file.contentType,
      media: file.media ?? null,
      differences: file.differences,
      variants: file.variants ?? {},
    },
  };
  await storage.put(file.sidecarKey, Readable.from([Buffer.from(`${JSON.stringify(sidecar, null, 2)}\n`)]), {
    contentType: "application/json",
  });
}
