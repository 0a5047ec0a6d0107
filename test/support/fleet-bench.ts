import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lane, Video, VideoId } from "@reelq/contract";
import {
  type Engine,
  type FleetConfig,
  openEngine,
  openFleet,
  producerOn,
  openStorage,
  type Producer,
  type StageWorkers,
  startWorker,
} from "@reelq/engine";
import { openUpstream } from "@reelq/upstream";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { caller, quickTimings, tinyModel, tinyModels, tinyRenders } from "./engine.ts";
import { until } from "./facts.ts";
import type { TestRedis } from "./redis.ts";

type Entry = Partial<FleetConfig["upstreams"][string]>;

export interface FleetBenchOptions {
  /** A simulator each, and what the configuration says of it. */
  readonly upstreams: Readonly<Record<string, { readonly simulator?: SimulatorOptions; readonly entry?: Entry }>>;
  readonly equivalents?: Readonly<Record<string, string[]>>;
  readonly models?: FleetConfig["models"];
  readonly timings?: Partial<typeof quickTimings> & { readonly accountSeconds?: number };
  /** Workers, each with connections of its own. @default 1 */
  readonly workers?: number;
  readonly concurrency?: number;
}

/** Engines at work in this process against several simulators, alone under a prefix of their own in Redis. */
export interface FleetBench {
  /** What producers use; no worker works on it. */
  readonly engine: Engine;
  /** Those that workers use; each tells its own facts. */
  readonly engines: readonly Engine[];
  readonly producer: Producer;
  simulator(name: string): Simulator;
  create(prompt: string, fields?: Readonly<Record<string, unknown>>): Promise<Video>;
  read(id: VideoId): Promise<Video>;
  /** Waits until every one of these has this status. */
  all(ids: readonly VideoId[], status: Video["status"], withinMs?: number): Promise<Video[]>;
  /** Waits until the first worker's breaker for an upstream does this. */
  breaker(upstream: string, change: "opened" | "reopened" | "closed"): Promise<unknown>;
  close(): Promise<void>;
}

const simulatorOptions = (given: SimulatorOptions = {}): SimulatorOptions => ({
  ...tinyRenders,
  ...given,
  models: { ...tinyRenders.models, ...given.models },
});

export const laneAt = (upstream: string, model = tinyModel): Lane => ({ upstream, model });

let benches = 0;

export async function openFleetBench(redis: TestRedis, options: FleetBenchOptions): Promise<FleetBench> {
  const names = Object.keys(options.upstreams);
  const simulators = new Map(
    await Promise.all(
      names.map(
        async (name) => [name, await startSimulator(simulatorOptions(options.upstreams[name]?.simulator))] as const,
      ),
    ),
  );
  const simulator = (name: string): Simulator => {
    const one = simulators.get(name);
    if (!one) throw new Error(`There is no simulator ${name}.`);
    return one;
  };
  const folder = await mkdtemp(join(tmpdir(), "reelq-fleet-"));
  const fleet = openFleet({
    upstreams: Object.fromEntries(
      names.map((name) => [name, { url: simulator(name).url, models: [tinyModel], ...options.upstreams[name]?.entry }]),
    ),
    models: { ...tinyModels, ...options.models },
    equivalents: options.equivalents ?? {},
    timings: { ...quickTimings, ...options.timings },
  });
  const prefix = `{fleet-${process.pid}-${(benches += 1)}}`;
  const open = () =>
    openEngine({ redisUrl: redis.url, fleet, storage: openStorage(`file:${folder}`, {}), patient: true, prefix });
  const engine = open();
  const engines = Array.from({ length: options.workers ?? 1 }, open);
  const upstreams = names.map((name) => openUpstream({ name, url: simulator(name).url, key: `key-of-${name}` }));
  const workers: StageWorkers[] = await Promise.all(
    engines.map((one, index) =>
      startWorker(one, {
        name: `worker-${index + 1}`,
        stages: ["submit", "poll", "download"],
        concurrency: options.concurrency ?? 8,
        upstreams,
        doubtPolicy: "hold",
      }),
    ),
  );
  const producer = producerOn(engine);

  const read = async (id: VideoId): Promise<Video> => {
    const video = await engine.ledger.read(id);
    if (!video) throw new Error(`There is no ${id}.`);
    return video;
  };

  return {
    engine,
    engines,
    producer,
    simulator,
    read,
    create: async (prompt, fields = {}) =>
      (await producer.create({ fields: { model: tinyModel, prompt, ...fields } }, caller)).video,

    async all(ids, status, withinMs = 30_000) {
      const left = new Set(ids);
      const moves = engines.map((one) =>
        until(
          one.facts,
          "moved",
          ({ video }) => {
            if (video.status === status) left.delete(video.id);
            return left.size === 0;
          },
          `all ${status}`,
          withinMs,
        ),
      );
      for (const move of moves) move.catch(() => undefined);
      for (const id of ids) if ((await read(id)).status === status) left.delete(id);
      if (left.size > 0) await Promise.any(moves).catch(() => undefined);
      const videos = await Promise.all(ids.map(read));
      const others = videos.filter((video) => video.status !== status);
      if (others.length > 0)
        throw new Error(`${others.length} of ${ids.length} are not ${status}: ${JSON.stringify(others[0])}`);
      return videos;
    },

    breaker: (upstream, change) =>
      Promise.any(
        engines.map((one) =>
          until(
            one.facts,
            "breaker",
            (fact) => fact.upstream === upstream && fact.change === change,
            `the breaker of ${upstream} ${change}`,
          ),
        ),
      ),

    async close() {
      await Promise.all(workers.map((worker) => worker.close(1_000)));
      await Promise.all([engine, ...engines].map((one) => one.close()));
      await Promise.all([...simulators.values()].map((one) => one.close()));
      await Promise.all(upstreams.map((upstream) => upstream.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
