import { EventEmitter, once } from "node:events";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../packages/engine/src/redis.ts";
import { tapRedis } from "../support/processes.ts";
import { redisServerProgram, startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** A connection that is ready and has nothing more to say. */
async function open(url = redis.url): Promise<Redis> {
  // A restart is an error to the connection, and a reason to come back.
  const connection = connect(url, { patient: true }, () => undefined);
  onTestFinished(() => connection.disconnect());
  await quiet(connection);
  return connection;
}

async function quiet(connection: Redis): Promise<void> {
  if (connection.status !== "ready") await once(connection, "ready");
  await connection.ping();
}

/** A connection of which every chunk is heard. */
async function tapped() {
  const chunks: string[] = [];
  const heard = new EventEmitter();
  const tap = await tapRedis(redis, (_, chunk) => {
    chunks.push(chunk.toString("latin1"));
    heard.emit("chunk");
    return true;
  });
  onTestFinished(() => tap.close());
  const connection = await open(tap.url);
  return {
    connection,
    chunks,
    /** Waits until all this was sent. */
    async sent(words: string) {
      while (!chunks.join("").includes(words)) await once(heard, "chunk", { signal: AbortSignal.timeout(10_000) });
    },
  };
}

/** Counts what goes from this process to the system: what hears it at the other end may hear several writes as one. */
function countWrites({ stream }: Redis): () => number {
  const [one, several] = [vi.spyOn(stream, "_write"), vi.spyOn(stream as Required<typeof stream>, "_writev")];
  return () => one.mock.calls.length + several.mock.calls.length;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
const hundred = Array.from({ length: 100 }, (_, at) => at);

test("a hundred calls of one turn go out together, and each gets its own answer, in order", async () => {
  const { connection, chunks } = await tapped();
  const before = chunks.length;
  const writes = countWrites(connection);
  const order: number[] = [];
  const answers = await Promise.all(
    hundred.map(async (at) => {
      const answer = await connection.echo(`number ${at}`);
      order.push(at);
      return answer;
    }),
  );
  expect(answers).toEqual(hundred.map((at) => `number ${at}`));
  expect(order).toEqual(hundred);
  expect(chunks.length - before).toBeLessThan(10);
  expect(writes()).toBeLessThan(10);
});

test("words, bytes and a transaction of one turn go out together, and arrive as they were said", async () => {
  const { connection, chunks } = await tapped();
  const before = chunks.length;
  const writes = countWrites(connection);
  const bytes = (at: number) => Buffer.from([at, 0, 13, 10, 255, 128, at]);
  const said = hundred.map((at) =>
    Promise.all([
      connection.set(`mixed ${at}`, at % 2 === 0 ? bytes(at) : `größer als ${at}`),
      connection.getBuffer(`mixed ${at}`),
      connection.append(`mixed ${at}`, "!"),
    ]),
  );
  const transaction = connection
    .multi()
    .set("in a transaction", bytes(7))
    .getBuffer("in a transaction")
    .append("in a transaction", "more")
    .exec();
  const after = connection.getBuffer("in a transaction");

  const answers = await Promise.all(said);
  for (const [at, [set, got, length]] of answers.entries()) {
    const value = at % 2 === 0 ? bytes(at) : Buffer.from(`größer als ${at}`);
    expect([set, got, length]).toEqual(["OK", value, value.length + 1]);
  }
  expect(await transaction).toEqual([
    [null, "OK"],
    [null, bytes(7)],
    [null, 11],
  ]);
  expect(await after).toEqual(Buffer.concat([bytes(7), Buffer.from("more")]));
  expect(chunks.length - before).toBeLessThan(10);
  expect(writes()).toBeLessThan(10);
});

test("a call that Redis refuses fails alone", async () => {
  const connection = await open();
  const [set, refused, got] = await Promise.allSettled([
    connection.set("a word", "word"),
    connection.incr("a word"),
    connection.get("a word"),
  ]);
  expect(set).toMatchObject({ value: "OK" });
  expect(refused).toMatchObject({ reason: expect.objectContaining({ message: expect.stringContaining("integer") }) });
  expect(got).toMatchObject({ value: "word" });
});

test("calls of the next turn are sent before the first ones are answered", async () => {
  const { connection, sent } = await tapped();
  const other = await open();
  await other.client("PAUSE", 30_000, "WRITE");
  const order: number[] = [];
  const write = (at: number) => connection.incr("turns").then((answer) => order.push(answer) && at);

  const first = Promise.all(hundred.map(write));
  await nextTurn();
  await nextTurn();
  const second = connection.set("second turn", "said").then(() => order.push(101));
  await sent("second turn");
  expect(order).toEqual([]);
  await other.client("UNPAUSE");

  await Promise.all([first, second]);
  expect(order).toEqual([...hundred.map((at) => at + 1), 101]);
});

test("what was said in the turn in which the connection quits still arrives", async () => {
  const [connection, other] = [await open(), await open()];
  const said = Promise.all(hundred.map((at) => connection.set(`at the end ${at}`, Buffer.from(`word ${at}`))));
  expect(await connection.quit()).toBe("OK");
  expect(await said).toEqual(hundred.map(() => "OK"));
  expect(await other.mget(hundred.map((at) => `at the end ${at}`))).toEqual(hundred.map((at) => `word ${at}`));
});

test("what was said in the turn in which the connection is let go still arrives", async () => {
  const [connection, other] = [await open(), await open()];
  const ended = once(connection, "end");
  // Nobody hears the answer any more.
  void connection.set("let go", "word").catch(() => undefined);
  connection.disconnect();
  await ended;
  expect(await other.get("let go")).toBe("word");
});

describe.skipIf(redisServerProgram === undefined)("a Redis that starts again", () => {
  test("is spoken to as before", async () => {
    const server = await startRedis();
    onTestFinished(() => server.stop());
    // Not through a tap: while the server is away it takes connections that lead nowhere.
    const connection = await open(server.url);
    await connection.set("before", "kept");
    const lost = once(connection, "close");
    await server.restart();
    await lost;

    // Said while it is away.
    expect(await connection.get("before")).toBe("kept");
    await quiet(connection);
    const writes = countWrites(connection);
    expect(await Promise.all(hundred.map(() => connection.incr("after")))).toEqual(hundred.map((at) => at + 1));
    expect(writes()).toBeLessThan(10);
  });
});
