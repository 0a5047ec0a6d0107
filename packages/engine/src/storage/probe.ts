import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Storage } from "./storage.ts";
import { StorageError } from "./storage-error.ts";

/** Writes, reads and deletes a few bytes. */
export async function writeReadDelete(room: Storage): Promise<void> {
  const key = `probe-${randomUUID()}.bin`;
  const written = Buffer.from(key);
  await room.put(key, Readable.from([written]), { contentType: "application/octet-stream" });
  const found = await room.get(key);
  const read = found && (await buffer(found.body));
  await room.remove(key);
  const remains = await room.head(key);
  if (!read?.equals(written)) {
    throw new StorageError("unusable", `${room.place} (STORAGE_URL) did not give back what was just written to it.`);
  }
  if (remains)
    throw new StorageError("unusable", `${room.place} (STORAGE_URL) still has what was just deleted from it.`);
}
