import { Readable } from "node:stream";
import { type BatchBody, type BatchId, type BatchOptions, type ClipBody, isBatchOver } from "@reelq/contract";
import { type Caller, type OpenBatches, openBatches, openUploads } from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import { type Bench, type BenchOptions, caller, openBench, tinyModel } from "./engine.ts";
import { until } from "./facts.ts";
import type { TestRedis } from "./redis.ts";

/** What one tiny clip costs: a tenth of a dollar. */
export const tinyPrice = 100_000;

export interface BatchBench extends Bench {
  readonly batches: OpenBatches;
  /** Uploads a manifest and asks for it. */
  order(
    manifest: string,
    options?: BatchOptions,
    more?: { readonly filename?: string; readonly as?: Caller },
  ): Promise<BatchBody>;
  upload(manifest: string, filename?: string, as?: Caller): Promise<string>;
  /** Waits until a batch is in one of these states. */
  becomes(id: string, ...states: readonly BatchBody["reelq"]["state"][]): Promise<BatchBody>;
  /** Waits until a batch is over. */
  over(id: string): Promise<BatchBody>;
  clips(id: string): Promise<readonly ClipBody[]>;
}

/** Lines of tiny clips. */
export const tinyLines = (count: number, fields: Readonly<Record<string, unknown>> = {}): string =>
  Array.from({ length: count }, (_, index) =>
    JSON.stringify({ id: `shot-${index + 1}`, prompt: `Shot number ${index + 1}`, ...fields }),
  ).join("\n");

/** A bench whose tiny clips cost a tenth of a dollar each. */
export async function openBatchBench(redis: TestRedis, options: BenchOptions = {}): Promise<BatchBench> {
  const { config = {} } = options;
  const bench = await openBench(redis, {
    ...options,
    config: {
      ...config,
      models: config.models ?? {
        [tinyModel]: {
          seconds: [1, 2],
          sizes: ["64x64", "480x854"],
          defaultSeconds: 1,
          defaultSize: "64x64",
          typicalRenderSeconds: 1,
          price: { perClipUsd: tinyPrice / 1e6 },
        },
      },
    },
  });
  const { engine, producer } = bench;
  const outside = { fetchImage: (url: string) => Promise.reject(new Error(`Nobody is to be asked for ${url}.`)) };
  const batches = openBatches(engine, { producer, outside, readManifest });
  const uploads = openUploads(engine);

  const upload = async (manifest: string, filename = "shots.jsonl", as: Caller = caller): Promise<string> => {
    const kept = await uploads.keep(Readable.from([Buffer.from(manifest)]), filename, as);
    return (await uploads.record(kept, "batch")).id;
  };

  async function reached(id: string, is: (batch: BatchBody) => boolean, what: string): Promise<BatchBody> {
    for (;;) {
      const turn = until(
        engine.facts,
        "batchTurned",
        ({ batch }) => batch === (id as BatchId),
        `${id} ${what}`,
        60_000,
      );
      turn.catch(() => undefined);
      const batch = await batches.read(id, caller);
      if (is(batch)) return batch;
      if (isBatchOver(batch.reelq.state)) throw new Error(`${id} ended otherwise: ${JSON.stringify(batch)}`);
      await turn;
    }
  }

  return {
    ...bench,
    batches,
    upload,

    order: async (manifest, options_ = {}, { filename, as = caller } = {}) =>
      batches.create(
        {
          input_file_id: await upload(manifest, filename, as),
          endpoint: "/v1/videos",
          completion_window: "24h",
          reelq: { ...options_, defaults: { model: tinyModel, ...options_.defaults } },
        },
        as,
      ),

    becomes: (id, ...states) => reached(id, ({ reelq }) => states.includes(reelq.state), states.join(" or ")),
    over: (id) => reached(id, ({ reelq }) => isBatchOver(reelq.state), "over"),

    async clips(id) {
      const clips: ClipBody[] = [];
      for (let after = 0; ;) {
        const page = await batches.clips(id, { after, limit: 500 }, caller);
        clips.push(...page.clips);
        if (!page.hasMore || page.lastNumber === null) return clips;
        after = page.lastNumber;
      }
    },

    async close() {
      await batches.close();
      await bench.close();
    },
  };
}
