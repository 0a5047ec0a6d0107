import { randomUUID } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { sharedMemory } from "./block-memory.ts";
import type { Block } from "./blocks.ts";
import { contentTypeOf } from "./content-type.ts";
import { requireKey } from "./key.ts";
import { writeReadDelete } from "./probe.ts";
import { requireInside } from "./range.ts";
import type { ByteRange, PutOptions, Storage, StoredObject } from "./storage.ts";
import { StorageError } from "./storage-error.ts";
import { takeIn } from "./take-in.ts";

/** Keeps objects as files below a folder, which is made when the first one comes. */
export function openFolder({ path }: { readonly path: string }): Storage {
  return new Folder(resolve(path));
}

/** How often a put makes its folders anew when removals of neighbours prune them from under it. */
const PUBLISH_TRIES = 50;

/** Each write is a way to another thread and back, so it is worth some memory to make few of them. */
const writeBytes = 256 * 1024;

/** Of all files together: the threads that hash and write are kept busy by fewer. */
const writesAtOnce = 24;

/** A body that comes at a few MB a second holds no place. */
const fillWithinMs = 100;

class Folder implements Storage {
  readonly place: string;
  readonly #root: string;
  /** Inside the root, so that a rename out of it never crosses filesystems; no key begins with a dot. */
  readonly #incoming: string;
  readonly #memory = sharedMemory(writeBytes, writesAtOnce, fillWithinMs);

  constructor(root: string) {
    this.place = `file:${root}`;
    this.#root = root;
    this.#incoming = join(root, ".incoming");
  }

  async put(key: string, body: Readable, { signal, judge }: PutOptions) {
    return takeIn(body, { memory: this.#memory, blocks: 2, hashesBlocks: false }, { signal, judge }, async (blocks) => {
      const target = this.#pathOf(key);
      const unfinished = join(this.#incoming, randomUUID());
      try {
        await this.#write(unfinished, blocks);
        await this.#explained(this.#publish(unfinished, target));
      } catch (error) {
        // The failure that led here matters more; `abandonUploads` finds what is left.
        await rm(unfinished, { force: true }).catch(() => undefined);
        throw error;
      }
    });
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const found = await this.#explained(orMissing(stat(this.#pathOf(key), { bigint: true })));
    return found?.isFile() ? describe(key, found) : undefined;
  }

  async get(key: string, range?: ByteRange) {
    if (!(await this.head(key))) return undefined;
    const file = await this.#explained(orMissing(open(this.#pathOf(key), "r")));
    if (!file) return undefined;
    try {
      // Asked of the open file, not of its name: another put may have taken over the name since.
      const object = describe(key, await file.stat({ bigint: true }));
      if (range) requireInside(range, object.bytes);
      return { ...object, body: file.createReadStream(range) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    if (!(await this.head(key))) return;
    const path = this.#pathOf(key);
    await this.#explained(rm(path, { force: true }));
    await this.#prune(dirname(path));
  }

  async presign(key: string): Promise<undefined> {
    requireKey(key);
  }

  async probe(): Promise<void> {
    await writeReadDelete(this);
  }

  /** Goes by the last write, so that a long put that still moves is left alone. */
  async abandonUploads(before: number): Promise<number> {
    const names = (await orMissing(readdir(this.#incoming))) ?? [];
    let abandoned = 0;
    for (const name of names) {
      const path = join(this.#incoming, name);
      const found = await orMissing(stat(path));
      if (!found || found.mtimeMs >= before) continue;
      await rm(path, { force: true });
      abandoned += 1;
    }
    return abandoned;
  }

  async close(): Promise<void> {}

  #pathOf(key: string): string {
    requireKey(key);
    return join(this.#root, ...key.split("/"));
  }

  /** Whatever the body fails with is thrown as it is. */
  async #write(path: string, blocks: AsyncIterable<Block>): Promise<void> {
    await this.#explained(mkdir(this.#incoming, { recursive: true }));
    const file = await this.#explained(open(path, "wx"));
    try {
      for await (const { bytes } of blocks) await this.#explained(file.appendFile(bytes));
      await this.#explained(file.sync());
    } finally {
      await file.close();
    }
  }

  async #publish(unfinished: string, target: string, triesLeft = PUBLISH_TRIES): Promise<void> {
    try {
      await mkdir(dirname(target), { recursive: true });
      await rename(unfinished, target);
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || triesLeft <= 1) throw error;
      return this.#publish(unfinished, target, triesLeft - 1);
    }
    for (const folder of this.#upwards(dirname(target))) await syncFolder(folder);
    await syncFolder(this.#root);
  }

  /** Removes the folders that are empty now. */
  async #prune(from: string): Promise<void> {
    for (const folder of this.#upwards(from)) {
      try {
        await rmdir(folder);
      } catch {
        return;
      }
    }
  }

  async #explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw new StorageError("unusable", `${this.place} (STORAGE_URL) cannot be used: ${reason(error)}.`, error);
    }
  }

  /** The folder and those around it, up to the root and without it. */
  *#upwards(from: string): Generator<string> {
    for (let folder = from; folder !== this.#root; folder = dirname(folder)) yield folder;
  }
}

/** Without this, a power cut could take back the rename that was just reported as done. */
async function syncFolder(path: string): Promise<void> {
  const folder = await orMissing(open(path, "r"));
  try {
    await folder?.sync();
  } finally {
    await folder?.close();
  }
}

const describe = (key: string, found: BigIntStats): StoredObject => ({
  bytes: Number(found.size),
  contentType: contentTypeOf(key),
  // The inode tells two puts apart that fall into one tick of a coarse clock.
  etag: `"${found.size.toString(36)}-${found.mtimeNs.toString(36)}-${found.ino.toString(36)}"`,
});

/** Undefined where there is nothing of that name, also because a folder in the path is a file. */
async function orMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined);

const reasons: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the filesystem is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOTDIR: "a part of the path is a file, not a folder",
  EEXIST: "a part of the path is a file, not a folder",
};

const reason = (error: unknown): string => reasons[String(codeOf(error))] ?? String(error);
