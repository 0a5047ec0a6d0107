import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { newFileId, isFileId, problem } from "@reelq/contract";
import { z } from "zod";
import type { Engine } from "./engine.ts";
import { readIdPage } from "./id-page.ts";
import type { Caller } from "./caller.ts";
import { maxReferenceBytes } from "./reference.ts";

/** The largest uploaded file, in bytes: what the OpenAI shape allows a batch's input to have. */
export const maxUploadBytes = 200 * 1024 * 1024;

/** What a file is for, as the OpenAI shape says it. */
export const uploadPurposes = ["vision", "user_data", "batch", "batch_output", "assistants", "fine-tune", "evals"];

const uploadSchema = z.object({
  id: z.string(),
  project: z.string(),
  /** What the producer calls it: for people, never a part of a key. */
  filename: z.string(),
  purpose: z.string(),
  bytes: z.number().int().nonnegative(),
  /** Hex. */
  sha256: z.string(),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  /** Where its bytes are in storage. */
  key: z.string(),
});

/** A file that a producer sent ahead, to name it later. */
export type Upload = z.infer<typeof uploadSchema>;

/** One whose bytes are in storage, and which nobody can name yet. */
export type Kept = Omit<Upload, "purpose">;

interface UploadListOptions {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
  readonly purpose?: string | undefined;
}

/** The files of producers. Every call throws ProblemError for what a caller can mend. */
export interface Uploads {
  /** Streams a file into the storage; nobody can name it before it is recorded. */
  keep(body: Readable, filename: string, caller: Caller): Promise<Kept>;
  record(kept: Kept, purpose: string): Promise<Upload>;
  /** Takes back what will not be recorded. */
  discard(kept: Kept): Promise<void>;
  read(id: string, caller: Caller): Promise<Upload>;
  list(options: UploadListOptions, caller: Caller): Promise<{ uploads: readonly Upload[]; hasMore: boolean }>;
  remove(id: string, caller: Caller): Promise<Upload>;
  /** Its bytes, to be read to their end or destroyed. */
  open(upload: Upload): Promise<Readable>;
  /** The whole of one that is to be a reference image. */
  image(id: string, caller: Caller): Promise<Uint8Array>;
}

export function openUploads({ redis, keys, storage, clock }: Engine): Uploads {
  async function read(id: string, caller: Caller): Promise<Upload> {
    const text = isFileId(id) ? await redis.hget(keys.uploads, id) : null;
    const upload = text === null ? undefined : uploadSchema.parse(JSON.parse(text));
    if (!upload || !(caller.isAdmin || upload.project === caller.project))
      throw problem("not_found", `There is no file ${JSON.stringify(id)}.`, "file_id");
    return upload;
  }

  async function open(upload: Upload): Promise<Readable> {
    const object = await storage.get(upload.key);
    if (!object) throw problem("not_found", `The bytes of ${upload.id} are no longer in storage.`, "file_id");
    return object.body;
  }

  return {
    async keep(body, filename, { project }) {
      const createdAt = clock.now();
      const key = `files/${randomUUID()}`;
      const { bytes, sha256 } = await storage.put(key, body, { contentType: "application/octet-stream" });
      return { id: newFileId(createdAt), project, filename, bytes, sha256, createdAt, key };
    },

    async record(kept, purpose) {
      const upload: Upload = { ...kept, purpose };
      await redis
        .multi()
        .hset(keys.uploads, upload.id, JSON.stringify(upload))
        .zadd(keys.projectUploads(upload.project), 0, upload.id)
        .sadd(keys.projects, upload.project)
        .exec();
      return upload;
    },

    discard: ({ key }) => storage.remove(key),

    read,

    async list({ after, limit, order, purpose }, { project, isAdmin }) {
      const projects = isAdmin ? await redis.smembers(keys.projects) : [project];
      const indexes = projects.map(keys.projectUploads);
      const uploads: Upload[] = [];
      for (let from = after; ;) {
        const { ids, hasMore } = await readIdPage(redis, indexes, { after: from, limit, order });
        const texts = ids.length > 0 ? await redis.hmget(keys.uploads, ...ids) : [];
        for (const text of texts) {
          const upload = text === null ? undefined : uploadSchema.parse(JSON.parse(text));
          if (upload && (purpose === undefined || upload.purpose === purpose)) uploads.push(upload);
        }
        if (uploads.length > limit || !hasMore)
          return { uploads: uploads.slice(0, limit), hasMore: hasMore || uploads.length > limit };
        from = ids.at(-1);
      }
    },

    async remove(id, caller) {
      const upload = await read(id, caller);
      // Nobody is led to bytes that are gone; the sweep removes what this process may not live to remove.
      await redis
        .multi()
        .hset(keys.trash, id, JSON.stringify([upload.key]))
        .hdel(keys.uploads, id)
        .zrem(keys.projectUploads(upload.project), id)
        .exec();
      await storage.remove(upload.key);
      await redis.hdel(keys.trash, id);
      return upload;
    },

    open,

    async image(id, caller) {
      const upload = await read(id, caller);
      if (upload.bytes > maxReferenceBytes)
        throw problem(
          "body_too_large",
          `${id} has ${upload.bytes} bytes; a reference image may have at most ${maxReferenceBytes}.`,
          "input_reference",
        );
      return buffer(await open(upload));
    },
  };
}
