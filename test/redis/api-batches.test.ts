import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type BatchBody,
  batchBodySchema,
  batchListBodySchema,
  type BatchPlanBody,
  batchPlanBodySchema,
  batchRetriedBodySchema,
  batchWaivedBodySchema,
  type ClipBody,
  clipListBodySchema,
  type ErrorBody,
  isBatchOver,
  newBatchId,
  type UploadBody,
} from "@reelq/contract";
import { cookieSecretOf, type GivenKey, openApiKeys, openBatches, openKeyring } from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  type BatchListening,
  type BatchListeningParts,
  openBatchListening,
} from "../../apps/api/src/batch-listening.ts";
import { startApi } from "../../apps/api/src/server.ts";
import { errorOf } from "../support/api.ts";
import { browserProgram, complaintsOf, openBrowser } from "../support/browser.ts";
import { type BenchOptions, openBench, tinyModel } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const studio = { name: "studio", key: "studio-key-1" };
const film = { name: "film", key: "film-key-222" };
const admin = { name: "admin", key: "admin-key-333" };

let redis: TestRedis;
let api: BatchApi;
/** One that is completed, and its clips. */
let done: BatchBody;
let doneClips: readonly ClipBody[];
beforeAll(async () => {
  redis = await startRedis();
  api = await startBatchApi([studio, film, admin]);
  const { id } = await aBatch(manifestOf(2), { name: '../"Füchse" <1>\r\nX: y' });
  done = await reach(id, "completed");
  doneClips = (await ask<{ data: ClipBody[] }>(`/v1/batches/${id}/clips`)).data;
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

type BatchApi = Awaited<ReturnType<typeof startBatchApi>>;

/** No address is fetched here. */
const outside = { fetchImage: (url: string) => Promise.reject(new Error(`Nobody is to be asked for ${url}.`)) };

/** The API over an engine that renders tiny clips. */
async function startBatchApi(given: readonly GivenKey[], options: BenchOptions = {}) {
  const bench = await openBench(redis, options);
  const { engine, producer, person } = bench;
  const batches = openBatches(engine, { producer, outside, readManifest });
  const keyring = openKeyring({ apiKeys: openApiKeys(engine), clock: engine.clock, given, mayBeOpen: true });
  const surprises: unknown[] = [];
  const running = await startApi({
    engine,
    producer,
    person,
    batches,
    keyring,
    cookieSecret: () => cookieSecretOf(engine),
    rateLimit: 0,
    corsOrigins: [],
    batchLookMs: 100,
    health: () => Promise.resolve({ ok: true, checks: {} }),
    host: "127.0.0.1",
    port: 0,
    onError: (error) => void surprises.push(error),
  });
  return {
    url: running.url,
    bench,
    batches,
    keyring,
    surprises,
    stop: () => running.close(0),
    async close() {
      await running.close(0);
      await batches.close();
      await bench.close();
    },
  };
}

interface CallOptions {
  readonly at?: Pick<BatchApi, "url">;
  readonly key?: string | undefined;
  readonly json?: unknown;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

function call(path: string, { at = api, key = studio.key, json, method, headers, signal }: CallOptions = {}) {
  return fetch(`${at.url}${path}`, {
    method: method ?? (json === undefined ? "GET" : "POST"),
    redirect: "manual",
    headers: {
      ...(key === "" ? {} : { Authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(signal ? { signal } : {}),
  });
}

/** What a call is answered with; says what went wrong where it was refused. */
async function ask<Body>(path: string, options: CallOptions = {}): Promise<Body> {
  const response = await call(path, options);
  const body = (await response.json()) as Body;
  expect([response.status, body]).toEqual([200, expect.anything()]);
  return body;
}

async function refusalOf(path: string, options: CallOptions = {}): Promise<ErrorBody["error"] & { status: number }> {
  const response = await call(path, options);
  return { status: response.status, ...(await errorOf(response)) };
}

async function upload(
  text: string,
  { filename = "shots.jsonl", ...options }: CallOptions & { filename?: string } = {},
) {
  const form = new FormData();
  form.append("purpose", "batch");
  form.append("file", new Blob([text]), filename);
  const { at = api, key = studio.key } = options;
  const response = await fetch(`${at.url}/v1/files`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}` },
    body: form,
  });
  return (await response.json()) as UploadBody;
}

let prompts = 0;

/** A manifest of so many tiny clips that nobody asked for before. */
const manifestOf = (count: number, fields: object = {}): string =>
  Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      id: `shot-${index + 1}`,
      prompt: `a shot of its own, ${(prompts += 1)}`,
      model: tinyModel,
      seconds: 1,
      size: "64x64",
      ...fields,
    }),
  ).join("\n");

async function aBatch(text: string, reelq: object = {}, options: CallOptions = {}): Promise<BatchBody> {
  const { id } = await upload(text, options);
  return ask<BatchBody>("/v1/batches", { ...options, json: { input_file_id: id, reelq } });
}

interface Frame {
  readonly id?: string | undefined;
  readonly event?: string | undefined;
  readonly batch: BatchBody;
}

/** Those that are listened to. */
const streams: AbortController[] = [];
afterEach(() => {
  for (const stream of streams.splice(0)) stream.abort();
});

/** Listens to a batch; ends with the test. */
async function listen(id: string, options: CallOptions = {}) {
  const stop = new AbortController();
  streams.push(stop);
  const response = await call(`/v1/batches/${id}/events`, { ...options, signal: stop.signal });
  const frames = framesOf(response);
  return {
    response,
    /** Undefined at the end of the stream. */
    next: async (): Promise<Frame | undefined> => (await frames.next()).value,
    /** The first frame that shows a batch as wished, or the last one of all. */
    async until(isWished: (batch: BatchBody) => boolean): Promise<BatchBody> {
      let last: BatchBody | undefined;
      for (let frame = await frames.next(); !frame.done; frame = await frames.next()) {
        last = frame.value.batch;
        if (isWished(last)) break;
      }
      if (!last) throw new Error("The stream told nothing.");
      return last;
    },
  };
}

async function* framesOf(response: Response): AsyncGenerator<Frame, undefined> {
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const read = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = read("data");
      if (data !== undefined) yield { id: read("id"), event: read("event"), batch: JSON.parse(data) as BatchBody };
    }
  }
  return undefined;
}

const reach = async (id: string, state: BatchBody["reelq"]["state"], options: CallOptions = {}): Promise<BatchBody> => {
  const batch = await (await listen(id, options)).until(({ reelq }) => reelq.state === state);
  expect(batch.reelq).toMatchObject({ state });
  return batch;
};

/** One that does not open for an hour. */
function closedWindow(): string {
  const hour = new Date().getUTCHours();
  const say = (hours: number) => `${String(hours % 24).padStart(2, "0")}:00`;
  return `${say(hour + 2)}-${say(hour + 3)} UTC`;
}

/** Listening of its own over the batches of the API, with the number of its looks. */
function aListening(options: Pick<BatchListeningParts, "heartbeatMs" | "lookMs">) {
  const looks = new EventEmitter();
  let count = 0;
  const read: BatchListeningParts["batches"]["read"] = (id, caller) => {
    looks.emit("look", (count += 1));
    return api.batches.read(id, caller);
  };
  const listening = openBatchListening({ batches: { read }, keyring: api.keyring, ...options });
  onTestFinished(() => listening.close());
  return { listening, looks, count: () => count };
}

/** What a batch says, but for when it was said. */
const factsOf = ({ reelq, ...batch }: BatchBody): string =>
  JSON.stringify({ ...batch, reelq: { ...reelq, updated_at: "", forecast: { ...reelq.forecast, at: "" } } });

/** Serves a batch's events to the holder of a key, as a route would. @returns the address */
async function served(listening: BatchListening, id: string, key: string): Promise<string> {
  const caller = { project: "studio", key, isAdmin: false };
  const server = createServer((request, response) => {
    void api.batches.read(id, caller).then((batch) => listening.listen(request, response, batch, caller));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe("a batch", () => {
  test("goes from a manifest to files, a report and an end that is told", async () => {
    const batch = await aBatch(manifestOf(3), { name: "The fox / night 1" });
    expect(batchBodySchema.parse(batch)).toEqual(batch);
    expect(batch).toMatchObject({ object: "batch", endpoint: "/v1/videos", reelq: { project: "studio" } });
    const done = await reach(batch.id, "completed");
    expect(batchBodySchema.parse(done)).toEqual(done);
    expect(done).toMatchObject({
      status: "completed",
      request_counts: { total: 3, completed: 3, failed: 0 },
      output_file_id: expect.stringMatching(/^file_/),
    });
    expect(await ask(`/v1/batches/${batch.id}`)).toEqual(done);

    const clips: ClipBody[] = [];
    for (let after = 0; ;) {
      const page = clipListBodySchema.parse(await ask(`/v1/batches/${batch.id}/clips?after=${after}&limit=2`));
      clips.push(...page.data);
      if (!page.has_more) break;
      after = page.last_number ?? Number.NaN;
    }
    expect(clips.map(({ custom_id, number, status }) => [custom_id, number, status])).toEqual([
      ["shot-1", 1, "stored"],
      ["shot-2", 2, "stored"],
      ["shot-3", 3, "stored"],
    ]);
    const none = clipListBodySchema.parse(await ask(`/v1/batches/${batch.id}/clips?status=failed,queued`));
    expect(none).toEqual({ object: "list", data: [], last_number: null, has_more: false });
  });

  test("with mistakes in its manifest fails, and says all of them", async () => {
    const { id } = await aBatch(`${manifestOf(1)}\n${manifestOf(1, { id: "other", seconds: 7 })}`);
    const { status, errors } = await reach(id, "failed");
    expect(status).toBe("failed");
    expect(errors?.data).toEqual([expect.objectContaining({ line: 2, param: "seconds" })]);
  });

  test("is planned without being made", async () => {
    const { id } = await upload(manifestOf(4));
    const plan = await ask<BatchPlanBody>("/v1/batches/plan", { json: { input_file_id: id } });
    expect(batchPlanBodySchema.parse(plan)).toEqual(plan);
    expect(plan).toMatchObject({ object: "batch.plan", lines: 4, clips: 4, to_render: 4, errors: [] });
    const { data } = await ask<{ data: BatchBody[] }>("/v1/batches");
    expect(data.filter(({ input_file_id }) => input_file_id === id)).toEqual([]);
  });

  test("is paused, changed, resumed and cancelled", async () => {
    const { id } = await aBatch(manifestOf(2), { window: closedWindow() });
    await reach(id, "running");
    const post = (command: string, json?: object) =>
      ask<BatchBody>(`/v1/batches/${id}${command}`, { method: "POST", ...(json ? { json } : {}) });
    expect((await post("/pause")).reelq).toMatchObject({ state: "paused", reason: { code: "person" } });
    const changed = await post("", { priority: 10, at_budget: "cancel", stop_after_failures: 0 });
    expect(changed.reelq).toMatchObject({
      priority: 10,
      at_budget: "cancel",
      stop_after_failures: 0,
      window: { is_open: false },
      state: "paused",
    });
    expect((await post("", { window: null })).reelq).toMatchObject({ window: null, priority: 10 });
    expect((await post("", { window: closedWindow() })).reelq).toMatchObject({ window: { is_open: false } });
    expect((await post("/resume", {})).reelq).toMatchObject({ state: "running", reason: null });
    await post("/cancel");
    expect(await reach(id, "cancelled")).toMatchObject({ status: "cancelled", cancelled_at: expect.any(Number) });
    const late = await refusalOf(`/v1/batches/${id}/pause`, { method: "POST" });
    expect(late).toMatchObject({ status: 409, code: "conflict", message: expect.stringContaining("cancelled") });
  });

  test("says that a budget cannot be held where nobody said a price", async () => {
    const { id } = await aBatch(manifestOf(1), { window: closedWindow() });
    await reach(id, "running");
    expect(await refusalOf(`/v1/batches/${id}`, { json: { budget_usd: "12.50" } })).toMatchObject({
      status: 400,
      param: "budget_usd",
      message: expect.stringContaining("$12.50"),
    });
  });

  test("does without lines", async () => {
    const { id } = await aBatch(manifestOf(2), { window: closedWindow() });
    await reach(id, "running");
    const waived = batchWaivedBodySchema.parse(
      await ask(`/v1/batches/${id}/waive`, { json: { custom_ids: ["shot-2"] } }),
    );
    expect(waived).toMatchObject({ object: "batch.waive", waived: 1, batch: { id, reelq: { counts: { waived: 1 } } } });
    expect(await refusalOf(`/v1/batches/${id}/waive`, { json: { custom_ids: ["shot-9"] } })).toMatchObject({
      status: 400,
      message: expect.stringContaining('"shot-9"'),
    });
  });

  test("tries its failed clips again, with another prompt", async () => {
    api.bench.simulator.addFault({
      on: "create",
      do: "fail_task",
      prompt: "rude",
      with: { code: "moderation_blocked" },
    });
    const { id } = await aBatch(`${manifestOf(1)}\n${manifestOf(1, { id: "rude", prompt: "a rude cat" })}`);
    const ended = await reach(id, "completed");
    expect(ended.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
    const failed = await ask<{ data: ClipBody[] }>(`/v1/batches/${id}/clips?status=failed`);
    expect(failed.data).toMatchObject([{ custom_id: "rude", failure: { code: "moderation_blocked" } }]);
    expect(await refusalOf(`/v1/batches/${id}/retry`, { method: "POST" })).toMatchObject({ status: 409 });
    const retried = batchRetriedBodySchema.parse(
      await ask(`/v1/batches/${id}/retry`, { json: { prompts: { rude: "a kind cat" } } }),
    );
    expect(retried).toMatchObject({ object: "batch.retry", retried: 1, batch: { id } });
    const all = await (await listen(id)).until(({ reelq }) => reelq.state === "completed" && reelq.counts.stored === 2);
    expect(all.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
  });

  test("is another project's nowhere, and an admin's everywhere", async () => {
    const { id } = await aBatch(manifestOf(1));
    const paths = ["", "/clips", "/report", "/events"];
    const posts = ["", "/pause", "/resume", "/cancel", "/retry", "/waive"];
    for (const whose of [id, newBatchId(0), "batch_nobody"]) {
      for (const path of paths)
        expect(await refusalOf(`/v1/batches/${whose}${path}`, { key: film.key })).toMatchObject({
          status: 404,
          code: "not_found",
          message: expect.stringContaining(whose),
        });
      for (const path of posts) {
        const json = path === "/waive" ? { custom_ids: ["shot-1"] } : path === "" ? { priority: 1 } : {};
        expect(await refusalOf(`/v1/batches/${whose}${path}`, { key: film.key, json })).toMatchObject({ status: 404 });
      }
    }
    expect(await ask(`/v1/batches/${id}`, { key: admin.key })).toMatchObject({ id });
    const listed = async (key: string) =>
      batchListBodySchema.parse(await ask("/v1/batches", { key })).data.some((batch) => batch.id === id);
    expect([await listed(studio.key), await listed(film.key), await listed(admin.key)]).toEqual([true, false, true]);
    const { id: file } = await upload(manifestOf(1));
    for (const path of ["/v1/batches", "/v1/batches/plan"])
      expect(await refusalOf(path, { key: film.key, json: { input_file_id: file } })).toMatchObject({
        status: 404,
        message: expect.stringContaining(file),
      });
  });

  test("is listed, the newest first, page by page and by status", async () => {
    const made: string[] = [];
    for (let times = 0; times < 3; times += 1) made.push((await aBatch(manifestOf(1), {}, { key: film.key })).id);
    for (const id of made) await reach(id, "completed", { key: film.key });
    const page = async (query: string) =>
      batchListBodySchema.parse(await ask(`/v1/batches?${query}`, { key: film.key }));
    const first = await page("limit=2");
    expect(first.data.map(({ id }) => id)).toEqual(made.toReversed().slice(0, 2));
    expect(first.has_more).toBe(true);
    const second = await page(`limit=2&after=${first.last_id}`);
    expect(second).toMatchObject({ data: [{ id: made[0] }], has_more: false });
    expect((await page("order=asc")).data.map(({ id }) => id)).toEqual(made);
    expect((await page("status=completed")).data).toHaveLength(3);
    for (const status of ["in_progress", "paused", "failed"]) expect((await page(`status=${status}`)).data).toEqual([]);
  });
});

describe("a mistake in a body names the field, what was given and what is allowed", () => {
  const create = (reelq: object) => ({ input_file_id: "file_1", reelq });
  test.each<[string, string, unknown, string, string]>([
    ["/v1/batches", "missing_value", {}, "input_file_id", "input_file_id is required."],
    ["/v1/batches", "invalid_value", { input_file_id: 7 }, "input_file_id", "input_file_id 7 must be a text."],
    ["/v1/batches/plan", "missing_value", {}, "input_file_id", "input_file_id is required."],
    [
      "/v1/batches",
      "invalid_value",
      { input_file_id: "file_1", endpoint: "/v1/responses" },
      "endpoint",
      'endpoint "/v1/responses" is not served here; allowed: /v1/videos.',
    ],
    [
      "/v1/batches",
      "invalid_value",
      { input_file_id: "file_1", metadata: { film: 7 } },
      "metadata.film",
      "metadata.film 7 must be a text.",
    ],
    [
      "/v1/batches",
      "invalid_value",
      { input_file_id: "file_1", metadata: { film: "x".repeat(513) } },
      "metadata",
      'metadata "film" has a name of 4 and a value of 513 characters; at most 64 and 512 are allowed.',
    ],
    [
      "/v1/batches",
      "unknown_field",
      { input_file: "file_1", input_file_id: "file_1" },
      "input_file",
      'Unknown field "input_file"; did you mean "input_file_id"?',
    ],
    [
      "/v1/batches",
      "unknown_field",
      create({ budgt_usd: 5 }),
      "reelq.budgt_usd",
      'Unknown field "budgt_usd" in reelq; did you mean "budget_usd"?',
    ],
    [
      "/v1/batches",
      "invalid_value",
      create({ at_budget: "finsh" }),
      "reelq.at_budget",
      'reelq.at_budget "finsh" must be one of finish, cancel. Did you mean "finish"?',
    ],
    [
      "/v1/batches",
      "invalid_value",
      create({ priority: 900 }),
      "reelq.priority",
      "reelq.priority 900 must be a whole number from -100 to 100.",
    ],
    [
      "/v1/batches",
      "invalid_value",
      create({ references: { "a.png": 7 } }),
      "reelq.references.a.png",
      "reelq.references.a.png 7 must be a text.",
    ],
    ["/v1/batches/batch_1", "invalid_value", { window: 7 }, "window", "window 7 must be a text or null."],
    ["/v1/batches/batch_1/pause", "unknown_field", { now: true }, "now", 'Unknown field "now"; this call takes none.'],
    [
      "/v1/batches/batch_1/retry",
      "invalid_value",
      { custom_ids: ["a", 7] },
      "custom_ids",
      "custom_ids[1] 7 must be a text.",
    ],
    [
      "/v1/batches/batch_1/waive",
      "invalid_value",
      { custom_ids: [] },
      "custom_ids",
      "custom_ids [] must be a list of at least 1 entry.",
    ],
  ])("POST %s: %s in %j", async (path, code, json, param, message) => {
    expect(await refusalOf(path, { json })).toEqual({
      status: 400,
      type: "invalid_request_error",
      code,
      param,
      message,
    });
  });

  test("all of them are told at once", async () => {
    const { message } = await refusalOf("/v1/batches", { json: create({ priority: 900, again: "yes", nme: "x" }) });
    expect(message).toContain("reelq.priority 900 must be a whole number");
    expect(message).toContain('reelq.again "yes" must be true or false.');
    expect(message).toContain('Unknown field "nme" in reelq; did you mean "name"?');
  });

  test.each([
    ["/v1/batches?limit=0", "limit", "1 to 100"],
    ["/v1/batches?limit=101", "limit", "1 to 100"],
    ["/v1/batches?after=video_1", "after", "not a batch's id"],
    ["/v1/batches?order=up", "order", "asc or desc"],
    ["/v1/batches?status=runing", "status", 'did you mean "running"?'],
    ["/v1/batches?status=x", "status", "allowed: validating, in_progress"],
    ["/v1/batches/batch_1/clips?limit=501", "limit", "1 to 500"],
    ["/v1/batches/batch_1/clips?after=-1", "after", "last_number"],
    ["/v1/batches/batch_1/clips?status=stord", "status", 'did you mean "stored"?'],
    ["/v1/batches/batch_1/report?format=pdf", "format", "allowed: html, csv, json"],
    ["/v1/batches/batch_1/report?base=javascript:alert(1)//", "base", "https, http or file"],
    ["/v1/batches/batch_1/report?base=%20java%0Ascript:alert(1)//", "base", "https, http or file"],
  ])("%s", async (path, param, said) => {
    expect(await refusalOf(path)).toMatchObject({
      status: 400,
      code: "invalid_value",
      param,
      message: expect.stringContaining(said),
    });
  });

  test("a body that is no JSON object, of another type, or too large", async () => {
    expect(await refusalOf("/v1/batches", { json: [] })).toMatchObject({ status: 400, code: "malformed_body" });
    const headers = { "Content-Type": "text/plain" };
    expect(await refusalOf("/v1/batches", { json: {}, headers })).toMatchObject({ status: 415 });
    const large = { input_file_id: "x".repeat(17 * 1024 * 1024) };
    expect(await refusalOf("/v1/batches", { json: large })).toMatchObject({ status: 413, code: "body_too_large" });
  });
});

describe("a batch's own events", () => {
  test("begin with the batch, tell of a change once, and end with its end", async () => {
    const { id } = await aBatch(manifestOf(1), { window: closedWindow() });
    await reach(id, "running");
    const listener = await listen(id);
    expect(listener.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const first = await listener.next();
    expect(first).toMatchObject({ event: "batch", id: undefined, batch: { id, reelq: { state: "running" } } });
    await ask(`/v1/batches/${id}/pause`, { method: "POST" });
    expect(await listener.until(({ reelq }) => reelq.state === "paused")).toMatchObject({ id });
    await ask(`/v1/batches/${id}/cancel`, { method: "POST" });
    expect(await listener.until(({ reelq }) => isBatchOver(reelq.state))).toMatchObject({ status: "cancelled" });
    expect(await listener.next()).toBeUndefined();
  });

  test("of one that is over are its state and no more; then 204, so that nobody asks again", async () => {
    const { id } = done;
    const listener = await listen(id);
    const last = await listener.next();
    expect(last).toMatchObject({ event: "batch", batch: { status: "completed" } });
    expect(await listener.next()).toBeUndefined();
    const again = await call(`/v1/batches/${id}/events`, { headers: { "Last-Event-ID": last?.id ?? "" } });
    expect([again.status, await again.text()]).toEqual([204, ""]);
  });

  test("end with their key", async () => {
    const made = await openApiKeys(api.bench.engine).create({ name: "guest", project: "studio", isAdmin: false });
    const { id } = await aBatch(manifestOf(1), { window: closedWindow() });
    const { listening } = aListening({ heartbeatMs: 50 });
    const url = await served(listening, id, made.record.id);
    const frames = framesOf(await fetch(url));
    expect((await frames.next()).value).toMatchObject({ event: "batch" });
    await openApiKeys(api.bench.engine).revoke(made.record.id);
    for await (const _frame of frames) expect(_frame.event).toBe("batch");
  });

  test("end in order when the API stops", async () => {
    const own = await startBatchApi([studio], { working: false });
    onTestFinished(() => own.close());
    const { id } = await aBatch(manifestOf(1), {}, { at: own });
    const listener = await listen(id, { at: own });
    const all = listener.until(() => false);
    await reach(id, "running", { at: own });
    await own.stop();
    expect(await all).toMatchObject({ id });
  });

  test("are told when something has changed, at no more looks however many listen", async () => {
    const { id } = await aBatch(manifestOf(1), { window: closedWindow() });
    await reach(id, "running");
    const { listening, looks, count } = aListening({ lookMs: 100 });
    const url = await served(listening, id, "given_studio");
    const streams = await Promise.all(Array.from({ length: 20 }, async () => framesOf(await fetch(url))));
    const heard = streams.map(async (frames) => {
      const facts: string[] = [];
      for (let frame = await frames.next(); !frame.done; frame = await frames.next()) {
        facts.push(factsOf(frame.value.batch));
        if (frame.value.batch.reelq.state === "paused") break;
      }
      return facts;
    });
    for (let times = 0; times < 3; times += 1) await once(looks, "look");
    const before = count();
    await ask(`/v1/batches/${id}/pause`, { method: "POST" });
    for (const facts of await Promise.all(heard)) {
      expect(facts.length).toBeGreaterThan(1);
      expect(facts.filter((one, index) => one === facts[index - 1])).toEqual([]);
    }
    // Nobody's own looks: twenty would have come of them in one round.
    expect(count() - before).toBeLessThan(20);
  });
});

describe("a batch's report", () => {
  const report = (query: string, options: CallOptions = {}) => call(`/v1/batches/${done.id}/report${query}`, options);

  test("is a page that runs nothing but itself, with its files at this API", async () => {
    const response = await report("");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-disposition")).toBe('inline; filename="reelq-report-Fu-chse-1-X-y.html"');
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("connect-src");
    const page = await response.text();
    expect(page).toMatch(/^<!doctype html>/i);
    expect(page).toContain("</html>");
    for (const { video_id: id, prompt } of doneClips) {
      expect(page).toContain(prompt);
      expect(page).toContain(`${api.url}/v1/videos/${id}/content`);
    }
    expect(page).toContain("data:image/");
  });

  test("leads to where its files are said to be", async () => {
    const base = "https://cdn.example/clips/";
    const page = await (await report(`?format=html&base=${encodeURIComponent(base)}`)).text();
    expect(page).toContain(`${base}${doneClips[0]?.file?.key}`);
    expect(page).not.toContain(`${api.url}/v1/videos/`);
    const { clips: told } = (await (await report("?format=json&base=..%2Fvideos%2F")).json()) as { clips: unknown[] };
    expect(JSON.stringify(told)).toContain(`../videos/${doneClips[0]?.file?.key}`);
  });

  test.each([
    ["csv", "text/csv; charset=utf-8; header=present"],
    ["json", "application/json; charset=utf-8"],
  ])("is %s to be kept", async (format, type) => {
    const response = await report(`?format=${format}`);
    expect(response.headers.get("content-type")).toBe(type);
    expect(response.headers.get("content-disposition")).toBe(
      `attachment; filename="reelq-report-Fu-chse-1-X-y.${format}"`,
    );
    const text = await response.text();
    for (const { file, prompt } of doneClips) {
      expect(text).toContain(file?.sha256);
      expect(text).toContain(prompt);
    }
    expect(format === "json" ? (JSON.parse(text) as { clips: unknown[] }).clips : text.split("\r\n")).toHaveLength(
      format === "json" ? 2 : 4,
    );
  });

  test("answers HEAD with its headers", async () => {
    const response = await report("?format=csv", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(response.headers.get("content-disposition")).toContain(".csv");
  });

  test("can be had while it runs, and of a batch that failed", async () => {
    const running = await aBatch(manifestOf(1), { window: closedWindow() });
    await reach(running.id, "running");
    const failed = await aBatch(manifestOf(1, { seconds: 7 }));
    await reach(failed.id, "failed");
    for (const { id } of [running, failed]) {
      for (const format of ["html", "csv", "json"]) {
        const response = await call(`/v1/batches/${id}/report?format=${format}`);
        expect([response.status, (await response.text()).length > 0]).toEqual([200, true]);
      }
    }
  });
});

describe("the live page", () => {
  const asPage = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

  test("leads a browser to the login, and back", async () => {
    const response = await call("/batches/batch_1", { key: "", headers: asPage });
    expect([response.status, response.headers.get("location")]).toEqual([302, "/login?to=%2Fbatches%2Fbatch_1"]);
    expect(await refusalOf("/batches/batch_1", { key: "" })).toMatchObject({ status: 401, code: "unauthorized" });
    expect(await refusalOf("/batches/batch_1", { key: studio.key })).toMatchObject({ status: 403 });
    expect(await refusalOf("/batches/batch_1", { key: admin.key })).toMatchObject({ status: 404, code: "not_found" });
  });

  test("shows the batch, and runs only what it brought", async () => {
    const { id } = done;
    const response = await call(`/batches/${id}`, { key: admin.key, headers: asPage });
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const [, nonce = ""] =
      /script-src 'nonce-([^']+)'/.exec(response.headers.get("content-security-policy") ?? "") ?? [];
    expect(nonce).not.toBe("");
    const page = await response.text();
    expect(page).toContain(`/v1/batches/${id}/events`);
    expect(page).toContain(`/v1/batches/${id}/report`);
    expect(page).not.toContain("<1>");
    for (const [tag] of page.matchAll(/<(?:script|style)[^>]*>/g)) expect(tag).toContain(`nonce="${nonce}"`);
    const again = await call(`/batches/${id}`, { key: admin.key, headers: asPage });
    expect(again.headers.get("content-security-policy")).not.toContain(nonce);
  });

  test("is open where nobody made a key", async () => {
    const open = await startBatchApi([], { working: false });
    onTestFinished(() => open.close());
    const { id } = await aBatch(manifestOf(1), {}, { at: open, key: "" });
    expect((await call(`/batches/${id}`, { at: open, key: "", headers: asPage })).status).toBe(200);
  });
});

test.skipIf(browserProgram === undefined)(
  "in a browser, the page follows a batch to its end and the report plays its clips, and neither asks for what it may not",
  async () => {
    const open = await startBatchApi([]);
    const browser = await openBrowser();
    onTestFinished(async () => {
      await browser.close();
      await open.close();
    });
    const at = { at: open, key: "" };
    const { id } = await aBatch(manifestOf(2), { window: closedWindow(), name: "night" }, at);
    await reach(id, "running", at);
    const page = await browser.newPage();
    const complaints = complaintsOf(page, open.url);
    await page.goto(`${open.url}/batches/${id}`);
    await page.locator("[data-connection]", { hasText: /^Live$/ }).waitFor();
    await ask(`/v1/batches/${id}`, { ...at, json: { window: null } });
    await page.locator("[data-connection]", { hasText: /^Over$/ }).waitFor({ state: "attached" });
    expect(await page.title()).toContain("night");
    await page.goto(`${open.url}/v1/batches/${id}/report`);
    await page.locator("ol.clips a[href$='/content']").first().click();
    const seconds = await page.locator("video").evaluate(
      // oxlint-disable-next-line typescript/no-explicit-any -- the browser's own
      (video: any) =>
        new Promise<number>((resolve) => {
          const say = () => video.readyState >= 1 && resolve(video.duration);
          video.addEventListener("loadedmetadata", say);
          say();
        }),
    );
    expect(seconds).toBeCloseTo(1, 0);
    // The browser asks for an icon by itself. What else is not there is told with its address.
    expect(complaints.filter((complaint) => !/^console: .* 404/.test(complaint))).toEqual([]);
  },
);

test("the schema of a manifest is there for every editor", async () => {
  const response = await call("/schemas/manifest.json", { key: "" });
  expect(response.headers.get("content-type")).toMatch(/^application\/schema\+json/);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(await response.json()).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema" });
});

describe("the same batch asked for again", () => {
  const create = (input_file_id: string, headers: Readonly<Record<string, string>>, reelq: object = {}) =>
    call("/v1/batches", { json: { input_file_id, reelq }, headers });
  const idOf = async (response: Response): Promise<string> => ((await response.json()) as BatchBody).id;

  test("with its key is the first one; with another body it is a conflict", async () => {
    const { id } = await upload(manifestOf(1));
    const headers = { "Idempotency-Key": "night-1" };
    const first = await idOf(await create(id, headers));
    expect(await idOf(await create(id, headers))).toBe(first);
    const other = await create(id, headers, { priority: 1 });
    expect(other.status).toBe(409);
    expect(await errorOf(other)).toMatchObject({ code: "idempotency_conflict", param: "Idempotency-Key" });
    expect(await idOf(await create(id, { "Idempotency-Key": "night-2" }))).not.toBe(first);
    const wrong = await create(id, { "Idempotency-Key": "with spaces" });
    expect(await errorOf(wrong)).toMatchObject({ code: "invalid_value", param: "Idempotency-Key" });
  });

  test("ten times at once makes one", async () => {
    const { id } = await upload(manifestOf(1));
    const headers = { "Idempotency-Key": "night-3" };
    const made = await Promise.all(Array.from({ length: 10 }, async () => idOf(await create(id, headers))));
    expect(new Set(made).size).toBe(1);
  });
});

test("nothing went wrong that was nobody's fault", () => {
  expect(api.surprises).toEqual([]);
});
