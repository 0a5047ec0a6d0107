import { EventEmitter, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { BatchBody, BatchOptions, ClipBody } from "@reelq/contract";
import {
  type Caller,
  type Engine,
  type FleetConfig,
  openBatches,
  openEngine,
  openFleet,
  openStorage,
  openUploads,
  producerOn,
  type StageWorkers,
  startWorker,
  type Storage,
  timeoutsOf,
} from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import { openUpstream } from "@reelq/upstream";
import { Redis } from "ioredis";
import { writeReport } from "../../apps/worker/src/report.ts";
import { quickTimings } from "./engine.ts";
import { type NightBill, openNightBill } from "./night-bill.ts";
import { type NightOptions, type NightUpstream, startNightUpstream } from "./night-upstream.ts";
import type { TestRedis } from "./redis.ts";

export interface NightBenchOptions extends Omit<NightOptions, "bill"> {
  readonly projects?: FleetConfig["projects"];
  readonly budget?: Parameters<typeof openFleet>[0]["budget"];
  /** Of each account, beside what it serves. */
  readonly entries: Readonly<Record<string, Partial<FleetConfig["upstreams"][string]>>>;
}

interface NightWorker {
  /** Its Redis goes away in the middle of whatever it does, and it never says a word again. */
  kill(): Promise<void>;
}

export interface NightBench {
  readonly upstream: NightUpstream;
  readonly bill: NightBill;
  /** What orders; no worker works on it. */
  readonly engine: Engine;
  readonly storage: Storage;
  /** Its folder. */
  readonly folder: string;
  readonly prefix: string;
  /** What a process needs to be a worker of this night. */
  config(worker: string): object;
  startWorker(name: string): Promise<NightWorker>;
  order(manifest: string, options: BatchOptions, caller: Caller): Promise<string>;
  change(id: string, change: Parameters<ReturnType<typeof openBatches>["change"]>[1]): Promise<BatchBody>;
  pause(id: string): Promise<BatchBody>;
  resume(id: string): Promise<BatchBody>;
  read(id: string): Promise<BatchBody>;
  clips(id: string): Promise<readonly ClipBody[]>;
  /** Looks again whenever something has moved, here or at the upstream, until it is so. */
  when(is: () => boolean | Promise<boolean>, what: string, withinMs?: number): Promise<void>;
  close(): Promise<void>;
}

const admin: Caller = { project: "default", key: "admin", isAdmin: true };

const models = { seconds: [1, 2], sizes: ["64x64"], defaultSeconds: 1, defaultSize: "64x64", typicalRenderSeconds: 1 };

let benches = 0;

export async function openNightBench(redis: TestRedis, options: NightBenchOptions): Promise<NightBench> {
  const { clock, accounts, projects = {}, entries, budget = {} } = options;
  const bill = openNightBill(clock);
  const upstream = await startNightUpstream({ ...options, bill });
  const folder = await mkdtemp(join(tmpdir(), "reelq-night-"));
  const config = (worker: string) => ({
    ...configOf(worker, accounts, entries, upstream),
    projects,
    budget,
    timings: quickTimings,
  });
  const prefix = `{night-${process.pid}-${(benches += 1)}}`;
  const moves = new EventEmitter<{ moved: [] }>();
  moves.setMaxListeners(0);
  const tell = (): void => void moves.emit("moved");
  bill.events.on("entry", tell);
  const open = (): Engine => {
    const engine = openEngine({
      redisUrl: redis.url,
      fleet: openFleet(config("")),
      storage: openStorage(`file:${folder}`, {}),
      patient: true,
      prefix,
      clock,
    });
    for (const name of ["moved", "batchTurned", "laneRested"] as const) engine.facts.on(name, tell);
    return engine;
  };
  const engine = open();
  const following = new Redis(redis.url);
  // Ends with the connection.
  void follow(following, engine.keys.events, tell).catch(() => undefined);
  const outside = { fetchImage: (url: string) => Promise.reject(new Error(`Nobody is to be asked for ${url}.`)) };
  const batches = openBatches(engine, { producer: producerOn(engine), outside, readManifest });
  const uploads = openUploads(engine);
  const closing: (() => Promise<unknown>)[] = [];

  return {
    upstream,
    bill,
    engine,
    storage: engine.storage,
    folder,
    prefix,
    config,

    async startWorker(name) {
      const own = open();
      const upstreams = Object.entries(own.fleet.upstreams).map(([account, entry]) =>
        openUpstream({
          name: account,
          url: entry.url,
          key: keyOf(account, name),
          createFormat: entry.format,
          timeouts: timeoutsOf(entry),
        }),
      );
      const worker: StageWorkers = await startWorker(own, {
        name,
        stages: ["submit", "poll", "download"],
        concurrency: 24,
        upstreams,
        doubtPolicy: "hold",
        report: (sources) => writeReport(sources, own.storage, clock.now()),
      });
      let isOver = false;
      closing.push(async () => {
        if (!isOver) await worker.close(1_000);
        await own.close().catch(() => undefined);
        for (const one of upstreams) void one.close();
      });
      return {
        kill() {
          isOver = true;
          own.redis.disconnect();
          return worker.close(0);
        },
      };
    },

    async order(manifest, reelq, caller) {
      const kept = await uploads.keep(Readable.from([Buffer.from(manifest)]), "shots.jsonl", caller);
      const { id } = await uploads.record(kept, "batch");
      return (
        await batches.create({ input_file_id: id, endpoint: "/v1/videos", completion_window: "24h", reelq }, caller)
      ).id;
    },

    change: (id, change) => batches.change(id, change, admin),
    pause: (id) => batches.pause(id, admin),
    resume: (id) => batches.resume(id, admin),
    read: (id) => batches.read(id, admin),

    async clips(id) {
      const clips: ClipBody[] = [];
      for (let after = 0; ;) {
        const page = await batches.clips(id, { after, limit: 500 }, admin);
        clips.push(...page.clips);
        if (!page.hasMore || page.lastNumber === null) return clips;
        after = page.lastNumber;
      }
    },

    async when(is, what, withinMs = 60_000) {
      const signal = AbortSignal.timeout(withinMs);
      for (;;) {
        const move = once(moves, "moved", { signal });
        move.catch(() => undefined);
        if (await is()) return;
        await move.catch(() => {
          throw new Error(`Waited ${withinMs / 1000} s in vain until ${what}.`);
        });
      }
    },

    async close() {
      await Promise.all(closing.map((close) => close()));
      following.disconnect();
      await batches.close();
      await engine.close();
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Tells of each event, whichever process made it. */
async function follow(redis: Redis, stream: string, tell: () => void): Promise<void> {
  for (let last = "$"; redis.status !== "end";) {
    const reply = await redis.xread("COUNT", 1_000, "BLOCK", 0, "STREAMS", stream, last);
    last = reply?.[0]?.[1].at(-1)?.[0] ?? last;
    tell();
  }
}

/** The upstream knows by its key which worker speaks. */
const keyOf = (account: string, worker: string): string => `key-of-${account}${worker === "" ? "" : `-${worker}`}`;

function configOf(
  worker: string,
  accounts: NightOptions["accounts"],
  entries: NightBenchOptions["entries"],
  upstream: NightUpstream,
): Pick<FleetConfig, "upstreams" | "models"> {
  const names = new Set(Object.values(accounts).flatMap((prices) => Object.keys(prices)));
  return {
    models: Object.fromEntries([...names].map((model) => [model, models])),
    upstreams: Object.fromEntries(
      Object.entries(accounts).map(([account, prices]) => [
        account,
        {
          url: upstream.url(account),
          key: keyOf(account, worker),
          models: Object.fromEntries(
            Object.entries(prices).map(([model, price]) => [model, { price: priceOf(price) }]),
          ),
          capabilities: { variants: false, remix: false },
          bills: { render_failed: false, moderated: false },
          ...entries[account],
        },
      ]),
    ),
  };
}

const priceOf = (price: NightOptions["accounts"][string][string]) =>
  "perClip" in price ? { perClipUsd: price.perClip / 1e6 } : { perSecondUsd: price.perSecond / 1e6 };
