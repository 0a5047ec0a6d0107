import { globSync, readFileSync } from "node:fs";
import type { VideoBody } from "@reelq/contract";
import { BadHandleError, openReelq, ReelqError, type ReelqOptions, UnreachableError } from "@reelq/sdk";
import { afterEach, describe, expect, test, vi } from "vitest";

const id = "video_0199a000-0000-7000-8000-000000000000";
const queued = { id, object: "video", status: "queued", reelq: { status: "queued", version: 1 } };

afterEach(() => void vi.useRealTimers());

interface Sent {
  readonly line: string;
  readonly headers: Headers;
  readonly body: unknown;
}

type Answer = Response | Error | object;

const refusal = (status: number, code = "some_code", headers: Record<string, string> = {}): Response =>
  Response.json({ error: { message: `It is ${code}.`, type: "x", code, param: "field" } }, { status, headers });

/** A client whose wire ends in the test: what it sends is noted, and answered as the test says; the last answer again and again. */
function aClient(answers: readonly Answer[] = [queued], options: Partial<ReelqOptions> = {}) {
  const sent: Sent[] = [];
  const left = [...answers];
  const fetch = async (address: string, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(address);
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : (init.body ?? undefined);
    sent.push({ line: `${init.method} ${pathname}${search}`, headers: new Headers(init.headers), body });
    const answer = left.length > 1 ? left.shift() : left[0];
    if (answer instanceof Error) throw answer;
    return answer instanceof Response ? answer.clone() : Response.json(answer);
  };
  const reelq = openReelq({
    url: "https://reelq.example",
    fetch: fetch as typeof globalThis.fetch,
    ...options,
  });
  return { reelq, sent, lines: () => sent.map(({ line }) => line) };
}

/** What comes out, with the pauses in between skipped. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  const settled = work.catch((error: unknown) => error);
  await vi.runAllTimersAsync();
  return settled;
}

const lost = new TypeError("fetch failed");

describe("the address", () => {
  test.each([
    "https://reelq.example",
    "https://reelq.example/",
    "https://reelq.example/v1",
    "https://reelq.example/v1/",
  ])("%s is one", async (url) => {
    const { reelq, lines } = aClient([queued], { url });
    await reelq.videos.retrieve(id);
    expect(lines()).toEqual([`GET /v1/videos/${id}`]);
  });

  test("may have a path before it", async () => {
    const { reelq, lines } = aClient([queued], { url: "https://example.com/reelq" });
    await reelq.videos.retrieve(id);
    expect(lines()).toEqual([`GET /reelq/v1/videos/${id}`]);
  });

  test.each(["", "localhost:8787", "reelq.example", "ftp://reelq.example", "https://", "https://a b"])(
    "%j is none",
    (url) => {
      expect(() => openReelq({ url })).toThrow(TypeError);
    },
  );
});

describe("a create", () => {
  test("is JSON where there are no bytes", async () => {
    const { reelq, sent } = aClient();
    const handle = await reelq.videos.create({ prompt: "a cat\r\n", seconds: 10, webhookUrl: "https://me.example/x" });
    expect(sent[0]).toMatchObject({
      line: "POST /v1/videos",
      body: { prompt: "a cat\r\n", seconds: 10, reelq: { webhook_url: "https://me.example/x" } },
    });
    expect(Object.keys(sent[0]?.body as object)).toEqual(["prompt", "seconds", "reelq"]);
    expect(sent[0]?.headers.get("content-type")).toBe("application/json");
    expect(handle).toMatchObject({ id, video: queued });
  });

  test.each([{ image_url: "https://pictures.example/dusk.png" }, { file_id: "file_1" }])(
    "names a reference: %j",
    async (reference) => {
      const { reelq, sent } = aClient();
      await reelq.videos.create({ prompt: "a cat", reference });
      expect(sent[0]?.body).toEqual({ prompt: "a cat", input_reference: reference });
    },
  );

  test("is a form where there are bytes", async () => {
    const { reelq, sent } = aClient();
    await reelq.videos.create({ prompt: "a cat", seconds: 10, reference: new Blob(["dusk"], { type: "image/png" }) });
    const form = sent[0]?.body as FormData;
    expect(form.get("seconds")).toBe("10");
    expect([...form.keys()]).toEqual(["prompt", "seconds", "input_reference"]);
    expect(await (form.get("input_reference") as Blob).text()).toBe("dusk");
    expect(sent[0]?.headers.has("content-type")).toBe(false);
  });

  test("with bytes and a webhook is a form too, whole", async () => {
    const { reelq, sent } = aClient();
    const bytes = new Uint8Array(100_000).map((_, at) => at * 7);
    const reference = new Blob([bytes], { type: "image/webp" });
    await reelq.videos.create({ prompt: "a cat", reference, webhookUrl: "https://me.example/x" });
    const form = sent[0]?.body as FormData;
    expect(form.get("reelq[webhook_url]")).toBe("https://me.example/x");
    expect(new Uint8Array(await (form.get("input_reference") as Blob).arrayBuffer())).toEqual(bytes);
  });

  test("brings the key of the API, and one of its own made up for each call", async () => {
    const { reelq, sent } = aClient([queued], { key: "studio-key" });
    await reelq.videos.create({ prompt: "a cat" });
    await reelq.videos.remix(id, { prompt: "at night" });
    await reelq.videos.create({ prompt: "a cat" }, { idempotencyKey: "mine" });
    const keys = sent.map(({ headers }) => headers.get("idempotency-key"));
    expect(keys[0]).toMatch(/^\S{20,}$/);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe("mine");
    expect(sent.map(({ headers }) => headers.get("authorization"))).toEqual(Array(3).fill("Bearer studio-key"));
  });
});

describe("a handle", () => {
  test("becomes a text, and a handle again, without a call", () => {
    const { reelq, sent } = aClient();
    const handle = reelq.videos.from(id);
    expect(String(handle)).toBe(id);
    expect(JSON.parse(JSON.stringify({ handle }))).toEqual({ handle: id });
    expect(reelq.videos.from(String(handle)).id).toBe(id);
    expect(handle.video).toBeUndefined();
    expect(sent).toEqual([]);
  });

  test.each([
    ["nothing", ""],
    ["too little", "video_1"],
    ["a text in quotation marks", `"${id}"`],
    ["a text with a blank", ` ${id}`],
    ["capitals", id.toUpperCase()],
    ["a path", "../.."],
    ["a long text", "x".repeat(9_999)],
    ["undefined", undefined],
    ["a number", 7],
  ])("does not come from %s", (_, text) => {
    const { reelq } = aClient();
    expect(() => reelq.videos.from(text as string)).toThrow(BadHandleError);
  });

  test("has a clear word for what is no handle", () => {
    const { reelq } = aClient();
    expect(() => reelq.videos.from("cat")).toThrow('"cat" is not a video\'s handle; one looks like video_0199a000-');
  });

  test("does everything that can be done with its video, and keeps the newest state", async () => {
    const state = (version: number) => ({ ...queued, reelq: { status: "queued", version } });
    const { reelq, sent } = aClient([...[2, 5, 4, 6, 7, 8].map(state), {}, {}, new Response("bytes")]);
    const handle = reelq.videos.from(id);
    await handle.retrieve();
    await handle.cancel({ abandon: true });
    expect((await handle.retry({ insist: true })).reelq.version).toBe(4);
    expect(handle.video?.reelq.version).toBe(5);
    await handle.resolve({ task: "t-1" });
    await handle.cancel();
    await handle.retry();
    await handle.explain();
    await handle.delete();
    const response = await handle.content({ variant: "thumbnail", range: { start: 5, end: 9 } });
    expect(await response.text()).toBe("bytes");
    await handle.content({ range: { start: 0 } });
    await handle.content();
    expect(sent.map(({ line, body, headers }) => [line.replace(id, "ID"), body, headers.get("range")])).toEqual([
      ["GET /v1/videos/ID", undefined, null],
      ["POST /v1/videos/ID/cancel", { abandon: true }, null],
      ["POST /v1/videos/ID/retry", { insist: true }, null],
      ["POST /v1/videos/ID/resolve", { task: "t-1" }, null],
      ["POST /v1/videos/ID/cancel", { abandon: false }, null],
      ["POST /v1/videos/ID/retry", { insist: false }, null],
      ["GET /v1/videos/ID/explain", undefined, null],
      ["DELETE /v1/videos/ID", undefined, null],
      ["GET /v1/videos/ID/content?variant=thumbnail", undefined, "bytes=5-9"],
      ["GET /v1/videos/ID/content", undefined, "bytes=0-"],
      ["GET /v1/videos/ID/content", undefined, null],
    ]);
  });
});

describe("a list", () => {
  const page = (ids: string[], more: boolean) => ({
    object: "list",
    data: ids.map((one) => ({ id: one })),
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
    has_more: more,
  });

  test("is one page, as asked for", async () => {
    const { reelq, lines } = aClient([page(["a"], true)]);
    await reelq.videos.list({ limit: 5, order: "asc", status: "failed", after: undefined });
    expect(lines()).toEqual(["GET /v1/videos?limit=5&order=asc&status=failed"]);
  });

  test("of all is read page by page, as it is used", async () => {
    const { reelq, lines } = aClient([page(["a", "b"], true), page(["c"], true), page([], false)]);
    const seen: string[] = [];
    for await (const video of reelq.videos.all({ limit: 2, after: "0" })) {
      seen.push(video.id);
      if (video.id === "b") expect(lines()).toHaveLength(1);
    }
    expect(seen).toEqual(["a", "b", "c"]);
    expect(lines()).toEqual(["after=0", "after=b", "after=c"].map((after) => `GET /v1/videos?limit=2&${after}`));
  });

  test("that goes round in a circle ends", async () => {
    const { reelq, lines } = aClient([page(["a"], true)]);
    const seen: VideoBody[] = [];
    for await (const video of reelq.videos.all()) seen.push(video);
    expect(lines()).toHaveLength(2);
  });
});

test("files and webhook endpoints are called as the API has them", async () => {
  const { reelq, sent, lines } = aClient([{ id: "x", data: [], has_more: false, last_id: null }]);
  const { files, webhookEndpoints: hooks } = reelq;
  await files.create(new File(["dusk"], "dusk.png"), { purpose: "vision" });
  await files.create(new Blob(["dusk"]), { purpose: "vision", filename: "named.png" });
  await files.retrieve("file_1");
  await files.list({ limit: 3 });
  for await (const file of files.all()) expect(file).toBeUndefined();
  await files.delete("file_1");
  await files.content("file_1");
  expect((await hooks.create({ url: "https://me.example/hook", events: ["video.completed"] })).id).toBe("x");
  await hooks.list({ limit: 9 });
  await hooks.retrieve("we_1");
  await hooks.update("we_1", { enabled: false });
  await hooks.delete("we_1");
  await hooks.secret("we_1");
  await hooks.rotateSecret("we_1", { overlapSeconds: 60 });
  await hooks.deliveries("we_1", { status: "failed", limit: 5 });
  await hooks.redeliver("we_1", "evt/1");
  await hooks.test("we_1");
  await hooks.signingSecret();
  await hooks.rotateSigningSecret();
  expect(lines()).toEqual([
    "POST /v1/files",
    "POST /v1/files",
    "GET /v1/files/file_1",
    "GET /v1/files?limit=3",
    "GET /v1/files",
    "DELETE /v1/files/file_1",
    "GET /v1/files/file_1/content",
    "POST /v1/webhook_endpoints",
    "GET /v1/webhook_endpoints?limit=9",
    "GET /v1/webhook_endpoints/we_1",
    "POST /v1/webhook_endpoints/we_1",
    "DELETE /v1/webhook_endpoints/we_1",
    "GET /v1/webhook_endpoints/we_1/secret",
    "POST /v1/webhook_endpoints/we_1/rotate_secret",
    "GET /v1/webhook_endpoints/we_1/deliveries?status=failed&limit=5",
    "POST /v1/webhook_endpoints/we_1/deliveries/evt%2F1/redeliver",
    "POST /v1/webhook_endpoints/we_1/test",
    "GET /v1/webhook_endpoints/signing_secret",
    "POST /v1/webhook_endpoints/signing_secret/rotate",
  ]);
  const uploads = sent.slice(0, 2).map(({ body }) => body as FormData);
  expect(uploads.map((form) => (form.get("file") as File).name)).toEqual(["dusk.png", "named.png"]);
  expect(uploads[0]?.get("purpose")).toBe("vision");
  expect(sent.find(({ line }) => line.endsWith("rotate_secret"))?.body).toEqual({ overlap_seconds: 60 });
});

describe("an error", () => {
  test("of the API's has its code, its field, its request and when to come again", async () => {
    const headers = { "x-request-id": "req_7", "Retry-After": "90" };
    const { reelq } = aClient([refusal(429, "rate_limited", headers)]);
    const error = await reelq.videos.retrieve(id).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ReelqError);
    const facts = { name: "ReelqError", status: 429, code: "rate_limited", param: "field" };
    expect(error).toMatchObject({ ...facts, requestId: "req_7", retryAfterMs: 90_000, message: "It is rate_limited." });
  });

  test("has no more than what it was told", async () => {
    const { reelq } = aClient([refusal(409)]);
    const error = await reelq.videos.retrieve(id).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ requestId: undefined, retryAfterMs: undefined });
  });

  test("of a date to come again is in milliseconds too", async () => {
    vi.useFakeTimers({ now: Date.parse("2027-01-15T08:00:00Z") });
    const { reelq } = aClient([refusal(429, "x", { "Retry-After": "Fri, 15 Jan 2027 08:02:00 GMT" })]);
    expect(await outcome(reelq.videos.retrieve(id))).toMatchObject({ retryAfterMs: 120_000 });
  });

  test("in what the caller wrote is thrown as it is, and nothing is sent", async () => {
    const { reelq, sent } = aClient();
    const work = reelq.videos.create({ prompt: "a cat" }, { idempotencyKey: "日" });
    await expect(work).rejects.toBeInstanceOf(TypeError);
    expect(sent).toEqual([]);
  });
});

describe("a call is sent again", () => {
  const gateway = new Response("<html>", { status: 502 });

  test.each<[string, Answer]>([
    ["a lost answer", lost],
    ["503", refusal(503, "unavailable")],
    ["429", refusal(429, "rate_limited")],
    ["a gateway's error", gateway],
  ])("after %s, and a create with the same key", async (_, answer) => {
    vi.useFakeTimers();
    const { reelq, sent } = aClient([answer, answer, answer, queued]);
    expect(await outcome(reelq.videos.create({ prompt: "a cat" }))).toMatchObject({ id });
    expect(sent).toHaveLength(4);
    expect(new Set(sent.map(({ headers }) => headers.get("idempotency-key"))).size).toBe(1);
  });

  test("a few times, and no more", async () => {
    vi.useFakeTimers();
    const { reelq, sent } = aClient([lost]);
    const error = await outcome(reelq.videos.create({ prompt: "a cat" }));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toMatchObject({ cause: lost, url: "https://reelq.example" });
    expect(sent).toHaveLength(5);
  });

  test("when the API said, and not before", async () => {
    vi.useFakeTimers();
    const { reelq, sent } = aClient([refusal(503, "unavailable", { "Retry-After": "20" }), queued]);
    const asking = reelq.videos.retrieve(id);
    await vi.advanceTimersByTimeAsync(19_900);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(await asking).toMatchObject({ id });
  });

  test("not where that is too long to wait for", async () => {
    const { reelq, sent } = aClient([refusal(503, "unavailable", { "Retry-After": "3600" })]);
    await expect(reelq.videos.retrieve(id)).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    expect(sent).toHaveLength(1);
  });

  test.each([400, 401, 403, 404, 408, 409, 413, 415, 422, 500])("not after %i", async (status) => {
    const { reelq, sent } = aClient([refusal(status)]);
    await expect(reelq.videos.create({ prompt: "a cat" })).rejects.toMatchObject({ status });
    expect(sent).toHaveLength(1);
  });

  const twice: [string, (reelq: ReturnType<typeof aClient>["reelq"]) => Promise<unknown>][] = [
    ["a retry", (reelq) => reelq.videos.retry(id)],
    ["a resolve", (reelq) => reelq.videos.resolve(id, { resubmit: true })],
    ["an endpoint", (reelq) => reelq.webhookEndpoints.create({ url: "https://me.example" })],
    ["a rotation", (reelq) => reelq.webhookEndpoints.rotateSecret("we_1")],
    ["an upload", (reelq) => reelq.files.create(new Blob(["a"]), { purpose: "vision" })],
  ];

  test.each(twice)("not where it could be done twice by that: %s", async (_, call) => {
    for (const answer of [lost, refusal(503)]) {
      const { reelq, sent } = aClient([answer, queued]);
      await expect(call(reelq)).rejects.toBeInstanceOf(Error);
      expect(sent).toHaveLength(1);
    }
  });

  test.each(twice)("but where it was turned away untouched, even %s is", async (_, call) => {
    vi.useFakeTimers();
    const { reelq, sent } = aClient([refusal(429), queued]);
    expect(await outcome(call(reelq))).toMatchObject({ id });
    expect(sent).toHaveLength(2);
  });

  test("not once its caller gave it up", async () => {
    vi.useFakeTimers();
    const { reelq, sent } = aClient([lost]);
    const stop = new AbortController();
    const asking = reelq.videos.retrieve(id, { signal: stop.signal }).catch((thrown: unknown) => thrown);
    await vi.advanceTimersByTimeAsync(100);
    const reason = new Error("enough");
    stop.abort(reason);
    expect(await asking).toBe(reason);
    expect(sent).toHaveLength(1);
  });
});

describe("an answer that takes too long", () => {
  const never = (_address: unknown, init?: RequestInit): Promise<Response> =>
    new Promise((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
    });

  test.each(["retrieve", "content"] as const)("is an UnreachableError that says so: %s", async (call) => {
    vi.useFakeTimers();
    const reelq = openReelq({ url: "https://reelq.example", fetch: never, timeoutMs: 1_000, tries: 1 });
    const error = await outcome(reelq.videos[call](id));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toMatchObject({ cause: { name: "TimeoutError" } });
  });

  test.each(["retrieve", "content"] as const)("is given up with the signal's reason: %s", async (call) => {
    const reelq = openReelq({ url: "https://reelq.example", fetch: never });
    const reason = new Error("enough");
    const stop = new AbortController();
    const asking = reelq.videos[call](id, { signal: stop.signal }).catch((thrown: unknown) => thrown);
    stop.abort(reason);
    expect(await asking).toBe(reason);
  });
});

describe("the sources", () => {
  const folder = new URL("../../packages/sdk/src/", import.meta.url);
  const sources = globSync("**/*.ts", { cwd: folder }).map((name) => [
    name,
    readFileSync(new URL(name, folder), "utf8"),
  ]);

  test("use nothing that only Node has, or only a newer one than 20", () => {
    expect(sources.length).toBeGreaterThan(10);
    const foreign =
      /node:|\bprocess\b|\bBuffer\b|\brequire\(|\bwithResolvers\b|\bfromAsync\b|\bfromBase64\b|\busing\b|\bunref\b/;
    // Comments are for people.
    const code = (text = "") => text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    expect(sources.filter(([, text]) => foreign.test(code(text))).map(([name]) => name)).toEqual([]);
  });

  test("take types only from the contract: its values would bring a library along", () => {
    const statements = sources.flatMap(
      ([, text = ""]) => text.match(/^(?:import|export)\b[^;]*?from "[^"]+";/gm) ?? [],
    );
    const ours = statements.filter((one) => one.includes("@reelq/contract"));
    expect(ours.length).toBeGreaterThan(5);
    expect(ours.filter((one) => !/^(?:import|export) type /.test(one))).toEqual([]);
  });
});
