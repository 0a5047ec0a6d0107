import { setTimeout as delay } from "node:timers/promises";
import { redisServerProgram } from "../../support/redis.ts";
import { type Bench, CannotRunError, type Line, type Print } from "../frame/bench.ts";
import { instantModel } from "../frame/instant.ts";
import { medianOf, quantile } from "../frame/rounds.ts";
import { type Deployment, deploy, typicalSeconds } from "./deployment.ts";
import { measureNpmStart, type Started } from "./npm-start.ts";
import { startUpstream, type WatchedUpstream } from "./upstream.ts";

const starts = 5;
const submits = 200;
const renders = 100;
/** Between the starts of two renders, in ms: so far apart that none waits for another. */
const everyMs = 100;
const [shortestRenderMs, longestRenderMs] = [2_000, 4_000];

export const startBench: Bench = {
  question: "How long until it is ready, until a video is sent, and until a finished one is stored?",
  async run(print) {
    if (redisServerProgram === undefined) throw new CannotRunError("There is no redis-server here.");
    const started = await measureStarts(print);
    const upstream = await startUpstream((prompt) => (prompt.startsWith(refused) ? undefined : renderMs(prompt)));
    try {
      const deployment = await deploy(upstream.url);
      try {
        const submitted = await measureSubmits(deployment, upstream);
        print(`${submits} sent; now ${renders} renders`);
        const stored = await measureRenders(deployment, upstream);
        return {
          lines: [...linesOfStarts(started), ...linesOfSubmits(submitted), ...linesOfRenders(stored)],
          notes: notesOn(started, submitted, stored),
          raw: { started, submitted, stored },
        };
      } finally {
        await deployment.close();
      }
    } finally {
      upstream.close();
    }
  },
};

async function measureStarts(print: Print): Promise<Started[]> {
  const started: Started[] = [];
  for (let round = 0; round <= starts; round += 1) {
    const one = await measureNpmStart();
    print(`npm start: ready after ${one.readyMs.toFixed(0)} ms${round === 0 ? " (warm-up)" : ""}`);
    if (round > 0) started.push(one);
  }
  return started;
}

const refused = "Refuse";

/** In ms: other ones for each, and the same in each run. */
function renderMs(prompt: string): number {
  const number = Number(/\d+$/.exec(prompt)?.[0]);
  return shortestRenderMs + (((number * 37) % renders) / renders) * (longestRenderMs - shortestRenderMs);
}

interface Submitted {
  /** From the POST to its 200. */
  readonly acceptMs: number;
  /** From that 200, as its caller has read it, to the whole POST at the upstream; below zero where that came first. */
  readonly sendMs: number;
}

/** One after another: the next is asked for when the last has ended. */
async function measureSubmits({ reelq, end }: Deployment, upstream: WatchedUpstream): Promise<Submitted[]> {
  const submitted: Submitted[] = [];
  for (let number = 0; number < submits + warmUps; number += 1) {
    const prompt = `${refused} ${number}`;
    const askedAt = performance.now();
    const { id } = await reelq.videos.create({ model: instantModel, prompt });
    const acceptedAt = performance.now();
    const ended = await end(id);
    if (ended.type !== "video.failed") throw new Error(`${id} was to be refused; its end was ${ended.type}.`);
    const { postedAt } = watchedOf(upstream, prompt);
    if (number >= warmUps) submitted.push({ acceptMs: acceptedAt - askedAt, sendMs: postedAt - acceptedAt });
  }
  return submitted;
}

const warmUps = 20;

interface Stored {
  /** From "completed" to the look that was told so: the schedule's lateness. */
  readonly lateMs: number;
  /** From that look to `video.completed` in the API's event stream. */
  readonly fetchMs: number;
}

async function measureRenders({ reelq, end }: Deployment, upstream: WatchedUpstream): Promise<Stored[]> {
  const each = Array.from({ length: renders }, async (_, number): Promise<Stored> => {
    await delay(number * everyMs);
    const prompt = `Render ${number}`;
    const { id } = await reelq.videos.create({ model: instantModel, prompt });
    const ended = await end(id);
    const { completedAt, seenAt } = watchedOf(upstream, prompt);
    if (ended.type !== "video.completed" || seenAt === undefined) throw new Error(`${id} ended as ${ended.type}.`);
    return { lateMs: seenAt - completedAt, fetchMs: ended.at - seenAt };
  });
  const stored = await Promise.all(each);
  if (upstream.repeats() > 0) throw new Error(`${upstream.repeats()} POSTs came twice.`);
  return stored;
}

function watchedOf({ watched }: WatchedUpstream, prompt: string) {
  const known = watched.get(prompt);
  if (!known) throw new Error(`"${prompt}" never came to the upstream.`);
  return known;
}

const linesOfStarts = (started: readonly Started[]): Line[] => [
  { what: "npm start to the first 200 of /readyz", unit: "ms", reelq: medianOf(started, ({ readyMs }) => readyMs) },
];

const linesOfSubmits = (submitted: readonly Submitted[]): Line[] => [
  ...quantilesOf(
    "from the 200 to the POST at the upstream",
    submitted.map(({ sendMs }) => sendMs),
  ),
  ...quantilesOf(
    "from the POST at the API to that at the upstream",
    submitted.map(({ acceptMs, sendMs }) => acceptMs + sendMs),
  ),
];

const linesOfRenders = (stored: readonly Stored[]): Line[] => [
  ...quantilesOf(
    "from completed at the upstream to stored",
    stored.map(({ lateMs, fetchMs }) => lateMs + fetchMs),
  ),
  ...quantilesOf(
    "of that: until a look found it",
    stored.map(({ lateMs }) => lateMs),
  ),
  ...quantilesOf(
    "of that: from the look to stored",
    stored.map(({ fetchMs }) => fetchMs),
  ),
];

const quantilesOf = (what: string, values: readonly number[]): Line[] =>
  [0.5, 0.99].map((share) => ({ what: `${what}, p${share * 100}`, unit: "ms", reelq: quantile(values, share) }));

function notesOn(started: readonly Started[], submitted: readonly Submitted[], stored: readonly Stored[]): string[] {
  const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  const redisMs = medianOf(started, (one) => one.redisMs);
  const upstreamMs = medianOf(started, (one) => one.upstreamMs);
  const readyMs = medianOf(started, (one) => one.readyMs);
  return [
    `npm start: median of ${starts}, in an empty folder each time, the packages there: npm, set-up's look and Redis take ${ms(redisMs)}, the simulated upstream ${ms(upstreamMs - redisMs)} more, API and worker ${ms(readyMs - upstreamMs)} more.`,
    `To the upstream: ${submits} videos one after another, with no load; the POST at the API itself takes ${ms(medianOf(submitted, ({ acceptMs }) => acceptMs))} (p50) until its 200 is read.`,
    `To stored: ${renders} renders of ${shortestRenderMs / 1000} to ${longestRenderMs / 1000} s, one begun every ${everyMs} ms, ${typicalSeconds} s being the configured guess; the schedule is learned on the way. Told by the API's event stream.`,
    `The schedule's lateness is ${((medianOf(stored, ({ lateMs }) => lateMs) / medianOf(stored, ({ lateMs, fetchMs }) => lateMs + fetchMs)) * 100).toFixed(0)} % of the median: it trades looks for lateness.`,
  ];
}
