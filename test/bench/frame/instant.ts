import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { Storage } from "@reelq/engine";
import { defaultTimeouts, type Upstream, type WireTask } from "@reelq/upstream";
import { clip } from "../../../apps/simulator/src/clips.ts";

export const instantModel = "instant-1";
export const instantSize = "64x64";

/** A configuration under which nothing has to wait for anything. */
export const instantFleet = {
  upstreams: {
    main: {
      url: "http://127.0.0.1:9/v1",
      models: [instantModel],
      capabilities: { list: false, variants: false, remix: false },
    },
  },
  models: {
    [instantModel]: {
      seconds: [1],
      sizes: [instantSize],
      defaultSeconds: 1,
      defaultSize: instantSize,
      typicalRenderSeconds: 1,
    },
  },
};

export interface InstantUpstream extends Upstream {
  /** How often it was asked for each thing. */
  readonly asked: { creates: number; looks: number; files: number };
}

/** An upstream in this process that answers at once, and finishes a task at its third look. */
export async function instantUpstream(looks = 3): Promise<InstantUpstream> {
  const file = Buffer.from(await clip(instantSize, 1));
  const asked = { creates: 0, looks: 0, files: 0 };
  const seen = new Map<string, number>();
  const task = (id: string, state: WireTask["state"]): WireTask => ({ id, state, word: state, wordKnown: true });
  return {
    name: "main",
    asked,
    timeouts: defaultTimeouts,
    create: () => {
      asked.creates += 1;
      return Promise.resolve({ kind: "accepted", task: task(`task_${process.pid}_${asked.creates}`, "waiting") });
    },
    retrieve: (id) => {
      asked.looks += 1;
      const times = (seen.get(id) ?? 0) + 1;
      seen.set(id, times);
      return Promise.resolve({ kind: "seen", task: task(id, times < looks ? "running" : "completed") });
    },
    content: (id) => {
      asked.files += 1;
      seen.delete(id);
      const body = Readable.from([file], { objectMode: false });
      return Promise.resolve({ kind: "bytes", body, from: 0, totalBytes: file.length, contentType: "video/mp4" });
    },
    list: () => Promise.resolve({ kind: "no_list", reason: "it has none" }),
    remove: () => Promise.resolve(false),
    probe: () => Promise.resolve({ kind: "ok", list: false, ms: 0, detail: "" }),
    close: () => Promise.resolve(),
  };
}

/** A storage in this process: reads every byte, hashes it, and keeps the last few objects. */
export function instantStorage(): Storage {
  const kept = new Map<string, { readonly bytes: Buffer; readonly contentType: string }>();
  const head = (key: string) => {
    const found = kept.get(key);
    return found && { bytes: found.bytes.length, contentType: found.contentType, etag: '"1"' };
  };
  return {
    place: "memory",
    async put(key, body, { contentType }) {
      const hash = createHash("sha256");
      const chunks: Buffer[] = [];
      for await (const chunk of body as AsyncIterable<Buffer>) {
        hash.update(chunk);
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      kept.set(key, { bytes, contentType });
      for (const [oldest] of kept) {
        if (kept.size <= 200) break;
        kept.delete(oldest);
      }
      return { bytes: bytes.length, sha256: hash.digest("hex") };
    },
    head: (key) => Promise.resolve(head(key)),
    get(key, range) {
      const found = kept.get(key);
      const about = head(key);
      if (!found || !about) return Promise.resolve(undefined);
      const bytes = range ? found.bytes.subarray(range.start, range.end + 1) : found.bytes;
      return Promise.resolve({ ...about, body: Readable.from([bytes], { objectMode: false }) });
    },
    remove: (key) => Promise.resolve(void kept.delete(key)),
    presign: () => Promise.resolve(undefined),
    probe: () => Promise.resolve(),
    abandonUploads: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  };
}
