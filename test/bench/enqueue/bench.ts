import { type App, startApp } from "../../support/processes.ts";
import { redisServerProgram, startRedis, type TestRedis } from "../../support/redis.ts";
import { type Bench, CannotRunError, type Line } from "../frame/bench.ts";
import { inChild } from "../frame/child.ts";
import { instantFleet } from "../frame/instant.ts";
import { interleaved, median, medianOf } from "../frame/rounds.ts";
import { settingFor } from "../frame/setting.ts";
import type { Bulk, BulkInput, Load, LoadInput, Manner } from "./enqueue.ts";
import { checkJobs, checkVideos } from "./queued.ts";

const rounds = 5;
const requests = 4_000;
const connections = 64;
const bulkRounds = 5;
const bulkCounts = [1_000, 10_000];

export const enqueueBench: Bench = {
  question: "How many videos a second are accepted, one by one over HTTP and in bulk?",
  async run(print) {
    if (redisServerProgram === undefined) throw new CannotRunError("There is no redis-server here.");
    const posts = await measurePosts();
    print("accepted one by one; now in bulk");
    const bulks = await measureBulks();
    return {
      lines: [...linesOfPosts(posts), ...linesOfBulks(bulks)],
      notes: [
        `${rounds} rounds of ${requests} POSTs each over ${connections} kept connections, sides in turn, one round thrown away; medians. The body is JSON of about 200 bytes.`,
        "Redis is append-only with appendfsync always, one for each side. Loader, application and Redis share this machine.",
        "Beside it: Express 5 with express.json(), one queue.add and res.json: no validation, no keys, no record, no event.",
        `Bulk: each of ${bulkRounds} rounds in a fresh process on an empty Redis, the second call of two; beside it one addBulk of as many.`,
      ],
      raw: { posts, bulks },
    };
  },
};

async function measurePosts() {
  const api = await openApi();
  try {
    const express = await openExpress();
    try {
      return await interleaved(rounds, {
        reelq: api.takes("plain"),
        bare: express.takes("plain"),
        reelqByKey: api.takes("key"),
        reelqBySdk: api.takes("official-sdk"),
      });
    } finally {
      await express.close();
    }
  } finally {
    await api.close();
  }
}

interface Taker {
  /** A round of load. */
  takes(manner: Manner): () => Promise<Load>;
  close(): Promise<void>;
}

/** @param check throws unless so many are there */
function takerAt(url: string, check: (count: number) => Promise<void>): Pick<Taker, "takes"> {
  let taken = 0;
  let round = 0;
  return {
    takes: (manner) => async () => {
      const name = `round-${(round += 1)}`;
      const input: LoadInput = { url: `${url}/v1/videos`, manner, requests, connections, name };
      const load = await inChild<Load>(import.meta.resolve("./load.ts"), input);
      await check((taken += requests));
      return load;
    },
  };
}

async function openApi(): Promise<Taker> {
  const redis = await startRedis();
  const { env, remove } = await settingFor(redis.url, instantFleet);
  const app: App = startApp("api", { env });
  const close = async (): Promise<void> => {
    await app.kill("SIGTERM");
    await redis.stop();
    await remove();
  };
  try {
    return { ...takerAt((await app.ready) ?? "", (count) => checkVideos(redis.url, count)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openExpress(): Promise<Taker> {
  const redis = await startRedis();
  const listening = Promise.withResolvers<{ readonly url: string; readonly end: () => void }>();
  const ended = inChild<void>(
    import.meta.resolve("./bare-express.ts"),
    { redisUrl: redis.url },
    { onTold: (url, answer) => listening.resolve({ url: String(url), end: () => answer("end") }) },
  );
  ended.catch(listening.reject);
  try {
    const { url, end } = await listening.promise;
    return {
      ...takerAt(url, (count) => checkJobs(redis.url, count)),
      async close() {
        end();
        await ended;
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}

interface BulkRounds {
  readonly count: number;
  readonly reelq: readonly Bulk[];
  readonly bare: readonly Bulk[];
}

async function measureBulks(): Promise<BulkRounds[]> {
  const measured: BulkRounds[] = [];
  for (const count of bulkCounts)
    measured.push({
      count,
      ...(await interleaved(bulkRounds, {
        reelq: bulkOf(import.meta.resolve("./bulk-reelq.ts"), count, checkVideos),
        bare: bulkOf(import.meta.resolve("./bulk-bare.ts"), count, checkJobs),
      })),
    });
  return measured;
}

/** One process on one empty Redis. */
const bulkOf = (module: string, count: number, check: typeof checkJobs) => (): Promise<Bulk> =>
  onOwnRedis(async ({ url }) => {
    const input: BulkInput = { redisUrl: url, count };
    const did = await inChild<Bulk>(module, input);
    await check(url, 2 * count);
    return did;
  });

async function onOwnRedis<Result>(use: (redis: TestRedis) => Promise<Result>): Promise<Result> {
  const redis = await startRedis();
  try {
    return await use(redis);
  } finally {
    await redis.stop();
  }
}

type Posts = Awaited<ReturnType<typeof measurePosts>>;

function linesOfPosts({ reelq, bare, reelqByKey, reelqBySdk }: Posts): Line[] {
  const perSecond = ({ seconds }: Load) => requests / seconds;
  const aside = (figure: (load: Load) => number) => ({ name: "Express + add", figure: medianOf(bare, figure) });
  const rate = (what: string, loads: readonly Load[]): Line => ({
    what,
    unit: "/s",
    reelq: medianOf(loads, perSecond),
    beside: aside(perSecond),
  });
  const latency = (what: string, figure: (load: Load) => number): Line => ({
    what,
    unit: "ms",
    reelq: medianOf(reelq, figure),
    beside: aside(figure),
  });
  return [
    { ...rate("POST /v1/videos a second", reelq), goal: { of: "ratio", atLeast: 0.6 } },
    latency("its p50", ({ p50Ms }) => p50Ms),
    latency("its p99", ({ p99Ms }) => p99Ms),
    rate("with an Idempotency-Key", reelqByKey),
    rate("as the official SDK sends it", reelqBySdk),
  ];
}

function linesOfBulks(bulks: readonly BulkRounds[]): Line[] {
  const perSecond = (count: number, did: readonly Bulk[]) => median(did.map(({ seconds }) => count / seconds));
  const best = Math.max(...bulks.map(({ count, reelq }) => perSecond(count, reelq)));
  return bulks.map(({ count, reelq, bare }): Line => {
    const figure = perSecond(count, reelq);
    const line: Line = {
      what: `createMany of ${count.toLocaleString("en-US")} at once, videos a second`,
      unit: "/s",
      reelq: figure,
      beside: { name: "addBulk", figure: perSecond(count, bare) },
    };
    return figure < best ? line : { ...line, goal: { of: "figure", atLeast: 10_000 } };
  });
}
