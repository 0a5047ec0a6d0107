import { PassThrough, Readable } from "node:stream";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type BlockMemory, type Loan, sharedMemory } from "../../packages/engine/src/storage/block-memory.ts";
import { type Block, inBlocks } from "../../packages/engine/src/storage/blocks.ts";

/** All that is ready to run runs first. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Memory that knows how much of it is away, and that nothing is given back twice. */
function counted(memory: BlockMemory): BlockMemory & { readonly away: () => number; readonly most: () => number } {
  let [away, most] = [0, 0];
  return {
    blockBytes: memory.blockBytes,
    away: () => away,
    most: () => most,
    async take() {
      const loan = await memory.take();
      away += 1;
      most = Math.max(most, away);
      let isBack = false;
      return {
        bytes: loan.bytes,
        full: () => loan.full(),
        giveBack() {
          expect(isBack).toBe(false);
          isBack = true;
          away -= 1;
          // Whoever reads what was given back reads nonsense.
          loan.bytes.fill(0xee);
          loan.giveBack();
        },
      };
    },
  };
}

/** The blocks as they were when they came. */
async function gathered(blocks: AsyncIterable<Block>): Promise<Pick<Block, "bytes" | "isLast">[]> {
  const all: Pick<Block, "bytes" | "isLast">[] = [];
  for await (const { bytes, isLast } of blocks) {
    await turn();
    all.push({ bytes: Buffer.from(bytes), isLast });
  }
  return all;
}

/** A body that says this much and never ends. */
function endless(said: Buffer): PassThrough {
  const body = new PassThrough();
  body.on("error", () => undefined);
  body.write(said);
  return body;
}

/** Takers, and what each of them got. */
function takers(memory: BlockMemory, count: number) {
  const order: number[] = [];
  const loans = new Map<number, Loan>();
  for (let taker = 0; taker < count; taker += 1)
    void memory.take().then((loan) => {
      order.push(taker);
      loans.set(taker, loan);
    });
  return { order, loan: (taker: number) => loans.get(taker)! };
}

const open = (blockBytes: number, places = 2) => sharedMemory(blockBytes, places, 2_000);

describe("a body in blocks", () => {
  test.for([1, 2] as const)(
    "comes whole and in order, in full blocks, however it is cut (%d at once)",
    async (blocks) => {
      const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
      await fc.assert(
        fc.asyncProperty(chunks, fc.integer({ min: 1, max: 32 }), fc.boolean(), async (cut, blockBytes, isSlow) => {
          async function* said() {
            for (const chunk of cut) {
              if (isSlow) await turn();
              yield chunk;
            }
          }
          const memory = counted(open(blockBytes));
          const body = Readable.from(said(), { objectMode: false });
          const all = await gathered(inBlocks(body, { memory, blocks }, undefined));
          expect(Buffer.concat(all.map(({ bytes }) => bytes))).toEqual(Buffer.concat(cut));
          expect(all.slice(0, -1).every(({ bytes, isLast }) => bytes.length === blockBytes && !isLast)).toBe(true);
          expect(all.at(-1)?.isLast).toBe(true);
          expect(memory.most()).toBeLessThanOrEqual(blocks);
          await turn();
          expect(memory.away()).toBe(0);
        }),
        { numRuns: 100 },
      );
    },
  );

  test("is one empty block where it is empty", async () => {
    const memory = counted(open(8));
    expect(await gathered(inBlocks(Readable.from([]), { memory, blocks: 2 }, undefined))).toEqual([
      { bytes: Buffer.alloc(0), isLast: true },
    ]);
    await turn();
    expect(memory.away()).toBe(0);
  });

  test("may say words instead of bytes", async () => {
    const memory = counted(open(8));
    const body = Readable.from(["gr", "üße aus Köln"]);
    const all = await gathered(inBlocks(body, { memory, blocks: 1 }, undefined));
    expect(Buffer.concat(all.map(({ bytes }) => bytes)).toString()).toBe("grüße aus Köln");
  });

  test.for([0, 3, 8, 20])("that fails after %d bytes throws its reason, and leaves no memory", async (said) => {
    const memory = counted(open(8));
    const reason = new Error("The line is dead.");
    async function* failing() {
      yield Buffer.alloc(said);
      await turn();
      throw reason;
    }
    const body = Readable.from(failing(), { objectMode: false });
    await expect(gathered(inBlocks(body, { memory, blocks: 2 }, undefined))).rejects.toBe(reason);
    await turn();
    expect(memory.away()).toBe(0);
  });

  test("that is cut off throws, and leaves no memory", async () => {
    const memory = counted(open(8));
    const body = endless(Buffer.alloc(11));
    const gathering = gathered(inBlocks(body, { memory, blocks: 2 }, undefined));
    await turn();
    body.destroy();
    await expect(gathering).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    await turn();
    expect(memory.away()).toBe(0);
  });

  test.for([0, 3, 8, 20])("that never ends after %d bytes throws an aborted signal's reason", async (said) => {
    const memory = counted(open(8));
    const stopping = new AbortController();
    const reason = new Error("The worker stops.");
    const body = endless(Buffer.alloc(said));
    const gathering = gathered(inBlocks(body, { memory, blocks: 2 }, stopping.signal));
    await turn();
    stopping.abort(reason);
    await expect(gathering).rejects.toBe(reason);
    await turn();
    expect(memory.away()).toBe(0);
    expect(body.listenerCount("data")).toBe(0);
    body.destroy();
  });

  test("throws the reason of a signal that was aborted before the first block was asked for", async () => {
    const stopping = new AbortController();
    const body = endless(Buffer.alloc(3));
    const blocks = inBlocks(body, { memory: open(8), blocks: 2 }, stopping.signal);
    const reason = new Error("The worker stops.");
    stopping.abort(reason);
    const timeUp = AbortSignal.timeout(1_000);
    timeUp.addEventListener("abort", () => body.destroy(new Error("The signal was not heard.")));
    await expect(gathered(blocks)).rejects.toBe(reason);
    body.destroy();
  });

  test("leaves no memory where its reader stops or fails", async () => {
    const memory = counted(open(8));
    for (const end of ["stops", "fails"]) {
      const body = endless(Buffer.alloc(30));
      const reading = async () => {
        for await (const { isLast } of inBlocks(body, { memory, blocks: 2 }, undefined)) {
          expect(isLast).toBe(false);
          if (end === "stops") return;
          throw new Error("The disk is full.");
        }
      };
      if (end === "stops") await reading();
      else await expect(reading()).rejects.toThrow("The disk is full.");
      await turn();
      expect(memory.away()).toBe(0);
      body.destroy();
    }
  });
});

test("with two blocks one is filled while the other one is worked on, with one the body rests", async () => {
  for (const blocks of [1, 2] as const) {
    const memory = counted(open(8));
    const body = endless(Buffer.alloc(9));
    const reading = inBlocks(body, { memory, blocks }, undefined);
    await reading.next();
    await turn();
    expect(memory.away()).toBe(blocks);
    expect(body.isPaused()).toBe(blocks === 1);
    await reading.return(undefined);
    body.destroy();
  }
});

test("a body that ends while it waits for memory leaves its place to the next one", async () => {
  const memory = open(8, 1);
  const first = await memory.take();
  const stopping = new AbortController();
  const body = endless(Buffer.alloc(3));
  const gathering = gathered(inBlocks(body, { memory, blocks: 1 }, stopping.signal));
  await turn();
  stopping.abort(new Error("The worker stops."));
  await expect(gathering).rejects.toThrow("The worker stops.");
  const { order, loan } = takers(memory, 1);
  first.giveBack();
  await turn();
  // Were it still away, its place would be free only after two seconds.
  expect(order).toEqual([0]);
  loan(0).giveBack();
  body.destroy();
});

describe("shared memory", () => {
  afterEach(() => void vi.useRealTimers());

  test("lends to those who wait in the order in which they came", async () => {
    const { order, loan } = takers(open(8, 2), 5);
    await turn();
    expect(order).toEqual([0, 1]);
    loan(1).giveBack();
    await turn();
    expect(order).toEqual([0, 1, 2]);
    loan(0).giveBack();
    loan(2).giveBack();
    await turn();
    expect(order).toEqual([0, 1, 2, 3, 4]);
    for (const taker of [3, 4]) loan(taker).giveBack();
  });

  test("has all its places again once all is given back", async () => {
    const memory = open(8, 2);
    for (let round = 0; round < 3; round += 1) {
      const { order, loan } = takers(memory, 3);
      await turn();
      expect(order).toHaveLength(2);
      for (const taker of [0, 1]) loan(taker).giveBack();
      await turn();
      loan(2).giveBack();
    }
  });

  test("is used again while some of it is away, and let go once all is back", async () => {
    const memory = open(8, 2);
    const [first, second] = [await memory.take(), await memory.take()];
    first.giveBack();
    const third = await memory.take();
    expect(third.bytes).toBe(first.bytes);
    second.giveBack();
    third.giveBack();
    const fourth = await memory.take();
    expect([first.bytes, second.bytes]).not.toContain(fourth.bytes);
    fourth.giveBack();
  });

  test("what comes back from another thread is lent again, and what has not come back is not", async () => {
    const memory = open(8);
    const [kept, lent, lost] = [await memory.take(), await memory.take(), await memory.take()];
    lent.bytes = Buffer.from(structuredClone(lent.bytes.buffer, { transfer: [lent.bytes.buffer as ArrayBuffer] }));
    const back = lent.bytes;
    structuredClone(lost.bytes.buffer, { transfer: [lost.bytes.buffer as ArrayBuffer] });
    lost.giveBack();
    lent.giveBack();
    expect((await memory.take()).bytes).toBe(back);
    expect((await memory.take()).bytes).toHaveLength(8);
    kept.giveBack();
  });

  test("whoever fills a block for two seconds leaves the place to the next, once", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { order, loan } = takers(open(8, 1), 3);
    await turn();
    vi.advanceTimersByTime(1_999);
    await turn();
    expect(order).toEqual([0]);
    vi.advanceTimersByTime(1);
    await turn();
    expect(order).toEqual([0, 1]);
    expect(loan(1).bytes).not.toBe(loan(0).bytes);
    loan(0).giveBack();
    await turn();
    expect(order).toEqual([0, 1]);
    loan(1).giveBack();
    await turn();
    expect(order).toEqual([0, 1, 2]);
    loan(2).giveBack();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("whoever has filled a block keeps the place until it is out", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { order, loan } = takers(open(8, 1), 2);
    await turn();
    loan(0).full();
    vi.advanceTimersByTime(60_000);
    await turn();
    expect(order).toEqual([0]);
    loan(0).giveBack();
    await turn();
    expect(order).toEqual([0, 1]);
    loan(1).giveBack();
  });
});
