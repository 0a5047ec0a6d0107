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
      for (const said of [word, ` ${word.toUpperCase()}\n`, word.replace("_", "-")])
        expect(await taskIn({ ...aTask, status: said })).toMatchObject({ state, wordKnown: true, word: said.trim() });
    }
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
    [null, undefined],
    ["half", undefined],
    [{}, undefined],
  ];
  test.each(forms)("%j is %j", async (progress, expected) => {
    expect((await taskIn({ ...aTask, progress }))?.progress).toBe(expected);
  });
});

describe("times", () => {
  const at = Date.UTC(2026, 10, 22, 8, 30);
  const forms: [unknown, number | undefined][] = [
    [at / 1000, at],
    [String(at / 1000), at],
    [at, at],
    [at * 1000, at],
    [at / 1000 + 0.25, at + 250],
    ["2026-11-22T08:30:00Z", at],
    ["2026-11-22T10:30:00+02:00", at],
    ["2026-11-22T08:30:00.000000", at],
    ["2026-11-22 08:30:00", at],
    [0, undefined],
    [-5, undefined],
    ["0001-01-01T00:00:00Z", undefined],
    ["soon", undefined],
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
  });
});

describe("other fields", () => {
  test.each([
    ["15", 15],
    [15, 15],
    [7.5, 7.5],
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

  test("fail_reason is an error only of what failed", async () => {
    expect(await taskIn({ ...aTask, status: "FAILURE", fail_reason: "boom" })).toMatchObject({
      error: { message: "boom" },
    });
    expect(await taskIn({ ...aTask, status: "SUCCESS", fail_reason: "https://x/y" })).not.toHaveProperty("error");
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

  test.each(["video_68e", "sora-2:task_01k", "dmlkZW8/+abc==", "a b?c#d%", "\ud800"])(
    "the id %j comes whole",
    async (id) => {
      const { upstream, seen } = await speaking(says(200, { ...aTask, id }));
      await upstream.retrieve(id);
      expect(seen[0]?.path.startsWith("/v1/videos/")).toBe(true);
      expect(decodeURIComponent(seen[0]?.path.slice("/v1/videos/".length) ?? "")).toBe(id.toWellFormed());
      expect(seen[0]?.path.split("/")).toHaveLength(4);
    },
  );
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
    ["401", 401, { error: { code: "invalid_api_key", message: "no" } }, { kind: "account", code: "invalid_api_key" }],
    ["402", 402, "", { kind: "account", code: "http_402" }],
    ["403", 403, "", { kind: "account" }],
    ["429", 429, {}, { kind: "missed", retryAfterMs: 2000 }, { "retry-after": "2" }],
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

  test("a missed look where nothing answers, or answers nothing readable in time", async () => {
    const resets = await speaking((_seen, _response, socket) => socket.resetAndDestroy());
    expect(await resets.upstream.retrieve("v")).toMatchObject({ kind: "missed" });
    const hangs = await speaking(() => undefined, { timeouts: { lookMs: 100 } });
    expect(await hangs.upstream.retrieve("v")).toMatchObject({ kind: "missed" });
    const nowhere = openedUpstream({ url: "http://reelq-nowhere.invalid/v1" });
    expect(await nowhere.retrieve("v")).toMatchObject({ kind: "missed" });
  });

  test("more than 8 MiB of JSON is let go while it comes", async () => {
    const sent = Promise.withResolvers<number>();
    const { upstream } = await speaking((_seen, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      let bytes = 0;
      const more = (): void => {
        while (!response.destroyed && bytes < 64 * 1024 * 1024) {
          bytes += 65536;
          if (!response.write(Buffer.alloc(65536, 32))) return void response.once("drain", more);
        }
        response.end();
      };
      response.on("close", () => sent.resolve(bytes));
      more();
    });
    expect(await upstream.retrieve("v")).toMatchObject({
      kind: "missed",
      reason: expect.stringContaining("longer than"),
    });
    expect(await sent.promise).toBeLessThan(32 * 1024 * 1024);
  });

  test("no reply, however malformed, throws", async () => {
    const pieces: unknown[] = [
      null,
      true,
      -1,
      1e308,
      "",
      "x",
      [],
      [[]],
      {},
      { id: {} },
      { toString: 1 },
      { length: -1 },
      "\ud800",
    ];
    const names = [
      "id",
      "status",
      "error",
      "data",
      "progress",
      "created_at",
      "seconds",
      "url",
      "output",
      "unsigned_urls",
      "detail",
    ];
    const bodies = names.flatMap((name) =>
      pieces.flatMap((piece) => [
        { [name]: piece },
        { ...aTask, [name]: piece },
        { data: { ...aTask, [name]: piece } },
        [piece],
      ]),
    );
    let status = 200;
    let body: unknown;
    const { upstream } = await speaking((seen, response, socket) => says(status, body)(seen, response, socket));
    for (body of bodies) {
      for (status of [200, 400, 500]) {
        const look = await upstream.retrieve("video_1");
        expect(["seen", "missed", "account", "not_found"]).toContain(look.kind);
      }
    }
  });
});
