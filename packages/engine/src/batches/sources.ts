import { buffer } from "node:stream/consumers";
import type { BatchBody, ClipBody } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import type { Storage } from "../storage/storage.ts";
import { batchView } from "./batch-view.ts";
import { clipView } from "./clip-view.ts";
import { readPairs } from "./pairs.ts";
import type { BatchRecord } from "./record.ts";

/** What a report is written from. */
export interface ReportSources {
  readonly batch: BatchBody;
  /** In the manifest's order; each call reads them anew. */
  readonly clips: () => AsyncIterable<ClipBody>;
}

/** A batch as it will be once it is over. */
export async function sourcesOf(batch: BatchRecord, engine: Engine): Promise<ReportSources> {
  const over = { ...batch, state: batch.ending ?? ("completed" as const), endedAt: engine.clock.now(), reported: true };
  return { batch: await batchView(over, engine), clips: () => clipsOf(batch, engine) };
}

async function* clipsOf(batch: BatchRecord, engine: Engine): AsyncGenerator<ClipBody> {
  for await (const pair of readPairs(batch, engine)) {
    const clip = clipView(pair, engine.fleet);
    if (clip) yield clip;
  }
}

/** A larger picture is no thumbnail. */
const maxThumbnailBytes = 200 * 1024;

const pictures = ["image/webp", "image/png", "image/jpeg"];

/** A clip's small picture as a `data:` URL; null where there is none, or none that can be read: a report without it is better than none. */
export async function thumbnailUrl({ file }: Pick<ClipBody, "file">, storage: Storage): Promise<string | null> {
  if (!file?.thumbnail) return null;
  try {
    const found = await storage.get(file.thumbnail);
    if (found && found.bytes <= maxThumbnailBytes && pictures.includes(found.contentType))
      return `data:${found.contentType};base64,${(await buffer(found.body)).toString("base64")}`;
    found?.body.destroy();
    return null;
  } catch {
    return null;
  }
}
