import { EventEmitter, on } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFinal, type Video, type VideoId } from "@reelq/contract";
import {
  type Engine,
  openEngine,
  openFleet,
  producerOn,
  openStorage,
  startWorker,
  type StageWorkers,
  timeoutsOf,
} from "@reelq/engine";
import { openUpstream } from "@reelq/upstream";
import { Redis } from "ioredis";
import { inject } from "vitest";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { caller, tinyModel, tinyModels, tinyRenders } from "./engine.ts";
import { type App, startApp } from "./processes.ts";
import type { TestRedis } from "./redis.ts";
import type { S3Server } from "./s3-server.ts";
import { openProxies, type Proxies } from "./tcp-proxy.ts";

/** A crash and its recovery take one to three seconds. */
const chaosTimings = {
  leaseSeconds: 0.6,
  lockSeconds: 0.8,
  sweepSeconds: 0.3,
  graceSeconds: 0.3,
  postWithinSeconds: 0.5,
  overdueSeconds: 0.3,
  quietSeconds: 0.3,
  doubtLookSeconds: 0.2,
  heldLookSeconds: 60,
};

const chaosTimeouts = { connectSeconds: 1, createSeconds: 1.5, lookSeconds: 1.5, idleSeconds: 1.5 };

type Neighbour = "redis" | "upstream" | "storage";

/** A worker as a process of its own, whose every word to its neighbours passes through proxies. */
export interface Victim {
  readonly app: App;
  readonly proxies: Proxies<Neighbour>;
  /** At once, and from within a listener: nothing is awaited. */
  signal(signal: NodeJS.Signals): void;
}

export interface CellOptions {
  /** Whether the upstream lists its tasks. */
  readonly lists?: boolean;
  readonly simulator?: SimulatorOptions;
  readonly timings?: Partial<typeof chaosTimings>;
  readonly timeouts?: Partial<typeof chaosTimeouts>;
  /** In the lane; without end where left out. */
  readonly places?: number;
  /** A bucket instead of a folder. */
  readonly bucket?: S3Server;
}

/** A small world of its own: an upstream, a storage, a prefix in Redis, and workers that live and die in it. */
export interface Cell {
  readonly simulator: Simulator;
  readonly engine: Engine;
  /** Where the files are, if not in a bucket. */
  readonly folder: string;
  create(prompt: string): Promise<VideoId>;
  read(id: VideoId): Promise<Video>;
  startVictim(): Promise<Victim>;
  /** A worker as a process of its own, with no proxy between. */
  startWorker(upstreamUrl?: string): Promise<App>;
  /** A worker in this process, with no proxy between. */
  startSuccessor(): Promise<StageWorkers>;
  /** Waits until the video's record fits. */
  until(id: VideoId, fits: (video: Video) => boolean, withinMs?: number): Promise<Video>;
  close(): Promise<void>;
}

/** Nothing more happens to it without a person. */
export const isSettled = (video: Video): boolean =>
  isFinal(video.status) || (video.status === "in_doubt" && video.doubt.held);

let cells = 0;

async function openCell(redis: TestRedis, options: CellOptions = {}): Promise<Cell> {
  const { lists = true, timings = {}, timeouts = {}, places, bucket } = options;
  const simulator = await startSimulator({
    ...tinyRenders,
    renderMs: 100,
    capabilities: { list: lists },
    ...options.simulator,
  });
  const home = await mkdtemp(join(tmpdir(), "reelq-chaos-"));
  const folder = join(home, "videos");
  const prefix = `{chaos-${process.pid}-${(cells += 1)}}`;
  const configFor = (url: string) => ({
    upstreams: {
      main: {
        url,
        models: [tinyModel],
        timeouts: { ...chaosTimeouts, ...timeouts },
        ...(places === undefined ? {} : { limits: { inFlight: places } }),
      },
    },
    models: tinyModels,
    timings: { ...chaosTimings, ...timings },
  });
  const storageUrl = bucket ? `s3://${bucket.bucket}/${prefix.replaceAll(/[{}]/g, "")}` : `file:${folder}`;
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: openFleet(configFor(simulator.url)),
    storage: openStorage(storageUrl, awsOf(bucket)),
    patient: true,
    prefix,
  });
  const upstream = openUpstream({
    name: "main",
    url: simulator.url,
    timeouts: timeoutsOf({ url: simulator.url, timeouts: { ...chaosTimeouts, ...timeouts } }),
  });
  const producer = producerOn(engine);
  const news = listenForNews(redis.url, engine);
  const apps: App[] = [];
  const victims: Victim[] = [];
  const successors: StageWorkers[] = [];

  const launch = async (redisUrl: string, upstreamUrl: string, storage: S3Server | undefined): Promise<App> => {
    const config = join(home, `worker-${apps.length + 1}.yaml`);
    // JSON is YAML too.
    await writeFile(config, JSON.stringify(configFor(upstreamUrl)));
    const app = startApp("worker", {
      args: [`--prefix=${prefix}`],
      env: {
        REDIS_URL: redisUrl,
        REELQ_CONFIG: config,
        STORAGE_URL: storageUrl,
        ...(storage ? awsEnvironment(storage) : {}),
        LOG_LEVEL: "debug",
        NODE_COMPILE_CACHE: inject("compileCache"),
      },
    });
    apps.push(app);
    return app;
  };

  const read = async (id: VideoId): Promise<Video> => {
    const video = await engine.ledger.read(id);
    if (!video) throw new Error(`There is no ${id}.`);
    return video;
  };

  return {
    simulator,
    engine,
    folder,
    read,

    async create(prompt) {
      return (await producer.create({ fields: { model: tinyModel, prompt } }, caller)).video.id;
    },

    async startVictim() {
      const proxies = await openProxies({
        redis: redis.url,
        upstream: simulator.url,
        storage: bucket?.endpoint ?? simulator.url,
      });
      const { to } = proxies;
      const app = await launch(to.redis.url, to.upstream.url, bucket && { ...bucket, endpoint: to.storage.url });
      const victim: Victim = { app, proxies, signal: (signal) => void process.kill(app.pid, signal) };
      victims.push(victim);
      await Promise.all([app.ready, idle(victim)]);
      return victim;
    },

    async startWorker(upstreamUrl = simulator.url) {
      const app = await launch(redis.url, upstreamUrl, bucket);
      await app.ready;
      return app;
    },

    async startSuccessor() {
      const successor = await startWorker(engine, {
        name: `successor-${successors.length + 1}`,
        stages: ["submit", "poll", "download"],
        concurrency: 8,
        upstreams: [upstream],
        doubtPolicy: "hold",
      });
      successors.push(successor);
      return successor;
    },

    async until(id, fits, withinMs = 60_000) {
      const heard = on(news.heard, "news", { signal: AbortSignal.timeout(withinMs) });
      let video = await read(id);
      try {
        while (!fits(video)) {
          await heard.next();
          video = await read(id);
        }
        return video;
      } catch (error) {
        if ((error as Error).name !== "AbortError") throw error;
        const log = apps.map((app) => app.output()).join("\n\n");
        const message = `Waited ${withinMs / 1000} s in vain; still: ${JSON.stringify(await read(id))}\n${log}`;
        throw new Error(message, { cause: error });
      } finally {
        await heard.return?.();
      }
    },

    async close() {
      await Promise.all(apps.map((app) => app.kill("SIGKILL")));
      await Promise.all(successors.map((successor) => successor.close(5_000)));
      await Promise.all(victims.map(({ proxies }) => proxies.close()));
      news.close();
      await engine.close();
      await upstream.close();
      await simulator.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** It waits in every queue: submits, looks, downloads. */
async function idle({ app, proxies }: Victim): Promise<void> {
  const waiting = new Set<string>();
  const { promise, resolve } = Promise.withResolvers<void>();
  proxies.listen({
    before({ way, bytes }) {
      if (way === "out")
        for (const [, queue] of bytes.toString("latin1").matchAll(/bzpopmin\r\n\$\d+\r\n(\S+ ?.*?):marker/g))
          waiting.add(queue ?? "");
      if (waiting.size >= 3) resolve();
      return "go";
    },
  });
  await Promise.race([promise, app.exited]);
}

/** A cell for as long as it is used. */
export async function inCell<Result>(
  redis: TestRedis,
  options: CellOptions,
  use: (cell: Cell) => Promise<Result>,
): Promise<Result> {
  const cell = await openCell(redis, options);
  try {
    return await use(cell);
  } finally {
    await cell.close();
  }
}

/** Ends a worker in order: whatever it was at is over then. */
export const finish = ({ app }: Pick<Victim, "app">): Promise<unknown> => app.kill("SIGTERM");

/** Tells whenever some worker moved a video, and whenever one of this process looked in vain. */
function listenForNews(redisUrl: string, { keys, facts }: Engine) {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
  const heard = new EventEmitter();
  heard.setMaxListeners(0);
  const tell = () => heard.emit("news");
  facts.on("moved", tell);
  facts.on("waited", tell);
  const follow = async () => {
    for (let last = "0"; redis.status !== "end";) {
      const reply = await redis.xread("COUNT", 1000, "BLOCK", 0, "STREAMS", keys.events, last);
      last = reply?.[0]?.[1]?.at(-1)?.[0] ?? last;
      tell();
    }
  };
  // Ends with the connection.
  follow().catch(() => undefined);
  return { heard, close: () => redis.disconnect() };
}

const awsOf = (bucket: S3Server | undefined) =>
  bucket
    ? {
        accessKeyId: bucket.accessKey,
        secretAccessKey: bucket.secretKey,
        region: bucket.region,
        endpoint: bucket.endpoint,
      }
    : {};

const awsEnvironment = ({ accessKey, secretKey, region, endpoint }: S3Server) => ({
  AWS_ACCESS_KEY_ID: accessKey,
  AWS_SECRET_ACCESS_KEY: secretKey,
  AWS_REGION: region,
  AWS_ENDPOINT_URL_S3: endpoint,
});

/** Runs them side by side, so many at once; results in their order. */
export async function atOnce<Item, Result>(
  places: number,
  items: readonly Item[],
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...items.entries()];
  const take = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await run(next[1]);
  };
  await Promise.all(Array.from({ length: places }, take));
  return results;
}
