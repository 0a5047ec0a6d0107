import { createServer as createTcpServer, type AddressInfo } from "node:net";
import type { CreateCall, CreateOutcome } from "@reelq/upstream";
import { describe, expect, onTestFinished, test } from "vitest";
import { openedUpstream, says, type Script, type Seen, speaking } from "../support/scripted-upstream.ts";

const aCall: CreateCall = { prompt: 'A cat\nwalks "home"', model: "sora-2", seconds: 15, size: "720x1280" };
const accepted = { id: "video_1", object: "video", status: "queued" };
const image = { bytes: Buffer.from([0, 1, 2, 13, 10, 45, 45, 255]), contentType: "image/png", filename: 'a "b".png' };

describe("what a create sends", () => {
  test("multipart with the fields of the contract and nothing else", async () => {
    const { upstream, seen } = await speaking(says(200, accepted), { key: "sk-secret" });
    await upstream.create(aCall);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: "POST", path: "/v1/videos" });
    expect(seen[0]?.headers).toMatchObject({ authorization: "Bearer sk-secret", connection: "close" });
    const form = await formIn(seen[0]);
    expect([...form.keys()]).toEqual(["prompt", "model", "seconds", "size"]);
    expect(form.get("model")).toBe("sora-2");
    expect(form.get("seconds")).toBe("15");
    expect(form.get("size")).toBe("720x1280");
  });

  test("a prompt's line ends arrive as they were written", async () => {
    const { upstream, seen } = await speaking(says(200, accepted));
    await upstream.create({ ...aCall, prompt: "Shot 1:\nduration: 5sec\r\nScene: ü" });
    const form = await formIn(seen[0]);
    expect(form.get("prompt")).toBe("Shot 1:\nduration: 5sec\r\nScene: ü");
  });

  test("a reference image as a file, byte for byte", async () => {
    const { upstream, seen } = await speaking(says(200, accepted));
    await upstream.create({ ...aCall, reference: image });
    const file = (await formIn(seen[0])).get("input_reference") as File;
    expect(file.type).toBe("image/png");
    expect(Buffer.from(await file.arrayBuffer())).toEqual(image.bytes);
    expect(seen[0]?.body.includes('filename="a %22b%22.png"')).toBe(true);
  });

  test("JSON with the image as a data: address where the settings say so", async () => {
    const { upstream, seen } = await speaking(says(200, accepted), { createFormat: "json" });
    await upstream.create({ ...aCall, reference: image });
    expect(JSON.parse(String(seen[0]?.body))).toEqual({
      prompt: aCall.prompt,
      model: "sora-2",
      seconds: "15",
      size: "720x1280",
      input_reference: { image_url: `data:image/png;base64,${image.bytes.toString("base64")}` },
    });
  });

  test("a remix as JSON to the task's own address, its id percent-encoded", async () => {
    const { upstream, seen } = await speaking(says(200, accepted));
    await upstream.create({ ...aCall, remixOf: "sora-2:task_01k/a+b==" });
    expect(seen[0]?.path).toBe("/v1/videos/sora-2%3Atask_01k%2Fa%2Bb%3D%3D/remix");
    expect(JSON.parse(String(seen[0]?.body))).toEqual({ prompt: aCall.prompt });
  });
});

describe("a server that wants JSON", () => {
  const refusals: [string, number, unknown][] = [
    ["415", 415, "Unsupported Media Type"],
    [
      "FastAPI",
      422,
      { detail: [{ loc: ["body"], type: "model_attributes_type", msg: "Input should be a valid dictionary" }] },
    ],
    ["Go", 400, { error: { message: "invalid character '-' in numeric literal" } }],
    ["Node", 400, { error: "Unexpected token - in JSON at position 0" }],
    ["SGLang without a file", 400, { detail: "input_reference file is required" }],
    ["a server that missed the prompt", 400, { error: { message: "prompt is required" } }],
  ];
  test.each(refusals)("%s: is sent JSON by the next create, and from then on", async (_name, status, refusal) => {
    const { upstream, seen } = await speaking((one, response, socket) =>
      (isJson(one) ? says(200, accepted) : says(status, refusal))(one, response, socket),
    );
    expect(await upstream.create(aCall)).toEqual({
      kind: "reformat",
      reason: expect.stringMatching(new RegExp(`^HTTP ${status} `)),
    });
    expect(seen).toHaveLength(1);
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted", task: { id: "video_1" } });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(seen.map(isJson)).toEqual([false, true, true]);
  });

  test("is told apart for creates with an image", async () => {
    const { upstream, seen } = await speaking((one, response, socket) => {
      const isTaken = isJson(one) !== one.body.includes("input_reference");
      (isTaken ? says(200, accepted) : says(415, {}))(one, response, socket);
    });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "reformat" });
    expect(await upstream.create({ ...aCall, reference: image })).toMatchObject({ kind: "accepted" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(seen.map(isJson)).toEqual([false, false, true]);
  });

  test("turns the form over once, however many creates were in the air", async () => {
    const many = 6;
    const inTheAir: (() => void)[] = [];
    const { upstream, seen } = await speaking((one, response, socket) => {
      if (isJson(one)) return says(200, accepted)(one, response, socket);
      inTheAir.push(() => says(415, {})(one, response, socket));
      if (inTheAir.length === many) for (const answer of inTheAir) answer();
    });
    const together = async (): Promise<string[]> =>
      (await Promise.all(Array.from({ length: many }, () => upstream.create(aCall)))).map(({ kind }) => kind);
    expect(new Set(await together())).toEqual(new Set(["reformat"]));
    expect(new Set(await together())).toEqual(new Set(["accepted"]));
    expect(seen.filter(isJson)).toHaveLength(many);
  });

  /** Two creates in the air as multipart; the first is refused unread, the second is answered when it is told to be. */
  async function withOneLate(lateAnswer: Script) {
    const answers: ((script: Script) => void)[] = [];
    const arrived = Promise.withResolvers<void>();
    const server = await speaking((one, response, socket) => {
      if (isJson(one) || answers.length === 2) return says(200, accepted)(one, response, socket);
      answers.push((script) => script(one, response, socket));
      if (answers.length === 2) arrived.resolve();
    });
    const both = [server.upstream.create(aCall), server.upstream.create(aCall)];
    await arrived.promise;
    answers[0]?.(says(415, {}));
    expect((await Promise.race(both)).kind).toBe("reformat");
    const late = async (): Promise<CreateOutcome[]> => {
      answers[1]?.(lateAnswer);
      return Promise.all(both);
    };
    return { ...server, late };
  }

  test.each([
    ["a refusal", says(415, {}), "reformat"],
    ["a task", says(200, accepted), "accepted"],
  ])("keeps the form that was accepted first, whatever comes late: %s", async (_name, answer, kind) => {
    const { upstream, seen, late } = await withOneLate(answer);
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect((await late()).map((outcome) => outcome.kind).sort()).toEqual(["reformat", kind].sort());
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(seen.map(isJson)).toEqual([false, false, true, true]);
  });

  test("goes back to the form that was accepted after all", async () => {
    const { upstream, seen, late } = await withOneLate(says(200, accepted));
    expect((await late()).map(({ kind }) => kind).sort()).toEqual(["accepted", "reformat"]);
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(seen.map(isJson)).toEqual([false, false, false]);
  });

  test("refuses at once in the form that it has accepted before", async () => {
    const { upstream, seen } = await speaking((one, response, socket) =>
      (seen.length === 1 ? says(200, accepted) : says(400, fault("bad_prompt", "Not JSON enough")))(
        one,
        response,
        socket,
      ),
    );
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "bad_prompt" });
    expect(seen.map(isJson)).toEqual([false, false]);
  });

  test("is not what a server is taken for that refuses both forms: the first refusal stands", async () => {
    const { upstream, seen } = await speaking((one, response, socket) =>
      (isJson(one) ? says(415, {}) : says(400, fault("bad_prompt", "The prompt must not be JSON")))(
        one,
        response,
        socket,
      ),
    );
    expect(await upstream.create(aCall)).toMatchObject({ kind: "reformat" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "bad_prompt" });
    // Each form is tried in turn, so that a server that is mended is found.
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "bad_prompt" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "bad_prompt" });
    expect(seen.map(isJson)).toEqual([false, true, false, true]);
  });

  test("is found out again where it only seemed to want JSON", async () => {
    const replies = [
      says(400, fault(null, "The storyboard is no JSON")),
      says(422, fault("bad_prompt", "The storyboard is empty")),
      says(415, {}),
      says(200, accepted),
    ];
    const { upstream, seen } = await speaking((one, response, socket) =>
      replies[seen.length - 1]?.(one, response, socket),
    );
    expect(await upstream.create(aCall)).toMatchObject({ kind: "reformat" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "bad_prompt" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "reformat" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
    expect(seen.map(isJson)).toEqual([false, true, true, false]);
  });

  test("is sent a remix once, as JSON, however it refuses", async () => {
    const { upstream, seen } = await speaking(says(415, {}));
    const remix = { ...aCall, remixOf: "video_1" };
    expect(await upstream.create(remix)).toMatchObject({ kind: "refused", code: "http_415" });
    expect(await upstream.create(remix)).toMatchObject({ kind: "refused", code: "http_415" });
    expect(seen.map(isJson)).toEqual([true, true]);
  });

  test.each([
    ["created a task", 400, { ...accepted, status: "failed", error: { message: "bad JSON from the renderer" } }],
    ["blocked the prompt", 400, { error: { code: "moderation_blocked", message: "JSON" } }],
    ["wants to be paid", 400, { error: { code: "insufficient_quota", message: "JSON" } }],
    ["failed on its own JSON", 500, { error: { message: "invalid JSON" } }],
  ])("is not what a server is taken for that %s", async (_name, status, body) => {
    const { upstream, seen } = await speaking(says(status, body));
    await upstream.create(aCall);
    expect(seen).toHaveLength(1);
  });

  test("is never tried with JSON where the settings say multipart", async () => {
    const { upstream, seen } = await speaking(says(415, {}), { createFormat: "multipart" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "refused", code: "http_415" });
    expect(seen).toHaveLength(1);
  });
});

type Expected = Partial<CreateOutcome> | Record<string, unknown>;
const fault = (code: string | null, message: string, type?: string) => ({ error: { code, message, type } });

describe("what a reply means", () => {
  const cases: [string, number, unknown, Expected, Record<string, string>?][] = [
    [
      "200 with a task",
      200,
      accepted,
      { kind: "accepted", task: { id: "video_1", state: "waiting", word: "queued", wordKnown: true } },
    ],
    ["202 with an id and a status", 202, { id: "v", status: "pending" }, { kind: "accepted", task: { id: "v" } }],
    ["202 with an id alone", 202, { id: 7 }, { kind: "accepted", task: { id: "7", state: "running" } }],
    ["201 with task_id", 201, { task_id: "t" }, { kind: "accepted", task: { id: "t" } }],
    [
      "200 in an envelope",
      200,
      { code: "success", data: { task_id: "t", status: "NOT_START" } },
      { kind: "accepted", task: { id: "t", state: "waiting" } },
    ],
    [
      "500 that is a failed task",
      500,
      { ...accepted, status: "failed", error: { code: 500, message: "OOM" } },
      { kind: "accepted", task: { state: "failed", error: { code: "500", message: "OOM" } } },
    ],
    [
      "a failed task with a 400",
      400,
      { ...accepted, status: "failed" },
      { kind: "accepted", task: { state: "failed" } },
    ],
    ["a queued task with a 503", 503, accepted, { kind: "accepted", task: { id: "video_1", state: "waiting" } }],
    ["an id that no path can hold", 200, { ...accepted, id: ".." }, { kind: "in_doubt" }],
    ["200 without an id", 200, { status: "queued" }, { kind: "in_doubt" }],
    ["200 with an empty id", 200, { id: " ", status: "queued" }, { kind: "in_doubt" }],
    ["200 with an error", 200, fault("moderation_blocked", "no"), { kind: "in_doubt" }],
    ["200 HTML", 200, "<html><title>Welcome</title></html>", { kind: "in_doubt" }],
    ["200 with half of a JSON", 200, '{"id":"video_1"', { kind: "in_doubt" }],
    ["200 empty", 200, "", { kind: "in_doubt" }],
    ["200 null", 200, "null", { kind: "in_doubt" }],
    ["302", 302, "", { kind: "in_doubt" }, { location: "/v2/videos" }],
    ["308", 308, "", { kind: "in_doubt" }, { location: "/v2/videos" }],
    ["408", 408, fault("timeout", "Too slow"), { kind: "in_doubt" }],
    ["499", 499, "", { kind: "in_doubt" }],
    ["500", 500, fault(null, "The server had an error"), { kind: "in_doubt" }],
    ["500 that quotes a rate limit", 500, fault(null, "upstream said: rate limit reached"), { kind: "in_doubt" }],
    ["502 HTML", 502, "<h1>Bad Gateway</h1>", { kind: "in_doubt" }],
    ["502 with an overload code", 502, fault("server_overloaded", "busy"), { kind: "in_doubt" }],
    ["503 HTML", 503, "<h1>Unavailable</h1>", { kind: "in_doubt" }, { "retry-after": "3" }],
    [
      "503 with an overload code",
      503,
      fault("server_overloaded", "busy"),
      { kind: "throttled", retryAfterMs: 3000 },
      { "retry-after": "3" },
    ],
    ["503 of type rate_limit_error", 503, fault(null, "busy", "rate_limit_error"), { kind: "throttled" }],
    ["504", 504, "", { kind: "in_doubt" }],
    ["524", 524, "", { kind: "in_doubt" }],
    ["429", 429, "", { kind: "throttled" }],
    ["429 of too many tasks", 429, fault(null, "Too many running tasks"), { kind: "throttled" }],
    ["429 with HTML", 429, "<h1>slow down</h1>", { kind: "throttled" }],
    ["400 of too many tasks", 400, fault(null, "Too many running tasks"), { kind: "throttled" }],
    ["429 of a spent quota", 429, fault("insufficient_quota", "Pay"), { kind: "account", code: "insufficient_quota" }],
    ["429 of a spent quota by type", 429, fault(null, "Pay", "insufficient_quota"), { kind: "account" }],
    [
      "429 by its words",
      429,
      fault(null, "You exceeded your quota, check your plan and billing details"),
      { kind: "account" },
    ],
    ["400 of a billing limit", 400, fault("billing_hard_limit_reached", "Billing hard limit"), { kind: "account" }],
    ["401", 401, fault("invalid_api_key", "Wrong key"), { kind: "account", code: "invalid_api_key" }],
    ["429 of a spent quota in a detail", 429, { detail: { code: "insufficient_quota" } }, { kind: "account" }],
    ["402", 402, "", { kind: "account", code: "http_402" }],
    ["403", 403, "<h1>Forbidden</h1>", { kind: "account" }],
    ["403 of moderation", 403, fault("content_policy_violation", "no"), { kind: "refused", moderated: true }],
    [
      "400 of moderation",
      400,
      fault("moderation_blocked", "no"),
      { kind: "refused", code: "moderation_blocked", moderated: true },
    ],
    ["400 of the sentinel", 400, fault("sentinel_block", "no"), { kind: "refused", moderated: true }],
    [
      "400 that speaks of the content policy",
      400,
      fault(null, "It violates our content policy."),
      { kind: "refused", moderated: true },
    ],
    ["500 with a moderation code", 500, fault("moderation_blocked", "no"), { kind: "refused", moderated: true }],
    [
      "400",
      400,
      fault("invalid_value", "seconds must be 4"),
      { kind: "refused", code: "invalid_value", moderated: false },
    ],
    ["400 in plain text", 400, "nope", { kind: "refused", code: "http_400" }],
    ["404", 404, { detail: "Not Found" }, { kind: "refused", message: "HTTP 404 Not Found" }],
    ["405", 405, "", { kind: "refused" }],
    [
      "404 HTML",
      404,
      "<title>404 Not Found</title>",
      { kind: "refused", message: "HTTP 404 Not Found: 404 Not Found" },
    ],
    ["400 empty", 400, "", { kind: "refused", code: "http_400", message: "HTTP 400 Bad Request" }],
    ["409", 409, fault("model_locked", "Locked"), { kind: "refused" }],
    ["409 of a duplicate", 409, fault("duplicate_request", "Already submitted"), { kind: "in_doubt" }],
    ["413", 413, "", { kind: "refused" }],
    [
      "422 of FastAPI",
      422,
      { detail: [{ loc: ["body", "size"], msg: "bad size" }] },
      { kind: "refused", message: "HTTP 422 Unprocessable Entity: body.size: bad size" },
    ],
    ["422 with an id of the request", 422, { id: "req_1", status: "error", message: "bad" }, { kind: "refused" }],
    ["a hostile detail", 422, { detail: [{ loc: [{ toString: 1 }], msg: { toString: 2 } }] }, { kind: "refused" }],
    ["an array", 400, [1, 2], { kind: "refused" }],
  ];
  test.each(cases)("%s", async (_name, status, body, expected, headers = {}) => {
    const { upstream, seen } = await speaking(says(status, body, headers));
    const outcome = await upstream.create(aCall);
    expect(outcome).toMatchObject(expected);
    expect(seen).toHaveLength(1);
  });

  test("a reply longer than a megabyte is in doubt, and is not read to its end", async () => {
    const { upstream, seen } = await speaking(says(200, { ...accepted, prompt: "x".repeat(1_200_000) }));
    expect(await upstream.create(aCall)).toMatchObject({
      kind: "in_doubt",
      reason: expect.stringContaining("longer than"),
    });
    expect(seen).toHaveLength(1);
  });

  const shapes: [string, unknown, string, string][] = [
    ["error: message, type and code", fault("bad_size", "No", "invalid_request_error"), "bad_size", "bad_size: No"],
    ["error: message and type", fault(null, "No", "invalid_request_error"), "invalid_request_error", ": No"],
    ["error: a number as code", { error: { code: 1013, message: "No" } }, "1013", "1013: No"],
    ["error: a sentence", { error: "No" }, "http_400", "HTTP 400 Bad Request: No"],
    ["errors: a list", { errors: [{ code: "bad_size", message: "No" }] }, "bad_size", "bad_size: No"],
    ["detail: a sentence", { detail: "No" }, "http_400", "HTTP 400 Bad Request: No"],
    ["detail: an object", { detail: { message: "No" } }, "http_400", "HTTP 400 Bad Request: No"],
    ["detail: an object with a code", { detail: { code: "bad_size", message: "No" } }, "bad_size", "bad_size: No"],
    ["detail: an error", { detail: { error: { code: "bad_size", message: "No" } } }, "bad_size", "bad_size: No"],
    ["detail: FastAPI's list", { detail: [{ loc: ["body", "size"], msg: "No" }] }, "http_400", ": body.size: No"],
    ["code and message", { code: "bad_size", message: "No" }, "bad_size", "bad_size: No"],
    ["code 0 and msg", { code: 0, msg: "No" }, "0", "0: No"],
    ["success and message", { success: false, message: "No" }, "http_400", "HTTP 400 Bad Request: No"],
    ["an error within an error", { error: { error: { code: "bad_size", message: "No" } } }, "bad_size", "bad_size: No"],
    ["a page", "<html><head><title>No</title></head></html>", "http_400", "HTTP 400 Bad Request: No"],
    ["a page without a title", "<style>p{}</style><p>No</p>", "http_400", "HTTP 400 Bad Request: No"],
    ["a text", "No", "http_400", "HTTP 400 Bad Request: No"],
    ["nothing", "", "http_400", "HTTP 400 Bad Request"],
  ];
  test.each(shapes)("what a refusal says as %s", async (_name, body, code, words) => {
    const { upstream } = await speaking(says(400, body));
    const outcome = await upstream.create(aCall);
    expect(outcome).toMatchObject({ kind: "refused", code });
    expect(outcome.kind === "refused" && outcome.message).toMatch(new RegExp(`${words}$`));
  });

  test("a 64-bit id keeps all its digits", async () => {
    const { upstream } = await speaking(says(200, '{"id":1234567890123456789,"status":"queued"}'));
    expect(await upstream.create(aCall)).toMatchObject({ task: { id: "1234567890123456789" } });
  });

  test("a byte order mark, a wrong content type and compression are read through", async () => {
    const { gzipSync } = await import("node:zlib");
    const body = gzipSync(`\uFEFF ${JSON.stringify(accepted)}`);
    const { upstream } = await speaking(says(200, body, { "content-type": "text/plain", "content-encoding": "gzip" }));
    expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted", task: { id: "video_1" } });
  });
});

describe("whether a throttle is of the tasks that run at once", () => {
  const throttles: [string, number, unknown, boolean][] = [
    ["too_many_running_tasks", 429, fault("too_many_running_tasks", "Wait"), true],
    ["concurrency_limit_exceeded", 429, fault("concurrency_limit_exceeded", "Wait"), true],
    ["the same as a type, with a 503", 503, fault(null, "Wait", "concurrency_limit_exceeded"), true],
    ["Too many running tasks", 429, fault(null, "Too many running tasks"), true],
    ["the same with a 400", 400, { detail: "Too many running tasks" }, true],
    ["too many concurrent requests", 429, { message: "too many concurrent requests" }, true],
    ["too many concurrent generations", 429, fault("rate_limit_exceeded", "Too many concurrent generations."), true],
    ["too many concurrent jobs", 429, fault(null, "You have too many concurrent jobs"), true],
    ["maximum number of concurrent", 429, fault(null, "The maximum number of concurrent tasks is 3"), true],
    ["the same with a 403", 403, fault(null, "Maximum number of concurrent jobs reached"), true],
    ["concurrency limit", 429, "Concurrency limit of 2 reached", true],
    ["limit of concurrency", 429, fault(null, "Limit for concurrent requests"), true],
    ["rate_limit_exceeded", 429, fault("rate_limit_exceeded", "Rate limit reached for sora-2"), false],
    ["too many requests", 429, fault("too_many_requests", "Too many requests"), false],
    ["requests a minute", 429, fault(null, "Limit of 25 requests per minute"), false],
    ["an overload", 503, fault("server_overloaded", "Busy"), false],
    ["nothing", 429, "", false],
  ];
  test.each(throttles)("%s", async (_name, status, body, crowded) => {
    const { upstream } = await speaking(says(status, body));
    expect(await upstream.create(aCall)).toMatchObject({ kind: "throttled", crowded });
  });
});

describe("how long an account's requests are used up", () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const none = { "x-ratelimit-remaining-requests": "0" };
  const heads: [string, Record<string, string>, number | undefined][] = [
    ["until the requests come back", { ...none, "x-ratelimit-reset-requests": "6m0s" }, 360_000],
    ["by the plain names", { "x-ratelimit-remaining": " 0 ", "x-ratelimit-reset": "12" }, 12_000],
    ["by the standard's names", { "ratelimit-remaining": "0", "ratelimit-reset": "12" }, 12_000],
    ["by a name of each kind", { ...none, "x-ratelimit-reset": String(now / 1000 + 7) }, 7000],
    ["an hour at most", { ...none, "x-ratelimit-reset-requests": "2h" }, 3_600_000],
    [
      "not while there are more",
      { "x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "9" },
      undefined,
    ],
    ["not for tokens", { "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "9" }, undefined],
    ["not without a limit", { "x-ratelimit-remaining": "-1", "x-ratelimit-reset": "9" }, undefined],
    ["not for a time that has passed", { ...none, "x-ratelimit-reset": String(now / 1000 - 7) }, undefined],
    ["not without a time", none, undefined],
    ["not by nonsense", { "x-ratelimit-remaining": "", "x-ratelimit-reset": "9" }, undefined],
    ["not by a nonsensical time", { ...none, "x-ratelimit-reset-requests": "soon 5" }, undefined],
  ];
  test.each(heads)("%s", async (_name, headers, restMs) => {
    const { upstream } = await speaking(says(200, accepted, headers), { now: () => now });
    const outcome = await upstream.create(aCall);
    expect(outcome.kind === "accepted" && outcome.restMs).toBe(restMs);
  });
});

describe("how long to wait after a 429", () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const hints: [string, Record<string, string>, unknown, number | undefined][] = [
    ["retry-after-ms", { "retry-after-ms": "1500", "retry-after": "9" }, {}, 1500],
    ["seconds", { "retry-after": "9" }, {}, 9000],
    ["a fraction", { "retry-after": "0.5" }, {}, 500],
    ["an HTTP date", { "retry-after": new Date(now + 90_000).toUTCString() }, {}, 90_000],
    ["a date that has passed", { "retry-after": new Date(now - 90_000).toUTCString() }, {}, 0],
    ["6m0s", { "x-ratelimit-reset-requests": "6m0s" }, {}, 360_000],
    ["1s", { "x-ratelimit-reset-requests": "1s" }, {}, 1000],
    ["20ms", { "x-ratelimit-reset-requests": "20ms" }, {}, 20],
    ["plain seconds", { "x-ratelimit-reset-requests": "12" }, {}, 12_000],
    ["a time in Unix seconds", { "x-ratelimit-reset-requests": String(now / 1000 + 7) }, {}, 7000],
    ["hours, minutes and a fraction", { "x-ratelimit-reset-requests": "0h1m2.5s" }, {}, 62_500],
    ["microseconds, to the next millisecond", { "x-ratelimit-reset-requests": "1500us" }, {}, 2],
    ["a time in Unix milliseconds", { "x-ratelimit-reset-requests": String(now + 7000) }, {}, 7000],
    ["a time in ISO 8601", { "x-ratelimit-reset-requests": new Date(now + 7000).toISOString() }, {}, 7000],
    ["requests before all else", { "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "9s" }, {}, 1000],
    ["the largest of the others", { "x-ratelimit-reset-a": "2s", "x-ratelimit-reset-b": "9s" }, {}, 9000],
    ["the others without nonsense", { "x-ratelimit-reset-a": "2s", "x-ratelimit-reset-b": "never" }, {}, 2000],
    ["x-ratelimit-reset", { "x-ratelimit-reset": String(now / 1000 + 7) }, {}, 7000],
    ["ratelimit-reset", { "ratelimit-reset": "7" }, {}, 7000],
    ["Retry-After before a limit's reset", { "retry-after": "3", "x-ratelimit-reset-requests": "9s" }, {}, 3000],
    ["the body before a limit's reset", { "x-ratelimit-reset-requests": "9s" }, { retry_after: 3 }, 3000],
    ["Retry-After as a duration", { "retry-after": "1m" }, {}, 60_000],
    ["Retry-After as Unix seconds", { "retry-after": String(now / 1000 + 7) }, {}, 7000],
    ["a date in the old form", { "retry-after": "Sun Nov 22 12:00:09 2026" }, {}, 9000],
    ["a reset that has passed", { "x-ratelimit-reset": String(now / 1000 - 7) }, {}, 0],
    ["below zero", { "retry-after": "-5" }, {}, 0],
    ["a number without end", { "retry-after": "9".repeat(400) }, {}, 3_600_000],
    ["not what only begins with a number", { "retry-after": "5 apples" }, {}, undefined],
    ["not a date in a sentence", { "retry-after": "try in May 5" }, {}, undefined],
    ["not NaN", { "retry-after": "NaN", "x-ratelimit-reset": "Infinity" }, {}, undefined],
    ["what can be read, past what cannot", { "retry-after": "soon", "ratelimit-reset": "7" }, {}, 7000],
    ["retry_after_ms in the body", {}, { retry_after_ms: 1500, retry_after: 9 }, 1500],
    ["retry_after as a duration", {}, { error: { retry_after: "2.5s" } }, 2500],
    ["retryAfter in the error", {}, { error: { retryAfter: 4 } }, 4000],
    ["in the error's details", {}, { error: { details: { retry_after: 4 } } }, 4000],
    ["in the error's metadata", {}, { error: { metadata: { retry_after_ms: 4000 } } }, 4000],
    ["in Google's list of details", {}, { error: { details: [{ reason: "x" }, { retryDelay: "34s" }] } }, 34_000],
    ["below zero in the body", {}, { retry_after: -4 }, 0],
    [
      "nonsense in the body",
      {},
      { error: { retry_after: { seconds: 4 }, details: "4" }, retry_after: null },
      undefined,
    ],
    ["retry_after in the error", {}, { error: { message: "slow", retry_after: 4 } }, 4000],
    ["retryAfter in the body", {}, { retryAfter: "4" }, 4000],
    ["more than an hour", { "retry-after": "86400" }, {}, 3_600_000],
    ["nonsense", { "retry-after": "soon" }, {}, undefined],
    ["nothing", {}, {}, undefined],
  ];
  test.each(hints)("%s", async (_name, headers, body, waitMs) => {
    const { upstream } = await speaking(says(429, body, headers), { now: () => now });
    const outcome = await upstream.create(aCall);
    expect(outcome.kind === "throttled" && outcome.retryAfterMs).toBe(waitMs);
  });
});

describe("a POST without a reply", () => {
  test("is not sent where the connection was refused", async () => {
    const upstream = openedUpstream({ url: `http://127.0.0.1:${await aFreePort()}/v1` });
    expect(await upstream.create(aCall)).toMatchObject({
      kind: "not_sent",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("is not sent where the name is not known", async () => {
    const upstream = openedUpstream({ url: "http://reelq-nowhere.invalid/v1" });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "not_sent" });
  });

  test("is not sent where TLS fails, even by a reset", async () => {
    const port = await aTcpServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const upstream = openedUpstream({ url: `https://127.0.0.1:${port}/v1` });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "not_sent" });
  });

  test("is not sent where TLS never comes about in time", async () => {
    const port = await aTcpServer(() => undefined);
    const upstream = openedUpstream({ url: `https://127.0.0.1:${port}/v1`, timeouts: { totalMs: 100 } });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "not_sent" });
  });

  test("is in doubt where the connection was reset after it was accepted", async () => {
    const { upstream, seen } = await speaking((_seen, _response, socket) => socket.resetAndDestroy());
    expect(await upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    expect(seen).toHaveLength(1);
  });

  test("is in doubt where the server hung up without a word", async () => {
    let connections = 0;
    const port = await aTcpServer((socket) => {
      connections += 1;
      socket.once("data", () => socket.end());
    });
    const upstream = openedUpstream({ url: `http://127.0.0.1:${port}/v1` });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    expect(connections).toBe(1);
  });

  test("is in doubt where no head came in time", async () => {
    const { upstream, seen } = await speaking(() => undefined, { timeouts: { headersMs: 100 } });
    expect(await upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    expect(seen).toHaveLength(1);
  });

  test("is in doubt where the body stopped or broke off", async () => {
    const half = '{"id":"video_1",';
    const stalls = await speaking(
      (_seen, response) => void response.writeHead(200, { "content-length": 99 }).write(half),
      {
        timeouts: { bodyIdleMs: 100 },
      },
    );
    expect(await stalls.upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    const cuts = await speaking((_seen, response, socket) => {
      response.writeHead(200, { "content-length": 99 });
      response.write(half, () => socket.destroy());
    });
    expect(await cuts.upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    expect([...stalls.seen, ...cuts.seen]).toHaveLength(2);
  });

  test("ends with the call's whole time, however slowly the body drips", async () => {
    const { upstream } = await speaking(
      (_seen, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write(" "), 10);
        response.on("close", () => clearInterval(drip));
      },
      { timeouts: { totalMs: 200 } },
    );
    expect(await upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
  });

  test("is in doubt where the reply is no HTTP", async () => {
    for (const reply of [
      "garbage\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ]) {
      const port = await aTcpServer((socket) => socket.once("data", () => socket.end(reply)));
      const upstream = openedUpstream({ url: `http://127.0.0.1:${port}/v1` });
      expect(await upstream.create(aCall)).toMatchObject({ kind: "in_doubt" });
    }
  });

  test("is not sent by a client that is closed, and one under way is waited for", async () => {
    let answer = () => {};
    const asked = Promise.withResolvers<void>();
    const { upstream } = await speaking((seen, response, socket) => {
      answer = () => says(200, accepted)(seen, response, socket);
      asked.resolve();
    });
    const creation = upstream.create(aCall);
    await asked.promise;
    const closing = upstream.close();
    expect(await upstream.create(aCall)).toMatchObject({ kind: "not_sent" });
    const order: string[] = [];
    const ends = [creation.then(() => order.push("created")), closing.then(() => order.push("closed"))];
    answer();
    await Promise.all(ends);
    expect(order).toEqual(["created", "closed"]);
    expect(await creation).toMatchObject({ kind: "accepted" });
  });
});

test("POSTs come on fresh connections, so a server that closes idle ones cannot put one in doubt", async () => {
  const ports = new Set<number | undefined>();
  const { upstream } = await speaking((seen, response, socket) => {
    ports.add(socket.remotePort);
    says(200, accepted)(seen, response, socket);
  });
  for (let n = 0; n < 3; n++) expect(await upstream.create(aCall)).toMatchObject({ kind: "accepted" });
  expect(ports.size).toBe(3);
});

describe("the key", () => {
  const key = 'sk-very/secret+key"==';
  const echoes: [string, unknown][] = [
    ["in the message", fault("bad", `Wrong key: ${key}`)],
    ["in the code", fault(`bad ${key}`, "x")],
    ["as a header", fault("bad", `authorization: Bearer ${key}`)],
    ["at the cut", fault("bad", "x".repeat(270) + key)],
    ["in HTML", `<title>${key}</title>`],
    ["where a page is cut", `<p>${" ".repeat(4084)}${key}`],
    ["where a page's beginning ends", `<title>${" ".repeat(50)}${key}</title>`],
    ["in the task's error", { ...accepted, status: "failed", error: { code: key, message: `bad ${key}` } }],
    ["in the status word", { id: "v", status: key }],
  ];
  test.each(echoes)("is never repeated: %s", async (_name, body) => {
    for (const status of [200, 400, 401, 429, 500]) {
      const { upstream } = await speaking(says(status, body), { key });
      const told = [
        await upstream.create(aCall),
        await upstream.retrieve("v"),
        await upstream.list(),
        await upstream.content("v"),
      ];
      for (const answer of told) {
        const { body: _stream, ...words } = answer as { body?: unknown };
        expect(JSON.stringify(words)).not.toContain("very");
      }
    }
  });

  test("a page's title is its reason, however far down", async () => {
    const page = `<html><head>${"<meta a='b'>".repeat(60)}<title>Bad\n gateway</title>`;
    const { upstream } = await speaking(says(502, page));
    expect(await upstream.create(aCall)).toMatchObject({ reason: "HTTP 502 Bad Gateway: Bad gateway" });
  });

  test("a reason is one short line", async () => {
    const { upstream } = await speaking(says(500, fault("x", "a\n\tb\u0007".repeat(500))));
    const outcome = await upstream.create(aCall);
    const reason = outcome.kind === "in_doubt" ? outcome.reason : "";
    expect(reason.length).toBeLessThanOrEqual(300);
    expect(reason).toMatch(/^HTTP 500 Internal Server Error: x: a b a b [^\n\t]*…$/);
  });
});

const isJson = (seen: Seen): boolean => seen.headers["content-type"] === "application/json";

function formIn(seen: Seen | undefined): Promise<FormData> {
  const type = seen?.headers["content-type"] ?? "";
  return new Response(seen?.body as Uint8Array<ArrayBuffer>, { headers: { "content-type": type } }).formData();
}

async function aTcpServer(onSocket: (socket: import("node:net").Socket) => void): Promise<number> {
  const sockets = new Set<import("node:net").Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function aFreePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
