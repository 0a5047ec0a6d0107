import { Readable } from "node:stream";
import type { VideoIn } from "@reelq/contract";
import type { Content, Upstream } from "@reelq/upstream";
import { openPace, PaceError } from "./pace.ts";
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

  async function* whole(): AsyncGenerator<Buffer> {
    let part = first;
    const count = openPace(() => performance.now());
    let from = 0;
    for (let resumes = 0; ; resumes += 1) {
      try {
        for await (const chunk of part.body as AsyncIterable<Buffer>) {
          from += chunk.length;
          count(chunk.length);
          yield chunk;
        }
        return;
      } catch (error) {
        const mayGoOn =
          canResume && from > 0 && resumes < mostResumes && !signal.aborted && !(error instanceof PaceError);
        const next = mayGoOn ? await goOn(from) : undefined;
        if (!next) throw error;
        part = next;
      }
    }
  }

  /** The rest of the same file; undefined where the server begins anew or has nothing. */
  async function goOn(from: number): Promise<Bytes | undefined> {
    const { id, contentUrl } = video.task;
    const content = await upstream.content(id, { from, contentUrl, etag: first.etag, signal });
    if (content.kind !== "bytes") return undefined;
    const isSameFile =
      content.from === from && (first.totalBytes === undefined || content.totalBytes === first.totalBytes);
    if (isSameFile) return content;
    content.body.destroy();
    return undefined;
  }

  return Readable.from(whole(), { objectMode: false });
}
