import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Storage } from "@reelq/engine";
import type { Finding } from "./check.ts";

/**
 * Writes, reads and deletes a few bytes below `doctor/`.
 * @throws Error that names the step, with the storage's own words
 */
export async function tryStorage(storage: Storage, signal: AbortSignal): Promise<Finding[]> {
  const key = `doctor/${randomUUID()}.txt`;
  const written = Buffer.from(`${key}\n`);
  try {
    const options = { contentType: "text/plain", signal };
    await step("it cannot be written", storage.put(key, Readable.from([written]), options));
    const read = await step("what was written cannot be read", readBack(storage, key));
    if (!read?.equals(written)) throw new Error("it does not give back what was just written");
  } catch (error) {
    // The first failure matters more.
    await storage.remove(key).catch(() => undefined);
    throw error;
  }
  await step(`${key} was written and cannot be deleted`, storage.remove(key));
  const remains = await step("it cannot be seen whether what was deleted is gone", storage.head(key));
  if (remains) throw new Error(`it still has ${key}, which was just deleted`);
  return [{ name: "storage", state: "ok", found: `${storage.place} can be written, read and deleted in` }];
}

async function readBack(storage: Storage, key: string): Promise<Buffer | undefined> {
  const found = await storage.get(key);
  return found && buffer(found.body);
}

async function step<Value>(failure: string, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${failure}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
