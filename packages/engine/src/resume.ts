import { finished, Readable } from "node:stream";
import type { VideoIn } from "@reelq/contract";
import type { Content, Upstream } from "@reelq/upstream";
import { openPace, type PaceError } from "./pace.ts";
import type { StageContext } from "./stages/context.ts";

export type Bytes = Extract<Content, { kind: "bytes" }>;

/** A stream that breaks off so often is left to another try. */
const mostResumes = 5;

/**
 * The bytes of a file as one stream, whatever breaks on the way: where the server can go on from where it broke
 * off, with the same file, it does, into the same upload.
 */
export function resuming(
  video: VideoIn<"downloading">,
  first: Bytes,
  upstream: Upstream,
  { signal, fleet }: Pick<StageContext, "signal" | "fleet">,
): Readable {
  const canResume = fleet.capability(upstream.name, "range") !== false;
  const count = openPace(() => performance.now());
  let part = first;
  let from = 0;
  let resumes = 0;
  const whole = new Readable({
    // Where nobody reads, one chunk waits here.
    highWaterMark: 1,
    read: () => void part.body.resume(),
    destroy: (error, done) => {
      part.body.destroy();
      done(error);
    },
  });

  // Chunks are handed on as they come: an iterator for each of many streams would take longer than their bytes.
  const pass = (chunk: Buffer) => {
    from += chunk.length;
    try {
      count(chunk.length);
    } catch (error) {
      whole.destroy(error as PaceError);
      return;
    }
    if (!whole.push(chunk)) part.body.pause();
  };

  const follow = () => {
    part.body.on("data", pass);
    finished(part.body, { writable: false }, over);
  };

  const over = (error?: Error | null) => {
    if (error) void mend(error);
    else whole.push(null);
  };

  async function mend(error: Error): Promise<void> {
    const mayGoOn = canResume && from > 0 && resumes < mostResumes && !signal.aborted && !whole.destroyed;
    try {
      const next = mayGoOn ? await goOn() : undefined;
      if (!next) throw error;
      resumes += 1;
      part = next;
      if (whole.destroyed) next.body.destroy();
      else follow();
    } catch (reason) {
      whole.destroy(reason as Error);
    }
  }

  /** The rest of the same file; undefined where the server begins anew or has nothing. */
  async function goOn(): Promise<Bytes | undefined> {
    const { id, contentUrl } = video.task;
    const content = await upstream.content(id, { from, contentUrl, etag: first.etag, signal });
    if (content.kind !== "bytes") return undefined;
    const isSameFile =
      content.from === from && (first.totalBytes === undefined || content.totalBytes === first.totalBytes);
    if (isSameFile) return content;
    content.body.destroy();
    return undefined;
  }

  follow();
  return whole;
}
