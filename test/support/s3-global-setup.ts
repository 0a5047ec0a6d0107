import type { TestProject } from "vitest/node";
import { type NoS3Server, type S3Server, startS3Server } from "./s3-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    s3: S3Server | NoS3Server;
  }
}

/** One S3 server for all tests of a project; a test asks for it with `inject("s3")`. */
export default async function provideS3(project: TestProject): Promise<() => Promise<void>> {
  const { stop, ...s3 } = await startS3Server();
  if ("skipped" in s3) process.stderr.write(`Tests against S3 are skipped: ${s3.skipped}\n`);
  project.provide("s3", s3);
  return stop;
}
