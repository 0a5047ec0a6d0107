import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isFinal, type Status, type Video, type VideoId, type VideoIn } from "@reelq/contract";
import {
  type Caller,
  type Clock,
  type DoubtPolicy,
  type Engine,
  type Fleet,
  openEngine,
  openFleet,
  openPerson,
  producerOn,
  openStorage,
  type Person,
  type Producer,
  type StageWorkers,
  startWorker,
  type Storage,
} from "@reelq/engine";
import { openUpstream, type Timeouts } from "@reelq/upstream";
import { QueueEvents } from "bullmq";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { until } from "./facts.ts";
import type { TestRedis } from "./redis.ts";

/** A model of tiny clips, whose renders are looked at several times a second. */
export const tinyModel = "tiny-1";
const tinyClips = { seconds: [1, 2], sizes: ["64x64", "480x854"] };
export const tinyModels = {
  [tinyModel]: { ...tinyClips, defaultSeconds: 1, defaultSize: "64x64", typicalRenderSeconds: 1 },
};

/** Crashes are noticed and doubts are settled within a few seconds. */
export const quickTimings = {
  leaseSeconds: 2,
  lockSeconds: 3,
  sweepSeconds: 1,
  graceSeconds: 1.5,
  postWithinSeconds: 2,
  overdueSeconds: 2,
  quietSeconds: 1,
  doubtLookSeconds: 0.5,
  heldLookSeconds: 5,
  breakerSeconds: 1,
};

/** What a simulator must know to render it. */
export const tinyRenders: SimulatorOptions = {
  renderMs: 200,
  models: { [tinyModel]: { ...tinyClips, sizes: ["64x64", "480x854"] } },
};

export interface BenchOptions {
  readonly simulator?: SimulatorOptions;
  /** Places in the lane; without end where left out. */
  readonly places?: number;
  /** What the configuration says that the upstream can do. */
  readonly capabilities?: { readonly range?: boolean; readonly remix?: boolean; readonly list?: boolean };
  /** Status queries in a second; without end where left out. */
  readonly looksPerSecond?: number;
  readonly timeouts?: Partial<Timeouts>;
  readonly doubtPolicy?: DoubtPolicy;
  /** Puts something between the engine and its folder. */
  readonly storage?: (folder: Storage) => Storage;
  readonly clock?: Clock;
  /** More of a configuration: budgets, models, projects; what is said of `main` is added to what the bench says. */
  readonly config?: Omit<Parameters<typeof openFleet>[0], "upstreams"> & {
    readonly main?: Partial<NonNullable<Parameters<typeof openFleet>[0]["upstreams"]>[string]>;
  };
  /** A worker starts by itself. @default true */
  readonly working?: boolean;
}

/** A clock that a test may put forward. */
export interface MovableClock extends Clock {
  skip(ms: number): void;
}

export function movableClock(): MovableClock {
  let skippedMs = 0;
  return { now: () => Date.now() + skippedMs, skip: (ms) => void (skippedMs += ms) };
}

/** Lets no reminder wait: whenever one is put off, the clock is put forward by as much, and its time has come. */
export async function skipWaits({ queues, redisUrl, keys }: Engine, clock: MovableClock): Promise<() => Promise<void>> {
  const listeners = queues.all.map((queue) => {
    const events = new QueueEvents(queue.name, { connection: { url: redisUrl }, prefix: keys.prefix });
    events.on("delayed", ({ jobId, delay }) => {
      clock.skip(Math.max(0, delay - Date.now()));
      // It may be on its way by itself.
      void queue.getJob(jobId).then((job) => job?.promote().catch(() => undefined));
    });
    return events;
  });
  await Promise.all(listeners.map((events) => events.waitUntilReady()));
  return async () => {
    await Promise.all(listeners.map((events) => events.close()));
  };
}

/** An engine at work in this process against a simulator, alone under its own prefix in Redis. */
export interface Bench {
  readonly simulator: Simulator;
  readonly engine: Engine;
  readonly producer: Producer;
  readonly person: Person;
  /** Asks for a tiny clip. */
  create(
    prompt: string,
    fields?: Readonly<Record<string, unknown>>,
    reference?: Uint8Array,
  ): Promise<VideoIn<"queued">>;
  /** Waits until a video is in this status; fails at once if it ends in another. */
  reach<S extends Status>(id: VideoId, status: S, withinMs?: number): Promise<VideoIn<S>>;
  read(id: VideoId): Promise<Video>;
  /** A stored object of this storage. */
  file(key: string): Promise<Buffer>;
  work(options?: { readonly concurrency?: number }): Promise<StageWorkers>;
  close(): Promise<void>;
}

export const caller: Caller = { project: "default", key: "open", isAdmin: true };

let benches = 0;

export async function openBench(redis: TestRedis, options: BenchOptions = {}): Promise<Bench> {
  const simulator = await startSimulator({ ...tinyRenders, ...options.simulator });
  const folder = await mkdtemp(join(tmpdir(), "reelq-bench-"));
  const room = openStorage(`file:${folder}`, {});
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: fleetOf(simulator.url, options),
    storage: options.storage?.(room) ?? room,
    patient: true,
    prefix: `{bench-${process.pid}-${(benches += 1)}}`,
    ...(options.clock ? { clock: options.clock } : {}),
  });
  const upstream = openUpstream({ name: "main", url: simulator.url, key: "bench-key", timeouts: options.timeouts });
  const producer = producerOn(engine);
  const workers: StageWorkers[] = [];

  const read = async (id: VideoId): Promise<Video> => {
    const video = await engine.ledger.read(id);
    if (!video) throw new Error(`There is no ${id}.`);
    return video;
  };

  const work = async ({ concurrency = 8 } = {}): Promise<StageWorkers> => {
    const worker = await startWorker(engine, {
      name: `worker-${workers.length + 1}`,
      stages: ["submit", "poll", "download"],
      concurrency,
      upstreams: [upstream],
      doubtPolicy: options.doubtPolicy ?? "hold",
    });
    workers.push(worker);
    return worker;
  };
  if (options.working !== false) await work();

  return {
    simulator,
    engine,
    producer,
    person: openPerson(engine, producer),
    read,
    work,

    async create(prompt, fields = {}, reference) {
      const { video } = await producer.create(
        {
          fields: { model: tinyModel, prompt, ...fields },
          ...(reference ? { reference: { kind: "bytes", bytes: reference } } : {}),
        },
        caller,
      );
      return video as VideoIn<"queued">;
    },

    async reach<S extends Status>(id: VideoId, status: S, withinMs?: number) {
      const moves = until(
        engine.facts,
        "moved",
        ({ video }) => video.id === id && (video.status === status || isFinal(video.status)),
        `${id} ${status}`,
        withinMs,
      );
      // It may have moved before anyone listened.
      moves.catch(() => undefined);
      const now = await read(id);
      const video = now.status === status || isFinal(now.status) ? now : (await moves).video;
      if (video.status !== status) throw new Error(`${id} ended otherwise than ${status}: ${JSON.stringify(video)}`);
      return video as VideoIn<S>;
    },

    file: (key) => readFile(join(folder, key)),

    async close() {
      await Promise.all(workers.map((worker) => worker.close(1_000)));
      await engine.close();
      // First, because the other one waits for every POST's reply.
      await simulator.close();
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** All that a storage does, to put something else in the place of a part of it. */
export const delegate = (room: Storage): Storage => ({
  place: room.place,
  put: (...call) => room.put(...call),
  head: (...call) => room.head(...call),
  get: (...call) => room.get(...call),
  remove: (...call) => room.remove(...call),
  presign: (...call) => room.presign(...call),
  probe: () => room.probe(),
  abandonUploads: (...call) => room.abandonUploads(...call),
  close: () => room.close(),
});

const fleetOf = (
  url: string,
  { places, looksPerSecond, capabilities, config: { main, ...more } = {} }: BenchOptions,
): Fleet =>
  openFleet({
    upstreams: {
      main: {
        url,
        models: [tinyModel],
        ...(capabilities ? { capabilities } : {}),
        limits: {
          ...(places === undefined ? {} : { inFlight: places }),
          ...(looksPerSecond === undefined ? {} : { looksPerSecond }),
        },
        ...main,
      },
    },
    models: tinyModels,
    timings: quickTimings,
    ...more,
  });
