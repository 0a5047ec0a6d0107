import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { StoredFile, VideoIn } from "@reelq/contract";
import { openStorage } from "@reelq/engine";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { delegate } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aTask, inStatus } from "../support/video.ts";

const size = 1_000_003;
const bytes = randomBytes(size);
const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;

let redis: TestRedis;
let api: TestApi;
let stored: VideoIn<"stored">;

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
  stored = await api.aVideo("stored", { bytes });
});

afterAll(async () => {
  await api.close();
  await redis.stop();
});

const content = (headers: Record<string, string> = {}, init: RequestInit = {}, id: string = stored.id, query = "") =>
  fetch(`${api.url}/v1/videos/${id}/content${query}`, { ...init, headers });
const bodyOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe("a stored file", () => {
  test("comes whole, with its hash as the validator and a name to save it under", async () => {
    const response = await content();
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "video/mp4",
      "content-length": String(size),
      "content-disposition": `inline; filename="${stored.id}.mp4"`,
      "accept-ranges": "bytes",
      "cache-control": "private, max-age=31536000, immutable",
      "x-content-type-options": "nosniff",
      etag,
    });
    expect((await bodyOf(response)).equals(bytes)).toBe(true);
  });

  test.each([
    ["the first bytes", "bytes=0-99", 0, 99],
    ["one byte", "bytes=0-0", 0, 0],
    ["a part in the middle", "bytes=500000-500999", 500_000, 500_999],
    ["the rest from somewhere on", "bytes=999999-", 999_999, size - 1],
    ["everything, as a range", "bytes=0-", 0, size - 1],
    ["an end beyond the last byte", "bytes=1000000-9999999", 1_000_000, size - 1],
    ["the last bytes", "bytes=-3", size - 3, size - 1],
    ["more last bytes than there are", "bytes=-9999999", 0, size - 1],
    ["the last byte", `bytes=${size - 1}-${size - 1}`, size - 1, size - 1],
    ["a unit in capitals", "Bytes=0-1", 0, 1],
  ])("comes in part: %s (%s)", async (_, range, start, end) => {
    const response = await content({ Range: range });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe(`bytes ${start}-${end}/${size}`);
    expect(response.headers.get("content-length")).toBe(String(end - start + 1));
    expect(response.headers.get("etag")).toBe(etag);
    expect((await bodyOf(response)).equals(bytes.subarray(start, end + 1))).toBe(true);
  });

  test.each([`bytes=${size}-`, `bytes=${size}-${size + 5}`, "bytes=-0", "bytes=99999999999999999999999-"])(
    "has no part at %s: 416 says how long it is, and is no video that could be cached",
    async (range) => {
      const response = await content({ Range: range });
      expect(response.status).toBe(416);
      expect(response.headers.get("content-range")).toBe(`bytes */${size}`);
      expect(response.headers.get("content-type")).toMatch(/^application\/json/);
      expect(response.headers.get("cache-control")).toBeNull();
      expect(response.headers.get("content-disposition")).toBeNull();
      expect(response.headers.get("etag")).not.toBe(etag);
      expect(await errorOf(response)).toMatchObject({ code: "range_not_satisfiable", param: "Range" });
    },
  );

  test.each(["bytes=0-1,5-6", "bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "0-1", "bytes=0-1;x"])(
    "comes whole where the range is one that need not be honoured: %s",
    async (range) => {
      const response = await content({ Range: range });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-range")).toBeNull();
      expect((await bodyOf(response)).length).toBe(size);
    },
  );

  test.each([
    ["its own validator", etag, 206],
    ["another validator", '"other"', 200],
    ["a weak validator", `W/${etag}`, 200],
    ["a date", "Wed, 21 Oct 2015 07:28:00 GMT", 200],
  ])("comes in part only if it is still the same: If-Range with %s", async (_, validator, status) => {
    const response = await content({ Range: "bytes=0-9", "If-Range": validator });
    expect(response.status).toBe(status);
    expect((await bodyOf(response)).length).toBe(status === 206 ? 10 : size);
  });

  test.each([etag, `W/${etag}`, `"other", ${etag}`, "*"])(
    "is not sent again to who has it: If-None-Match: %s",
    async (tag) => {
      for (const headers of [{ "If-None-Match": tag }, { "If-None-Match": tag, Range: "bytes=0-9" }] as Record<
        string,
        string
      >[]) {
        const response = await content(headers);
        expect(response.status).toBe(304);
        expect(response.headers.get("etag")).toBe(etag);
        expect((await bodyOf(response)).length).toBe(0);
      }
    },
  );

  test("is sent to who has another one", async () => {
    expect((await content({ "If-None-Match": '"other"' })).status).toBe(200);
  });

  test("tells its length and kind to a HEAD, and sends nothing", async () => {
    for (const headers of [{}, { Range: "bytes=0-9" }] as Record<string, string>[]) {
      const response = await content(headers, { method: "HEAD" });
      expect(response.status).toBe(200);
      expect(Object.fromEntries(response.headers)).toMatchObject({
        "content-type": "video/mp4",
        "content-length": String(size),
        etag,
      });
      expect((await bodyOf(response)).length).toBe(0);
    }
  });

  test("may be asked for by its variant", async () => {
    const response = await fetch(`${api.url}/v1/videos/${stored.id}/content?variant=video`);
    expect((await bodyOf(response)).length).toBe(size);
  });

  test("that a listener hangs up on does no harm", async () => {
    const calling = request(`${api.url}/v1/videos/${stored.id}/content`);
    await new Promise<void>((resolve) => {
      calling.on("response", (response) => {
        response.once("data", () => response.destroy());
        response.once("close", resolve);
      });
      calling.end();
    });
    expect((await bodyOf(await content())).length).toBe(size);
    expect(api.surprises).toEqual([]);
  });

  test("that a listener hangs up on before its first byte does no harm", async () => {
    const { hostname, port } = new URL(api.url);
    const socket = connect(Number(port), hostname);
    // What follows the call is no HTTP: the connection is cut while the call is being looked at.
    socket.end(`GET /v1/videos/${stored.id}/content HTTP/1.1\r\nHost: reelq\r\n\r\nnonsense\r\n\r\n`);
    socket.resume();
    await once(socket, "close");
    expect((await bodyOf(await content())).length).toBe(size);
    expect(api.surprises).toEqual([]);
  });

  test("that is gone from storage is a 404 that says so, whatever part was asked for", async () => {
    const lost = await api.aVideo("stored");
    await api.engine.storage.remove(lost.file.key);
    for (const headers of [{}, { Range: "bytes=0-1" }] as Record<string, string>[]) {
      const response = await content(headers, {}, lost.id);
      expect(response.status).toBe(404);
      expect(response.headers.get("cache-control")).toBeNull();
      expect(await errorOf(response)).toMatchObject({
        code: "not_found",
        message: expect.stringContaining(lost.file.key),
      });
    }
  });
});

describe("a file that is not there", () => {
  test.each(["queued", "submitting", "in_doubt", "rendering", "downloading"] as const)(
    "yet is a conflict that passes: %s",
    async (status) => {
      const { id } = await api.aVideo(status);
      const response = await content({}, {}, id);
      expect(response.status).toBe(409);
      const error = await errorOf(response);
      expect(error).toMatchObject({ code: "not_ready", param: "id" });
      expect(error.message).toContain(`${id} is ${status}`);
    },
  );

  test.each(["failed", "cancelled"] as const)("and never will be is not found: %s", async (status) => {
    const { id } = await api.aVideo(status);
    const response = await content({}, {}, id);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({
      code: "not_found",
      message: expect.stringContaining(`is ${status}`),
    });
  });

  test.each([
    ["thumbnail", 404, "variant_unavailable", "the upstream offered none"],
    ["spritesheet", 404, "variant_unavailable", "the upstream offered none"],
    ["gif", 400, "invalid_value", "video, thumbnail, spritesheet"],
    ["__proto__", 400, "invalid_value", "allowed"],
    ["", 400, "invalid_value", "allowed"],
    ["video&variant=video", 400, "invalid_value", "given twice"],
  ])("is said of the variant %s", async (variant, status, code, words) => {
    const response = await fetch(`${api.url}/v1/videos/${stored.id}/content?variant=${variant}`);
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject({ code, param: "variant", message: expect.stringContaining(words) });
  });
});

describe("a stored picture", () => {
  const pictures = { thumbnail: randomBytes(3_000), spritesheet: randomBytes(5_000) };
  const tagOf = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  let video: VideoIn<"stored">;
  beforeAll(async () => {
    video = await aPicturedVideo(api);
  });

  /** A stored video that its upstream had both pictures of. */
  async function aPicturedVideo({ engine, aVideo }: TestApi): Promise<VideoIn<"stored">> {
    const downloading = await aVideo("downloading");
    const stem = `2026/11/22/${downloading.id}`;
    const put = async (key: string, contentType: string, bytes: Buffer) => ({
      key,
      contentType,
      ...(await engine.storage.put(key, Readable.from([bytes]), { contentType })),
    });
    const file: StoredFile = {
      ...(await put(`${stem}.mp4`, "video/mp4", bytes)),
      sidecarKey: `${stem}.mp4.json`,
      differences: [],
      variants: {
        thumbnail: await put(`${stem}.thumbnail.webp`, "image/webp", pictures.thumbnail),
        spritesheet: await put(`${stem}.spritesheet.jpg`, "image/jpeg", pictures.spritesheet),
      },
    };
    const task = aTask({ id: downloading.task.id });
    const advance = await engine.ledger.advance(downloading, inStatus(downloading, "stored", { file, task }));
    if (advance.kind !== "moved") throw new Error(advance.kind);
    return advance.video as VideoIn<"stored">;
  }

  test.each([
    ["thumbnail", "image/webp", "webp"],
    ["spritesheet", "image/jpeg", "jpg"],
  ] as const)("comes as what it is, under a name of its own: %s", async (variant, type, extension) => {
    const picture = pictures[variant];
    const response = await content({}, {}, video.id, `?variant=${variant}`);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": type,
      "content-length": String(picture.length),
      "content-disposition": `inline; filename="${video.id}.${variant}.${extension}"`,
      etag: `"${tagOf(picture)}"`,
    });
    expect((await bodyOf(response)).equals(picture)).toBe(true);
  });

  test("comes in part, and not at all to who has it", async () => {
    const part = await content({ Range: "bytes=10-19" }, {}, video.id, "?variant=thumbnail");
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 10-19/3000");
    expect((await bodyOf(part)).equals(pictures.thumbnail.subarray(10, 20))).toBe(true);
    const tag = { "If-None-Match": `"${tagOf(pictures.thumbnail)}"` };
    expect((await content(tag, {}, video.id, "?variant=thumbnail")).status).toBe(304);
    expect((await content(tag, {}, video.id, "?variant=spritesheet")).status).toBe(200);
  });

  test("is what OpenAI's own client gets by the names it knows", async () => {
    const openai = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: "any", maxRetries: 0 });
    const get = async (variant: "video" | "thumbnail" | "spritesheet") =>
      bodyOf(await openai.videos.downloadContent(video.id, { variant }));
    expect((await get("video")).equals(bytes)).toBe(true);
    expect((await get("thumbnail")).equals(pictures.thumbnail)).toBe(true);
    expect((await get("spritesheet")).equals(pictures.spritesheet)).toBe(true);
  });

  test("is told of in the video", async () => {
    const told = (await (await fetch(`${api.url}/v1/videos/${video.id}`)).json()) as { reelq: { file: object } };
    expect(told.reelq.file).toMatchObject({
      variants: {
        thumbnail: {
          key: video.file.variants?.thumbnail?.key,
          bytes: 3_000,
          sha256: tagOf(pictures.thumbnail),
          content_type: "image/webp",
        },
        spritesheet: { bytes: 5_000 },
      },
    });
  });

  test("is led to where it lies, where that is a bucket", async () => {
    const folder = await mkdtemp(join(tmpdir(), "reelq-presign-"));
    const room = openStorage(`file:${folder}`, {});
    const bucket = { ...delegate(room), presign: async (key: string) => `http://127.0.0.1:9/${key}` };
    const other = await startTestApi({ redisUrl: redis.url, storage: bucket });
    onTestFinished(async () => {
      await other.close();
      await rm(folder, { recursive: true, force: true });
    });
    const { id, file } = await aPicturedVideo(other);
    for (const [variant, key] of [
      ["video", file.key],
      ["thumbnail", file.variants?.thumbnail?.key],
    ]) {
      const call = `${other.url}/v1/videos/${id}/content?redirect=1&variant=${variant}`;
      const response = await fetch(call, { redirect: "manual" });
      expect(response.status).toBe(302);
      expect(response.headers.get("location")).toBe(`http://127.0.0.1:9/${key}`);
    }
  });
});
