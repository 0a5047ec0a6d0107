import { Redis } from "ioredis";
import { startRedis } from "../../support/redis.ts";
import type { Bench, Figures, Line, Print } from "../frame/bench.ts";
import { inChild } from "../frame/child.ts";
import type { CrowdInput, Watch, WorkerFigures, WorkerWord } from "./crowd.ts";
import { bytesOfVideos, usedMemory, type VideoBytes } from "./redis-bytes.ts";

const size = 100_000;
const askingSeconds = 125;
const measuredSeconds = 60;
const standstillSeconds = 20;
const catchUpSeconds = 10;
const concurrency = 100;

/** 2.5 KB. */
const mostBytes = 2_560;

export const inFlightBench: Bench = {
  question:
    "What do 100,000 videos that render at once cost one worker process and Redis, and are they looked at in time?",
  async run(print) {
    const server = await startRedis();
    const redis = new Redis(server.url);
    try {
      const input: CrowdInput = {
        redisUrl: server.url,
        size,
        concurrency,
        askingSeconds,
        measuredSeconds,
        standstillSeconds,
        catchUpSeconds,
      };
      return figuresOf(await carry(input, redis, print));
    } finally {
      redis.disconnect();
      await server.stop();
    }
  },
};

interface Carried {
  readonly worker: WorkerFigures;
  readonly bytes: VideoBytes;
  readonly acceptedSeconds: number;
}

async function carry(input: CrowdInput, redis: Redis, print: Print): Promise<Carried> {
  const emptyBytes = await usedMemory(redis);
  const accepted = Promise.withResolvers<number>();
  const measured = Promise.withResolvers<VideoBytes>();
  const worker = inChild<WorkerFigures>(import.meta.resolve("./worker.ts"), input, {
    nodeOptions: ["--expose-gc"],
    onTold(told, answer) {
      const word = told as WorkerWord;
      if (word === "listening") {
        print(`the worker listens; ${input.size} videos are asked for`);
        inChild<number>(import.meta.resolve("./producer.ts"), input).then(accepted.resolve, accepted.reject);
        answer("go on");
      } else {
        print("the looks are measured; the sweep is next");
        bytesOfVideos(redis, input.size, emptyBytes).then(measured.resolve, measured.reject);
        measured.promise.then(
          () => answer("go on"),
          () => {},
        );
      }
    },
  });
  // Whichever fails first is told; the others end with this process.
  const [acceptedSeconds, bytes, figures] = await Promise.all([accepted.promise, measured.promise, worker]);
  return { worker: figures, bytes, acceptedSeconds };
}

const rate = ({ seconds }: Watch, count: number): number => count / seconds;

function figuresOf({ worker, bytes, acceptedSeconds }: Carried): Figures {
  const { watch, calmSweep, lateSweep, catchUp } = worker;
  const line = (what: string, reelq: number, unit: string, goal?: Line["goal"]): Line => ({
    what,
    unit,
    reelq,
    ...(goal === undefined ? {} : { goal }),
  });
  return {
    lines: [
      line("bytes a video in Redis", bytes.all, "B", { of: "figure", atMost: mostBytes }),
      ...Object.entries(bytes.parts).map(([part, each]) => line(`of them ${part}`, each, "B")),
      line("resident memory of the worker", worker.residentBytes / 1024 ** 2, "MiB"),
      line("most resident memory of the worker", worker.mostResidentBytes / 1024 ** 2, "MiB"),
      line("of it in use after a collection (V8's heap)", worker.liveHeapBytes / 1024 ** 2, "MiB"),
      line("looks needed", rate(watch, watch.needed), "/s"),
      line("looks made", rate(watch, watch.looks), "/s"),
      line("lateness of looks, p50", watch.lateMs.median, "ms"),
      line("lateness of looks, p99", watch.lateMs.p99, "ms"),
      line("looks made when behind", rate(catchUp, catchUp.looks), "/s"),
      line("worker CPU a look", (watch.cpuSeconds / watch.looks) * 1_000, "ms"),
      line("Redis CPU a look", (watch.redis.cpuSeconds / watch.looks) * 1_000, "ms"),
      line("Redis commands a look", watch.redis.commands / watch.looks, ""),
      line("a sweep where nothing is late", calmSweep.ms, "ms"),
      line("its Redis commands", calmSweep.commands, ""),
      line("its longest Redis command", calmSweep.longest.ms, "ms"),
      line(`a sweep that finds ${lateSweep.late.toLocaleString("en-US")} late`, lateSweep.ms, "ms"),
      line("its Redis commands", lateSweep.commands, ""),
      line("its longest Redis command", lateSweep.longest.ms, "ms"),
    ],
    notes: [
      `${size.toLocaleString("en-US")} videos, asked for evenly in ${acceptedSeconds.toFixed(0)} s through createMany, and all sent by the one worker (concurrency ${concurrency}) within ${worker.fillSeconds.toFixed(0)} s; then ${measuredSeconds} s of looks, one round.`,
      `Prompts of about 110 characters, no idempotency keys, progress reported; renders never end, and the lane has learned that they last an hour on average, so that each is looked at about every two minutes.`,
      `Upstream and storage are in the worker's process and answer at once; a look waits up to 40 ms for others to be asked together.`,
      `Late after ${standstillSeconds} s without a worker; then ${catchUpSeconds} s of looks with more due than can be made.`,
      ...(worker.hiccups.length > 0 ? [`Hiccups: ${[...new Set(worker.hiccups)].slice(0, 5).join("; ")}`] : []),
    ],
    raw: { worker, bytes, acceptedSeconds },
  };
}
