import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, on, once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Status, VideoId } from "@reelq/contract";
import { keysFor } from "@reelq/engine";
import { openReelq, type Videos } from "@reelq/sdk";
import { Redis } from "ioredis";
import { nodeOf } from "../../apps/cli/src/child.ts";
import { quickTimings, tinyModel, tinyModels } from "./engine.ts";
import type { TestRedis } from "./redis.ts";

type AppName = "api" | "worker" | "simulator" | "cli";

export interface AppOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One of our programs as a process of its own. */
export interface App {
  readonly pid: number;
  /** Where it listens, once it says that it is ready over IPC. */
  readonly ready: Promise<string | undefined>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** All it has written so far, to both outputs. */
  output(): string;
  /** Resolves once its output holds this. */
  said(words: string | RegExp, withinMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

const mainOf = (app: AppName): string => fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url));

export function startApp(app: AppName, { args = [], cwd, env = {} }: AppOptions = {}): App {
  const node = app === "cli" ? undefined : nodeOf[app];
  const child = spawn(process.execPath, [...(node?.options ?? []), mainOf(app), ...args], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    env: { ...node?.environment, ...cleanEnvironment(), ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const { output, said } = listenTo(child, app);
  const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const ready = new Promise<string | undefined>((resolve, reject) => {
    child.on("message", (message: { ready?: boolean; url?: string }) => message.ready && resolve(message.url));
    void exited.then((how) => reject(new Error(`The ${app} ended (${how}) before it was ready:\n${output()}`)));
  });
  ready.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    output,
    said,
    kill(signal) {
      child.kill(signal);
      return exited;
    },
  };
}

/** Keeps what a process writes, and lets others wait for a part of it. */
function listenTo(child: ChildProcess, app: string): Pick<App, "output" | "said"> {
  let text = "";
  const heard = new EventEmitter();
  heard.setMaxListeners(0);
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      heard.emit("more");
    });
  const holds = (words: string | RegExp) => (typeof words === "string" ? text.includes(words) : words.test(text));
  return {
    output: () => text,
    async said(words, withinMs = 30_000) {
      if (holds(words)) return;
      const failed = () => new Error(`The ${app} did not say ${String(words)} in ${withinMs / 1000} s:\n${text}`);
      try {
        for await (const _ of on(heard, "more", { signal: AbortSignal.timeout(withinMs) })) if (holds(words)) return;
      } catch {
        throw failed();
      }
    },
  };
}

/** Nothing of the settings of whoever runs the tests. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(REDIS_URL|UPSTREAM_|REELQ_|STORAGE_URL$|AWS_|SIM_|HOST$|PORT$|LOG_LEVEL$|NODE_OPTIONS$|VITEST)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

/** A folder that is gone when the test is. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "reelq-system-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** An API and workers as processes of their own, on a Redis and an upstream that the test holds. */
export interface Deployment {
  readonly client: Videos;
  readonly moves: Moves;
  /** Where the files are. */
  readonly folder: string;
  /** @param redisUrl another way to the same Redis */
  startWorker(redisUrl?: string): Promise<App>;
  /** Asks for a tiny clip. */
  create(prompt: string): Promise<VideoId>;
  close(): Promise<void>;
}

let deployments = 0;

export async function deploy(
  redis: TestRedis,
  upstreamUrl: string,
  { concurrency = 16, createSeconds = 8 }: { readonly concurrency?: number; readonly createSeconds?: number } = {},
): Promise<Deployment> {
  const { path, remove } = await temporaryFolder();
  const prefix = `{system-${process.pid}-${(deployments += 1)}}`;
  const config = join(path, "reelq.yaml");
  // JSON is YAML too.
  await writeFile(
    config,
    JSON.stringify({
      upstreams: { main: { url: upstreamUrl, models: [tinyModel], timeouts: { createSeconds } } },
      models: tinyModels,
      timings: quickTimings,
    }),
  );
  const folder = join(path, "videos");
  const env = {
    REELQ_CONFIG: config,
    STORAGE_URL: `file:${folder}`,
    REELQ_CONCURRENCY: String(concurrency),
    LOG_LEVEL: "debug",
    PORT: "0",
  };
  const apps: App[] = [];
  const start = (app: AppName, redisUrl = redis.url): App => {
    const started = startApp(app, { args: [`--prefix=${prefix}`], env: { ...env, REDIS_URL: redisUrl } });
    apps.push(started);
    return started;
  };
  const client = openReelq({ url: (await start("api").ready) ?? "" }).videos;
  const moves = followMoves(redis.url, prefix);
  return {
    client,
    moves,
    folder,
    async startWorker(redisUrl) {
      const worker = start("worker", redisUrl);
      await worker.ready;
      return worker;
    },
    create: async (prompt) => (await client.create({ model: tinyModel, prompt })).id as VideoId,
    async close() {
      moves.close();
      await Promise.all(apps.map((app) => app.kill("SIGKILL")));
      await remove();
    },
  };
}

/** What the stream of moves tells, whoever made them. */
interface Moves {
  /** The last status of each video. */
  readonly statuses: ReadonlyMap<VideoId, Status>;
  /** Waits until all of these are in one of those statuses. */
  reach(ids: readonly VideoId[], allowed: readonly Status[], withinMs?: number): Promise<void>;
  close(): void;
}

function followMoves(redisUrl: string, prefix: string): Moves {
  const redis = new Redis(redisUrl);
  // It may be killed on purpose, and comes back.
  redis.on("error", () => undefined);
  const statuses = new Map<VideoId, Status>();
  const heard = new EventEmitter();
  heard.setMaxListeners(0);
  const follow = async () => {
    for (let last = "0"; redis.status !== "end";) {
      const reply = await redis.xread("COUNT", 1000, "BLOCK", 0, "STREAMS", keysFor(prefix).events, last);
      for (const [id, fields] of reply?.[0]?.[1] ?? []) {
        const [video, status] = ["video", "status"].map((name) => fields[fields.indexOf(name) + 1]);
        statuses.set(video as VideoId, status as Status);
        last = id;
      }
      heard.emit("more");
    }
  };
  // Ends with the connection.
  follow().catch(() => undefined);
  return {
    statuses,
    async reach(ids, allowed, withinMs = 60_000) {
      const left = () => ids.filter((id) => !allowed.includes(statuses.get(id) ?? ("unknown" as Status)));
      if (left().length === 0) return;
      try {
        for await (const _ of on(heard, "more", { signal: AbortSignal.timeout(withinMs) }))
          if (left().length === 0) return;
      } catch {
        const states = left().map((id) => `${id} is ${statuses.get(id)}`);
        throw new Error(`Not ${allowed.join(" or ")} in ${withinMs / 1000} s:\n${states.join("\n")}`);
      }
    },
    close: () => redis.disconnect(),
  };
}

/** A way to a Redis that hears every message which a worker sends over it. */
export interface Tap {
  readonly url: string;
  close(): void;
}

/**
 * @param passes called before each message goes on, with its number; false drops it and all that follow
 * @param passed called once it has gone on
 */
export async function tapRedis(
  redis: TestRedis,
  passes: (message: number, chunk: Buffer) => boolean,
  passed: (chunk: Buffer) => void = () => undefined,
): Promise<Tap> {
  let messages = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(redis.port, "127.0.0.1");
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      // Whoever is killed resets its connections.
      socket.on("error", () => undefined);
    }
    client.on("data", (chunk: Buffer) => {
      if (passes((messages += 1), chunk)) target.write(chunk, () => passed(chunk));
    });
    client.on("close", () => target.destroy());
    target.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(redis.url);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
