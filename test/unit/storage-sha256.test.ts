import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type Sha256, sha256Elsewhere, sha256Here } from "../../packages/engine/src/storage/sha256.ts";

const hex = (...blocks: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const block of blocks) hash.update(block);
  return hash.digest("hex");
};

/** Of memory that nothing else lies in. */
const block = (bytes: Uint8Array): Buffer => {
  const memory = Buffer.allocUnsafeSlow(bytes.length);
  memory.set(bytes);
  return memory;
};

async function hashed(hash: Sha256, blocks: readonly Buffer[], alone: boolean): Promise<string> {
  for (const bytes of blocks) {
    const done = await hash.add(block(bytes), alone);
    expect(done.bytes.equals(bytes)).toBe(true);
    expect(done.sha256).toBe(alone ? hex(bytes) : "");
  }
  const digest = await hash.digest();
  hash.close();
  return digest;
}

const places = [
  ["here", sha256Here],
  ["elsewhere", sha256Elsewhere],
] as const;

test.each(places)("bodies that are hashed %s at once come to their own sums", async (_, open) => {
  const bodies = Array.from({ length: 20 }, (_none, number) =>
    Array.from({ length: number }, () => randomBytes(1 + number * 1_000)),
  );
  const sums = await Promise.all(bodies.map((blocks, number) => hashed(open(), blocks, number % 2 === 0)));
  expect(sums).toEqual(bodies.map((blocks) => hex(...blocks)));
});

test("a block's memory is lent to the thread and comes back with what lies around it", async () => {
  const hash = sha256Elsewhere();
  const memory = block(randomBytes(64));
  const all = Buffer.from(memory);
  const adding = hash.add(memory.subarray(8, 24), false);
  expect(memory).toHaveLength(0);
  const { bytes } = await adding;
  expect(bytes.equals(all.subarray(8, 24))).toBe(true);
  expect(Buffer.from(bytes.buffer).equals(all)).toBe(true);
  hash.close();
});

test("a thread that ends fails what it was asked, and the next body gets another one", async () => {
  const hash = sha256Elsewhere();
  await hash.digest();
  // A sum can be had once: the thread has no answer to this.
  await expect(hash.digest()).rejects.toThrow("The thread that hashes ended");
  await expect(hash.add(block(randomBytes(8)), false)).rejects.toThrow("The thread that hashes ended");
  const bytes = randomBytes(1_000);
  expect(await hashed(sha256Elsewhere(), [bytes], false)).toBe(hex(bytes));
});
