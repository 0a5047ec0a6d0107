import { createHash } from "node:crypto";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

interface TakenIn {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Hands the body's chunks to the writer, and counts and hashes them on the way. However it ends, the body is
 * spent or destroyed, so that whoever feeds it lets go.
 * @throws what the body failed with, the signal's reason, or what the writer threw
 */
export async function takeIn(
  body: Readable,
  signal: AbortSignal | undefined,
  write: (chunks: AsyncIterable<Buffer>) => Promise<void>,
): Promise<TakenIn> {
  const hash = createHash("sha256");
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    signal?.throwIfAborted();
    // Not awaited: a body may be slow to close after an abort. What goes wrong here reaches whoever reads `measure`.
    pipeline(body, measure, signal ? { signal } : {}).catch(() => undefined);
    await write(measure);
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    measure.destroy();
    body.destroy();
  }
}
