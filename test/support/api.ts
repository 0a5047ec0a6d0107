import { randomBytes } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { ErrorBody, Status, StoredFile, Video, VideoBody, VideoId, VideoIn } from "@reelq/contract";
import {
  type Engine,
  type FleetConfig,
  fleetSchema,
  openEngine,
  openFleet,
  cookieSecretOf,
  openApiKeys,
  openBatches,
  openKeyring,
  openPerson,
  producerOn,
  openStorage,
  type Storage,
} from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import { checkHealth } from "@reelq/service";
import { openWeb, type WebOptions } from "@reelq/web";
import { openOutside } from "../../apps/api/src/outside.ts";
import { type Patience, type RunningApi, startApi } from "../../apps/api/src/server.ts";
import { aTask, inStatus } from "./video.ts";

export interface TestApiOptions {
  readonly redisUrl: string;
  readonly keys?: readonly { readonly name: string; readonly key: string }[];
  /** What `upstreams` in a configuration says; one named `main`, at whose address nobody listens, where left out. */
  readonly upstreams?: FleetConfig["upstreams"];
  /** Models beside the seed's. */
  readonly models?: FleetConfig["models"];
  readonly references?: FleetConfig["references"];
  readonly idempotency?: FleetConfig["idempotency"];
  /** Calls a minute of each key; without end where left out. */
  readonly rateLimit?: number;
  readonly corsOrigins?: readonly string[];
  readonly patience?: Partial<Patience>;
  /** Addresses that webhooks and image URLs may lead to though they are not public. */
  readonly allow?: readonly string[];
  /** What image URLs are fetched with, beside `allow`. */
  readonly web?: Omit<WebOptions, "allow">;
  /** A folder of its own where left out. */
  readonly storage?: Storage;
}

/** The API in this process, over a Redis prefix and a storage folder of its own. */
export interface TestApi {
  readonly url: string;
  readonly engine: Engine;
  /** What the API could not put down to its caller. */
  readonly surprises: readonly unknown[];
  /** Every Redis key and every file that is there, the queues' own bookkeeping excepted. */
  traces(): Promise<string[]>;
  /** Asks for a video and moves it on, as stages would. */
  aVideo<S extends keyof typeof ways>(status: S, options?: VideoOptions): Promise<VideoIn<S>>;
  /** One move of a video, as a stage would make it. */
  moveOn(video: Video, next: Status): Promise<Video>;
  /** Frees the port, cutting whatever is open. */
  stop(): Promise<void>;
  /** Listens again where it did. */
  start(): Promise<void>;
  close(): Promise<void>;
}

interface VideoOptions {
  readonly project?: string;
  readonly prompt?: string;
  /** Of the stored file. */
  readonly bytes?: Uint8Array;
}

/** The statuses that a new video goes through on its way to another one. */
const ways = {
  queued: [],
  submitting: ["submitting"],
  in_doubt: ["submitting", "in_doubt"],
  rendering: ["submitting", "rendering"],
  downloading: ["submitting", "rendering", "downloading"],
  stored: ["submitting", "rendering", "downloading", "stored"],
  failed: ["failed"],
  cancelled: ["cancelled"],
} as const satisfies Record<Status, readonly Status[]>;

export async function startTestApi(options: TestApiOptions): Promise<TestApi> {
  const { redisUrl, keys = [], upstreams = { main: { url: "http://127.0.0.1:9/v1" } } } = options;
  const { rateLimit = 0, corsOrigins = [], allow = [] } = options;
  const folder = await mkdtemp(join(tmpdir(), "reelq-api-"));
  const prefix = `{api-${randomBytes(4).toString("hex")}}`;
  const engine = openEngine({
    redisUrl,
    fleet: openFleet(
      fleetSchema.parse({
        upstreams,
        models: options.models,
        references: options.references,
        idempotency: options.idempotency,
      }),
    ),
    storage: options.storage ?? openStorage(`file:${folder}`, {}),
    patient: false,
    prefix,
  });
  const web = openWeb({ allow, ...options.web });
  const outside = openOutside(web, allow);
  const producer = producerOn(engine, outside);
  const batches = openBatches(engine, { producer, outside, readManifest });
  const moveOn = async (video: Video, next: Status, facts: object = {}): Promise<Video> => {
    const advance = await engine.ledger.advance(video, inStatus(video, next, facts));
    if (advance.kind !== "moved") throw new Error(`${video.id} could not become ${next}: ${advance.kind}.`);
    return advance.video;
  };
  const surprises: unknown[] = [];
  const listen = (port: number): Promise<RunningApi> =>
    startApi({
      engine,
      producer,
      person: openPerson(engine, producer),
      batches,
      keyring: openKeyring({ apiKeys: openApiKeys(engine), clock: engine.clock, given: keys, mayBeOpen: true }),
      cookieSecret: () => cookieSecretOf(engine),
      rateLimit,
      corsOrigins,
      allowAddresses: allow,
      ...(options.patience ? { patience: options.patience } : {}),
      health: () => checkHealth({ redis: () => engine.ping(), storage: () => engine.storage.probe() }),
      host: "127.0.0.1",
      port,
      onError: (error) => void surprises.push(error),
    });
  let api = await listen(0);
  const { url } = api;
  return {
    url,
    engine,
    surprises,
    async traces() {
      const found = await engine.redis.keys(`${prefix}*`);
      const files = await readdir(folder, { recursive: true, withFileTypes: true });
      return [
        ...found.filter((key) => !key.endsWith(":meta")),
        ...files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name)),
      ].sort();
    },
    async aVideo<S extends keyof typeof ways>(
      status: S,
      { prompt = "a cat", bytes, project = "default" }: VideoOptions = {},
    ) {
      const { video } = await producer.create({ fields: { prompt } }, { project, key: "open", isAdmin: false });
      let moved: Video = video;
      for (const next of ways[status]) {
        const task = { task: aTask({ id: `task-of-${video.id}` }) };
        const file = next === "stored" ? { file: await putFile(engine, video.id, bytes) } : {};
        moved = await moveOn(moved, next, { ...(withTask.has(next) ? task : {}), ...file });
      }
      return moved as VideoIn<S>;
    },
    moveOn,
    stop: () => api.close(0),
    async start() {
      api = await listen(Number(new URL(url).port));
    },
    async close() {
      await api.close(0);
      await batches.close();
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const videoOf = async (response: Response): Promise<VideoBody> => (await response.json()) as VideoBody;

export const errorOf = async (response: Response): Promise<ErrorBody["error"]> =>
  ((await response.json()) as ErrorBody).error;

/** Resolves when a video has been asked after so often, counted from now on. */
export function lookedAt(id: string, times: number): Promise<void> {
  return new Promise((resolve) => {
    let looks = 0;
    const count = (message: unknown): void => {
      const { request } = message as { request: IncomingMessage };
      if (request.url === `/v1/videos/${id}`) looks += 1;
      if (looks < times) return;
      unsubscribe(channel, count);
      resolve();
    };
    subscribe(channel, count);
  });
}

/** Node announces here what any server of this process is asked. */
const channel = "http.server.request.start";

const withTask = new Set<Status>(["rendering", "downloading", "stored"]);

async function putFile(
  { storage }: Engine,
  id: VideoId,
  bytes: Uint8Array = Buffer.from("a video, as far as an API can tell"),
): Promise<StoredFile> {
  const contentType = "video/mp4";
  const key = `2026/11/22/${id}.mp4`;
  const put = await storage.put(key, Readable.from([bytes]), { contentType });
  return { key, sidecarKey: `${key}.json`, ...put, contentType, differences: [] };
}
