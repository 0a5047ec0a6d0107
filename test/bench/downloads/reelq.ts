import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { VideoId, VideoIn } from "@reelq/contract";
import { type Engine, openEngine, openFleet, openStorage, type Producer, producerOn } from "@reelq/engine";
import { Redis } from "ioredis";
import { startApp, temporaryFolder } from "../../support/processes.ts";
import { startRedis } from "../../support/redis.ts";
import { aTask, inStatus } from "../../support/video.ts";
import { instantFleet, instantModel } from "../frame/instant.ts";
import type { Carried } from "./carried.ts";
import type { Films } from "./film-server.ts";
import { costOf } from "./process-cost.ts";
import type { Room } from "./room.ts";
import { touched } from "./touched.ts";

/**
 * Carries so many films at once, from renders that are complete to records that are `stored`, by a worker process with
 * everything on: verification, sha256, sidecar, ledger and events.
 */
export async function carryByReelq(count: number, films: Films, room: Room): Promise<Carried> {
  const fleet = fleetAt(films.url);
  await using stack = new AsyncDisposableStack();
  const redis = stack.adopt(await startRedis(), (one) => one.stop());
  const config = stack.adopt(await temporaryFolder(), (one) => one.remove());
  const storage = openStorage(room.url, room.aws);
  const engine = stack.adopt(
    openEngine({ redisUrl: redis.url, fleet: openFleet(fleet), storage, patient: false }),
    (one) => one.close(),
  );
  const worker = stack.adopt(
    await startDownloading(engine, fleet, config.path, count, room),
    async (one) => void (await one.kill("SIGTERM")),
  );
  await worker.ready;
  const rendering = await renders(engine, count);
  await touched(count * films.bytes);
  const before = await costOf(worker.pid);
  const startedAt = performance.now();
  const stored = allStored(engine, count);
  const ended = worker.exited.then((how) =>
    Promise.reject(new Error(`The worker ended (${how}):\n${worker.output()}`)),
  );
  // Whichever comes second finds nobody who listens.
  for (const one of [stored, ended]) one.catch(() => undefined);
  await Promise.all(rendering.map((video) => complete(engine, video)));
  await Promise.race([stored, ended]);
  const seconds = (performance.now() - startedAt) / 1_000;
  const { cpuSeconds, peakBytes } = await costOf(worker.pid);
  await check(engine, rendering, films, room);
  return { seconds, cpuSeconds: cpuSeconds - before.cpuSeconds, peakBytes };
}

const fleetAt = (url: string) => ({ ...instantFleet, upstreams: { main: { ...instantFleet.upstreams.main, url } } });

/** A worker of the download stage alone: what is put into an earlier status here is nobody else's business. */
async function startDownloading(
  { redisUrl }: Engine,
  fleet: ReturnType<typeof fleetAt>,
  folder: string,
  count: number,
  { url, aws }: Room,
) {
  const config = join(folder, "reelq.yaml");
  // JSON is YAML too.
  await writeFile(config, JSON.stringify(fleet));
  return startApp("worker", {
    args: ["--stages=download"],
    env: {
      REDIS_URL: redisUrl,
      REELQ_CONFIG: config,
      STORAGE_URL: url,
      // Half of it are downloads.
      REELQ_CONCURRENCY: String(2 * count),
      LOG_LEVEL: "warn",
      ...(aws.endpoint === undefined ? {} : bucketSettings(aws)),
    },
  });
}

const bucketSettings = ({ accessKeyId = "", secretAccessKey = "", region = "", endpoint = "" }: Room["aws"]) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_REGION: region,
  AWS_ENDPOINT_URL_S3: endpoint,
});

async function renders(engine: Engine, count: number): Promise<VideoIn<"rendering">[]> {
  const producer = producerOn(engine);
  return Promise.all(Array.from({ length: count }, (_, number) => render(engine, producer, number)));
}

async function render(engine: Engine, producer: Producer, number: number): Promise<VideoIn<"rendering">> {
  const caller = { project: "default", key: "open", isAdmin: true };
  const ask = { fields: { model: instantModel, prompt: `a cat walks over bridge ${number}` } };
  const { video } = await producer.create(ask, caller);
  const submitting = await moveOn(engine, video as VideoIn<"queued">, "submitting");
  const now = engine.clock.now();
  const task = aTask({ upstream: "main", id: `task-of-${video.id}`, acceptedAt: now, completedAt: now });
  return moveOn(engine, submitting, "rendering", { task });
}

/** The upstream said that it is complete, and now its bytes are wanted. */
async function complete(engine: Engine, video: VideoIn<"rendering">): Promise<void> {
  const { task } = video;
  await engine.queues.remind(await moveOn(engine, video, "downloading", { task, dueAt: engine.clock.now() }), 0);
}

async function moveOn<S extends "submitting" | "rendering" | "downloading">(
  engine: Engine,
  video: Parameters<typeof inStatus>[0],
  next: S,
  facts: object = {},
): Promise<VideoIn<S>> {
  const advance = await engine.ledger.advance(video as VideoIn<"queued">, inStatus(video, next, facts));
  if (advance.kind !== "moved") throw new Error(`${video.id} could not become ${next}: ${advance.kind}.`);
  return advance.video as VideoIn<S>;
}

/** Waits for as many videos to end; the first that is not stored at its first try is an error. */
async function allStored({ redisUrl, keys }: Engine, count: number): Promise<void> {
  const reader = new Redis(redisUrl);
  const stored = new Set<string>();
  try {
    for (let last = "0"; stored.size < count;) {
      const [stream] = (await reader.xread("COUNT", 1_000, "BLOCK", 10_000, "STREAMS", keys.events, last)) ?? [];
      for (const [id, fields] of stream?.[1] ?? []) {
        last = id;
        const fact = (name: string) => fields[fields.indexOf(name) + 1] ?? "";
        if (fact("status") === "stored") stored.add(fact("video"));
        else if (fact("status") === "failed") throw new Error(`${fact("video")} failed.`);
      }
    }
  } finally {
    reader.disconnect();
  }
}

async function check({ ledger }: Engine, videos: readonly { readonly id: VideoId }[], films: Films, room: Room) {
  const keys: string[] = [];
  for (const { id } of videos) {
    const video = await ledger.read(id);
    if (video?.status !== "stored") throw new Error(`${id} is ${video?.status ?? "gone"}.`);
    const { file, setbacks } = video;
    if (setbacks.brokenDownloads + setbacks.contentNotReady > 0)
      throw new Error(`${id} was not stored at the first try.`);
    if (file.bytes !== films.bytes || file.sha256 !== films.sha256)
      throw new Error(`The record of ${id} says ${file.bytes} bytes, ${file.sha256}.`);
    keys.push(file.key);
  }
  await room.check(keys, films);
}
