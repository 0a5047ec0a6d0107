import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Content } from "@reelq/upstream";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  openedUpstream,
  says,
  type Script,
  scriptedUpstream,
  someMp4,
  speaking,
} from "../support/scripted-upstream.ts";

const file = someMp4();
const video = { "content-type": "video/mp4" };
const key = "sk-secret";

const aTask = { id: "t", object: "video", created_at: 1_763_800_000 };

const bytesOf = async (content: Content): Promise<Buffer> => {
  if (content.kind !== "bytes") throw new Error(JSON.stringify(content));
  return buffer(content.body);
};

describe("the bytes", () => {
  test("come with their length, type and entity tag", async () => {
    const { upstream, seen } = await speaking(says(200, file, { ...video, "content-length": "5000", etag: '"a"' }), {
      key,
    });
    const content = await upstream.content("sora-2:t/1", { variant: "video" });
    expect(content).toMatchObject({ kind: "bytes", from: 0, totalBytes: 5000, contentType: "video/mp4", etag: '"a"' });
    expect(await bytesOf(content)).toEqual(file);
    expect(seen[0]?.path).toBe("/v1/videos/sora-2%3At%2F1/content?variant=video");
    expect(seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(seen[0]?.headers.range).toBeUndefined();
  });

  test("come without a length", async () => {
    const { upstream } = await speaking(says(200, file, { ...video, "transfer-encoding": "chunked" }));
    const content = await upstream.content("t");
    expect(content).not.toHaveProperty("totalBytes");
    expect(await bytesOf(content)).toEqual(file);
  });

  test("come where neither a length nor chunks say where they end", async () => {
    const head = "HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\n\r\n";
    const port = await aTcpServer(head + file.toString("latin1"));
    const content = await openedUpstream({ url: `http://127.0.0.1:${port}/v1` }).content("t");
    expect(content).not.toHaveProperty("totalBytes");
    expect(await bytesOf(content)).toEqual(file);
  });

  test.each([
    ["thumbnail", "image/webp", "RIFF\0\0\0\0WEBPVP8 "],
    ["thumbnail", "image/png", "\x89PNG\r\n\x1a\n"],
    ["spritesheet", "image/jpeg", "\xff\xd8\xff\xe0"],
  ] as const)("of a %s as %s", async (variant, type, head) => {
    const bytes = Buffer.concat([Buffer.from(head, "latin1"), Buffer.alloc(99)]);
    const { upstream, seen } = await speaking(says(200, bytes, { "content-type": type }));
    expect(await bytesOf(await upstream.content("t", { variant }))).toEqual(bytes);
    expect(seen[0]?.path).toBe(`/v1/videos/t/content?variant=${variant}`);
  });

  test.each(["thumbnail", "spritesheet"] as const)(
    "of a %s are never looked for where the video is",
    async (variant) => {
      const { upstream, seen, origin } = await speaking((one, response, socket) =>
        (one.path.startsWith("/v1/videos/t/content") ? says(404, {}) : says(200, file, video))(one, response, socket),
      );
      const content = await upstream.content("t", { variant, contentUrl: `${origin}/a.mp4` });
      expect(content).toMatchObject({ kind: "not_ready", status: 404 });
      expect(seen).toHaveLength(1);
    },
  );

  test("of a picture inside JSON may not be as many as those of a video", async () => {
    const url = `data:image/webp;base64,${"A".repeat(12 * 1024 * 1024)}`;
    const { upstream } = await speaking(says(200, { url }));
    expect(await upstream.content("t", { variant: "thumbnail" })).toMatchObject({ kind: "missed" });
    expect(await upstream.content("t", { variant: "video" })).toMatchObject({ kind: "bytes" });
  });

  test("may be shorter than what is looked at first", async () => {
    const { upstream } = await speaking(says(200, someMp4(12), video));
    expect(await bytesOf(await upstream.content("t"))).toEqual(someMp4(12));
  });

  test.each(["application/json", "text/html", "text/plain", "application/octet-stream", "", "image/webp"])(
    "are a video whatever the type says: %s",
    async (type) => {
      const heads = ["\0\0\0\x20ftypisom", "RIFF\0\0\0\0AVI LIST", "\x1a\x45\xdf\xa3\0\0\0\0", "\0\0\0\x08wide"];
      for (const head of heads) {
        const bytes = Buffer.concat([Buffer.from(head, "latin1"), Buffer.alloc(99)]);
        const { upstream } = await speaking(says(200, bytes, { "content-type": type }));
        expect(await bytesOf(await upstream.content("t"))).toEqual(bytes);
      }
    },
  );

  test("are unpacked where a proxy compressed them unasked", async () => {
    const headers = { ...video, "content-encoding": "gzip" };
    const { upstream, seen } = await speaking(says(200, gzipSync(file), headers));
    const content = await upstream.content("t");
    expect(content).not.toHaveProperty("totalBytes");
    expect(await bytesOf(content)).toEqual(file);
    expect(seen[0]?.headers["accept-encoding"]).toBe("identity");
  });

  test("that are cut off fail, with and without a length", async () => {
    for (const headers of [{ ...video, "content-length": 9000 }, video]) {
      const { upstream } = await speaking((_seen, response, socket) => {
        response.writeHead(200, headers);
        response.write(file, () => socket.destroy());
      });
      await expect(bytesOf(await upstream.content("t"))).rejects.toThrow("closed");
    }
  });

  test("that are cut off politely, before their length, fail too", async () => {
    const port = await aTcpServer(
      `HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 9000\r\n\r\n${file.toString("latin1")}`,
    );
    const upstream = openedUpstream({ url: `http://127.0.0.1:${port}` });
    await expect(bytesOf(await upstream.content("t"))).rejects.toThrow("other side closed");
  });

  test("that stop coming fail by the idle time-out, and no whole time ends those that flow", async () => {
    const { upstream } = await speaking((_seen, response) => void response.writeHead(200, video).write(file), {
      timeouts: { bodyIdleMs: 100, totalMs: 50 },
    });
    await expect(bytesOf(await upstream.content("t"))).rejects.toThrow("Body Timeout Error");
  });

  test("end when the caller's signal does", async () => {
    const { upstream } = await speaking((_seen, response) => void response.writeHead(200, video).write(file));
    const stop = new AbortController();
    const content = await upstream.content("t", { signal: stop.signal });
    const read = bytesOf(content);
    stop.abort(new Error("shutting down"));
    await expect(read).rejects.toThrow("shutting down");
    expect(await upstream.content("t", { signal: stop.signal })).toMatchObject({ kind: "missed" });
  });

  test("wait at the server while nobody reads", async () => {
    const all = 48 * 1024 * 1024;
    let sent = 0;
    const { upstream } = await speaking((_seen, response) => {
      response.writeHead(200, { ...video, "content-length": all });
      const more = (): void => {
        while (sent < all) {
          const chunk = sent === 0 ? someMp4(65536) : Buffer.alloc(65536);
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    const content = await upstream.content("t");
    if (content.kind !== "bytes") throw new Error(content.reason);
    let bytes = 0;
    let furthestAhead = 0;
    for await (const chunk of content.body) {
      bytes += (chunk as Buffer).length;
      // A slow reader: the server has a turn after each chunk.
      await setImmediate();
      furthestAhead = Math.max(furthestAhead, sent - bytes);
    }
    expect(bytes).toBe(all);
    expect(furthestAhead).toBeLessThan(all / 2);
  });
});

describe("what is no video", () => {
  const cases: [string, number, unknown, Record<string, unknown>, Record<string, string>?][] = [
    ["JSON error with 200", 200, { error: { message: "boom", code: "internal" } }, { kind: "not_video" }],
    ["JSON error dressed as video", 200, ' {"error":{"message":"boom"}}', { kind: "not_video" }, video],
    ["JSON that is cut", 200, '{"url":"https', { kind: "not_video" }, { "content-type": "application/json" }],
    ["HTML", 200, "<!doctype html><title>Sign in</title>", { kind: "not_video" }],
    ["JSON after a byte order mark", 200, '\uFEFF{"error":"boom"}', { kind: "not_video" }, video],
    ["HTML after a byte order mark", 200, "\uFEFF<html>", { kind: "not_video" }, video],
    ["JSON with code and message", 200, { code: "internal", message: "boom" }, { kind: "not_video" }, video],
    ["JSON that is null", 200, "null", { kind: "not_video" }, { "content-type": "application/json" }],
    ["HTML dressed as video", 200, "\n <html>", { kind: "not_video" }, video],
    ["text", 200, "hello", { kind: "not_video" }, { "content-type": "text/plain" }],
    ["XML", 200, "<?xml version='1.0'?><Error/>", { kind: "not_video" }, { "content-type": "application/xml" }],
    ["JSON without an address", 200, { ok: true }, { kind: "not_video" }],
    ["a failed task", 200, { id: "t", object: "video", status: "failed", url: "https://x/y" }, { kind: "not_video" }],
    ["JSON: not ready", 200, { error: { message: "Video is not ready yet" } }, { kind: "not_ready", status: 200 }],
    ["JSON: still processing", 200, { error: "still processing" }, { kind: "not_ready" }],
    ["JSON: a task that runs", 200, { id: "t", object: "video", status: "in_progress" }, { kind: "not_ready" }],
    ["400: not completed", 400, { error: { message: "Task is not completed" } }, { kind: "not_ready", status: 400 }],
    ["400: a task that waits", 400, { ...aTask, status: "queued" }, { kind: "not_ready", status: 400 }],
    ["404: a task that runs", 404, { ...aTask, status: "in_progress" }, { kind: "not_ready", status: 404 }],
    ["400: an expired task", 400, { ...aTask, status: "expired" }, { kind: "expired" }],
    ["404: a failed task", 404, { ...aTask, status: "failed" }, { kind: "not_ready" }],
    ["500: a task that runs", 500, { ...aTask, status: "in_progress" }, { kind: "missed" }],
    ["404: a page", 404, "<h1>Not Found</h1>", { kind: "not_ready" }],
    ["502: a page", 502, "<h1>Bad Gateway</h1>", { kind: "missed" }],
    ["JSON: expired", 200, { error: { message: "The video has expired." } }, { kind: "expired" }],
    ["JSON: an expired task", 200, { id: "t", object: "video", status: "expired" }, { kind: "expired" }],
    ["404: expired", 404, { error: { code: "video_expired", message: "x" } }, { kind: "expired" }],
    [
      "403: the key has expired",
      403,
      { error: { message: "Your API key for video has expired" } },
      { kind: "not_ready" },
    ],
    [
      "403: the signed address has expired",
      403,
      "<Error><Message>Request has expired</Message></Error>",
      { kind: "not_ready" },
    ],
    ["410", 410, "", { kind: "expired" }],
    ["403", 403, "", { kind: "not_ready", status: 403 }],
    ["404", 404, {}, { kind: "not_ready", status: 404 }],
    ["409", 409, {}, { kind: "not_ready", status: 409 }],
    ["425", 425, {}, { kind: "not_ready", status: 425 }],
    ["202 with nothing", 202, "", { kind: "not_ready", status: 202 }],
    ["204", 204, "", { kind: "not_ready", status: 204 }],
    ["200 with nothing", 200, "", { kind: "missed" }],
    ["401", 401, {}, { kind: "missed" }],
    ["429", 429, {}, { kind: "missed", retryAfterMs: 3000 }, { "retry-after": "3" }],
    ["500", 500, { error: { message: "the video has expired" } }, { kind: "missed" }],
    ["JSON: throttled", 200, { error: { code: "rate_limit_exceeded", message: "x" } }, { kind: "missed" }],
    ["304", 304, "", { kind: "missed" }],
    ["416 unasked", 416, "", { kind: "missed" }],
  ];
  test.each(cases)("%s", async (_name, status, body, expected, headers = {}) => {
    const { upstream } = await speaking(says(status, body, headers));
    expect(await upstream.content("t")).toMatchObject(expected);
  });

  test("a transport error is a missed call", async () => {
    const { upstream } = await speaking((_seen, _response, socket) => socket.resetAndDestroy());
    expect(await upstream.content("t")).toMatchObject({ kind: "missed" });
  });
});

describe("the way to the bytes", () => {
  const cdn = (script: Script = says(200, file, video)) => scriptedUpstream(script);

  test.each([301, 302, 303, 307, 308])("a %i to another origin is followed without the key", async (status) => {
    const other = await cdn();
    const { upstream, seen } = await speaking(says(status, "", { location: `${other.origin}/a.mp4?sig=1` }), { key });
    expect(await bytesOf(await upstream.content("t"))).toEqual(file);
    expect(seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(other.seen[0]).toMatchObject({ path: "/a.mp4?sig=1" });
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });

  test("one to the same host's other port or the same port's other name is to another origin", async () => {
    const otherPort = await cdn();
    let elsewhere = otherPort.origin;
    const { upstream, seen, origin } = await speaking(
      (one, response, socket) =>
        (one.path === "/a" ? says(200, file, video) : says(302, "", { location: `${elsewhere}/a` }))(
          one,
          response,
          socket,
        ),
      { key },
    );
    expect(await bytesOf(await upstream.content("t"))).toEqual(file);
    elsewhere = origin.replace("127.0.0.1", "localhost");
    expect(await bytesOf(await upstream.content("t"))).toEqual(file);
    expect(otherPort.seen.map((one) => one.headers.authorization)).toEqual([undefined]);
    expect(seen.map((one) => [one.path, one.headers.host, one.headers.authorization !== undefined])).toEqual([
      ["/v1/videos/t/content", new URL(origin).host, true],
      ["/v1/videos/t/content", new URL(origin).host, true],
      ["/a", new URL(elsewhere).host, false],
    ]);
  });

  test("one within the upstream keeps the key, and one that comes back from elsewhere does not", async () => {
    let back = "";
    const other = await cdn((seen, response, socket) => says(302, "", { location: back })(seen, response, socket));
    const { upstream, seen, origin } = await speaking(
      (one, response, socket) => {
        const next: Record<string, string> = { "/v1/videos/t/content": "/b", "/b": `${other.origin}/c` };
        const location = next[one.path];
        (location === undefined ? says(200, file, video) : says(302, "", { location }))(one, response, socket);
      },
      { key },
    );
    back = `${origin}/d`;
    expect(await bytesOf(await upstream.content("t"))).toEqual(file);
    expect(seen.map((one) => [one.path, one.headers.authorization !== undefined])).toEqual([
      ["/v1/videos/t/content", true],
      ["/b", true],
      ["/d", false],
    ]);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });

  test("one that goes round ends", async () => {
    const { upstream, seen } = await speaking(says(302, "", { location: "/again" }));
    expect(await upstream.content("t")).toMatchObject({ kind: "missed" });
    expect(seen).toHaveLength(6);
  });

  test.each(["file:///etc/passwd", "ftp://x/y", "http://["])("%s is not followed", async (location) => {
    const { upstream } = await speaking(says(302, "", { location }));
    expect((await upstream.content("t")).kind).toBe("not_video");
  });

  const places = (url: string): unknown[] => [
    { url },
    { video_url: url },
    { output_url: url },
    { output: { url } },
    { output: url },
    { meta_data: { url } },
    { metadata: { url } },
    { unsigned_urls: [url] },
    { video: { url } },
    { task: { video_url: url } },
    { video_url: null, url: " ", output_url: ` ${url} ` },
    { data: { url } },
    { data: [{ url }] },
    { id: "t", object: "video", status: "completed", metadata: { url } },
    JSON.stringify(url),
  ];
  test("an address inside JSON is followed without the key", async () => {
    const other = await cdn();
    for (const body of places(`${other.origin}/a.mp4`)) {
      const { upstream } = await speaking(says(200, body, { "content-type": "application/json" }), { key });
      expect(await bytesOf(await upstream.content("t"))).toEqual(file);
    }
    expect(other.seen).toHaveLength(places("").length);
    expect(other.seen.some((one) => one.headers.authorization !== undefined)).toBe(false);
  });

  test("a data: address inside JSON is the bytes", async () => {
    const url = `data:video/mp4;base64,${file.toString("base64")}`;
    const { upstream } = await speaking(says(200, { url }));
    const content = await upstream.content("t", { from: 10 });
    expect(content).toMatchObject({ kind: "bytes", from: 0, totalBytes: 5000, contentType: "video/mp4" });
    expect(await bytesOf(content)).toEqual(file);
  });

  test("a data: address to redirect to is the bytes", async () => {
    const location = `DATA:video/mp4;base64,${encodeURIComponent(file.toString("base64"))}`;
    const { upstream } = await speaking(says(302, "", { location }));
    expect(await bytesOf(await upstream.content("t"))).toEqual(file);
  });

  test.each(["data:video/mp4;base64,", 'data:,{"a":1}', "data:text/html,<p>", "data:,%E0%A4%A", "data:nothing"])(
    "%s is no video",
    async (url) => {
      const { upstream } = await speaking(says(200, { url }));
      expect((await upstream.content("t")).kind).toBe("not_video");
    },
  );

  test("the task's own address is the fallback, without the key", async () => {
    const other = await cdn();
    for (const status of [404, 405, 501, 500, 403]) {
      const { upstream } = await speaking(says(status, {}), { key });
      const content = await upstream.content("t", { contentUrl: `${other.origin}/a.mp4` });
      expect(await bytesOf(content)).toEqual(file);
    }
    expect(other.seen.some((one) => one.headers.authorization !== undefined)).toBe(false);
  });

  test("the content call comes first, and its answer stands where neither has bytes", async () => {
    const other = await cdn(says(410, ""));
    const whole = await speaking(says(200, file, video));
    expect(await bytesOf(await whole.upstream.content("t", { contentUrl: other.origin }))).toEqual(file);
    expect(other.seen).toHaveLength(0);
    const early = await speaking(says(404, {}));
    expect(await early.upstream.content("t", { contentUrl: other.origin })).toMatchObject({ kind: "not_ready" });
    const none = await speaking(says(405, ""));
    expect(await none.upstream.content("t", { contentUrl: other.origin })).toMatchObject({ kind: "expired" });
  });

  test("an address relative to the upstream keeps the key", async () => {
    const { upstream, seen } = await speaking(
      (one, response, socket) =>
        (one.path === "/files/a.mp4" ? says(200, file, video) : says(404, {}))(one, response, socket),
      { key },
    );
    expect(await bytesOf(await upstream.content("t", { contentUrl: "/files/a.mp4" }))).toEqual(file);
    expect(seen[1]?.headers.authorization).toBe(`Bearer ${key}`);
  });
});

describe("resuming", () => {
  const etag = '"v1"';
  const tail = file.subarray(2000);
  const part = { ...video, "content-range": "bytes 2000-4999/5000", etag };

  test("goes on at the byte where the server honours it", async () => {
    const { upstream, seen } = await speaking(says(206, tail, part));
    const content = await upstream.content("t", { from: 2000, etag });
    expect(content).toMatchObject({ kind: "bytes", from: 2000, totalBytes: 5000, etag });
    expect(await bytesOf(content)).toEqual(tail);
    expect(seen[0]?.headers).toMatchObject({ range: "bytes=2000-", "if-range": etag });
  });

  test("does not look for a video's beginning in its middle", async () => {
    const { upstream } = await speaking(says(206, Buffer.from("{<"), { ...video, "content-range": "bytes 7-8/9" }));
    expect(await bytesOf(await upstream.content("t", { from: 7 }))).toEqual(Buffer.from("{<"));
  });

  test("starts from 0 where the server sends the whole file", async () => {
    const { upstream } = await speaking(says(200, file, video));
    expect(await upstream.content("t", { from: 2000 })).toMatchObject({ kind: "bytes", from: 0 });
  });

  const misfits: [string, number, Record<string, string>][] = [
    ["another offset", 206, { ...part, "content-range": "bytes 1000-4999/5000" }],
    ["no offset", 206, video],
    ["another file", 206, { ...part, etag: '"v2"' }],
    ["nonsense", 206, { ...part, "content-range": "bytes 2000-1/5000" }],
    ["a shorter file", 416, { "content-range": "bytes */100" }],
    ["416 and no word", 416, {}],
  ];
  test.each(misfits)("asks for the whole file after %s", async (_name, status, headers) => {
    const { upstream, seen } = await speaking((one, response, socket) =>
      (one.headers.range === undefined ? says(200, file, video) : says(status, tail, headers))(one, response, socket),
    );
    const content = await upstream.content("t", { from: 2000, etag });
    expect(content).toMatchObject({ kind: "bytes", from: 0 });
    expect(await bytesOf(content)).toEqual(file);
    expect(seen).toHaveLength(2);
  });

  test("is not tried by a weak entity tag", async () => {
    const { upstream, seen } = await speaking(says(200, file, video));
    await upstream.content("t", { from: 2000, etag: 'W/"v1"' });
    expect(seen[0]?.headers.range).toBeUndefined();
  });

  test("a file that was whole already brings no more bytes", async () => {
    const { upstream } = await speaking(says(416, "", { "content-range": "bytes */5000" }));
    const content = await upstream.content("t", { from: 5000, etag });
    expect(content).toMatchObject({ kind: "bytes", from: 5000, totalBytes: 5000 });
    expect(await bytesOf(content)).toHaveLength(0);
  });

  test("a part that ends before the file does fails", async () => {
    const some = says(206, file.subarray(2000, 3000), { ...video, "content-range": "bytes 2000-2999/5000" });
    const { upstream } = await speaking(some);
    await expect(bytesOf(await upstream.content("t", { from: 2000 }))).rejects.toThrow("1000 of 3000 bytes");
  });

  test("follows a redirect with its range", async () => {
    const other = await scriptedUpstream(says(206, tail, part));
    const { upstream } = await speaking(says(302, "", { location: other.origin }));
    expect(await upstream.content("t", { from: 2000, etag })).toMatchObject({ from: 2000 });
    expect(other.seen[0]?.headers).toMatchObject({ range: "bytes=2000-", "if-range": etag });
  });
});

/** Says the same to everyone, then hangs up. */
async function aTcpServer(reply: string): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(reply, "latin1"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}
