import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Environment } from "@reelq/service";

/** What `reelq up` started in this folder, for the commands that look at it from beside. */
export interface Running {
  readonly pid: number;
  readonly redisUrl: string;
  /** Where this machine reaches the API, once that is known. */
  readonly apiUrl?: string;
  /** Of the simulated upstream, where one was started. */
  readonly upstreamUrl?: string;
  /** Before every key in Redis, where it is not the usual one. */
  readonly prefix?: string;
}

const path = (): string => resolve(".reelq/up.json");

/** @returns takes the note away again, unless another one stands there by then */
export function noteRunning(running: Running): () => void {
  mkdirSync(dirname(path()), { recursive: true });
  // Whoever reads it meanwhile finds the one before, or this one whole.
  const draft = `${path()}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(running)}\n`, { mode: 0o600 });
  renameSync(draft, path());
  return () => {
    if (readRunning()?.pid === running.pid) rmSync(path(), { force: true });
  };
}

/** The settings of what runs in this folder, under those that are set; and the arguments of its apps. */
export function besideRunning(env: Environment): { readonly env: Environment; readonly args: readonly string[] } {
  const running = env["REDIS_URL"] ? undefined : readRunning();
  if (!running) return { env, args: [] };
  const isSet = env["UPSTREAM_URL"] || env["REELQ_CONFIG"];
  return {
    env: {
      ...env,
      REDIS_URL: running.redisUrl,
      ...(running.upstreamUrl !== undefined && !isSet ? { UPSTREAM_URL: running.upstreamUrl } : {}),
    },
    args: running.prefix === undefined || isSet ? [] : [`--prefix=${running.prefix}`],
  };
}

/** The settings of a client: of the API that runs in this folder, unless REELQ_URL is set. */
export function besideApi(env: Environment): Environment {
  const apiUrl = env["REELQ_URL"] ? undefined : readRunning()?.apiUrl;
  return apiUrl === undefined ? env : { ...env, REELQ_URL: apiUrl };
}

/** @returns undefined where nothing runs in this folder */
export function readRunning(): Running | undefined {
  try {
    const running = JSON.parse(readFileSync(path(), "utf8")) as Running;
    // One that was killed left its note behind.
    process.kill(running.pid, 0);
    return running;
  } catch {
    return undefined;
  }
}
