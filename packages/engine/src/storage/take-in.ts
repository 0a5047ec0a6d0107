import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { type Block, type Cut, inBlocks } from "./blocks.ts";
import { dropped } from "./litter.ts";

interface TakenIn {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Hands the body's blocks to the writer, and counts and hashes them on the way. However it ends, the body is
 * spent or destroyed, so that whoever feeds it lets go.
 * @throws what the body failed with, the signal's reason, or what the writer threw
 */
export async function takeIn(
  body: Readable,
  cut: Cut,
  signal: AbortSignal | undefined,
  write: (blocks: AsyncIterable<Block>) => Promise<void>,
): Promise<TakenIn> {
  const hash = createHash("sha256");
  let bytes = 0;
  async function* measured(): AsyncGenerator<Block> {
    for await (const block of inBlocks(body, cut, signal)) {
      hash.update(block.bytes);
      bytes += block.bytes.length;
      dropped(block.bytes.length);
      yield block;
    }
  }
  // It may fail before the first block is asked for, and after the last one: whoever reads it is told.
  body.on("error", () => undefined);
  try {
    signal?.throwIfAborted();
    await write(measured());
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    body.destroy();
  }
}
