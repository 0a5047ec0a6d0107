import { finished, type Readable } from "node:stream";
import type { BlockMemory, Loan } from "./block-memory.ts";

/** A piece of a body. Its bytes are valid until the next one is asked for. */
export interface Block {
  readonly bytes: Buffer;
  /** The last one may be empty or a part of a block; all others are full. */
  readonly isLast: boolean;
  /** Must be told where the bytes are, if they have been moved. */
  moved(bytes: Buffer): void;
}

/** How a body is cut. */
export interface Cut {
  readonly memory: BlockMemory;
  /** With two, one is filled while the other one is worked on; with one, the body rests meanwhile. */
  readonly blocks: 1 | 2;
}

/**
 * A body's bytes in blocks. They are copied, as they come, into memory that is used again and again: were the chunks
 * themselves kept until they are written, the collector would walk the whole heap again and again to find them.
 * @param signal its reason is thrown even where the body does not end when it is destroyed
 * @throws what the body failed with, or the signal's reason, whatever came before
 */
export async function* inBlocks(
  body: Readable,
  { memory, blocks }: Cut,
  signal: AbortSignal | undefined,
): AsyncGenerator<Block> {
  signal?.throwIfAborted();
  const loans = new Set<Loan>();
  let asked = 0;
  let block: Loan | undefined;
  let filled = 0;
  /** What no block had room for. */
  let rest: Buffer | undefined;
  let isOver = false;
  let isLeft = false;
  let failure: { readonly reason: unknown } | undefined;
  let wake: () => void = () => undefined;

  const ask = async () => {
    if (block || asked > 0 || loans.size >= blocks) return;
    asked += 1;
    const loan = await memory.take();
    asked -= 1;
    if (isLeft) return loan.giveBack();
    loans.add(loan);
    block = loan;
    filled = 0;
    goOn();
  };
  const take = (chunk: Buffer) => {
    const copied = block ? chunk.copy(block.bytes, filled) : 0;
    filled += copied;
    rest = copied < chunk.length ? chunk.subarray(copied) : undefined;
    if (!rest) return;
    body.pause();
    if (block) wake();
    else ask().catch(fail);
  };
  const goOn = () => {
    if (rest) take(rest);
    if (!rest && !isOver) body.resume();
    if (!rest && isOver) wake();
  };
  const fail = (reason: unknown) => {
    failure ??= { reason };
    wake();
  };

  const listen = (chunk: Uint8Array | string) => take(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk));
  const abort = () => fail(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const forget = finished(body, { writable: false }, (error) => {
    isOver = true;
    if (error) fail(error);
    else wake();
  });
  const isReady = () => failure !== undefined || (rest ? block !== undefined : isOver);
  body.on("data", listen);
  try {
    for (;;) {
      while (!isReady()) await new Promise<void>((resolve) => (wake = resolve));
      if (failure) throw failure.reason;
      const isLast = !rest;
      const full = block;
      const bytes = full ? full.bytes.subarray(0, filled) : Buffer.alloc(0);
      block = undefined;
      full?.full();
      goOn();
      yield { bytes, isLast, moved: (where) => full && (full.bytes = Buffer.from(where.buffer)) };
      if (isLast) return;
      if (full) loans.delete(full);
      full?.giveBack();
      goOn();
    }
  } finally {
    isLeft = true;
    signal?.removeEventListener("abort", abort);
    body.off("data", listen);
    forget();
    for (const loan of loans) loan.giveBack();
  }
}
