import type { Look, WireTask } from "@reelq/upstream";
import { describe, expect, test } from "vitest";
import { openedUpstream, says, speaking } from "../support/scripted-upstream.ts";

const aTask = { id: "video_1", object: "video", status: "processing" };

/** The task that a query sees in this body. */
async function taskIn(body: unknown, asked = "video_1"): Promise<WireTask | undefined> {
  const look = await lookAt(200, body, {}, asked);
  return look.kind === "seen" ? look.task : undefined;
}

async function lookAt(status: number, body: unknown, headers = {}, asked = "video_1"): Promise<Look> {
  const { upstream } = await speaking(says(status, body, headers));
  return upstream.retrieve(asked);
}

describe("status words", () => {
  const words: Record<string, string> = {
    waiting:
      "queued pending submitted not_start preparing preprocessing initializing created starting waiting queueing unknown",
    running: "in_progress processing running generating rendering",
    completed: "completed complete success succeeded finished done",
    failed: "failed fail failure error",
    cancelled: "cancelled canceled deleted",
    expired: "expired",
  };
  test.each(Object.entries(words))("%s, in any case and with blanks around them", async (state, list) => {
    for (const word of list.split(" ")) {
      const odd = word.replace(/^./, (letter) => letter.toUpperCase()).replaceAll("_", " ");
      for (const said of [word, ` ${word.toUpperCase()}\n`, word.replaceAll("_", "-"), odd])
        expect(await taskIn({ ...aTask, status: said })).toMatchObject({ state, wordKnown: true, word: said.trim() });
    }
  });

  test("state stands in for status", async () => {
    expect(await taskIn({ id: "video_1", state: "SUCCESS" })).toMatchObject({ state: "completed", wordKnown: true });
  });

  test("one that nobody knows means still running, and says so", async () => {
    for (const status of ["moderating", "⏳", 3, true, null, undefined, {}, []])
      expect(await taskIn({ ...aTask, status })).toMatchObject({ state: "running", wordKnown: false });
  });
});

describe("progress", () => {
  const forms: [unknown, number | undefined][] = [
    [45, 45],
    [45.5, 45.5],
    ["45", 45],
    ["45%", 45],
    [" 45 % ", 45],
    [0.45, 45],
    ["0.45", 45],
    ["0.45%", 0.45],
    [0, 0],
    [1, 1],
    [100, 100],
    [140, 100],
    [-3, 0],
    [99, 99],
    ["100.0%", 100],
    ["1e2", 100],
    ["NaN", undefined],
    [true, undefined],
    [undefined, undefined],
    [null, undefined],
    ["half", undefined],
    [{}, undefined],
  ];
  test.each(forms)("%j is %j", async (progress, expected) => {
    expect((await taskIn({ ...aTask, progress }))?.progress).toBe(expected);
  });
});

test("progress is information only, never a verdict", async () => {
  for (const [status, state] of Object.entries({ queued: "waiting", processing: "running", completed: "completed" }))
    for (const progress of [0, 99, 100, 1e9, "done", null])
      expect(await taskIn({ ...aTask, status, progress })).toMatchObject({ state });
});

describe("times", () => {
  const at = Date.UTC(2026, 10, 22, 8, 30);
  const forms: [unknown, number | undefined][] = [
    [at / 1000, at],
    [String(at / 1000), at],
    [at, at],
    [at * 1000, at],
    [String(at), at],
    [at * 1e6, at],
    ["1.7638e9", 1_763_800_000_000],
    [new Date(at).toUTCString(), at],
    [at / 1000 + 0.25, at + 250],
    ["2026-11-22T08:30:00Z", at],
    ["2026-11-22T10:30:00+02:00", at],
    ["2026-11-22T08:30:00.000000", at],
    ["2026-11-22 08:30:00", at],
    [0, undefined],
    [-5, undefined],
    ["0001-01-01T00:00:00Z", undefined],
    ["soon", undefined],
    ["in 5", undefined],
    ["May 5", undefined],
    ["Sun Nov 22 08:30:00 2026", at],
    [1e300, undefined],
    [null, undefined],
  ];
  test.each(forms)("%j", async (time, expected) => {
    const task = await taskIn({ ...aTask, created_at: time, completed_at: time, expires_at: time });
    expect(task?.createdAt).toBe(expected);
    expect(task?.completedAt).toBe(expected);
    expect(task?.expiresAt).toBe(expected);
  });

  test("created stands in for created_at", async () => {
    expect(await taskIn({ ...aTask, created: at / 1000 })).toMatchObject({ createdAt: at });
    expect(await taskIn({ ...aTask, created_at: null, created: String(at) })).toMatchObject({ createdAt: at });
  });
});

describe("other fields", () => {
  test.each([
    ["15", 15],
    [15, 15],
    [7.5, 7.5],
    ["15.0", 15],
    [-4, undefined],
    [undefined, undefined],
    ["8s", 8],
    [null, undefined],
    [0, undefined],
    ["long", undefined],
  ])("seconds %j is %j", async (seconds, expected) => {
    expect((await taskIn({ ...aTask, seconds }))?.seconds).toBe(expected);
    expect((await taskIn({ ...aTask, seconds: null, duration: seconds }))?.seconds).toBe(expected);
  });

  const errors: [unknown, unknown][] = [
    [
      { code: "x", message: "y" },
      { code: "x", message: "y" },
    ],
    [{ message: "y" }, { message: "y" }],
    [
      { code: 13, message: "y" },
      { code: "13", message: "y" },
    ],
    [{ code: 13 }, { code: "13", message: "13" }],
    ["y", { message: "y" }],
    [null, undefined],
    ["", undefined],
    [{}, undefined],
    [[1], undefined],
  ];
  test.each(errors)("error %j", async (error, expected) => {
    expect((await taskIn({ ...aTask, status: "failed", error }))?.error).toEqual(expected);
  });

  const url = "https://cdn.example/a.mp4?sig=1";
  test.each([
    { video_url: url },
    { url },
    { output_url: url },
    { output: { url } },
    { meta_data: { url } },
    { metadata: { url } },
    { unsigned_urls: [url, "https://cdn.example/other"] },
    { video_url: null, url: "", output_url: 5, metadata: { url } },
  ])("the content's address in %j", async (place) => {
    expect(await taskIn({ ...aTask, status: "completed", ...place })).toMatchObject({ contentUrl: url });
  });

  test.each(["data:video/mp4;base64,AAAA", "file:///etc/passwd", "javascript:1", `https://x/${"y".repeat(9000)}`])(
    "no content's address is %.40s",
    async (url) => {
      expect(await taskIn({ ...aTask, url })).not.toHaveProperty("contentUrl");
    },
  );

  test("halves of characters are put right in whatever is kept", async () => {
    const texts = { id: "a", status: "b", model: "c", size: "d", prompt: "e", video_url: "https://f/" };
    // JSON writes a half as an escape, so that it is a half again when it is read.
    const halved = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, `${text}\ud800`]));
    expect(await taskIn(halved, "a\ud800")).toMatchObject({
      id: "a\ufffd",
      word: "b\ufffd",
      model: "c\ufffd",
      size: "d\ufffd",
      prompt: "e\ufffd",
      contentUrl: "https://f/\ufffd",
    });
  });

  test("fail_reason is an error only of what failed", async () => {
    expect(await taskIn({ ...aTask, status: "FAILURE", fail_reason: "boom" })).toMatchObject({
      error: { message: "boom" },
    });
    expect(await taskIn({ ...aTask, status: "SUCCESS", fail_reason: "https://x/y" })).not.toHaveProperty("error");
  });

  test("the whole task as the contract has it", async () => {
    const task = await taskIn({
      id: "video_1",
      object: "video",
      created_at: 1_763_800_000,
      status: "completed",
      completed_at: 1_763_800_105,
      error: null,
      expires_at: 1_763_803_705,
      model: "sora-2",
      progress: 100,
      remixed_from_video_id: null,
      seconds: "15",
      size: "720x1280",
    });
    expect(task).toEqual({
      id: "video_1",
      state: "completed",
      word: "completed",
      wordKnown: true,
      progress: 100,
      createdAt: 1_763_800_000_000,
      completedAt: 1_763_800_105_000,
      expiresAt: 1_763_803_705_000,
      model: "sora-2",
      seconds: 15,
      size: "720x1280",
    });
  });

  test("what was not said is absent", async () => {
    expect(await taskIn({ id: "video_1", status: "queued" })).toEqual({
      id: "video_1",
      state: "waiting",
      word: "queued",
      wordKnown: true,
    });
  });
});

describe("where the task is", () => {
  test.each([
    { data: aTask },
    { video: aTask },
    { task: aTask },
    { code: "success", status: "success", data: aTask },
    { id: "video_1", data: { status: "processing" } },
    { ...aTask, data: { id: "asset", status: "failed" } },
    { ...aTask, id: undefined, task_id: "video_1" },
    { ...aTask, id: null, video_id: "video_1" },
    { status: "processing", progress: 3 },
  ])("%j", async (body) => {
    expect(await taskIn(body)).toMatchObject({ id: "video_1", state: "running" });
  });

  const ids = ["video_68e", "sora-2:task_01k", "dmlkZW8/+abc==", "a b?c#d%", "%2e%2e", "../x", "\ud800"];
  test.each(ids)("the id %j comes whole, in the path of every call", async (id) => {
    const { upstream, seen } = await speaking(says(200, { ...aTask, id }));
    expect(await upstream.retrieve(id)).toMatchObject({ kind: "seen", task: { id: id.toWellFormed() } });
    await upstream.content(id);
    await upstream.remove(id);
    await upstream.create({ prompt: "a", model: "m", seconds: 4, size: "1x1", remixOf: id });
    const inPath = encodeURIComponent(id.toWellFormed());
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /v1/videos/${inPath}`,
      `GET /v1/videos/${inPath}/content`,
      `DELETE /v1/videos/${inPath}`,
      `POST /v1/videos/${inPath}/remix`,
    ]);
    expect(decodeURIComponent(inPath)).toBe(id.toWellFormed());
  });

  test.each([".", "..", " .. ", "x".repeat(2049)])("no id is %.20j, which no path can hold", async (id) => {
    expect(await taskIn({ ...aTask, id }, "video_1")).toMatchObject({ id: "video_1" });
  });
});

describe("what a look is", () => {
  const failed = { ...aTask, status: "failed", error: { code: 500, message: "OOM" } };
  const cases: [string, number, unknown, Record<string, unknown>, Record<string, string>?][] = [
    ["a task", 200, aTask, { kind: "seen", pollAfterMs: 2500 }, { "openai-poll-after-ms": "2500" }],
    ["a failed task with a 500", 500, failed, { kind: "seen", task: { state: "failed" } }],
    ["a failed task with a 404", 404, failed, { kind: "seen", task: { state: "failed" } }],
    ["a failed task with a 403", 403, { id: "video_1", status: "failed" }, { kind: "seen", task: { state: "failed" } }],
    [
      "a gateway's error that looks like a task",
      500,
      { id: "req_1", status: "error", message: "x" },
      { kind: "missed" },
    ],
    ["the same with a 200", 200, { id: "req_1", status: "error", message: "x" }, { kind: "missed" }],
    ["a status alone that is bad news", 200, { status: "error", message: "x" }, { kind: "missed" }],
    ["an unknown word with a 500", 500, { id: "video_1", status: "boom" }, { kind: "missed" }],
    [
      "404",
      404,
      { error: { message: "No such video" } },
      { kind: "not_found", message: "HTTP 404 Not Found: No such video" },
    ],
    ["404 HTML, a gateway's own page", 404, "<h1>Not Found</h1>", { kind: "missed" }],
    ["404 text, a gateway's own page", 404, "404 page not found", { kind: "missed" }],
    ["404 without a word", 404, "", { kind: "not_found" }],
    ["new-api's 400", 400, { code: "task_not_exist", message: "task_not_exist" }, { kind: "not_found" }],
    ["401", 401, { error: { code: "invalid_api_key", message: "no" } }, { kind: "account", perhapsTask: false }],
    ["402", 402, "", { kind: "account", code: "http_402" }],
    ["403", 403, "", { kind: "account", perhapsTask: true }],
    ["a failed task with a 400", 400, failed, { kind: "seen", task: { state: "failed" } }],
    ["a running task with a 502", 502, aTask, { kind: "seen", task: { state: "running" } }],
    ["an expired task with a 410", 410, { ...aTask, status: "expired" }, { kind: "seen", task: { state: "expired" } }],
    ["410", 410, {}, { kind: "not_found" }],
    ["429", 429, {}, { kind: "missed", retryAfterMs: 2000, infrastructure: false }, { "retry-after": "2" }],
    ["429 of a spent quota", 429, { error: { code: "insufficient_quota", message: "Pay" } }, { kind: "account" }],
    ["400", 400, {}, { kind: "missed" }],
    ["500", 500, { error: { message: "boom" } }, { kind: "missed", reason: "HTTP 500 Internal Server Error: boom" }],
    ["502", 502, "<h1>Bad Gateway</h1>", { kind: "missed" }],
    ["302", 302, "", { kind: "missed" }, { location: "/login" }],
    ["200 HTML", 200, "<h1>Hello</h1>", { kind: "missed" }],
    ["200 empty", 200, "", { kind: "missed" }],
    ["200 with an error", 200, { error: { message: "try later" } }, { kind: "missed" }],
    ["200 with a number", 200, 5, { kind: "missed" }],
    ["200 nested too deep", 200, "[".repeat(200_000), { kind: "missed" }],
    [
      "200 with a hostile prototype",
      200,
      '{"__proto__":{"id":"video_1","status":"failed"},"constructor":1}',
      { kind: "missed" },
    ],
  ];
  test.each(cases)("%s", async (_name, status, body, expected, headers = {}) => {
    expect(await lookAt(status, body, headers)).toMatchObject(expected);
  });

  const throttle = { error: { code: "rate_limit_exceeded", message: "Slow down" } };
  const missed: [string, number, unknown, boolean][] = [
    ["500 with JSON", 500, { error: { message: "boom" } }, true],
    ["502 with a page", 502, "<h1>Bad Gateway</h1>", true],
    ["503 empty", 503, "", true],
    ["503 that throttles", 503, throttle, false],
    ["503 that throttles in words", 503, { error: { message: "Too many running tasks" } }, false],
    ["524", 524, "error code: 524", true],
    ["404 with a gateway's page", 404, "<h1>Not Found</h1>", true],
    ["200 with a page", 200, "<h1>Hello</h1>", true],
    ["200 empty", 200, "", true],
    ["200 with half of a JSON", 200, '{"id":"vid', true],
    ["302 to a page", 302, "", true],
    ["429 empty", 429, "", false],
    ["429 with a page", 429, "<h1>Slow down</h1>", false],
    ["200 that throttles", 200, throttle, false],
    ["200 with an error", 200, { error: { message: "try later" } }, false],
    ["200 with a number", 200, 5, false],
    ["400 with JSON", 400, { detail: "bad id" }, false],
    ["400 empty", 400, "", false],
    ["408 with JSON", 408, {}, false],
  ];
  test.each(missed)("whether it is missed by what lies between: %s", async (_name, status, body, infrastructure) => {
    expect(await lookAt(status, body)).toMatchObject({ kind: "missed", infrastructure });
  });

  test("a body that broke off is missed by what lies between", async () => {
    const { upstream } = await speaking((_seen, response, socket) => {
      response.writeHead(200, { "content-length": 999 });
      response.write("{}", () => socket.destroy());
    });
    expect(await upstream.retrieve("v")).toMatchObject({ kind: "missed", infrastructure: true });
  });

  test("a byte order mark, a wrong content type and compression are read through", async () => {
    const { gzipSync } = await import("node:zlib");
    const body = gzipSync(`\uFEFF\r\n ${JSON.stringify(aTask)}`);
    const headers = { "content-type": "text/html", "content-encoding": "gzip" };
    expect(await lookAt(200, body, headers)).toMatchObject({ kind: "seen", task: { id: "video_1" } });
  });

  test("what unpacks to more than 8 MiB is not unpacked", async () => {
    const { gzipSync } = await import("node:zlib");
    const body = gzipSync(Buffer.concat([Buffer.from(JSON.stringify(aTask)), Buffer.alloc(100_000_000, 32)]));
    expect(await lookAt(200, body, { "content-encoding": "gzip" })).toMatchObject({ kind: "missed" });
  });

  test("a missed look where nothing answers, or answers nothing readable in time", async () => {
    const resets = await speaking((_seen, _response, socket) => socket.resetAndDestroy());
    expect(await resets.upstream.retrieve("v")).toMatchObject({ kind: "missed", infrastructure: true });
    const hangs = await speaking(() => undefined, { timeouts: { lookMs: 100 } });
    expect(await hangs.upstream.retrieve("v")).toMatchObject({ kind: "missed" });
    const nowhere = openedUpstream({ url: "http://reelq-nowhere.invalid/v1" });
    expect(await nowhere.retrieve("v")).toMatchObject({ kind: "missed" });
  });
});
