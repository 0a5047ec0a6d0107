import { startRedis } from "../../support/redis.ts";
import { type Bench, CannotRunError, type Line, type Print } from "../frame/bench.ts";
import { inChild } from "../frame/child.ts";
import { interleaved, medianOf } from "../frame/rounds.ts";
import type { Lives, LivesInput } from "./lives.ts";
import { startPostgres } from "./postgres.ts";

const rounds = 5;
const sizes = { atOnce: 12_000, lives: 12_000, concurrency: 100 };

/** Much slower, so fewer of them say as much. */
const graphileSizes = { atOnce: 500, lives: 500, concurrency: 20 };
const graphileRounds = 3;

type Timed = Pick<Lives, "lives" | "seconds" | "cpuSeconds">;

export const livesBench: Bench = {
  question:
    "How many lives a second (accepted, submitted, three looks, downloaded, stored) does one worker process carry, with ledger, events and verdicts on?",
  async run(print) {
    const did = await interleaved(rounds, {
      reelq: () => onRedis(import.meta.resolve("./reelq.ts"), print),
      bare: () => onRedis(import.meta.resolve("./bare-bullmq.ts"), print),
    });
    const graphile = await onPostgres(print);
    const perSecond = medianOf(did.reelq, rateOf);
    const bare = (figure: (one: Lives) => number) => ({ name: "bare BullMQ", figure: medianOf(did.bare, figure) });
    const line = (what: string, unit: string, figure: (one: Lives) => number): Line => ({
      what,
      unit,
      reelq: medianOf(did.reelq, figure),
      beside: bare(figure),
    });
    const hiccups = new Set([...did.reelq, ...did.bare].flatMap((one) => one.hiccups));
    return {
      lines: [
        { ...line("lives a second", "/s", rateOf), goal: { of: "ratio", atLeast: 0.6 } },
        ...(typeof graphile === "string"
          ? []
          : [
              {
                what: "lives a second",
                unit: "/s",
                reelq: perSecond,
                beside: { name: "graphile-worker", figure: medianOf(graphile, rateOf) },
              },
            ]),
        line("CPU of the process, a life", "ms", ({ cpuSeconds, lives }) => (cpuSeconds / lives) * 1_000),
        line("CPU of Redis, a life", "ms", ({ redis, lives }) => (redis.cpuSeconds / lives) * 1_000),
        line("Redis commands, a life", "", ({ redis, lives }) => redis.commands / lives),
      ],
      notes: [
        `Medians of ${rounds} rounds of ${sizes.lives} lives, ${sizes.atOnce} at once, in a closed loop, after as many that do not count. One process asks for them and works on them; upstream and storage are in it and answer at once. Redis writes each change to disk before it answers (appendfsync always).`,
        "The process has V8's own young generation; with that of a worker (`--max-semi-space-size=8`) it takes about a tenth more CPU.",
        "Bare BullMQ: three plain queues, three delayed looks, no record, no event of its own, nothing that knows what was paid. Commands inside scripts count.",
        typeof graphile === "string"
          ? `graphile-worker was not run: ${graphile}.`
          : `graphile-worker: the same three queues on PostgreSQL with its usual settings, ${graphileRounds} rounds of ${graphileSizes.lives} lives, ${graphileSizes.concurrency} jobs at once.`,
        ...[...hiccups].map((hiccup) => `A hiccup: ${hiccup}`),
      ],
      raw: { reelq: did.reelq, bare: did.bare, graphile },
    };
  },
};

const rateOf = ({ lives, seconds }: Timed): number => lives / seconds;

async function onRedis(module: string, print: Print): Promise<Lives> {
  const redis = await startRedis();
  try {
    const input: LivesInput = { serverUrl: redis.url, ...sizes };
    return told(module, await inChild<Lives>(module, input), print);
  } finally {
    await redis.stop();
  }
}

/** A sentence says why there is none. */
async function onPostgres(print: Print): Promise<readonly Timed[] | string> {
  const round = async () => {
    const postgres = await startPostgres();
    try {
      const input: LivesInput = { serverUrl: postgres.url, ...graphileSizes };
      const module = import.meta.resolve("./graphile.ts");
      return told(module, await inChild<Timed>(module, input), print);
    } finally {
      await postgres.stop();
    }
  };
  try {
    return (await interleaved(graphileRounds, { round }, 0)).round;
  } catch (error) {
    if (error instanceof CannotRunError) return error.message;
    throw error;
  }
}

function told<Round extends Timed>(module: string, round: Round, print: Print): Round {
  print(`  ${module.split("/").at(-1)?.slice(0, -3)}: ${rateOf(round).toFixed(0)} lives a second`);
  return round;
}
