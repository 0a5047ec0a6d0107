import { createServer, type AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { type CreateCall, openUpstream } from "@reelq/upstream";
import * as fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";

const key = "sk-very-secret-0123456789";
const aCall: CreateCall = { prompt: "A cat", model: "sora-2", seconds: 15, size: "720x1280" };
const HOUR = 3_600_000;

/** What each call may bring: anything else, and any throw, is a failure. */
const kinds = {
  create: ["accepted", "not_sent", "throttled", "reformat", "refused", "account", "in_doubt"],
  retrieve: ["seen", "not_found", "missed", "account"],
  content: ["bytes", "not_ready", "expired", "not_video", "missed"],
  list: ["page", "no_list", "missed"],
  probe: ["ok", "account", "unreachable", "strange"],
};

test("no reply, however malformed, throws anything but a classified failure", { timeout: 60_000 }, async () => {
  let reply: Uint8Array = Buffer.alloc(0);
  const port = await aServerThatSays(() => reply);
  const timeouts = { headersMs: 3000, bodyIdleMs: 3000, totalMs: 5000, lookMs: 5000 };
  const found: Record<string, number> = {};
  const expectOneOf = (call: keyof typeof kinds, outcome: { readonly kind: string; readonly body?: unknown }): void => {
    expect(kinds[call]).toContain(outcome.kind);
    found[`${call} ${outcome.kind}`] = (found[`${call} ${outcome.kind}`] ?? 0) + 1;
    expectPlain(outcome);
  };
  await fc.assert(
    fc.asyncProperty(anyReply(port), async (bytes) => {
      reply = bytes;
      // A client of its own: one that remembers which form of body was taken asks for no other.
      const upstream = openUpstream({ name: "malformed", url: `http://127.0.0.1:${port}/v1`, key, timeouts });
      expectOneOf("create", await upstream.create(aCall));
      expectOneOf("retrieve", await upstream.retrieve("video_1"));
      expectOneOf("list", await upstream.list({ limit: 10 }));
      expectOneOf("probe", await upstream.probe());
      expect(typeof (await upstream.remove("video_1"))).toBe("boolean");
      const content = await upstream.content("video_1");
      const body = content.kind === "bytes" ? content.body : Readable.from([]);
      expectOneOf("content", { ...content, body: undefined });
      // Bytes that break off fail where they are read, and never go on for ever.
      await buffer(body).catch((error: unknown) => expect(error).toBeInstanceOf(Error));
      await upstream.close();
    }),
    { numRuns: 1000 },
  );
  // The replies are not so malformed that only one branch was ever seen.
  for (const [call, all] of Object.entries(kinds))
    expect(
      all.filter((kind) => found[`${call} ${kind}`] === undefined),
      call,
    ).toEqual(call === "create" ? ["not_sent"] : []);
});

/** Says the same bytes to everyone, then hangs up. */
async function aServerThatSays(replyNow: () => Uint8Array): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(replyNow()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Words that go to logs are one short line without the key; what is data is text that can be written down. */
function expectPlain(value: unknown, name = ""): void {
  if (typeof value === "string") {
    expect(value.isWellFormed(), `${name} is well formed`).toBe(true);
    if (wordNames.has(name)) {
      expect(value.length, `${name} is short`).toBeLessThanOrEqual(300);
      expect(value, `${name} is one line`).not.toMatch(/\p{Cc}/u);
      expect(value, `${name} is without the key`).not.toContain(key);
    }
  } else if (typeof value === "number") {
    expect(Number.isFinite(value), `${name} is finite`).toBe(true);
    if (name !== "clockSkewMs") expect(value, name).toBeGreaterThanOrEqual(0);
    if (name === "retryAfterMs" || name === "restMs" || name === "pollAfterMs")
      expect(value, name).toBeLessThanOrEqual(HOUR);
    if (name === "progress") expect(value, name).toBeLessThanOrEqual(100);
  } else if (Array.isArray(value)) {
    for (const item of value) expectPlain(item, name);
  } else if (typeof value === "object" && value !== null) {
    for (const [inner, part] of Object.entries(value)) expectPlain(part, inner);
  }
}

const wordNames: ReadonlySet<string> = new Set("kind reason message code word model size detail".split(" "));

/** A reply as it goes over the wire: mostly HTTP, with one thing or another broken. */
function anyReply(port: number): fc.Arbitrary<Buffer> {
  const http = fc
    .record({
      line: anyStatusLine,
      headers: fc.array(anyHeader(port), { maxLength: 6 }),
      body: anyBody(port),
      frame: anyFrame,
    })
    .map(({ line, headers, body, frame }) => {
      const framed = frame(body);
      const head = [line, ...headers, ...framed.headers].map((text) => `${text}\r\n`).join("");
      return Buffer.concat([Buffer.from(`${head}\r\n`, "latin1"), framed.body]);
    });
  return fc.oneof(
    { arbitrary: http, weight: 30 },
    { arbitrary: fc.tuple(http, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.length + 1))), weight: 3 },
    { arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
  );
}

const statuses = [
  200, 200, 200, 200, 200, 200, 201, 202, 204, 206, 302, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 415, 416,
];
const moreStatuses = [422, 425, 429, 429, 499, 500, 501, 502, 503, 504, 524, 529];
const anyStatusLine = fc.oneof(
  { arbitrary: fc.constantFrom(...statuses, ...moreStatuses).map((status) => `HTTP/1.1 ${status} Word`), weight: 30 },
  { arbitrary: fc.integer({ min: 100, max: 999 }).map((status) => `HTTP/1.1 ${status}`), weight: 3 },
  {
    arbitrary: fc.constantFrom("HTTP/1.0 200 OK", "HTTP/2 200", "HTTP/9.9 200 OK", "HTTP/1.1 0 Zero", "ICY 200 OK", ""),
    weight: 1,
  },
);

const anyWait = fc.oneof(
  fc.constantFrom("0", "-1", "1e9", "NaN", "Infinity", "6m0s", "20ms", "9".repeat(400), "2026-11-22T12:00:00Z", "0x10"),
  fc.constantFrom(
    "Sun, 22 Nov 2026 12:00:00 GMT",
    "Sun Nov 22 12:00:00 2026",
    "Sun, 99 Foo",
    "1700000000000",
    " ",
    "-0",
  ),
  fc.double().map(String),
);

const anyAddress = (port: number): fc.Arbitrary<string> =>
  fc.constantFrom(
    `http://127.0.0.1:${port}/a.mp4`,
    "/a.mp4",
    "data:video/mp4;base64,AAAAIGZ0eXBpc29t",
    "data:,%",
    "http://[",
    "http://127.0.0.1:0/",
    "file:///etc/passwd",
    "//",
    "\\\\",
    "?",
    " ",
  );

function anyHeader(port: number): fc.Arbitrary<string> {
  const waits = ["retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "date"];
  const moreWaits = ["x-ratelimit-reset", "ratelimit-reset", "openai-poll-after-ms", "x-ratelimit-remaining-requests"];
  const types = ["application/json", "text/html; charset=x", "video/mp4", "application/problem+json", "", ";;;"];
  const oddNames = ["__proto__", "constructor", "toString", "hasOwnProperty", "x", "set-cookie", "content-type"];
  const ranges = ["bytes 0-9/10", "bytes 5-1/2", "bytes */*", "bytes 0-99999999999999999999/*", "x"];
  const sane = fc.oneof(
    fc.constantFrom(...types).map((type) => `content-type: ${type}`),
    fc.tuple(fc.constantFrom(...waits, ...moreWaits), anyWait).map(([name, wait]) => `${name}: ${wait}`),
    anyAddress(port).map((address) => `location: ${address}`),
    fc.constantFrom(...ranges).map((range) => `content-range: ${range}`),
    fc.constantFrom(...oddNames).map((name) => `${name}: a`),
    fc.constantFrom(`x: ${"y".repeat(20_000)}`, "etag: \u00ff\u0080", "trailer: x", "expect: 100-continue"),
  );
  const broken = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.tuple(fc.constantFrom(...oddNames), fc.string()).map(([name, value]) => `${name}: ${value}`),
    fc.constantFrom(
      "x: a\r\nlocation: /b",
      "x: a\nb: c",
      "x: \u0000",
      `x: ${"y".repeat(140_000)}`,
      "connection: upgrade\r\nupgrade: h2c",
    ),
  );
  return fc.oneof({ arbitrary: sane, weight: 30 }, { arbitrary: broken, weight: 1 });
}

interface Framed {
  readonly headers: readonly string[];
  readonly body: Buffer;
}

const chunked = (body: Buffer, length = body.length.toString(16)): Buffer =>
  Buffer.concat([Buffer.from(`${length}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);

/** 20 MB that nobody should hold. */
const bomb = gzipSync(Buffer.alloc(20_000_000, 32));

/** How the body's end is told, rightly and wrongly. */
const frames: readonly (readonly [weight: number, frame: (body: Buffer) => Framed])[] = [
  [40, (body) => ({ headers: [`content-length: ${body.length}`], body })],
  [4, (body) => ({ headers: [], body })],
  [4, (body) => ({ headers: ["transfer-encoding: chunked"], body: chunked(body) })],
  [1, (body) => ({ headers: ["transfer-encoding: chunked"], body: chunked(body, "zz") })],
  [1, (body) => ({ headers: ["transfer-encoding: chunked"], body: chunked(body, "ffffffffffffffffff") })],
  [1, (body) => ({ headers: ["transfer-encoding: chunked"], body: chunked(body).subarray(0, -3) })],
  [1, (body) => ({ headers: ["transfer-encoding: gzip, chunked", "content-length: 3"], body: chunked(body) })],
  [1, (body) => ({ headers: [`content-length: ${body.length + 9}`], body })],
  [1, (body) => ({ headers: [`content-length: ${Math.max(0, body.length - 9)}`], body })],
  [1, (body) => ({ headers: ["content-length: -1"], body })],
  [1, (body) => ({ headers: ["content-length: 1, 2"], body })],
  [1, (body) => ({ headers: ["content-length: 3", "content-length: 5"], body })],
  [1, (body) => ({ headers: [`content-length: ${"9".repeat(30)}`], body })],
  [4, (body) => packed(gzipSync(body))],
  [1, (body) => packed(gzipSync(body).subarray(0, -9))],
  [1, (body) => packed(body)],
  [1, (body) => packed(Buffer.concat([gzipSync(body), bomb]))],
  [1, (body) => ({ headers: ["content-encoding: br", `content-length: ${body.length}`], body })],
];
const packed = (body: Buffer): Framed => ({
  headers: ["content-encoding: gzip", `content-length: ${body.length}`],
  body,
});
const anyFrame = fc.oneof(...frames.map(([weight, frame]) => ({ weight, arbitrary: fc.constant(frame) })));

const utf8 = (text: string): Buffer => Buffer.from(text, "utf8");

function anyBody(port: number): fc.Arbitrary<Buffer> {
  const json = fc.oneof(
    { arbitrary: anyTask(port), weight: 6 },
    { arbitrary: anyFault, weight: 4 },
    { arbitrary: fc.array(anyTask(port), { maxLength: 3 }).map((tasks) => `[${tasks.join()}]`), weight: 1 },
    { arbitrary: fc.array(anyTask(port), { maxLength: 3 }).map((tasks) => `{"data":[${tasks.join()}]}`), weight: 2 },
    { arbitrary: anyTask(port).map((task) => `{"status":"success","data":${task}}`), weight: 1 },
    { arbitrary: fc.constant('{"object":"list","data":[],"has_more":false}'), weight: 1 },
    { arbitrary: fc.json(), weight: 1 },
  );
  const odd = fc.constantFrom(
    "",
    "\u0000\u0000",
    "[".repeat(50_000),
    '{"data":'.repeat(5000) + "1" + "}".repeat(5000),
    `{"id":${"1".repeat(5000)},"status":1e999,"progress":-1e999}`,
    '{"__proto__":{"id":"x","status":"failed"},"constructor":{"prototype":1}}',
    `"${key}"`,
    `{"error":{"message":"${key}"}}`,
    `<html><title>${key}\u0001</title>`,
    "<!doctype html><p>Bad gateway</p>",
    "\u0000\u0000\u0000\u0020ftypisom",
    '{"error":{"message":"The video has expired"}}',
  );
  return fc.oneof(
    { arbitrary: json.map(utf8), weight: 16 },
    { arbitrary: json.map((text) => utf8(`\uFEFF${text}`)), weight: 1 },
    { arbitrary: fc.tuple(json, fc.nat(100)).map(([text, cut]) => utf8(text.slice(0, -cut))), weight: 1 },
    { arbitrary: odd.map(utf8), weight: 4 },
    { arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)), weight: 2 },
  );
}

/** The JSON of any value, mostly of a type that nobody expects there. */
const anyValue = fc.oneof(
  fc.constantFrom("null", "true", "{}", "[]", "[[]]", "0", "-0", "-1", "1e308", "1e999", "1".repeat(400), '""', '" "'),
  fc.constantFrom(
    '"\\ud800"',
    '"\\u0000"',
    '"a\\u001bb\\n\\u202ec"',
    '"__proto__"',
    '{"__proto__":1}',
    '{"length":-1}',
  ),
  fc.constantFrom('{"toString":1}', '[{"loc":[{}],"msg":[]}]', `"${"x".repeat(5000)}"`, `"Bearer ${key}"`, '".."'),
  fc.json({ maxDepth: 2 }),
);

const anyField = (name: string, sane: readonly unknown[]): fc.Arbitrary<string> =>
  fc.oneof(
    { arbitrary: fc.constantFrom(...sane).map((value) => `"${name}":${JSON.stringify(value)}`), weight: 5 },
    { arbitrary: anyValue.map((value) => `"${name}":${value}`), weight: 2 },
  );

const someOf = (fields: readonly fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc
    .tuple(...fields.map((field) => fc.option(field, { freq: 3 })))
    .map((some) => `{${some.filter((field) => field !== null).join()}}`);

/** A task object with a wrong type in any of its fields. */
const anyTask = (port: number): fc.Arbitrary<string> =>
  anyAddress(port).chain((address) =>
    someOf([
      anyField("id", ["video_1", "other", 7]),
      anyField("object", ["video"]),
      anyField("status", ["queued", "processing", "completed", "failed", "expired", "never heard of"]),
      anyField("progress", [45, "45%", 0.5]),
      anyField("created_at", [1_763_800_000, 1_763_800_000_000, "2026-11-22T08:30:00Z"]),
      anyField("expires_at", [1_763_900_000, null]),
      anyField("model", ["sora-2"]),
      anyField("seconds", ["15", 7.5]),
      anyField("size", ["720x1280"]),
      anyField("prompt", ["A cat"]),
      anyField("error", [null, "boom", { code: 13, message: "boom" }]),
      anyField("url", [address]),
      anyField("output", [{ url: address }]),
      anyField("unsigned_urls", [[address]]),
      anyField("has_more", [true, "false"]),
      anyField("last_id", ["video_1"]),
      anyField("deleted", [true, false]),
    ]),
  );

/** An error body of any shape. */
const anyFault = fc.oneof(
  someOf([
    anyField("error", [
      "boom",
      { message: "Bad JSON" },
      { code: "insufficient_quota", message: "Pay" },
      { code: "rate_limit_exceeded", message: "slow", retry_after: 3 },
      { code: "too_many_running_tasks" },
      { message: "maximum number of concurrent jobs" },
      { code: "moderation_blocked", message: "no" },
    ]),
    anyField("detail", ["Not Found", [{ loc: ["body"], msg: "bad" }]]),
    anyField("retry_after", [3, "3s"]),
  ]),
  someOf([anyField("code", ["task_not_exist", 404]), anyField("message", ["No such task", "Not Found"])]),
);
