import { once } from "node:events";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createDoor, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { Video, VideoBody, VideoId } from "@reelq/contract";
import { openReelq, ReelqError, UnreachableError, VideoCancelledError, VideoFailedError } from "@reelq/sdk";
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

const videos = () => openReelq({ url: api.url }).videos;

/** What a rejected promise was rejected with. */
const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`This should not have come out well: ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );

describe("a producer", () => {
  test("asks for a video with everything that one can have", async () => {
    const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));
    const { video } = await videos().create({
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
    expect(await videos().retrieve(video.id)).toEqual(video);
  });

  test("asks twice with one key and gets the first video again", async () => {
    const first = await videos().create({ prompt: "a cat" }, { idempotencyKey: "once" });
    const again = await videos().create({ prompt: "a cat" }, { idempotencyKey: "once" });
    expect(again.video).toEqual(first.video);
  });

  test("asks twice without a key and gets two videos", async () => {
    const first = await videos().create({ prompt: "a cat" });
    const again = await videos().create({ prompt: "a cat" });
    expect(again.id).not.toBe(first.id);
  });

  test("remixes, lists and cancels", async () => {
    const source = await api.aVideo("stored");
    const remix = await videos().remix(source.id, { prompt: "at night" });
    expect(remix.video.remixed_from_video_id).toBe(source.id);
    const page = await videos().list({ limit: 1, order: "desc", status: "queued" });
    expect(page.data.map(({ id }) => id)).toEqual([remix.id]);
    const next = await videos().list({ limit: 1, after: remix.id });
    expect(next.data[0]?.id).toBe(source.id);
    expect(await remix.cancel()).toMatchObject({ reelq: { status: "cancelled" } });
  });

  test("abandons a paid render only by saying so", async () => {
    const { id } = await api.aVideo("rendering");
    expect(await rejection(videos().cancel(id))).toMatchObject({ code: "conflict", status: 409 });
    expect(await videos().from(id).cancel({ abandon: true })).toMatchObject({ reelq: { status: "cancelled" } });
  });

  test("brings its key", async () => {
    const locked = await startTestApi({ redisUrl: redis.url, keys: [{ name: "studio", key: "studio-key-1" }] });
    onTestFinished(() => locked.close());
    expect(await rejection(openReelq({ url: locked.url }).videos.list())).toMatchObject({
      code: "unauthorized",
      status: 401,
    });
    const { data } = await openReelq({ url: locked.url, key: "studio-key-1" }).videos.list();
    expect(data).toEqual([]);
  });
});

describe("an error", () => {
  test("of the API's is a ReelqError that a program can branch on", async () => {
    const error = await rejection(videos().create({ prompt: "a cat", seconds: 7 }));
    expect(error).toBeInstanceOf(ReelqError);
    expect(error).toMatchObject({ name: "ReelqError", status: 400, code: "invalid_value", param: "seconds" });
    expect((error as Error).message).toContain("allowed: 10, 15");
  });

  test("of a conflict names what differs", async () => {
    await videos().create({ prompt: "a cat" }, { idempotencyKey: "conflict" });
    const error = await rejection(videos().create({ prompt: "a dog" }, { idempotencyKey: "conflict" }));
    expect(error).toMatchObject({
      status: 409,
      code: "idempotency_conflict",
      message: expect.stringContaining("prompt"),
    });
  });

  test.each(["../..", "a/b?c=d#e", unknown])(
    "of an id that there is not is not found, whatever it looks like: %s",
    async (id) => {
      expect(await rejection(videos().retrieve(id))).toMatchObject({ status: 404, code: "not_found", param: "id" });
    },
  );

  test("of nobody there is an UnreachableError with the address", async () => {
    const url = "http://127.0.0.1:9";
    const error = await rejection(openReelq({ url, tries: 3 }).videos.create({ prompt: "a cat" }));
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
    const error = await rejection(openReelq({ url, tries: 3 }).videos.retrieve(unknown));
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
    expect(await openReelq({ url, tries: 3 }).videos.create({ prompt: "a cat" })).toMatchObject({ id: unknown });
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/^\S{20,}$/);
  });

  test("again and again is an UnreachableError", async () => {
    const url = await aServer((response) => response.destroy());
    expect(await rejection(openReelq({ url, tries: 3 }).videos.create({ prompt: "a cat" }))).toBeInstanceOf(
      UnreachableError,
    );
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
    ["failed", VideoFailedError],
    ["cancelled", VideoCancelledError],
  ] as const)("ends at once for a video that is %s, with an error", async (status, kind) => {
    const { id } = await api.aVideo(status);
    const error = await rejection(videos().from(id).result());
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ video: { id, reelq: { status } } });
  });

  test("brings the bytes of a video that is stored, or a part of them", async () => {
    const { id } = await api.aVideo("stored", { bytes: Buffer.from("0123456789") });
    const handle = videos().from(id);
    expect(await handle.result()).toMatchObject({ id, status: "completed" });
    expect(await (await handle.content()).text()).toBe("0123456789");
    const part = await handle.content({ range: { start: 2, end: 4 } });
    expect([part.status, await part.text()]).toEqual([206, "234"]);
  });

  test("says in which way there are no bytes", async () => {
    const { id } = await api.aVideo("rendering");
    expect(await rejection(videos().content(id))).toMatchObject({ status: 409, code: "not_ready" });
  });

  test("for a failed video goes on after its retry", async () => {
    const { id } = await api.aVideo("failed");
    const handle = videos().from(id);
    expect(await rejection(handle.result())).toMatchObject({ class: "refused", retry: "insist", charged: "no" });
    expect(await rejection(handle.retry())).toMatchObject({ code: "conflict", param: "insist" });
    await handle.retry({ insist: true });
    const { reached, onUpdate } = watching(() => true);
    const refused = rejection(handle.result({ onUpdate }));
    expect(await reached).toMatchObject({ status: "queued" });
    await handle.cancel();
    expect(await refused).toBeInstanceOf(VideoCancelledError);
  });

  test.each([
    ["by events", undefined],
    ["by looks", 20],
  ])("shows states until the end, and outlives an API that is away for a while: %s", async (_, everyMs) => {
    const { id } = await api.aVideo("queued");
    const { seen, reached, onUpdate } = watching(() => true);
    const waiting = videos().from(id).result({ everyMs, onUpdate });
    await reached;
    await api.stop();
    await aLookMissedAt(api.url);
    let video: Video | undefined = await api.engine.ledger.read(id);
    for (const status of ["submitting", "rendering", "downloading"] as const) video = await api.moveOn(video!, status);
    await api.start();
    await api.moveOn(video!, "stored");
    expect(await waiting).toMatchObject({ id, status: "completed" });
    expect(seen[0]?.reelq.status).toBe("queued");
    expect(seen.at(-1)?.reelq.status).toBe("stored");
  });

  test("outlives answers that break off, and a gateway's errors", async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => response.destroy(),
      (response) => response.writeHead(200, { "Content-Length": 99 }).write("{", () => response.destroy()),
      (response) => response.writeHead(502).end("<html>"),
      (response) =>
        response
          .writeHead(503, { "Retry-After": "0" })
          .end('{"error": {"message": "later", "code": "unavailable", "param": null}}'),
      (response) => response.end(JSON.stringify({ id: unknown, status: "completed" })),
    ];
    const url = await aServer((response) => answers.shift()?.(response));
    const handle = openReelq({ url }).videos.from(unknown);
    expect(await handle.result({ everyMs: 1 })).toMatchObject({ status: "completed" });
  });

  test("ends where the API says that there is no such video", async () => {
    expect(await rejection(videos().from(unknown).result())).toMatchObject({ code: "not_found" });
  });

  test("is given up by its signal, with the signal's reason", async () => {
    const { id } = await api.aVideo("rendering");
    const stop = new AbortController();
    const { reached, onUpdate } = watching(() => true);
    const handle = videos().from(id);
    const waiting = handle.result({ signal: stop.signal, onUpdate });
    await reached;
    const reason = new Error("enough");
    stop.abort(reason);
    expect(await rejection(waiting)).toBe(reason);
    expect(await rejection(handle.result({ signal: AbortSignal.abort(reason) }))).toBe(reason);
  });
});

describe("events", () => {
  test("of a video are its statuses, up to the last one", async () => {
    const { id } = await api.aVideo("queued");
    const handle = videos().from(id);
    const seen: string[] = [];
    for await (const event of handle.events()) {
      seen.push(event.type);
      if (event.type === "video.queued") await handle.cancel();
    }
    expect(seen).toEqual(["video.queued", "video.cancelled"]);
    expect(handle.video).toMatchObject({ reelq: { status: "cancelled" } });
  });
});

test.each([
  ["retry", "failed", "Say --insist to pay for another attempt"],
  ["cancel", "rendering", "Say --abandon to throw the result away"],
] as const)("the command line says in its own words what %s needs", async (command, status, words) => {
  const { id } = await api.aVideo(status);
  const main = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, command, id], { env: { REELQ_URL: api.url } });
  const [stderr] = await Promise.all([text(child.stderr), once(child, "close")]);
  expect(stderr).toContain(words);
  expect(stderr).not.toContain("{");
});

/** The machine's own Node, where it is the oldest that the client promises to run on. */
const node20 = ["/usr/bin/node", "/usr/local/bin/node", "/opt/homebrew/bin/node"].find(
  (path) => existsSync(path) && spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.startsWith("v20."),
);

describe("the package as it is published", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "reelq-sdk-"));
    const home = fileURLToPath(new URL("../../packages/sdk/", import.meta.url));
    const target = join(folder, "node_modules/@reelq/sdk");
    const programs = fileURLToPath(new URL("../../node_modules/.bin/", import.meta.url));
    const build = spawnSync(join(programs, "tsc"), [
      "-p",
      join(home, "tsconfig.build.json"),
      "--outDir",
      join(target, "dist"),
    ]);
    if (build.status !== 0) throw new Error(`It cannot be built: ${build.stdout.toString()}`);
    const { publishConfig, ...manifest } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as {
      publishConfig: object;
    };
    await writeFile(join(target, "package.json"), JSON.stringify({ ...manifest, ...publishConfig }));
    return () => rm(folder, { recursive: true, force: true });
  });

  /** Runs a module in an empty folder with the client beside it, and nothing else: not even the contract. */
  async function run(node: string, script: string): Promise<unknown> {
    const file = join(folder, "producer.mjs");
    await writeFile(file, script);
    const child = spawn(node, [file], { cwd: folder, env: { REELQ_URL: api.url } });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  const producer = `
    import { openReelq, verifyWebhook } from "@reelq/sdk";
    const { videos } = openReelq({ url: process.env.REELQ_URL });
    const handle = await videos.create({ prompt: "a cat", reference: REFERENCE });
    const seen = [];
    for await (const { type } of handle.events()) {
      seen.push(type);
      if (type === "video.queued") await videos.from(JSON.parse(JSON.stringify(handle))).cancel();
    }
    const ended = await handle.result().catch(({ name }) => name);
    const code = await verifyWebhook("{}", {}, "whsec_AAAA").catch((error) => error.code);
    console.log(JSON.stringify({ seen, ended, code, id: handle.id }));`;

  test.for([
    ["the Node that runs reelq", process.execPath],
    ["Node 20", node20],
  ] as const)("runs on %s and talks to the API", async ([, node], { skip }) => {
    skip(!node, "this machine has no Node 20 of its own");
    const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url)).toString("base64");
    const reference = `new Blob([Uint8Array.from(atob("${picture}"), (one) => one.charCodeAt(0))])`;
    const said = await run(node ?? "", producer.replace("REFERENCE", reference));
    expect(said).toMatchObject({
      seen: ["video.queued", "video.cancelled"],
      ended: "VideoCancelledError",
      code: "missing_header",
    });
    const { id } = said as { id: VideoId };
    expect((await api.engine.ledger.read(id))?.request.reference).toMatchObject({ contentType: "image/png" });
  });

  test("has types that need no Node", async () => {
    const types = readdirSync(join(folder, "node_modules/@reelq/sdk/dist")).filter((name) => name.endsWith(".d.ts"));
    const texts = types.map((name) => readFileSync(join(folder, "node_modules/@reelq/sdk/dist", name), "utf8"));
    expect(texts.length).toBeGreaterThan(10);
    expect(texts.filter((one) => /reference types|node:|NodeJS\./.test(one))).toEqual([]);
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
