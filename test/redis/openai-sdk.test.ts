import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { openStorage } from "@reelq/engine";
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  toFile,
} from "openai";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));
const studio = { name: "studio", key: "studio-key-1" };
const admin = { name: "admin", key: "admin-key-333" };

let redis: TestRedis;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url, keys: [studio, admin], allow: ["127.0.0.1"] });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

/** The SDK as it is, with another base URL. */
const sdk = (options: Partial<ConstructorParameters<typeof OpenAI>[0]> = {}): OpenAI =>
  new OpenAI({ baseURL: `${api.url}/v1`, apiKey: studio.key, ...options });

/** What a call is refused with. */
async function refusal(calling: Promise<unknown>): Promise<APIError> {
  const error: unknown = await calling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof APIError)) throw new Error(`It was not refused, but ended with ${String(error)}.`);
  return error;
}

const stored = (prompt?: string) =>
  api.aVideo("stored", { project: "studio", ...(prompt === undefined ? {} : { prompt }) });

describe("the official SDK, unmodified", () => {
  test("creates a video and gets just what its types say", async () => {
    const video = await sdk().videos.create({
      prompt: "a cat",
      model: "sora-2-pro",
      seconds: "25" as never,
      size: "1280x720",
    });
    expect(video).toMatchObject({
      id: expect.stringMatching(/^video_/),
      object: "video",
      status: "queued",
      model: "sora-2-pro",
      seconds: "25",
      size: "1280x720",
      prompt: "a cat",
      progress: 0,
      completed_at: null,
      expires_at: null,
      error: null,
      remixed_from_video_id: null,
    });
    expect(Number.isInteger(video.created_at)).toBe(true);
    expect(Math.abs(video.created_at - Date.now() / 1000)).toBeLessThan(60);
  });

  test("creates a video from an image file", async () => {
    const { id } = await sdk().videos.create({
      prompt: "from a file",
      input_reference: await toFile(picture, "dusk.png", { type: "image/png" }),
    });
    const record = await api.engine.ledger.read(id as never);
    expect(record?.request.reference).toMatchObject({ contentType: "image/png", bytes: picture.length });
  });

  test("creates a video from an image's data URL, its address, and the id of its file: all the same image", async () => {
    const server = createServer((_request, response) => response.setHeader("content-type", "image/png").end(picture));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const file = await sdk().files.create({ file: await toFile(picture, "dusk.png"), purpose: "vision" });
    const references = [
      { image_url: `data:image/png;base64,${picture.toString("base64")}` },
      { image_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dusk.png` },
      { file_id: file.id },
    ];
    for (const input_reference of references) {
      const { id } = await sdk().videos.create({ prompt: "from an object", input_reference });
      const record = await api.engine.ledger.read(id as never);
      expect(record?.request.reference).toMatchObject({ bytes: picture.length, width: expect.any(Number) });
    }
  });

  test("retrieves, and hears of a failure as its types say", async () => {
    const { id } = await api.aVideo("failed", { project: "studio" });
    const video = await sdk().videos.retrieve(id);
    expect(video).toMatchObject({
      id,
      status: "failed",
      error: { code: expect.any(String), message: expect.any(String) },
    });
  });

  test("lists with automatic paging, both ways round", async () => {
    const own = { name: "pager", key: "pager-key-55" };
    const paged = await startTestApi({ redisUrl: redis.url, keys: [own] });
    onTestFinished(() => paged.close());
    const client = sdk({ baseURL: `${paged.url}/v1`, apiKey: own.key });
    const made: string[] = [];
    for (let index = 0; index < 7; index += 1) made.push((await client.videos.create({ prompt: `page ${index}` })).id);
    for (const [order, expected] of [
      ["asc", made],
      ["desc", made.toReversed()],
    ] as const) {
      const found: string[] = [];
      for await (const video of client.videos.list({ order, limit: 3 })) found.push(video.id);
      expect(found).toEqual(expected);
    }
  });

  test("downloads the video, and is told that there is no picture where the upstream had none", async () => {
    const { id, file } = await stored();
    const response = await sdk().videos.downloadContent(id);
    expect(response.headers.get("content-type")).toBe("video/mp4");
    expect((await response.arrayBuffer()).byteLength).toBe(file.bytes);
    expect((await sdk().videos.downloadContent(id, { variant: "video" })).ok).toBe(true);
    for (const variant of ["thumbnail", "spritesheet"] as const) {
      const refused = await refusal(sdk().videos.downloadContent(id, { variant }));
      expect(refused).toBeInstanceOf(NotFoundError);
      expect(refused.message).toContain(`has no ${variant}`);
    }
  });

  test("remixes", async () => {
    const { id } = await stored("the source");
    const remix = await sdk().videos.remix(id, { prompt: "the same at night" });
    expect(remix).toMatchObject({ remixed_from_video_id: id, prompt: "the same at night", status: "queued" });
  });

  test("deletes the video and its files", async () => {
    const { id, file } = await stored();
    expect(await sdk().videos.delete(id)).toMatchObject({ id, object: "video.deleted", deleted: true });
    expect(await refusal(sdk().videos.retrieve(id))).toBeInstanceOf(NotFoundError);
    expect(await api.engine.storage.head(file.key)).toBeUndefined();
    expect(await api.engine.storage.head(file.sidecarKey)).toBeUndefined();
    expect(await api.engine.ledger.trash()).toEqual(new Map());
  });

  test("keeps files: create, retrieve, list, content, delete", async () => {
    const client = sdk();
    const file = await client.files.create({
      file: await toFile(Buffer.from("{}\n"), "shots.jsonl"),
      purpose: "batch",
    });
    expect(file).toMatchObject({
      object: "file",
      bytes: 3,
      filename: "shots.jsonl",
      purpose: "batch",
      status: "processed",
    });
    expect(await client.files.retrieve(file.id)).toEqual(file);
    const listed: string[] = [];
    for await (const one of client.files.list({ purpose: "batch", limit: 1 })) listed.push(one.id);
    expect(listed).toEqual([file.id]);
    expect(await (await client.files.content(file.id)).text()).toBe("{}\n");
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: "file", deleted: true });
    expect(await refusal(client.files.retrieve(file.id))).toBeInstanceOf(NotFoundError);
  });
});

describe("its error classes are raised, and say what to mend", () => {
  test("400", async () => {
    const error = await refusal(sdk().videos.create({ prompt: "x", seconds: "7" as never }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({
      status: 400,
      code: "invalid_value",
      param: "seconds",
      type: "invalid_request_error",
    });
    expect(error.message).toContain("allowed: 10, 15");
    expect(error.requestID).toMatch(/^req_/);
  });

  test("401", async () => {
    const error = await refusal(sdk({ apiKey: "wrong-key-1" }).videos.list());
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error.code).toBe("unauthorized");
  });

  test("401 also where a large picture is still being sent", async () => {
    const input_reference = await toFile(Buffer.alloc(6 * 1024 * 1024), "large.png");
    for (let times = 0; times < 2; times += 1) {
      const client = sdk({ apiKey: "wrong-key-1", maxRetries: 0 });
      expect(await refusal(client.videos.create({ prompt: "x", input_reference }))).toBeInstanceOf(AuthenticationError);
    }
  });

  test("404, of a video that another project has, as of one that nobody has", async () => {
    const { id } = await api.aVideo("queued", { project: "film" });
    const error = await refusal(sdk().videos.retrieve(id));
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error.message).toContain(`There is no video "${id}"`);
  });

  test("409, at once: it is not tried again", async () => {
    let calls = 0;
    const counting: typeof fetch = (...call) => ((calls += 1), fetch(...call));
    const { id } = await api.aVideo("rendering", { project: "studio" });
    const error = await refusal(sdk({ fetch: counting }).videos.delete(id));
    expect(error).toBeInstanceOf(ConflictError);
    expect(error.message).toContain("is rendering");
    expect(calls).toBe(1);
  });

  test("413 and 415", async () => {
    const tooLarge = await toFile(Buffer.alloc(21 * 1024 * 1024), "large.png");
    const large = await refusal(sdk({ maxRetries: 0 }).videos.create({ prompt: "x", input_reference: tooLarge }));
    expect(large).toMatchObject({ status: 413, code: "body_too_large", param: "input_reference" });
    const typed = await refusal(sdk().post("/videos", { body: "prompt=x", headers: { "content-type": "text/plain" } }));
    expect(typed).toMatchObject({ status: 415, code: "unsupported_media_type" });
  });

  test("429", async () => {
    const limited = await startTestApi({ redisUrl: redis.url, keys: [studio], rateLimit: 1 });
    onTestFinished(() => limited.close());
    const client = sdk({ baseURL: `${limited.url}/v1`, maxRetries: 0 });
    await client.videos.list();
    const error = await refusal(client.videos.list());
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ code: "rate_limited", type: "rate_limit_error" });
    expect(Number(error.headers?.get("retry-after"))).toBeGreaterThan(0);
  });

  test("503", async () => {
    const storage = openStorage("s3://bucket", {
      accessKeyId: "a-key",
      secretAccessKey: "a-secret",
      region: "us-east-1",
      endpoint: "http://127.0.0.1:9",
    });
    const roomless = await startTestApi({ redisUrl: redis.url, keys: [studio], storage });
    onTestFinished(() => roomless.close());
    const client = sdk({ baseURL: `${roomless.url}/v1`, maxRetries: 0 });
    const error = await refusal(client.videos.create({ prompt: "x", input_reference: await toFile(picture, "a.png") }));
    expect(error).toBeInstanceOf(InternalServerError);
    expect(error).toMatchObject({ status: 503, code: "unavailable", type: "server_error" });
  });

  test("calls that no upstream here knows are nowhere", async () => {
    for (const call of ["edits", "extensions", "characters"]) {
      const error = await refusal(sdk().post(`/videos/${call}`, { body: { prompt: "x" } }));
      expect(error).toBeInstanceOf(NotFoundError);
    }
  });
});

describe("its own retries never make a second video", () => {
  /** The first POST comes to nothing; the SDK asks `fetch` for other things too, to learn what it can do. */
  function losingFirst(lose: (send: () => Promise<Response>) => Promise<void>) {
    const answers: string[] = [];
    let posts = 0;
    const flaky: typeof fetch = async (url, init) => {
      if (init?.method?.toUpperCase() !== "POST") return fetch(url, init);
      posts += 1;
      if (posts === 1) {
        await lose(async () => {
          const response = await fetch(url, init);
          answers.push(((await response.json()) as { id: string }).id);
          return response;
        });
        throw new TypeError("fetch failed");
      }
      const response = await fetch(url, init);
      answers.push(((await response.clone().json()) as { id: string }).id);
      return response;
    };
    return { fetch: flaky, answers, posts: () => posts };
  }

  test("a create whose answer is lost is repeated and recognised", async () => {
    const before = (await api.engine.ledger.counts()).queued;
    const flaky = losingFirst(async (send) => void (await send()));
    const { id } = await sdk({ fetch: flaky.fetch }).videos.create({ prompt: "lost once" });
    expect(flaky.answers).toEqual([id, id]);
    expect((await api.engine.ledger.counts()).queued).toBe(before + 1);
  });

  test("so is one with a picture", async () => {
    const flaky = losingFirst(async (send) => void (await send()));
    const input_reference = await toFile(picture, "dusk.png");
    const { id } = await sdk({ fetch: flaky.fetch }).videos.create({ prompt: "lost picture", input_reference });
    expect(flaky.answers).toEqual([id, id]);
  });

  test("a create that never arrived is made when it is repeated", async () => {
    const flaky = losingFirst(() => Promise.resolve());
    const before = (await api.engine.ledger.counts()).queued;
    await sdk({ fetch: flaky.fetch }).videos.create({ prompt: "never arrived" });
    expect(flaky.posts()).toBe(2);
    expect((await api.engine.ledger.counts()).queued).toBe(before + 1);
  });

  test("the same request asked for twice on purpose makes two videos", async () => {
    const one = await sdk().videos.create({ prompt: "two takes" });
    const other = await sdk().videos.create({ prompt: "two takes" });
    expect(other.id).not.toBe(one.id);
  });

  test("of two takes the one whose answer was lost is found again, not the one that was answered", async () => {
    const answered = await sdk().videos.create({ prompt: "takes" });
    const flaky = losingFirst(async (send) => void (await send()));
    const { id } = await sdk({ fetch: flaky.fetch }).videos.create({ prompt: "takes" });
    expect(flaky.answers).toEqual([id, id]);
    expect(id).not.toBe(answered.id);
  });

  test("also where another take was asked for and answered after it", async () => {
    const body = JSON.stringify({ prompt: "takes in between" });
    const accepted = once(api.engine.facts, "moved") as Promise<[{ video: { id: string } }]>;
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    // Gone before it could be answered.
    socket.write(
      `POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${studio.key}\r\nContent-Type: application/json\r\n` +
        `x-stainless-retry-count: 0\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    const [{ video }] = await accepted;
    const send = (tries: number) =>
      fetch(`${api.url}/v1/videos`, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${studio.key}`,
          "x-stainless-retry-count": String(tries),
        },
        body,
      }).then(async (response) => ((await response.json()) as { id: string }).id);
    const other = await send(0);
    expect(other).not.toBe(video.id);
    expect(await send(1)).toBe(video.id);
  });

  test("a repeat of a request whose video was deleted makes it anew", async () => {
    const first = await sdk().videos.create({ prompt: "made, deleted, made" });
    await sdk().videos.delete(first.id);
    const flaky = losingFirst(() => Promise.resolve());
    const { id } = await sdk({ fetch: flaky.fetch }).videos.create({ prompt: "made, deleted, made" });
    expect(flaky.posts()).toBe(2);
    expect(id).not.toBe(first.id);
    expect((await sdk().videos.retrieve(id)).status).toBe("queued");
  });

  test("two API keys do not find each other's", async () => {
    const { id } = await sdk().videos.create({ prompt: "whose" });
    const response = await fetch(`${api.url}/v1/videos`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${admin.key}`,
        "x-stainless-retry-count": "1",
      },
      body: JSON.stringify({ prompt: "whose" }),
    });
    expect(((await response.json()) as { id: string }).id).not.toBe(id);
  });

  test("a hundred repeats at once of one that never arrived make one video", async () => {
    const before = (await api.engine.ledger.counts()).queued;
    const repeats = await Promise.all(
      Array.from({ length: 100 }, () =>
        fetch(`${api.url}/v1/videos`, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            Authorization: `Bearer ${studio.key}`,
            "x-stainless-retry-count": "2",
          },
          body: JSON.stringify({ prompt: "a hundred" }),
        }).then(async (response) => ((await response.json()) as { id: string }).id),
      ),
    );
    expect(new Set(repeats).size).toBe(1);
    expect((await api.engine.ledger.counts()).queued).toBe(before + 1);
  });
});
