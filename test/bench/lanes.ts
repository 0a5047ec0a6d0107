import { openFleetBench } from "../support/fleet-bench.ts";
import { startRedis } from "../support/redis.ts";
import type { Bench } from "./frame/bench.ts";

interface Case {
  readonly name: string;
  /** Of the usual render times: 0.2 makes the median 21 s. */
  readonly timeScale: number;
  readonly places: number;
  readonly videos: number;
  /** Nobody told reelq how many may run. */
  readonly isUnknown?: boolean;
}

const cases: readonly Case[] = [
  { name: "limit configured", timeScale: 0.2, places: 10, videos: 70 },
  { name: "limit learned", timeScale: 0.2, places: 10, videos: 70, isUnknown: true },
];

export const lanes: Bench = {
  question:
    "How busy does a lane with a full backlog keep an account that lets so many tasks run at once, by the upstream's own record?",
  async run() {
    const figures = [];
    for (const one of cases) figures.push(await measure(one));
    return {
      lines: figures.map(({ name, busy }) => ({
        what: `places in use, ${name}`,
        unit: "%",
        reelq: busy * 100,
        goal: { of: "figure", atLeast: 97 },
      })),
      notes: figures.map(
        ({ name, places, median, peak, refused, posts }) =>
          `${name}: ${places} places, renders of about ${median} s, at most ${peak} at once, ${refused} of ${posts} POSTs refused; two workers in this process.`,
      ),
      raw: figures,
    };
  },
};

async function measure({ name, timeScale, places, videos, isUnknown = false }: Case) {
  const redis = await startRedis();
  const bench = await openFleetBench(redis, {
    upstreams: {
      north: {
        simulator: { renderMs: null, timeScale, maxRunning: places, seed: "lanes" },
        entry: isUnknown ? {} : { limits: { inFlight: places } },
      },
    },
    workers: 2,
    concurrency: 16,
  });
  try {
    const north = bench.simulator("north");
    await Promise.all(Array.from({ length: videos }, (_, index) => bench.create(`busy ${index}`)));
    const { reached } = await north.wait({ tasks: videos, timeoutMs: 600_000 });
    if (!reached) throw new Error(`Of ${videos} videos ${north.tasks().length} were sent in ten minutes.`);
    const posts = north.posts();
    const refused = posts.filter(({ answered }) => answered?.status === 429).length;
    const { peak } = north.looks().renders;
    return {
      name,
      places,
      median: Math.round(105 * timeScale),
      busy: busyShare(spansOf(north), places),
      peak,
      refused,
      posts: posts.length,
    };
  } finally {
    await bench.close();
    await redis.stop();
  }
}

interface Span {
  readonly from: number;
  readonly to: number;
}

function spansOf(simulator: {
  posts(): readonly { at: string; task: string | null }[];
  tasks(): readonly Record<string, unknown>[];
}): Span[] {
  const beganAt = new Map(simulator.posts().map(({ at, task }) => [task, Date.parse(at)]));
  return simulator.tasks().map(({ id, renderMs }) => {
    const from = beganAt.get(id as string) ?? Number.NaN;
    return { from, to: from + Number(renderMs) };
  });
}

/** From the first moment at which the account was full to the last at which there was a backlog. */
function busyShare(spans: readonly Span[], places: number): number {
  const starts = spans.map(({ from }) => from).toSorted((a, b) => a - b);
  const [from, to] = [starts[places - 1] ?? 0, starts.at(-1) ?? 0];
  const used = spans.reduce((sum, span) => sum + Math.max(0, Math.min(span.to, to) - Math.max(span.from, from)), 0);
  return used / ((to - from) * places);
}
