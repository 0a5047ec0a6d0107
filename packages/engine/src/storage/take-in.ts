import { createHash } from "node:crypto";
import { addAbortSignal, type Readable } from "node:stream";

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
  async function* measured(): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer | string>) {
      const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
      hash.update(buffer);
      bytes += buffer.length;
      yield buffer;
    }
  }
  // A body may fail before the writer first reads from it; unheard, that would end the process. The read reports it.
  body.on("error", () => undefined);
  try {
    signal?.throwIfAborted();
    if (signal) addAbortSignal(signal, body);
    await write(measured());
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    body.destroy();
  }
}
