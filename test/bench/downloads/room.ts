import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { type AwsSettings, openStorage } from "@reelq/engine";
import { CannotRunError } from "../frame/bench.ts";
import { type S3Server, startS3Server } from "../../support/s3-server.ts";
import type { Films } from "./film-server.ts";

/** Where one side puts its files, empty at first. */
export interface Room {
  /** As STORAGE_URL has it. */
  readonly url: string;
  readonly aws: AwsSettings;
  /** @throws where one of the files is not there, or not the film */
  check(keys: readonly string[], films: Films): Promise<void>;
}

export interface Folder extends Room {
  readonly path: string;
}

export interface Bucket extends Room {
  readonly server: S3Server;
}

const roomOf = (url: string, aws: AwsSettings): Room => ({
  url,
  aws,
  async check(keys, films) {
    const storage = openStorage(url, aws);
    try {
      for (const key of keys) {
        const found = await storage.head(key);
        if (found?.bytes !== films.bytes)
          throw new Error(`${key} has ${found?.bytes ?? "no"} bytes of ${films.bytes}.`);
      }
      // One of them to the byte: to read them all would take longer than to carry them.
      const key = keys[Math.floor(Math.random() * keys.length)] ?? "";
      const hash = createHash("sha256");
      const found = await storage.get(key);
      if (found) await pipeline(found.body, hash);
      if (hash.digest("hex") !== films.sha256) throw new Error(`${key} is not what the upstream has.`);
    } finally {
      await storage.close();
    }
  },
});

/** A folder that is gone afterwards, with all that was put into it. */
export async function inFolder<Result>(use: (folder: Folder) => Promise<Result>): Promise<Result> {
  const path = await mkdtemp(join(tmpdir(), "reelq-downloads-"));
  try {
    return await use({ ...roomOf(`file:${path}`, {}), path });
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/**
 * A bucket on a server of its own, which keeps everything in memory, and so must end with each side.
 * @throws CannotRunError where there is no server
 */
export async function inBucket<Result>(use: (bucket: Bucket) => Promise<Result>): Promise<Result> {
  const { stop, ...server } = await startS3Server({});
  try {
    if ("skipped" in server) throw new CannotRunError(`There is no S3 server: ${server.skipped}`);
    const { endpoint, region, bucket, accessKey, secretKey } = server;
    const aws = { endpoint, region, accessKeyId: accessKey, secretAccessKey: secretKey };
    return await use({ ...roomOf(`s3://${bucket}/bench`, aws), server });
  } finally {
    await stop();
  }
}
