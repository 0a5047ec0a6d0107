import type { Lane } from "@reelq/contract";
import type { Upstream } from "@reelq/upstream";
import { DelayedError, type Job, RateLimitError, Worker } from "bullmq";
import { openAccount } from "./account.ts";
import { openGates } from "./batches/gate.ts";
import { startKeeper } from "./batches/keeper.ts";
import type { ReportSources } from "./batches/sources.ts";
import { openBatchStore } from "./batches/store.ts";
import { DAY, type Dice, SECOND } from "./clock.ts";
import type { Engine } from "./engine.ts";
import type { StageName } from "./facts.ts";
import { openPlan } from "./plan.ts";
import { downloadQueueName, pollQueueName, reminderOf, submitQueueName } from "./queues.ts";
import { connect } from "./redis.ts";
import { run, type RunnerParts } from "./runner.ts";
import { openShares } from "./shares.ts";
import type { DoubtPolicy, StageContext } from "./stages/context.ts";
import { sweep } from "./sweep.ts";
import { within } from "./within.ts";

export interface WorkerOptions {
  /** Unique among all that share the Redis. */
  readonly name: string;
  readonly stages: readonly StageName[];
  /** Looks at once; submits and downloads take their part of it. Nothing holds a slot while a render runs. */
  readonly concurrency: number;
  readonly upstreams: readonly Upstream[];
  readonly doubtPolicy: DoubtPolicy;
  readonly dice?: Dice;
  /** Writes the report of a batch that has ended. */
  readonly report?: ((sources: ReportSources) => Promise<void>) | undefined;
}

/** Workers of the stages, running until closed. */
export interface StageWorkers {
  /** Takes no new reminder, and waits at most so long for those at work. What did not end is found by the next worker. */
  close(deadlineMs: number): Promise<void>;
}

/** The stalled counter counts for a job's whole life, so it must never be what ends one. */
const maxStalledCount = 10_000;

/**
 * When a lane's queue has rested, BullMQ wakes nobody for a job that has a priority, as those of batches do: a place that
 * is free is used once somebody looks again. It would be five seconds.
 */
const lookAgainSeconds = 0.5;

/** Words that nobody knows are few; a server that makes up new ones is not listened to for ever. */
const mostWords = 1_000;

export async function startWorker(engine: Engine, options: WorkerOptions): Promise<StageWorkers> {
  const { redis, keys, facts, fleet, storage, ledger, clock, queues } = engine;
  const dice = options.dice ?? Math.random;
  const stopping = new AbortController();
  const accounts = new Map(
    options.upstreams.map((upstream) => [upstream.name, openAccount(upstream, engine, stopping.signal)]),
  );
  const { leaseMs, sweepEveryMs } = fleet.timings;
  const wondered = new Set<string>();
  const context: StageContext = {
    clock,
    dice,
    fleet,
    facts,
    storage,
    worker: options.name,
    doubtPolicy: options.doubtPolicy,
    upstream: ({ upstream }) => accounts.get(upstream)?.upstream,
    isAlive: (worker) => ledger.isAlive(worker),
    look: (video) => {
      const account = accounts.get(video.lane.upstream);
      if (!account) throw new Error(`This worker has no account named ${video.lane.upstream}.`);
      return account.look(video);
    },
    plan: openPlan(ledger, fleet, clock, dice),
    batch: openGates(openBatchStore(engine), clock),
    readLanes: (lanes) => ledger.laneStates(lanes),
    recentTasks: (upstream, since, until) => ledger.recentTasks(upstream, since, until),
    evidenceFor: (video) => ledger.evidenceFor(video),
    wonder: (video, word) => {
      if (wondered.has(word) || wondered.size >= mostWords) return;
      wondered.add(word);
      facts.emit("unknownWord", { video, word });
    },
    ownerOf: (upstream, task) => ledger.ownerOf(upstream, task),
    signal: stopping.signal,
  };
  // A lane has a submit queue of its own; these two are shared by all upstreams.
  const slots: Readonly<Record<string, number>> = Object.fromEntries(
    queuesOf(options, engine).flatMap(({ stage, concurrency }) => (stage === "submit" ? [] : [[stage, concurrency]])),
  );
  const shares = openShares((stage) => slots[stage] ?? Number.POSITIVE_INFINITY, accounts.size);
  const parts: RunnerParts = { ledger, queues, context, shares };

  const lease = every(
    leaseMs / 3,
    () =>
      redis
        .multi()
        .set(keys.worker(options.name), String(clock.now()), "PX", leaseMs)
        .zadd(keys.workers, clock.now() + leaseMs, options.name)
        .zremrangebyscore(keys.workers, "-inf", clock.now() - DAY)
        .exec(),
    engine,
    "lease",
  );
  await lease.first;
  const sweeping = every(
    sweepEveryMs,
    () => sweep({ redis, keys, ledger, queues, facts, clock, storage, fleet }),
    engine,
    "sweep",
  );
  // Where nobody sends, nothing is to be let go.
  const keeper = options.stages.includes("submit") ? startKeeper(engine, { report: options.report }) : undefined;
  const workers = queuesOf(options, engine).map(({ queue, stage, concurrency }) =>
    startStage(queue, stage, concurrency, parts, engine),
  );

  return {
    async close(deadlineMs) {
      sweeping.stop();
      await keeper?.close();
      const closing = Promise.all(workers.map(({ worker }) => worker.close()));
      const ended = await within(deadlineMs, closing);
      await within(SECOND, context.plan.settle());
      if (!ended) {
        // Downloads end here; their reminders are found by the next worker. A POST cannot be called back: the
        // connections are cut beneath it, because a second close, even a forced one, only waits for the first.
        stopping.abort();
        await within(SECOND, closing);
      }
      lease.stop();
      await redis
        .multi()
        .del(keys.worker(options.name))
        .zrem(keys.workers, options.name)
        .exec()
        .catch(() => null);
      for (const { connection } of workers) connection.disconnect();
    },
  };
}

interface StageQueue {
  readonly queue: string;
  readonly stage: StageName;
  readonly concurrency: number;
}

/** A POST is little to wait for, even one that a server answers only once it renders; a lane's places are filled at once. */
const mostPosts = 64;

/** Downloads have slots of their own, so that no flood of submits starves them. */
function queuesOf({ stages, concurrency }: WorkerOptions, { fleet }: Engine): StageQueue[] {
  const part = (share: number) => Math.max(1, Math.round(concurrency * share));
  const posts = (lane: Lane): number => {
    const { inFlight } = fleet.limitsOf(lane).lane;
    return Math.max(part(0.25), Math.min(inFlight || fleet.limitsOf(lane).account.inFlight, mostPosts));
  };
  const all: StageQueue[] = [
    ...fleet.lanes.map((lane) => ({
      queue: submitQueueName(lane),
      stage: "submit" as const,
      concurrency: posts(lane),
    })),
    { queue: pollQueueName, stage: "poll", concurrency: part(1) },
    { queue: downloadQueueName, stage: "download", concurrency: part(0.5) },
  ];
  return all.filter(({ stage }) => stages.includes(stage));
}

function startStage(
  queue: string,
  stage: StageName,
  concurrency: number,
  parts: RunnerParts,
  { redisUrl, keys, facts, fleet }: Engine,
) {
  const { lockMs } = fleet.timings;
  const onError = (error: Error) => facts.emit("hiccup", { where: `worker ${queue}`, error });
  const connection = connect(redisUrl, { patient: true }, onError);
  const worker: Worker = new Worker(queue, (job, token) => handle(job, token, worker, stage, parts), {
    connection,
    prefix: keys.prefix,
    concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs / 2,
    maxStalledCount,
    ...(stage === "submit" ? { drainDelay: lookAgainSeconds } : {}),
    // A handful is kept for people to see; of looks, each is followed by the next, and the record counts them.
    removeOnComplete: { count: stage === "poll" ? 0 : 500 },
    removeOnFail: { count: 1_000 },
  });
  worker.on("error", onError);
  worker.on("failed", (job, error) => facts.emit("hiccup", { where: `${queue} ${job?.id ?? ""}`, error }));
  return { worker, connection };
}

/** Always the same one: each look ends so, and an error walks its stack when it is made. */
const delayed = new DelayedError();

/** The one place where BullMQ's own way of saying «later» is used. */
async function handle(
  job: Job,
  token: string | undefined,
  worker: Worker,
  stage: StageName,
  parts: RunnerParts,
): Promise<string> {
  const { facts } = parts.context;
  const reminder = reminderOf(job);
  if (!reminder) {
    facts.emit("setAside", {
      what: "reminder",
      id: job.id ?? "",
      reason: `neither the job's id nor its data is a reminder: ${JSON.stringify(job.data)?.slice(0, 200)}`,
    });
    return "set aside: not a reminder";
  }
  const startedAt = performance.now();
  const afterwards = await run(reminder, worker.toKey(job.id ?? ""), stage, parts);
  facts.emit("ran", { stage, durationMs: performance.now() - startedAt });
  switch (afterwards.kind) {
    case "done":
      return "done";
    case "delay":
      // BullMQ counts by the machine's own clock, whatever ours says.
      await job.moveToDelayed(Date.now() + afterwards.delayMs, token);
      throw delayed;
    case "rest":
      await worker.rateLimit(afterwards.restMs);
      throw new RateLimitError();
  }
}

/** Does it now and then again and again, never twice at once. */
function every(ms: number, task: () => Promise<unknown>, { facts }: Engine, where: string) {
  let running: Promise<unknown> | undefined;
  const tick = () => {
    running ??= task()
      .catch((error: Error) => facts.emit("hiccup", { where, error }))
      .finally(() => (running = undefined));
    return running;
  };
  const first = tick();
  const timer = setInterval(tick, ms);
  return { first, stop: () => clearInterval(timer) };
}
