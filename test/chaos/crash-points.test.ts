import type { Video } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { atOnce, inCell, isSettled } from "../support/chaos.ts";
import { brokenInvariants } from "../support/invariants.ts";
import { at, message, type Moment, moments } from "../support/moments.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const isLong = process.env.CHAOS === "long";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** As many lives at once as two cores carry. */
const livesAtOnce = 6;

type When = "before" | "after";
type Point = readonly [when: When, moment: Moment];

const bothSidesOf = (all: readonly Moment[]): Point[] =>
  all.flatMap((moment) => [["before", moment] as const, ["after", moment] as const]);

const { intent, intentReply, post, postReply, taskId, look, lookReply, completion, bytes, fileRecord } = moments;
const aroundThePost = bothSidesOf([intent, post, postReply, taskId]);
const others: readonly Point[] = [
  ["before", intentReply],
  ["before", look],
  ["after", lookReply],
  ...bothSidesOf([completion, bytes]),
  ["before", fileRecord],
  ["after", message(5)],
  ["before", message(40)],
];

describe(`a worker killed with -9 at ${isLong ? "every message" : "a sample of the messages"} of a video's life`, () => {
  test("loses nothing and pays once: with an upstream that lists, every video is stored without a person", async () => {
    await expectSoundLives(isLong ? await everyPoint() : [...aroundThePost, ...others], true);
  });

  test("loses nothing and pays once: without a list, those in the doubt window wait for a person", async () => {
    await expectSoundLives(isLong ? await everyPoint() : aroundThePost, false);
  });
});

test("a task that the upstream's list shows late is adopted: one look that finds nothing proves nothing", async () => {
  await inCell(redis, { timings: { quietSeconds: 2 } }, async (cell) => {
    cell.simulator.addFault({ on: "list", do: "hide", times: 0 });
    const victim = await cell.startVictim();
    at(victim, "after", post, () => {
      victim.signal("SIGKILL");
      return "end";
    });
    const id = await cell.create("listed late");
    await victim.app.exited;
    await cell.startSuccessor();
    await cell.until(id, (video) => video.status === "in_doubt" && video.doubt.absentSince !== undefined);
    cell.simulator.clearFaults();

    const { status, attempts } = await cell.until(id, isSettled);
    expect({ status, attempts }).toMatchObject({ status: "stored", attempts: [{ number: 1, outcome: "adopted" }] });
    expect(await brokenInvariants(cell)).toEqual([]);
  });
});

test("a task that another video of the same prompt owns is nobody else's", async () => {
  await inCell(redis, {}, async (cell) => {
    const victim = await cell.startVictim();
    const first = await cell.create("twins");
    await cell.until(first, isSettled);
    at(victim, "after", post, () => {
      victim.signal("SIGKILL");
      return "end";
    });
    const second = await cell.create("twins");
    await victim.app.exited;
    await cell.startSuccessor();
    await cell.until(second, isSettled);

    const [one, other] = cell.simulator.posts();
    expect(await cell.read(first)).toMatchObject({ status: "stored", task: { id: one?.task } });
    expect(await cell.read(second)).toMatchObject({ status: "stored", task: { id: other?.task } });
  });
});

test("a file that was put before its worker was killed is found, though it has expired at the upstream since", async () => {
  await inCell(redis, {}, async (cell) => {
    const victim = await cell.startVictim();
    at(victim, "before", fileRecord, () => {
      victim.signal("SIGKILL");
      return "end";
    });
    const id = await cell.create("safe, and nobody knows");
    await victim.app.exited;
    cell.simulator.expire();
    await cell.startSuccessor();

    const { status, attempts } = await cell.until(id, isSettled);
    expect({ status, attempts }).toMatchObject({ status: "stored", attempts: [{ number: 1, charged: "yes" }] });
    expect(await brokenInvariants(cell)).toEqual([]);
  });
});

/** Before and after each message of a life as long as the longest of a few. */
async function everyPoint(): Promise<Point[]> {
  const lengths = await atOnce(livesAtOnce, [1, 2, 3, 4, 5, 6], lengthOfLife);
  return bothSidesOf(Array.from({ length: Math.max(...lengths) }, (_, index) => message(index + 1)));
}

const lengthOfLife = (): Promise<number> =>
  inCell(redis, {}, async (cell) => {
    const { proxies } = await cell.startVictim();
    let messages = 0;
    proxies.listen({ after: ({ number }) => void (messages = number) });
    const id = await cell.create("a life without a death");
    await cell.until(id, ({ status }) => status === "stored");
    return messages;
  });

async function expectSoundLives(points: readonly Point[], lists: boolean): Promise<void> {
  const startedAt = performance.now();
  const lives = await atOnce(livesAtOnce, points, (point) => live(point, lists));
  tell(lives, lists, performance.now() - startedAt);
  expect(lives.flatMap((life) => faultsOf(life, lists))).toEqual([]);
}

interface Life {
  readonly point: string;
  /** A life may be over before its point comes. */
  readonly hasDied: boolean;
  readonly diedInTheWindow: boolean;
  readonly video: Video;
  readonly posts: number;
  readonly tasks: number;
  readonly broken: readonly string[];
}

/** One video's life, with a worker that dies at one point of it, and another one that comes after. */
const live = ([when, moment]: Point, lists: boolean): Promise<Life> =>
  inCell(redis, { lists }, async (cell) => {
    const point = `${when} ${moment.name}`;
    const victim = await cell.startVictim();
    const death = at(victim, when, moment, () => {
      victim.signal("SIGKILL");
      return "end";
    });
    const id = await cell.create(point);
    await Promise.race([victim.app.exited, cell.until(id, isSettled)]);
    await cell.startSuccessor();
    const video = await cell.until(id, isSettled);
    return {
      point,
      hasDied: death.hasCome(),
      diedInTheWindow: death.hasCome() && death.doubt.isOpen(),
      video,
      posts: cell.simulator.posts().length,
      tasks: cell.simulator.tasks().length,
      broken: await brokenInvariants(cell),
    };
  });

function faultsOf({ point, video, diedInTheWindow, tasks, broken }: Life, lists: boolean): string[] {
  const faults = [...broken];
  const mayBeInDoubt = !lists && diedInTheWindow;
  if (video.status !== "stored" && !(mayBeInDoubt && video.status === "in_doubt"))
    faults.push(`it ended ${video.status}: ${JSON.stringify(video)}`);
  if (video.status === "stored" && tasks !== 1) faults.push(`${tasks} tasks were made`);
  return faults.map((fault) => `${point}: ${fault}`);
}

function tell(lives: readonly Life[], lists: boolean, tookMs: number): void {
  const sum = (count: (life: Life) => number) => lives.reduce((total, life) => total + count(life), 0);
  const ended = Object.entries(Object.groupBy(lives, ({ video }) => video.status));
  process.stdout.write(
    `crash points, ${lists ? "with a list" : "without a list"}: ${lives.length} tried, ` +
      `${sum(({ hasDied }) => Number(hasDied))} deaths; ` +
      `${ended.map(([status, those]) => `${those.length} ${status}`).join(", ")}; ` +
      `${sum(({ posts }) => posts)} POSTs, ${sum(({ tasks }) => tasks)} tasks; ${Math.round(tookMs / 1000)} s\n`,
  );
}
