import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startApp } from "./processes.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** For NODE_COMPILE_CACHE: a worker that is born to be killed starts in half the time. */
    compileCache: string;
  }
}

export default async function provideCompileCache(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "reelq-compiled-"));
  // Only a process that ends by itself writes its cache.
  await startApp("worker", { args: ["--help"], env: { NODE_COMPILE_CACHE: folder } }).exited;
  project.provide("compileCache", folder);
  return () => rm(folder, { recursive: true, force: true });
}
