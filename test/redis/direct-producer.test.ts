import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type DirectProducerOptions,
  type DirectRequest,
  fleetSchema,
  noteFleet,
  openEngine,
  openFleet,
  openProducer,
  openStorage,
  RefusedItemsError,
} from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { videoEvents } from "../support/ledger.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const config = {
  upstreams: { main: { url: "http://127.0.0.1:9/v1", key: "an-upstream-key" } },
  models: { "mine-1": { seconds: [3], sizes: ["64x64"] } },
};

let opened = 0;

/** An engine as an API or a worker has it, which has noted its fleet, and a producer beside it that was told only the Redis. */
async function aProducer(options: Partial<DirectProducerOptions> = {}) {
  const prefix = `{direct-${(opened += 1)}}`;
  const storageFolder = await mkdtemp(join(tmpdir(), "reelq-direct-"));
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: openFleet(fleetSchema.parse(config)),
    storage: openStorage(`file:${storageFolder}`, {}),
    patient: true,
    prefix,
  });
  await noteFleet(engine);
  const producer = await openProducer({ redisUrl: redis.url, prefix, ...options });
  onTestFinished(async () => {
    await producer.close();
    await engine.close();
    await rm(storageFolder, { recursive: true, force: true });
  });
  return { engine, producer, storageFolder, prefix };
}

/** What was wrong with which items. */
async function refusedItems(calling: Promise<unknown>): Promise<Record<number, string>> {
  const error: unknown = await calling.catch((thrown: unknown) => thrown);
  if (!(error instanceof RefusedItemsError)) throw new Error(`It was not refused: ${String(error)}`);
  return Object.fromEntries(
    [...error.refused].map(([index, problems]) => [index, problems.map(({ message }) => message).join(" ")]),
  );
}

const requests = (count: number, of: (index: number) => DirectRequest = (index) => ({ prompt: `shot ${index}` })) =>
  Array.from({ length: count }, (_, index) => of(index));

test("one video is accepted as by HTTP: record, reminder, event, with the models of the others' configuration", async () => {
  const { engine, producer } = await aProducer();
  const { video, replayed } = await producer.create({
    prompt: "a cat",
    model: "mine-1",
    webhookUrl: "https://example.com/hook",
  });
  expect(replayed).toBe(false);
  expect(await engine.ledger.read(video.id)).toMatchObject({
    status: "queued",
    project: "default",
    request: { model: "mine-1", seconds: 3, size: "64x64" },
    webhook: { url: "https://example.com/hook" },
  });
  expect(await engine.queues.queueFor(video)?.getJobState(`${video.id}.1`)).toBe("waiting");
  expect((await videoEvents(engine.ledger)).map(({ type }) => type)).toEqual(["video.queued"]);
});

test("the noted fleet holds no token", async () => {
  const { engine } = await aProducer();
  expect(await engine.redis.get(engine.keys.fleet)).not.toContain("an-upstream-key");
});

test("where nobody has noted a fleet, it says what to do", async () => {
  await expect(openProducer({ redisUrl: redis.url, prefix: "{nobody}" })).rejects.toThrow(
    "start an API or a worker once, or pass config",
  );
  const given = await openProducer({ redisUrl: redis.url, prefix: "{nobody}", config });
  onTestFinished(() => given.close());
  expect((await given.create({ prompt: "a cat", model: "mine-1" })).video.status).toBe("queued");
});

test("projects are apart", async () => {
  const { prefix, producer } = await aProducer({ project: "night" });
  const other = await openProducer({ redisUrl: redis.url, prefix, project: "day" });
  onTestFinished(() => other.close());
  const { video } = await producer.create({ prompt: "a cat" });
  expect((await producer.read(video.id)).project).toBe("night");
  await expect(other.read(video.id)).rejects.toMatchObject({ code: "not_found" });
  expect((await other.list()).videos).toEqual([]);
  expect((await producer.list()).videos.map(({ id }) => id)).toEqual([video.id]);
});

test("a reference image needs the storage, and says so", async () => {
  const reference = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));
  const without = await aProducer();
  await expect(without.producer.create({ prompt: "a cat", reference })).rejects.toThrow("pass storageUrl");
  const folder = await mkdtemp(join(tmpdir(), "reelq-direct-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const { producer } = await aProducer({ storageUrl: `file:${folder}` });
  const { video } = await producer.create({ prompt: "a cat", reference });
  expect(video.request.reference).toMatchObject({ contentType: "image/png", bytes: reference.length });
});

describe("many at once", () => {
  test("ten thousand are accepted in one call, in order", async () => {
    const { engine, producer } = await aProducer();
    const accepted = await producer.createMany(requests(10_000));
    expect(accepted).toHaveLength(10_000);
    expect((await engine.ledger.counts()).queued).toBe(10_000);
    expect(await engine.redis.zcard(engine.keys.due)).toBe(10_000);
    expect(await engine.redis.xlen(engine.keys.events)).toBe(10_000);
    const ids = accepted.map(({ video }) => video.id);
    expect(ids).toEqual(ids.toSorted());
    for (const index of [0, 4_999, 9_999])
      expect((await producer.read(ids[index]!)).request.prompt).toBe(`shot ${index}`);
    const counted = await Promise.all(engine.queues.all.map((queue) => queue.count()));
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(10_000);
  });

  test("are all refused where some are wrong, and each says why", async () => {
    const { engine, producer } = await aProducer();
    const wrong = await refusedItems(
      producer.createMany(
        requests(100, (index) => {
          if (index === 7) return { prompt: "" };
          if (index === 42) return { prompt: "a cat", model: "mine-1", seconds: 4 };
          if (index === 99) return { prompt: "a cat", secnds: 4 } as DirectRequest;
          return { prompt: `shot ${index}` };
        }),
      ),
    );
    expect(Object.keys(wrong)).toEqual(["7", "42", "99"]);
    expect(wrong[7]).toContain("prompt is empty");
    expect(wrong[42]).toContain("seconds 4 is not allowed for mine-1; allowed: 3");
    expect(wrong[99]).toContain('did you mean "seconds"?');
    expect(await engine.redis.keys(`${engine.keys.prefix}:video:*`)).toEqual([]);
    expect(await engine.redis.xlen(engine.keys.events)).toBe(0);
  });

  test("are judged as calls are, also what no type would let through", async () => {
    const { producer } = await aProducer();
    const wrong = await refusedItems(
      producer.createMany([{ prompt: "fine" }, null, "a cat", { prompt: "x", reference: "a.png" }] as never),
    );
    expect(Object.keys(wrong)).toEqual(["1", "2", "3"]);
    for (const idempotencyKey of ["", "a b", "k".repeat(5_000), 5, null])
      await expect(producer.create({ prompt: "x", idempotencyKey } as never)).rejects.toMatchObject({
        code: "invalid_value",
        message: expect.stringContaining("Idempotency-Key"),
      });
    for (const webhookUrl of ["file:///etc/passwd", "ftp://x.example", "nowhere"])
      await expect(producer.create({ prompt: "x", webhookUrl })).rejects.toMatchObject({ code: "invalid_value" });
  });

  test("with idempotency keys can be repeated, and are the first videos again", async () => {
    const { engine, producer } = await aProducer();
    const asked = requests(50, (index) => ({ prompt: `shot ${index}`, idempotencyKey: `night-${index}` }));
    const first = await producer.createMany(asked.slice(0, 30));
    const all = await producer.createMany(asked);
    expect(all.slice(0, 30).map(({ video }) => video.id)).toEqual(first.map(({ video }) => video.id));
    expect(all.map(({ replayed }) => replayed)).toEqual([
      ...requests(30).map(() => true),
      ...requests(20).map(() => false),
    ]);
    expect((await engine.ledger.counts()).queued).toBe(50);
  });

  test("are refused where a key was used for another request, or twice in one call", async () => {
    const { engine, producer } = await aProducer();
    await producer.create({ prompt: "the first", idempotencyKey: "one" });
    const known = await refusedItems(
      producer.createMany([{ prompt: "new" }, { prompt: "another", seconds: 10, idempotencyKey: "one" }]),
    );
    expect(known[1]).toMatch(/these differ: prompt, seconds|these differ: prompt/);
    const twice = await refusedItems(
      producer.createMany([
        { prompt: "a", idempotencyKey: "two" },
        { prompt: "b", idempotencyKey: "two" },
      ]),
    );
    expect(twice).toEqual({ 1: "Item 0 has the same idempotency key." });
    expect((await engine.ledger.counts()).queued).toBe(1);
  });

  test("of two calls at once with the same keys one makes the videos", async () => {
    const { engine, producer } = await aProducer();
    const asked = requests(200, (index) => ({ prompt: `shot ${index}`, idempotencyKey: `both-${index}` }));
    const [one, other] = await Promise.all([producer.createMany(asked), producer.createMany(asked)]);
    expect(one.map(({ video }) => video.id)).toEqual(other.map(({ video }) => video.id));
    expect((await engine.ledger.counts()).queued).toBe(200);
  });

  test("none are nothing", async () => {
    const { producer } = await aProducer();
    expect(await producer.createMany([])).toEqual([]);
  });
});
