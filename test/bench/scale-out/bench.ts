import type { Bench, Line, Print } from "../frame/bench.ts";
import { interleaved, medianOf } from "../frame/rounds.ts";
import { type Flow, type RedisWork, renderMs } from "./flow.ts";
import { flowPast, type QueuedIn } from "./queued.ts";
import { carryTogether, type Together } from "./several.ts";

const concurrency = 100;

const togetherLives = 6_000;
const togetherRounds = 3;

/** The sweep comes every 10 s, and asks each queued video about every 45 s: what it costs is to be counted, not met by chance. */
const queueMs = 45_000;
const queueRounds = 2;
const few = 1_000;
const many = 100_000;

export const scaleOutBench: Bench = {
  question: "What do more worker processes bring, and does a life cost more where many others are queued?",
  async run(print) {
    const together = await interleaved(
      togetherRounds,
      {
        one: severalSide(1, print),
        two: severalSide(2, print),
        four: severalSide(4, print),
      },
      // Of each the first quarter warms up.
      0,
    );
    const past = await interleaved(
      queueRounds,
      {
        fewBeside: flowSide(few, "a full lane beside it", print),
        manyBeside: flowSide(many, "a full lane beside it", print),
        fewAhead: flowSide(few, "its own lane", print),
        manyAhead: flowSide(many, "its own lane", print),
      },
      // Each warms up by itself.
      0,
    );
    return {
      lines: [
        ...togetherLines(together),
        ...growthLines("a full lane beside it", past.fewBeside, past.manyBeside),
        ...growthLines("its own lane", past.fewAhead, past.manyAhead),
      ],
      notes: [
        `Lives with several processes: ${togetherLives.toLocaleString("en-US")} a round, of which the middle half is measured, ${togetherRounds} rounds; all are asked for at once by a process of its own, through createMany. Processes and Redis share this machine's cores.`,
        `Lives past a queue: those of ${queueMs / 1_000} s, in which the sweep asks for each queued video about once, ${queueRounds} rounds; one process asks for each and carries it, as many as are stored. The queued ones were accepted 16 s before and earlier.`,
        `Upstream and storage are in the workers' processes; renders last ${renderMs.from} to ${renderMs.upTo} ms by the clock, whichever process looks: ${looksALife(together.one).toFixed(1)}, ${looksALife(together.two).toFixed(1)} and ${looksALife(together.four).toFixed(1)} looks a life with 1, 2 and 4 processes.`,
        `What Redis did most for a life with ${many.toLocaleString("en-US")} queued in a full lane beside it: ${most(past.manyBeside)}; with ${few.toLocaleString("en-US")}: ${most(past.fewBeside)}.`,
        `The same queued in its own lane: ${most(past.manyAhead)}; with ${few.toLocaleString("en-US")}: ${most(past.fewAhead)}.`,
      ],
      raw: { together, past },
    };
  },
};

const severalSide = (processes: number, print: Print) => async (): Promise<Together> => {
  const did = await carryTogether(processes, togetherLives, concurrency);
  print(`${processes} processes: ${livesASecond(did).toFixed(0)} lives a second`);
  return did;
};

const flowSide = (queued: number, where: QueuedIn, print: Print) => async (): Promise<Flow> => {
  const did = await flowPast(queued, where, queueMs, concurrency);
  print(`${queued} queued in ${where}: ${(did.lives / did.seconds).toFixed(0)} lives a second`);
  return did;
};

const livesASecond = ({ lives, seconds }: Together): number => lives / seconds;

const cpuOfParts = ({ asked, parts }: Together): number =>
  (parts.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / asked) * 1_000;

const looksALife = (rounds: readonly Together[]): number =>
  medianOf(rounds, ({ asked, parts }) => parts.reduce((sum, { looks }) => sum + looks, 0) / asked);

interface Numbers {
  readonly one: readonly Together[];
  readonly two: readonly Together[];
  readonly four: readonly Together[];
}

function togetherLines({ one, two, four }: Numbers): Line[] {
  const besideOne = (what: string, unit: string, rounds: readonly Together[], figure: (did: Together) => number) => ({
    what,
    unit,
    reelq: medianOf(rounds, figure),
    beside: { name: "with one", figure: medianOf(one, figure) },
  });
  const redisMs = ({ lives, redis }: Together) => (redis.cpuSeconds / lives) * 1_000;
  const commands = ({ lives, redis }: Together) => redis.commands / lives;
  return [
    { what: "lives a second with one process", unit: "/s", reelq: medianOf(one, livesASecond) },
    besideOne("lives a second with two", "/s", two, livesASecond),
    besideOne("lives a second with four", "/s", four, livesASecond),
    besideOne("CPU of the processes a life, with four", "ms", four, cpuOfParts),
    besideOne("Redis CPU a life, with four", "ms", four, redisMs),
    besideOne("Redis commands a life, with four", "", four, commands),
  ];
}

function growthLines(where: QueuedIn, fewQueued: readonly Flow[], manyQueued: readonly Flow[]): Line[] {
  const plain = (what: string, unit: string, figure: (did: Flow) => number): Line => ({
    what: `${what}, ${many.toLocaleString("en-US")} queued in ${where}`,
    unit,
    reelq: medianOf(manyQueued, figure),
    beside: { name: `with ${few.toLocaleString("en-US")}`, figure: medianOf(fewQueued, figure) },
  });
  const line: typeof plain = (...of) => ({ ...plain(...of), goal: { of: "ratio", atMost: 1.2 } });
  return [
    line("time of a life", "ms", ({ seconds, lives }) => (seconds / lives) * 1_000),
    line("CPU of its process", "ms", ({ cpuSeconds, lives }) => (cpuSeconds / lives) * 1_000),
    line("CPU of Redis", "ms", ({ redis, lives }) => (redis.cpuSeconds / lives) * 1_000),
    line("Redis commands", "", ({ redis, lives }) => redis.commands / lives),
    // Part of what a life costs above, which has the goal.
    plain(
      "the sweep's question for a queued video",
      "ms",
      ({ question: { seconds, videos } }) => (seconds / videos) * 1_000,
    ),
    plain("CPU of Redis for it", "ms", ({ question: { redis, videos } }) => (redis.cpuSeconds / videos) * 1_000),
  ];
}

/** Scripts contain the others. */
const isPart = (name: string): boolean => !/^(?:eval|evalsha|exec|info)$/.test(name);

/** The three commands that took the most time, with what they took for a life. */
function most(rounds: readonly Flow[]): string {
  const [round] = rounds;
  if (!round) return "nothing";
  const { byCommand }: RedisWork = round.redis;
  return Object.entries(byCommand)
    .filter(([name]) => isPart(name))
    .toSorted(([, one], [, other]) => other.seconds - one.seconds)
    .slice(0, 3)
    .map(([name, { calls, seconds }]) => {
      const [times, micros] = [calls / round.lives, (seconds / round.lives) * 1e6];
      return `${name} ${times.toFixed(1)} times, ${micros.toFixed(0)} us`;
    })
    .join(", ");
}
