import type { ProblemError, VideoId } from "@reelq/contract";
import type { Accepted } from "@reelq/engine";
import { reminderId } from "@reelq/engine";
import { Queue } from "bullmq";
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import { type Bench, caller, openBench, tinyModel } from "../support/engine.ts";
import { recorded } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open({ onTestFinished }: TestContext, server = redis): Promise<Bench> {
  const bench = await openBench(server, { working: false });
  onTestFinished(() => bench.close());
  return bench;
}

const ask = (prompt: string) => ({ fields: { model: tinyModel, prompt } });
const times = <T>(count: number, one: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => one(at));
const idsOf = (accepted: readonly Accepted[]): VideoId[] => accepted.map(({ video }) => video.id);
const freshOf = (accepted: readonly Accepted[]): Accepted[] => accepted.filter(({ replayed }) => !replayed);

/** The reminders that are in the queues once their engine is closed. */
async function remindersAfterClose({ engine }: Bench): Promise<string[]> {
  const names = engine.queues.all.map(({ name }) => name);
  await engine.close();
  const ids = names.map(async (name) => {
    const queue = new Queue(name, { connection: { url: engine.redisUrl }, prefix: engine.keys.prefix });
    try {
      return (await queue.getJobs()).map(({ id }) => String(id));
    } finally {
      await queue.close();
    }
  });
  return (await Promise.all(ids)).flat().toSorted();
}

const remindersOf = (accepted: readonly Accepted[]): string[] =>
  accepted.map(({ video }) => reminderId(video)).toSorted();

/** What each one of them came to: its id, or why not. */
const endsOf = (settled: readonly PromiseSettledResult<Accepted>[]): string[] =>
  settled.map((end) =>
    end.status === "fulfilled" ? end.value.video.id : (end.reason as ProblemError).problems[0].code,
  );

describe.concurrent("creates of one turn", () => {
  test("are all accepted, each with an id and a reminder of its own", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const moved = recorded(bench.engine.facts, "moved");
    const accepted = await Promise.all(times(150, (at) => bench.producer.create(ask(`number ${at}`), caller)));
    expect(new Set(idsOf(accepted)).size).toBe(150);
    expect(freshOf(accepted)).toHaveLength(150);
    expect(moved.map(({ video }) => video.id).toSorted()).toEqual(idsOf(accepted).toSorted());
    const kept = await Promise.all(idsOf(accepted).map((id) => bench.read(id)));
    expect(kept.map(({ request }) => request.prompt)).toEqual(times(150, (at) => `number ${at}`));
    expect(await remindersAfterClose(bench)).toEqual(remindersOf(accepted));
  });

  test("with one key and one body are one video", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const again = { idempotencyKey: "one" };
    const [accepted, others] = await Promise.all([
      Promise.all(times(20, () => bench.producer.create(ask("the same"), caller, again))),
      Promise.all(times(20, (at) => bench.producer.create(ask("the same"), caller, { idempotencyKey: `key-${at}` }))),
    ]);
    expect(new Set(idsOf(accepted)).size).toBe(1);
    expect(freshOf(accepted)).toHaveLength(1);
    expect(new Set(idsOf(others)).size).toBe(20);
    expect((await bench.engine.ledger.counts()).queued).toBe(21);
    expect(await remindersAfterClose(bench)).toEqual(remindersOf([...freshOf(accepted), ...others]));
  });

  test("that use a key of the same turn for another body are refused, and no others", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const create = (prompt: string, idempotencyKey?: string) =>
      bench.producer.create(ask(prompt), caller, { idempotencyKey });
    const settled = await Promise.allSettled([
      create("first", "one"),
      ...times(5, (at) => create(`before ${at}`)),
      create("other", "one"),
      create("first", "one"),
      ...times(5, (at) => create(`after ${at}`, `key-${at}`)),
    ]);
    const ends = endsOf(settled);
    expect(ends[6]).toBe("idempotency_conflict");
    expect(ends[7]).toBe(ends[0]);
    expect(new Set(ends).size).toBe(12);
    expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect((await bench.engine.ledger.counts()).queued).toBe(11);
  });

  test("that use a key of long ago for another body are refused, and no others", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const create = (prompt: string, idempotencyKey?: string) =>
      bench.producer.create(ask(prompt), caller, { idempotencyKey });
    const first = await create("first", "one");
    const second = await create("second", "two");
    const settled = await Promise.allSettled([
      ...times(5, (at) => create(`before ${at}`)),
      create("other", "one"),
      create("second", "two"),
      ...times(5, (at) => create(`after ${at}`, `key-${at}`)),
    ]);
    const ends = endsOf(settled);
    expect(ends[5]).toBe("idempotency_conflict");
    expect(settled[6]).toMatchObject({ value: { replayed: true, video: { id: second.video.id } } });
    const accepted = settled.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    expect(new Set(idsOf(accepted)).size).toBe(11);
    expect(freshOf(accepted)).toHaveLength(10);
    expect(await remindersAfterClose(bench)).toEqual(remindersOf([first, second, ...freshOf(accepted)]));
  });

  test("of two callers may have the same key", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const again = { idempotencyKey: "one" };
    const accepted = await Promise.all([
      bench.producer.create(ask("mine"), caller, again),
      bench.producer.create(ask("yours"), { ...caller, key: "other" }, again),
    ]);
    expect(freshOf(accepted)).toHaveLength(2);
  });

  test("find the one that they repeat", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const create = (prompt: string, isRepeat?: boolean) => bench.producer.create(ask(prompt), caller, { isRepeat });
    const accepted = await Promise.all([
      create("lost", false),
      ...times(5, (at) => create(`between ${at}`)),
      create("lost", true),
      create("lost", true),
      create("never asked before", true),
    ]);
    const ids = idsOf(accepted);
    expect(accepted.map(({ replayed }) => replayed)).toEqual([...times(6, () => false), true, true, false]);
    expect([ids[6], ids[7]]).toEqual([ids[0], ids[0]]);
    expect(new Set(ids).size).toBe(7);
    expect(await remindersAfterClose(bench)).toEqual(remindersOf(freshOf(accepted)));
  });

  test("that do not say that they repeat one are videos of their own", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const accepted = await Promise.all(
      times(5, () => bench.producer.create(ask("the same"), caller, { isRepeat: false })),
    );
    expect(new Set(idsOf(accepted)).size).toBe(5);
    expect(freshOf(accepted)).toHaveLength(5);
  });
});

test.for([1, 3])(
  "a producer that is closed as soon as it has accepted %d leaves the reminders",
  async (count, context) => {
    const { expect, onTestFinished } = context;
    // One that knows no script yet has to be told twice.
    const server = await startRedis();
    onTestFinished(() => server.stop());
    const bench = await open(context, server);
    const accepted = await Promise.all(times(count, (at) => bench.producer.create(ask(`number ${at}`), caller)));
    expect(await remindersAfterClose(bench)).toEqual(remindersOf(accepted));
  },
);
