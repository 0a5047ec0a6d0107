import type { Readable } from "node:stream";
import { type Block, type Cut, inBlocks } from "./blocks.ts";
import { dropped } from "./litter.ts";
import type { PutOptions } from "./storage.ts";
import { type Sha256, sha256Elsewhere, sha256Here } from "./sha256.ts";

/** A block whose own sha256 is known too, where it was wanted. */
export interface HashedBlock extends Block {
  /** Hex, or empty. */
  readonly sha256: string;
}

/** How a body is taken in. */
interface Intake extends Cut {
  /** Whether the writer wants each block's own sha256. */
  readonly hashesBlocks: boolean;
}

interface TakenIn {
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * Hands the body's blocks to the writer, and counts, hashes and judges them on the way. However it ends, the body is
 * spent or destroyed, so that whoever feeds it lets go.
 * @throws what the body failed with, the signal's reason, or what the judge or the writer threw
 */
export async function takeIn(
  body: Readable,
  { hashesBlocks, ...cut }: Intake,
  { signal, judge }: Pick<PutOptions, "signal" | "judge">,
  write: (blocks: AsyncIterable<HashedBlock>) => Promise<void>,
): Promise<TakenIn> {
  let hash: Sha256 | undefined;
  let bytes = 0;
  let sha256 = "";
  async function* measured(): AsyncGenerator<HashedBlock> {
    for await (const block of inBlocks(body, cut, signal)) {
      judge?.see(block.bytes);
      if (block.isLast) judge?.end();
      hash ??= block.isLast ? sha256Here() : sha256Elsewhere();
      bytes += block.bytes.length;
      dropped(block.bytes.length);
      const hashed = await hash.add(block.bytes, hashesBlocks);
      block.moved(hashed.bytes);
      // Before it is committed: a put that is done must not fail.
      if (block.isLast) sha256 = await hash.digest();
      yield { ...block, ...hashed };
    }
  }
  // It may fail before the first block is asked for, and after the last one: whoever reads it is told.
  body.on("error", () => undefined);
  try {
    signal?.throwIfAborted();
    await write(measured());
    return { bytes, sha256 };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    body.destroy();
    hash?.close();
  }
}
