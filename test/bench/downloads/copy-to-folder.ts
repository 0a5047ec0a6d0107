import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { asChild } from "../frame/child.ts";
import { ownCpuSeconds } from "../frame/cpu.ts";
import type { Carried } from "./carried.ts";
import { undici } from "./libraries.ts";

export interface CopyToFolder {
  readonly copies: readonly { readonly url: string; readonly path: string }[];
  /** Whether a file must be on the disk before it counts as copied, as reelq's must. */
  readonly synced: boolean;
}

// All at once, each as it comes: nothing is looked at, nothing is hashed.
asChild(async ({ copies, synced }: CopyToFolder): Promise<Carried> => {
  const dispatcher = new undici.Agent({ allowH2: false });
  const cpuBefore = ownCpuSeconds();
  const startedAt = performance.now();
  await Promise.all(
    copies.map(async ({ url, path }) => {
      const { statusCode, body } = await undici.request(url, { dispatcher });
      if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}.`);
      await pipeline(body, createWriteStream(path, { flush: synced }));
    }),
  );
  return {
    seconds: (performance.now() - startedAt) / 1_000,
    cpuSeconds: ownCpuSeconds() - cpuBefore,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
});
