import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import type { VideoIn } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

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

const content = (headers: Record<string, string> = {}, init: RequestInit = {}, id: string = stored.id) =>
  fetch(`${api.url}/v1/videos/${id}/content`, { ...init, headers });
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
    ["thumbnail", 404, "variant_unavailable", "only its video"],
    ["spritesheet", 404, "variant_unavailable", "only its video"],
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
