import { isFinal, problem, type Video, type VideoId } from "@reelq/contract";
import type { Engine } from "./engine.ts";
import { pictureKeys } from "./variants.ts";

export interface RemovedVideo {
  readonly id: VideoId;
  /** The keys of its files, which are gone. */
  readonly files: readonly string[];
}

/** Takes a video out of the ledger, then its files out of the storage: nobody is led to a file that is gone. */
export async function removeVideo(video: Video, engine: Pick<Engine, "ledger" | "storage">): Promise<RemovedVideo> {
  const { id, status } = video;
  if (!isFinal(status) && status !== "queued")
    throw problem(
      "conflict",
      `${id} is ${status}, and paid for or about to be; it can be deleted once it is completed, failed or cancelled. To throw it away now, POST {"abandon": true} to its /cancel first.`,
      "id",
    );
  const files = filesOf(video);
  // A picture whose worker was killed before it could record it lies there all the same.
  const rubbish = video.status === "stored" ? [...new Set([...files, ...pictureKeys(video)])] : files;
  if (!(await engine.ledger.remove(video, rubbish)))
    throw problem("conflict", `${id} was just moved on by somebody else; try again.`, "id");
  await throwAway(id, rubbish, engine);
  return { id, files };
}

/** Ends what a process that was killed in the middle of a removal left undone. */
export async function emptyTrash(engine: Pick<Engine, "ledger" | "storage">): Promise<void> {
  for (const [id, files] of await engine.ledger.trash()) await throwAway(id, files, engine);
}

async function throwAway(
  id: string,
  files: readonly string[],
  { ledger, storage }: Pick<Engine, "ledger" | "storage">,
): Promise<void> {
  for (const key of files) await storage.remove(key);
  if (files.length > 0) await ledger.emptyTrash(id);
}

/** A reference image stays: other videos may have been made from the same bytes. */
function filesOf(video: Video): string[] {
  if (video.status !== "stored") return [];
  const { key, sidecarKey, variants = {} } = video.file;
  return [key, sidecarKey, ...Object.values(variants).flatMap((variant) => variant?.key ?? [])];
}
