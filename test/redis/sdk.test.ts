import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createDoor, type Socket } from "node:net";
import type { VideoBody } from "@reelq/contract";
import { openClient, ReelqError, UnreachableError } from "@reelq/sdk";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const unknown = "video_0199a000-0000-7000-8000-000000000000";

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
});

afterAll(async () => {
  await api.close();
  await redis.stop();
});

const client = () => openClient({ url: api.url });

/** What a rejected promise was rejected with. */
const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`This should not have come out well: ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );

describe("a producer", () => {
  test("asks for a video with everything that one can have", async () => {
    const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));
    const video = await client().create({
      prompt: "a cat",
      model: "sora-2-pro",
      seconds: 25,
      size: "1280x720",
      reference: new Blob([new Uint8Array(picture)]),
    });
    expect(video).toMatchObject({
      prompt: "a cat",
      model: "sora-2-pro",
      seconds: "25",
      size: "1280x720",
      status: "queued",
    });
    expect((await api.engine.ledger.read(video.id as never))?.request.reference).toMatchObject({
      contentType: "image/png",
    });
    expect(await client().retrieve(video.id)).toEqual(video);
  });

  test("asks twice with one key and gets the first video again", async () => {
    const first = await client().create({ prompt: "a cat" }, { idempotencyKey: "once" });
    const again = await client().create({ prompt: "a cat" }, { idempotencyKey: "once" });
    expect(again).toEqual(first);
  });

  test("asks twice without a key and gets two videos", async () => {
    const first = await client().create({ prompt: "a cat" });
    const again = await client().create({ prompt: "a cat" });
    expect(again.id).not.toBe(first.id);
  });

  test("remixes, lists and cancels", async () => {
    const source = await api.aVideo("stored");
    const remix = await client().remix(source.id, "at night");
    expect(remix.remixed_from_video_id).toBe(source.id);
    const page = await client().list({ limit: 1, order: "desc", status: "queued" });
    expect(page.data.map(({ id }) => id)).toEqual([remix.id]);
    const next = await client().list({ limit: 1, after: remix.id });
    expect(next.data[0]?.id).toBe(source.id);
    expect(await client().cancel(remix.id)).toMatchObject({ reelq: { status: "cancelled" } });
  });

  test("abandons a paid render only by saying so", async () => {
    const { id } = await api.aVideo("rendering");
    expect(await rejection(client().cancel(id))).toMatchObject({ code: "conflict", status: 409 });
    expect(await client().cancel(id, true)).toMatchObject({ reelq: { status: "cancelled" } });
  });

  test("brings its key", async () => {
    const locked = await startTestApi({ redisUrl: redis.url, keys: [{ name: "studio", key: "studio-key-1" }] });
    onTestFinished(() => locked.close());
    expect(await rejection(openClient({ url: locked.url }).list())).toMatchObject({
      code: "unauthorized",
      status: 401,
    });
    const { data } = await openClient({ url: locked.url, key: "studio-key-1" }).list();
    expect(data).toEqual([]);
  });
});

describe("an error", () => {
  test("of the API's is a ReelqError that a program can branch on", async () => {
    const error = await rejection(client().create({ prompt: "a cat", seconds: 7 }));
    expect(error).toBeInstanceOf(ReelqError);
    expect(error).toMatchObject({ name: "ReelqError", status: 400, code: "invalid_value", param: "seconds" });
    expect((error as Error).message).toContain("allowed: 10, 15");
  });

  test("of a conflict names what differs", async () => {
    await client().create({ prompt: "a cat" }, { idempotencyKey: "conflict" });
    const error = await rejection(client().create({ prompt: "a dog" }, { idempotencyKey: "conflict" }));
    expect(error).toMatchObject({
      status: 409,
      code: "idempotency_conflict",
      message: expect.stringContaining("prompt"),
    });
  });

  test.each(["../..", "a/b?c=d#e", unknown])(
    "of an id that there is not is not found, whatever it looks like: %s",
    async (id) => {
      expect(await rejection(client().retrieve(id))).toMatchObject({ status: 404, code: "not_found", param: "id" });
    },
  );

  test("of nobody there is an UnreachableError with the address", async () => {
    const url = "http://127.0.0.1:9";
    const error = await rejection(openClient({ url }).create({ prompt: "a cat" }));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toMatchObject({
      code: "unreachable",
      url,
      message: `Nothing answered at ${url}.`,
      cause: expect.any(Error),
    });
  });

  test.each([
    ["a proxy's page", 502, "<html>Bad gateway</html>"],
    ["a page where JSON should be", 200, "<html>Log in</html>"],
    ["JSON of somebody else's", 403, '{"message": "no"}'],
    ["an empty answer", 500, ""],
    ["null", 500, "null"],
  ])("of %s says that it is not reelq's", async (_, status, text) => {
    const url = await aServer((response) => response.writeHead(status).end(text));
    const error = await rejection(openClient({ url }).retrieve(unknown));
    expect(error).toBeInstanceOf(ReelqError);
    expect(error).toMatchObject({ status, code: "unknown", message: expect.stringContaining(`HTTP ${status}`) });
  });
});

describe("an answer that is lost", () => {
  test.each([
    ["before it begins", (response: ServerResponse) => response.destroy()],
    [
      "half-way",
      (response: ServerResponse) =>
        response.writeHead(200, { "Content-Length": 99 }).write('{"id": "vid', () => response.destroy()),
    ],
  ])("%s is asked for again with the same key, so that one video is made", async (_, lose) => {
    let lost = 0;
    const keys: unknown[] = [];
    const url = await aServer((response, request) => {
      keys.push(request.headers["idempotency-key"]);
      if (lost < 2) {
        lost += 1;
        lose(response);
      } else response.end(JSON.stringify({ id: unknown, status: "queued" }));
    });
    expect(await openClient({ url }).create({ prompt: "a cat" })).toMatchObject({ id: unknown });
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^\S{20,}$/);
  });

  test("again and again is an UnreachableError", async () => {
    const url = await aServer((response) => response.destroy());
    expect(await rejection(openClient({ url }).create({ prompt: "a cat" }))).toBeInstanceOf(UnreachableError);
  });
});

describe("waiting", () => {
  /** Resolves with the first state that fits, and goes on listening. */
  function watching(fits: (video: VideoBody) => boolean) {
    const seen: VideoBody[] = [];
    const { promise: reached, resolve } = Promise.withResolvers<VideoBody>();
    const onUpdate = (video: VideoBody) => {
      seen.push(video);
      if (fits(video)) resolve(video);
    };
    return { seen, reached, onUpdate };
  }

  test.each([
    ["stored", "completed"],
    ["failed", "failed"],
    ["cancelled", "failed"],
  ] as const)("ends at once for a video that is %s", async (status, word) => {
    const { id } = await api.aVideo(status);
    expect(await client().wait(id)).toMatchObject({ id, status: word });
  });

  test("shows each state until the end, and outlives an API that is away for a while", async () => {
    const { id } = await api.aVideo("queued");
    const { seen, reached, onUpdate } = watching(() => true);
    const waiting = client().wait(id, { everyMs: 20, onUpdate });
    await reached;
    await api.stop();
    await aLookMissedAt(api.url);
    const video = await api.engine.ledger.read(id);
    if (!video) throw new Error("The video is gone.");
    await api.moveOn(video, "cancelled");
    await api.start();
    expect(await waiting).toMatchObject({ id, reelq: { status: "cancelled" } });
    expect(seen.map(({ reelq }) => reelq.status)).toContain("queued");
    expect(seen.at(-1)?.reelq.status).toBe("cancelled");
  });

  test("outlives answers that break off, and a gateway's errors", async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => response.destroy(),
      (response) => response.writeHead(200, { "Content-Length": 99 }).write("{", () => response.destroy()),
      (response) => response.writeHead(502).end("<html>"),
      (response) =>
        response.writeHead(503).end('{"error": {"message": "later", "code": "unavailable", "param": null}}'),
      (response) => response.end(JSON.stringify({ id: unknown, status: "completed" })),
    ];
    const url = await aServer((response) => answers.shift()?.(response));
    expect(await openClient({ url }).wait(unknown, { everyMs: 1 })).toMatchObject({ status: "completed" });
  });

  test("ends where the API says that there is no such video", async () => {
    expect(await rejection(client().wait(unknown))).toMatchObject({ code: "not_found" });
  });

  test("is given up by its signal, with the signal's reason", async () => {
    const { id } = await api.aVideo("rendering");
    const stop = new AbortController();
    const { reached, onUpdate } = watching(() => true);
    const waiting = client().wait(id, { signal: stop.signal, onUpdate });
    await reached;
    const reason = new Error("enough");
    stop.abort(reason);
    expect(await rejection(waiting)).toBe(reason);
    expect(await rejection(client().wait(id, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });
});

/** Takes the API's place until somebody came and was turned away. */
async function aLookMissedAt(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const door = createDoor().listen(Number(port), hostname);
  const [visitor] = (await once(door, "connection")) as [Socket];
  visitor.destroy();
  door.close();
  await once(door, "close");
}

/** A server that answers as a test says. */
async function aServer(
  answer: (response: ServerResponse, request: { headers: Record<string, unknown> }) => void,
): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.once("end", () => answer(response, request));
  });
  await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
