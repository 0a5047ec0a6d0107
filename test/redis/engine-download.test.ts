import { createHash } from "node:crypto";
import type { Storage } from "@reelq/engine";
import { StorageError } from "@reelq/engine";
import { afterAll, beforeAll, describe, test, type TestContext } from "vitest";
import { type Bench, type BenchOptions, delegate, movableClock, openBench, skipWaits } from "../support/engine.ts";
import { recorded } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function open({ onTestFinished }: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const bench = await openBench(redis, options);
  onTestFinished(() => bench.close());
  return bench;
}

/** A bench where no try has to be waited for. */
async function openTimeless(context: TestContext, options: BenchOptions = {}): Promise<Bench> {
  const clock = movableClock();
  const bench = await open(context, { ...options, clock, working: false });
  context.onTestFinished(await skipWaits(bench.engine, clock));
  await bench.work();
  return bench;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The bytes that the upstream has for a task. */
async function original({ simulator }: Bench, task: string): Promise<Buffer> {
  const response = await fetch(`${simulator.url}/videos/${encodeURIComponent(task)}/content`);
  return Buffer.from(await response.arrayBuffer());
}

describe.concurrent("a stored video", () => {
  test("is the upstream's file to the byte, and its record says what is in it", async (context) => {
    const { expect } = context;
    const bench = await open(context, { simulator: { minimumBytes: 3_000_000 } });
    const { id } = await bench.create("a cat", { seconds: 2, size: "480x854" });

    const { file, task, createdAt } = await bench.reach(id, "stored");

    const bytes = await bench.file(file.key);
    expect(bytes.equals(await original(bench, task.id))).toBe(true);
    expect(file).toEqual({
      key: `${new Date(createdAt).toISOString().slice(0, 10).replaceAll("-", "/")}/${id}.mp4`,
      sidecarKey: `${file.key}.json`,
      bytes: bytes.length,
      sha256: sha256(bytes),
      contentType: "video/mp4",
      media: { container: "mp4", durationMs: 2000, width: 480, height: 854, codec: expect.stringMatching(/^avc1/) },
      differences: [],
      variants: { thumbnail: expect.anything(), spritesheet: expect.anything() },
    });
  });

  test("has a sidecar that tells how it came about, for whoever has nothing else", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    const { id } = await bench.create("a cat, im Regen ☔");

    const { file, task, request } = await bench.reach(id, "stored");

    const sidecar: unknown = JSON.parse((await bench.file(file.sidecarKey)).toString("utf8"));
    expect(sidecar).toMatchObject({
      id,
      request: { prompt: "a cat, im Regen ☔", model: request.model, seconds: 1, size: "64x64", reference: null },
      upstream: "main",
      task: task.id,
      file: { key: file.key, bytes: file.bytes, sha256: file.sha256, contentType: "video/mp4" },
      times: {
        created: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        completed: expect.stringMatching(/^\d{4}-/),
        stored: expect.stringMatching(/^\d{4}-/),
      },
    });
  });
});

describe.concurrent("a download that goes wrong", () => {
  const faults = [
    { do: "not_ready", times: 2 },
    { do: "status", with: { status: 403 } },
    { do: "status", with: { status: 500 } },
    { do: "truncate" },
    { do: "truncate", with: { silent: true } },
    { do: "truncate", with: { bytes: 5, silent: true } },
    { do: "json_error" },
    { do: "html", with: { status: 200 } },
    { do: "html", with: { status: 502 } },
    { do: "garbage" },
    { do: "reset" },
    { do: "lose_reply" },
    { do: "stall" },
    { do: "throttle", with: { retryAfterSeconds: 1 } },
  ] as const;
  test("is tried again, and the whole file is stored, whatever it was", async (context) => {
    const { expect } = context;
    const bench = await open(context, { timeouts: { bodyIdleMs: 400 }, simulator: { capabilities: { range: false } } });
    for (const [index, fault] of faults.entries())
      bench.simulator.addFault({ on: "content", prompt: `<${index}>`, ...fault });
    const videos = await Promise.all(faults.map((_, index) => bench.create(`fault <${index}>`)));

    const stored = await Promise.all(videos.map(({ id }) => bench.reach(id, "stored", 40_000)));

    for (const [index, { file, task, setbacks, attempts }] of stored.entries()) {
      const said = JSON.stringify(faults[index]);
      const bytes = await bench.file(file.key);
      expect(bytes.equals(await original(bench, task.id)), said).toBe(true);
      expect(file.sha256, said).toBe(sha256(bytes));
      expect(setbacks.contentNotReady + setbacks.brokenDownloads, said).toBeGreaterThan(0);
      expect(attempts, said).toHaveLength(1);
    }
    expect(bench.simulator.posts()).toHaveLength(faults.length);
  });

  const ways = [
    { do: "redirect" },
    { do: "json_url" },
    { do: "no_length" },
    { do: "slow", with: { ms: 100 } },
  ] as const;
  test("only goes another way: redirects and addresses are followed without the key", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    for (const [index, way] of ways.entries())
      bench.simulator.addFault({ on: "content", prompt: `<${index}>`, ...way });
    const videos = await Promise.all(ways.map((_, index) => bench.create(`way <${index}>`)));

    const stored = await Promise.all(videos.map(({ id }) => bench.reach(id, "stored")));

    for (const { file, task, setbacks } of stored) {
      expect((await bench.file(file.key)).equals(await original(bench, task.id))).toBe(true);
      expect(setbacks.brokenDownloads).toBe(0);
    }
    expect(bench.simulator.looks().keysLeaked).toBe(0);
  });

  test("goes on where it broke off, unless the operator says that the upstream cannot", async (context) => {
    const { expect } = context;
    for (const range of [undefined, false]) {
      const bench = await open(context, range === undefined ? {} : { capabilities: { range } });
      bench.simulator.addFault({ on: "content", do: "truncate", with: { bytes: 500 } });
      const { id } = await bench.create("cut");
      const { setbacks } = await bench.reach(id, "stored");
      expect(setbacks.brokenDownloads).toBe(range === undefined ? 0 : 1);
    }
  });

  test("is tried as long as the file lives, however often it breaks", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context, { simulator: { capabilities: { range: false } } });
    bench.simulator.addFault({ on: "content", do: "truncate", times: 25, with: { silent: true } });
    const { id } = await bench.create("brittle");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.brokenDownloads).toBe(25);
  });
});

describe.concurrent("what was delivered", () => {
  test("and is not what was asked for is stored all the same, with each difference named", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    bench.simulator.addFault({ on: "content", do: "wrong_video", with: { seconds: 2, size: "480x854" } });
    const { id } = await bench.create("another");

    const { file } = await bench.reach(id, "stored");

    expect(file.differences).toEqual(["It lasts 2 s; 1 s were asked for.", "It is 480x854; 64x64 was asked for."]);
  });

  test("and once is no video is not taken for proof, however long the way was broken before", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    bench.simulator.addFault({ on: "content", do: "status", times: 15, with: { status: 500 } });
    bench.simulator.addFault({ on: "content", do: "garbage", times: 2 });
    const { id } = await bench.create("after an outage");

    const stored = await bench.reach(id, "stored");

    expect(stored.setbacks.brokenDownloads).toBe(17);
  });

  test("and never is a video fails in the end, and says so", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context);
    bench.simulator.addFault({ on: "content", do: "garbage", times: 0 });
    const { id } = await bench.create("never");

    const failed = await bench.reach(id, "failed");

    expect(failed.failure.class).toBe("unusable_file");
    expect(bench.simulator.looks().contents).toBeGreaterThanOrEqual(10);
    expect(failed.task?.id).toBe(bench.simulator.tasks()[0]?.["id"]);
  });
});

describe.concurrent("a file that is gone before it could be stored", () => {
  test("is a loss with a name of its own", async (context) => {
    const { expect } = context;
    const bench = await open(context);
    bench.simulator.addFault({ on: "content", do: "expire" });
    const { id } = await bench.create("too late");

    const failed = await bench.reach(id, "failed");

    expect(failed.failure).toMatchObject({ class: "lost_to_expiry" });
    expect(bench.simulator.posts()).toHaveLength(1);
  });

  test("is lost once refusals go on past its expiry, and not before", async (context) => {
    const { expect } = context;
    const bench = await openTimeless(context, { simulator: { expiresAfterMs: 600_000 } });
    bench.simulator.addFault({ on: "content", do: "status", times: 0, with: { status: 404 } });
    const tries = recorded(bench.engine.facts, "waited");
    const { id } = await bench.create("refused");

    const failed = await bench.reach(id, "failed");

    expect(failed.failure.class).toBe("lost_to_expiry");
    expect(failed.failedAt).toBeGreaterThan(failed.task?.expiresAt ?? Number.POSITIVE_INFINITY);
    expect(tries.filter(({ video }) => video.status === "downloading").length).toBeGreaterThan(10);
  });
});

describe.concurrent("a storage that fails for a while", () => {
  test("only delays: the file is stored once it works again", async (context) => {
    const { expect } = context;
    let failures = 3;
    const moody = (room: Storage): Storage => ({
      ...delegate(room),
      async put(key, body, options) {
        if (failures <= 0) return room.put(key, body, options);
        failures -= 1;
        body.destroy();
        throw new StorageError("unreachable", "The bucket is away.");
      },
    });
    const bench = await open(context, { storage: moody });
    const { id } = await bench.create("patient");

    const stored = await bench.reach(id, "stored");

    expect(failures).toBe(0);
    expect(stored.setbacks.brokenDownloads).toBe(3);
    expect((await bench.file(stored.file.key)).equals(await original(bench, stored.task.id))).toBe(true);
    expect(JSON.parse((await bench.file(stored.file.sidecarKey)).toString("utf8"))).toMatchObject({ id });
  });
});
