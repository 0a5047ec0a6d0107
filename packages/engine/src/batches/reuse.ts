import type { VideoId, VideoIn } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { readable } from "../record.ts";
import { isParked } from "./pool.ts";

/** What is known of a clip that was asked for before. */
export type Rendered =
  | { readonly kind: "stored"; readonly video: VideoIn<"stored"> }
  /** Somebody has it rendered right now. */
  | { readonly kind: "coming"; readonly id: VideoId }
  /** It waits in a batch that may never let it go: whoever asks again may have it rendered in that one's place. */
  | { readonly kind: "parked"; readonly id: VideoId; readonly version: number };

/** What a render key leads to: the video that was asked for last, and that one where it is of use. */
interface Found {
  readonly seen?: VideoId;
  readonly video?: Rendered | undefined;
}

/** So many files are looked for at once. */
const atOnce = 16;

/** Finds what of a list of render keys a project has already; a stored one only while its file is there, whole. */
export async function findRendered(
  renderKeys: readonly string[],
  project: string,
  { redis, keys, storage }: Pick<Engine, "redis" | "keys" | "storage">,
): Promise<readonly Found[]> {
  if (renderKeys.length === 0) return [];
  const ids = (await redis.hmget(keys.renders(project), ...renderKeys)) as (VideoId | null)[];
  const wanted = [...new Set(ids.filter((id) => id !== null))];
  const texts = wanted.length > 0 ? await redis.mget(wanted.map(keys.video)) : [];
  const found = new Map<VideoId, Rendered>();
  for (let from = 0; from < wanted.length; from += atOnce) {
    const part = wanted.slice(from, from + atOnce);
    await Promise.all(
      part.map(async (id, index) => {
        const [video] = readable(id, texts[from + index]);
        if (!video || video.project !== project || video.status === "failed" || video.status === "cancelled") return;
        if (isParked(video)) found.set(id, { kind: "parked", id, version: video.version });
        else if (video.status !== "stored") found.set(id, { kind: "coming", id });
        else if ((await storage.head(video.file.key))?.bytes === video.file.bytes)
          found.set(id, { kind: "stored", video });
      }),
    );
  }
  return ids.map((id) => (id === null ? {} : { seen: id, video: found.get(id) }));
}
