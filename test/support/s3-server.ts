import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface S3Server {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  readonly bucket: string;
}

/** Why there is no S3 server on this machine. */
export interface NoS3Server {
  readonly skipped: string;
}

const BUCKET = "reelq-tests";

/** The server that S3_TEST_ENDPOINT names, else one of our own. It ends with `stop`, and with this process. */
export async function startS3Server(
  env: NodeJS.ProcessEnv = process.env,
): Promise<(S3Server | NoS3Server) & { readonly stop: () => Promise<void> }> {
  const given = givenServer(env);
  if (given) return { ...given, stop: async () => undefined };
  const ports = await freePorts();
  // In a session of its own, so that a signal to the whole test run leaves it the time to clean up.
  const child = spawn(fileURLToPath(new URL("../../scripts/s3-server.sh", import.meta.url)), ports, {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()).once("error", () => resolve()));
  const stop = async () => {
    child.stdin.end();
    await exited;
  };
  const said = await firstLine(child.stdout, exited);
  if ("skipped" in said) {
    await stop();
    return { ...said, stop };
  }
  await createBucket(said, BUCKET);
  return { ...said, bucket: BUCKET, stop };
}

function givenServer(env: NodeJS.ProcessEnv): S3Server | undefined {
  const { S3_TEST_ENDPOINT, S3_TEST_ACCESS_KEY = "", S3_TEST_SECRET_KEY = "", S3_TEST_REGION, S3_TEST_BUCKET } = env;
  if (!S3_TEST_ENDPOINT) return undefined;
  return {
    endpoint: S3_TEST_ENDPOINT,
    accessKey: S3_TEST_ACCESS_KEY,
    secretKey: S3_TEST_SECRET_KEY,
    region: S3_TEST_REGION ?? "us-east-1",
    bucket: S3_TEST_BUCKET ?? BUCKET,
  };
}

/** Held together for a moment, so that they differ. */
async function freePorts(): Promise<string[]> {
  const servers = [createServer(), createServer()];
  const ports = servers.map(async (server) => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    return address && typeof address === "object" ? String(address.port) : "";
  });
  const found = await Promise.all(ports);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return found;
}

async function firstLine(
  output: NodeJS.ReadableStream,
  exited: Promise<void>,
): Promise<Omit<S3Server, "bucket"> | NoS3Server> {
  const line = new Promise<string>((resolve) => createInterface({ input: output }).once("line", resolve));
  const said = await Promise.race([line, exited]);
  return said === undefined ? { skipped: "scripts/s3-server.sh ended without a word" } : JSON.parse(said);
}

/** By hand, with the old and short way to sign: the port that is under test makes no buckets. */
async function createBucket(
  { endpoint, accessKey, secretKey }: Omit<S3Server, "bucket">,
  bucket: string,
): Promise<void> {
  const date = new Date().toUTCString();
  const signature = createHmac("sha1", secretKey).update(`PUT\n\n\n\nx-amz-date:${date}\n/${bucket}`).digest("base64");
  const headers = { "x-amz-date": date, authorization: `AWS ${accessKey}:${signature}` };
  const response = await fetch(`${endpoint}/${bucket}`, { method: "PUT", headers });
  if (!response.ok) throw new Error(`The bucket was not created: ${response.status} ${await response.text()}`);
}
