import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { type IncomingMessage, request, type Server } from "node:http";
import { json } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import {
  batchBodySchema,
  type ClipListBody,
  type ErrorBody,
  eventBodySchema,
  openApiDocument,
  operations,
  type Operation,
  type ProblemCode,
  problemCodes,
  problemsOf,
  replySchemas,
  type ReplyName,
  type VideoId,
  videoCreateSchema,
} from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTestApi, type TestApi } from "../support/api.ts";
import { redisServerProgram, startRedis, type TestRedis } from "../support/redis.ts";

const admin = "admin-key-333";
const studio = "studio-key-1";
const keys = [
  { name: "admin", key: admin },
  { name: "studio", key: studio },
];

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url, keys });
});

afterAll(async () => {
  await api.close();
  await redis.stop();
});

/** What a call was answered with, held against the document. */
const seen = new Map<string, Set<string>>();

/** What was said when a call was refused with a code, by both, without ids and figures. */
const heard = new Map<string, unknown[]>();

/** What an error says, whichever thing and however many of them it is about. */
const inGeneral = ({ error }: ErrorBody): ErrorBody["error"] => ({
  ...error,
  message: error.message
    .replaceAll(/\b(?:video|file|batch|we|wd)_[\w-]+|\bnobody\b/g, "ID")
    .replaceAll(/\d+(?:\.\d+)?/g, "N"),
});

interface CallOptions {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string | Blob>>;
  /** null: none. */
  readonly key?: string | null;
  readonly at?: TestApi;
}

const operationOf = (id: string): Operation => {
  const operation = operations.find((one) => one.id === id);
  if (!operation) throw new Error(`There is no operation ${id}.`);
  return operation;
};

function ask(id: string, options: CallOptions = {}, signal?: AbortSignal): Promise<Response> {
  const { path: values = {}, query = {}, headers = {}, json, form, key = admin, at = api } = options;
  const { method, path } = operationOf(id);
  const url = new URL(
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "nobody"),
    at.url,
  );
  url.search = new URLSearchParams(query).toString();
  const body = new FormData();
  for (const [name, value] of Object.entries(form ?? {})) body.append(name, value);
  return fetch(url, {
    method: method.toUpperCase(),
    redirect: "manual",
    headers: {
      ...(key === null ? {} : { Authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(form === undefined ? {} : { body }),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Makes a call that the document says succeeds with this status, and reads what it says is answered. */
async function expectReply<Body = Record<string, unknown>>(
  id: string,
  options: CallOptions = {},
  status = 200,
): Promise<Body> {
  const response = await ask(id, options);
  const told = response.headers.get("content-type")?.includes("json") ? await response.json() : await response.text();
  expect([response.status, told]).toEqual([status, expect.anything()]);
  const reply = operationOf(id).replies[status];
  if (!reply) throw new Error(`${id} is not said to answer ${status}.`);
  seen.set(id, (seen.get(id) ?? new Set()).add(String(status)));
  expectHeaders(id, status, response);
  const type = response.headers.get("content-type")?.split(";")[0];
  if ("json" in reply) {
    expect(type).toBe("application/json");
    expect(replySchemas[reply.json].parse(told)).toEqual(told);
  } else if ("type" in reply) expect(type).toBe(reply.type);
  else expect(told).toBe("");
  return told as Body;
}

/** Makes a call that the document says is refused with this code. */
async function expectRefusal(id: string, code: ProblemCode, options: CallOptions = {}): Promise<void> {
  const response = await ask(id, options);
  expectRefused(id, code, response.status, await response.json());
}

function expectRefused(id: string, code: ProblemCode, status: number, body: unknown): void {
  const told = replySchemas.Error.parse(body);
  expect(told).toMatchObject({ error: { code } });
  expect(status).toBe(problemCodes[code]);
  expect(problemsOf(operationOf(id))).toContain(code);
  seen.set(id, (seen.get(id) ?? new Set()).add(code));
  const call = `${id} ${code}`;
  heard.set(call, [...(heard.get(call) ?? []), inGeneral(told)]);
}

/** Those that the document says come with every such reply. */
function expectHeaders(id: string, status: number, response: Response): void {
  const { method, path } = operationOf(id);
  const call = openApiDocument().paths[path]?.[method] as { responses: Record<string, { headers?: object }> };
  const sometimes = ["RateLimit", "RateLimit-Policy", "Idempotent-Replayed", "Retry-After"];
  const always = Object.keys(call.responses[status]?.headers ?? {}).filter((name) => !sometimes.includes(name));
  expect(always.filter((name) => !response.headers.has(name))).toEqual([]);
}

const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const image = new Blob([png], { type: "image/png" });
const nobody = "video_01a20320-a200-7000-8000-00000000ffff";

describe("the calls on videos answer as the document says", () => {
  test("createVideo", async () => {
    const key = { "Idempotency-Key": "order-4711-clip-3" };
    const first = await expectReply("createVideo", { json: { prompt: "a cat" }, headers: key });
    const again = await ask("createVideo", { json: { prompt: "a cat" }, headers: key });
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await again.json()).toEqual(first);
    await expectReply("createVideo", { form: { prompt: "a cat", seconds: "10", input_reference: image } });
    await expectRefusal("createVideo", "idempotency_conflict", { json: { prompt: "a dog" }, headers: key });
    await expectRefusal("createVideo", "missing_value", { json: {} });
    await expectRefusal("createVideo", "unknown_field", { json: { prompt: "a cat", modl: "sora-2" } });
    await expectRefusal("createVideo", "unknown_model", { json: { prompt: "a cat", model: "sora-3" } });
    await expectRefusal("createVideo", "invalid_value", { json: { prompt: "a cat", seconds: 11 } });
    await expectRefusal("createVideo", "invalid_storyboard", {
      json: { prompt: "Shot 1:\nduration: 99sec\nScene: a cat" },
    });
    await expectRefusal("createVideo", "invalid_image", {
      form: { prompt: "a cat", input_reference: new Blob(["no image"]) },
    });
    await expectRefusal("createVideo", "not_found", {
      json: { prompt: "a cat", input_reference: { file_id: nobody.replace("video", "file") } },
    });
    await expectRefusal("createVideo", "malformed_body", { json: [] });
    await expectRefusal("createVideo", "unsupported_media_type", { headers: { "Content-Type": "text/plain" } });
    await expectRefusal("createVideo", "body_too_large", {
      form: { prompt: "a cat", input_reference: new Blob([new Uint8Array(21 * 1024 * 1024)]) },
    });
  });

  test("listVideos", async () => {
    await expectReply("listVideos");
    await expectReply("listVideos", { query: { limit: "1", order: "asc", status: "in_doubt" } });
    await expectRefusal("listVideos", "invalid_value", { query: { limit: "0" } });
  });

  test("a video in every status is what its schema says", async () => {
    for (const status of [
      "queued",
      "submitting",
      "in_doubt",
      "rendering",
      "downloading",
      "stored",
      "failed",
      "cancelled",
    ] as const) {
      const { id } = await api.aVideo(status);
      await expectReply("retrieveVideo", { path: { id } });
      await expectReply("explainVideo", { path: { id } });
    }
  });

  test("retrieveVideo, explainVideo, deleteVideo", async () => {
    const { id } = await api.aVideo("queued");
    for (const call of ["retrieveVideo", "explainVideo", "deleteVideo"]) {
      await expectRefusal(call, "not_found");
      await expectRefusal(call, "malformed_body", { path: { id: "%zz" } });
    }
    await expectReply("deleteVideo", { path: { id } });
    await expectReply("deleteVideo", { path: { id: (await api.aVideo("stored")).id } });
    await expectRefusal("deleteVideo", "conflict", { path: { id: (await api.aVideo("rendering")).id } });
  });

  test("retrieveVideoContent", async () => {
    const { id, file } = await api.aVideo("stored");
    const path = { id };
    await expectReply("retrieveVideoContent", { path });
    await expectReply("retrieveVideoContent", { path, headers: { Range: "bytes=0-3" } }, 206);
    await expectReply("retrieveVideoContent", { path, headers: { "If-None-Match": `"${file.sha256}"` } }, 304);
    await expectRefusal("retrieveVideoContent", "range_not_satisfiable", { path, headers: { Range: "bytes=9999-" } });
    await expectRefusal("retrieveVideoContent", "variant_unavailable", { path, query: { variant: "thumbnail" } });
    await expectRefusal("retrieveVideoContent", "invalid_value", { path, query: { variant: "film" } });
    await expectRefusal("retrieveVideoContent", "not_ready", { path: { id: (await api.aVideo("rendering")).id } });
    await expectRefusal("retrieveVideoContent", "not_found", { path: { id: nobody } });
  });

  test("remixVideo", async () => {
    const { id } = await api.aVideo("stored");
    const path = { id };
    const headers = { "Idempotency-Key": "remix-1" };
    await expectReply("remixVideo", { path, json: { prompt: "at night" }, headers });
    await expectReply("remixVideo", { path, form: { prompt: "at night" } });
    await expectRefusal("remixVideo", "idempotency_conflict", { path, json: { prompt: "at noon" }, headers });
    await expectRefusal("remixVideo", "not_found", { json: { prompt: "at night" } });
    await expectRefusal("remixVideo", "missing_value", { path, json: {} });
    await expectRefusal("remixVideo", "unknown_field", { path, json: { prompt: "at night", model: "sora-2" } });
    await expectRefusal("remixVideo", "not_ready", {
      path: { id: (await api.aVideo("queued")).id },
      json: { prompt: "x" },
    });
  });

  test("cancelVideo, retryVideo, resolveVideo", async () => {
    const path = async (status: "queued" | "rendering" | "failed" | "in_doubt") => ({
      id: (await api.aVideo(status)).id,
    });
    await expectReply("cancelVideo", { path: await path("queued") });
    await expectReply("cancelVideo", { path: await path("rendering"), json: { abandon: true } });
    await expectRefusal("cancelVideo", "conflict", { path: await path("rendering") });
    await expectReply("retryVideo", { path: await path("failed"), json: { insist: true } });
    await expectRefusal("retryVideo", "conflict", { path: await path("queued") });
    for (const json of [{ task: "task_1" }, { resubmit: true }, { fail: true }])
      await expectReply("resolveVideo", { path: await path("in_doubt"), json });
    await expectRefusal("resolveVideo", "conflict", { path: await path("queued"), json: { fail: true } });
    for (const [call, field] of [
      ["cancelVideo", "abandon"],
      ["retryVideo", "insist"],
      ["resolveVideo", "task"],
    ] as const) {
      await expectRefusal(call, "not_found", { json: call === "resolveVideo" ? { fail: true } : {} });
      await expectRefusal(call, "unknown_field", { json: { please: true } });
      await expectRefusal(call, "invalid_value", { json: { [field]: 1 } });
    }
  });
});

/** The frames of a stream until one has data, and what ended it. */
async function firstFrames(id: string, options: CallOptions): Promise<readonly string[]> {
  const over = new AbortController();
  const response = await ask(id, options, over.signal);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  seen.set(id, (seen.get(id) ?? new Set()).add("200"));
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (/^data: .*\n\n/m.test(text)) break;
  }
  over.abort();
  return text.split("\n\n");
}

const dataOf = (frames: readonly string[]): unknown =>
  JSON.parse(/^data: (.*)$/m.exec(frames.find((frame) => frame.includes("data:")) ?? "")?.[1] ?? "null");

describe("the streams of events are as the document says", () => {
  test("streamVideoEvents", async () => {
    const { id } = await api.aVideo("rendering");
    const frames = await firstFrames("streamVideoEvents", { path: { id } });
    expect(eventBodySchema.parse(dataOf(frames))).toMatchObject({ type: "video.rendering", data: { id } });
    await expectRefusal("streamVideoEvents", "not_found");
    await expectRefusal("streamVideoEvents", "invalid_value", { path: { id }, query: { last_event_id: "yesterday" } });
  });

  test("a stream to which nothing more will come is answered 204", async () => {
    const { id } = await api.aVideo("stored");
    const end = (await firstFrames("streamVideoEvents", { path: { id } })).join("\n");
    const last = /^id: (.*)$/m.exec(end)?.[1] ?? "";
    await expectReply("streamVideoEvents", { path: { id }, headers: { "Last-Event-ID": last } }, 204);
  });

  test("streamEvents", async () => {
    await api.aVideo("queued");
    const frames = await firstFrames("streamEvents", { query: { last_event_id: "1-0", types: "video.queued" } });
    expect(eventBodySchema.parse(dataOf(frames))).toMatchObject({ type: "video.queued" });
    await expectRefusal("streamEvents", "invalid_value", { query: { types: "video.done" } });
    await expectRefusal("streamEvents", "invalid_value", { headers: { "Last-Event-ID": "yesterday" } });
  });
});

describe("the calls on files answer as the document says", () => {
  const form = { file: image, purpose: "vision" };

  test("createFile, listFiles, retrieveFile, retrieveFileContent, deleteFile", async () => {
    const { id } = await expectReply<{ id: string }>("createFile", { form });
    await expectReply("listFiles", { query: { limit: "1", purpose: "vision" } });
    await expectReply("retrieveFile", { path: { id } });
    await expectReply("retrieveFileContent", { path: { id } });
    await expectReply("deleteFile", { path: { id } });
    for (const call of ["retrieveFile", "retrieveFileContent", "deleteFile"])
      await expectRefusal(call, "not_found", { path: { id } });
    await expectRefusal("listFiles", "invalid_value", { query: { order: "up" } });
    await expectRefusal("listFiles", "invalid_value", { query: { limit: "0" } });
    await expectRefusal("createFile", "missing_value", { form: { purpose: "vision" } });
    await expectRefusal("createFile", "invalid_value", { form: { ...form, purpose: "fun" } });
    await expectRefusal("createFile", "unknown_field", { form: { ...form, name: "cat" } });
    await expectRefusal("createFile", "unsupported_media_type", { json: {} });
  });
});

describe("the calls on batches answer as the document says", () => {
  let cats = 0;

  /** Of clips that nobody asked for before. No worker is there: they stay where they are. */
  async function aBatch(lines = 2): Promise<{ readonly id: string; readonly file: string }> {
    const text = Array.from({ length: lines }, (_, index) =>
      JSON.stringify({ id: `shot-${index}`, prompt: `cat ${(cats += 1)}` }),
    );
    const form = { file: new Blob([text.join("\n")]), purpose: "batch" };
    const { id: file } = await expectReply<{ id: string }>("createFile", { form });
    const { id } = await expectReply<{ id: string }>("createBatch", { json: { input_file_id: file } });
    return { id, file };
  }

  async function untilRunning(id: string): Promise<void> {
    const over = new AbortController();
    const { body } = await ask("streamBatch", { path: { id } }, over.signal);
    let text = "";
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      if (text.includes('"state":"running"')) break;
    }
    over.abort();
  }

  test("createBatch, planBatch", async () => {
    const { file } = await aBatch();
    const json = { input_file_id: file };
    await expectReply("planBatch", { json });
    const headers = { "Idempotency-Key": "night-1" };
    await expectReply("createBatch", { json, headers });
    await expectRefusal("createBatch", "idempotency_conflict", { json: { ...json, reelq: { priority: 1 } }, headers });
    for (const call of ["createBatch", "planBatch"]) {
      await expectRefusal(call, "missing_value", { json: {} });
      await expectRefusal(call, "not_found", { json: { input_file_id: nobody.replace("video", "file") } });
      await expectRefusal(call, "unknown_field", { json: { ...json, reelq: { budgt_usd: 1 } } });
      await expectRefusal(call, "invalid_value", { json: { ...json, reelq: { priority: 900 } } });
      await expectRefusal(call, "malformed_body", { json: [] });
    }
  });

  test("listBatches, retrieveBatch, listBatchClips, updateBatch", async () => {
    const path = { id: (await aBatch()).id };
    await expectReply("listBatches", { query: { limit: "1", order: "asc", status: "in_progress" } });
    await expectRefusal("listBatches", "invalid_value", { query: { limit: "0" } });
    await expectReply("retrieveBatch", { path });
    await expectReply("listBatchClips", { path, query: { after: "1", status: "queued,failed" } });
    await expectRefusal("listBatchClips", "invalid_value", { path, query: { limit: "0" } });
    await expectReply("updateBatch", { path, json: { priority: 10 } });
    await expectRefusal("updateBatch", "invalid_value", { path, json: { priority: 900 } });
    await expectRefusal("updateBatch", "unknown_field", { path, json: { windw: "22:00-06:30 Europe/Berlin" } });
    for (const call of ["retrieveBatch", "listBatchClips"]) await expectRefusal(call, "not_found");
    await expectRefusal("updateBatch", "not_found", { json: { priority: 10 } });
  });

  test("streamBatch, and a stream to which nothing more will come", async () => {
    const path = { id: (await aBatch()).id };
    expect(batchBodySchema.parse(dataOf(await firstFrames("streamBatch", { path })))).toMatchObject(path);
    await expectRefusal("streamBatch", "not_found");
    const form = { file: new Blob(["{"]), purpose: "batch" };
    const { id: file } = await expectReply<{ id: string }>("createFile", { form });
    const { id } = await expectReply<{ id: string }>("createBatch", { json: { input_file_id: file } });
    // Its stream ends with it.
    const text = await (await ask("streamBatch", { path: { id } })).text();
    const last = /^id: (.*)$/m.exec(text)?.[1] ?? "";
    await expectReply("streamBatch", { path: { id }, headers: { "Last-Event-ID": last } }, 204);
  });

  test("pauseBatch, resumeBatch, retryBatch, waiveBatchLines, cancelBatch", async () => {
    const path = { id: (await aBatch()).id };
    await untilRunning(path.id);
    for (const call of ["pauseBatch", "resumeBatch"]) await expectReply(call, { path });
    await expectRefusal("retryBatch", "conflict", { path });
    const { data } = await expectReply<ClipListBody>("listBatchClips", { path });
    const video = await api.engine.ledger.read(data[0]?.video_id as VideoId);
    if (video) await api.moveOn(video, "failed");
    await expectReply("retryBatch", { path, json: { insist: true } });
    await expectReply("waiveBatchLines", { path, json: { custom_ids: ["shot-1"] } });
    await expectReply("cancelBatch", { path });
    for (const call of ["pauseBatch", "resumeBatch", "cancelBatch"])
      await expectRefusal(call, "unknown_field", { path, json: { now: true } });
    await expectRefusal("retryBatch", "unknown_field", { path, json: { insst: true } });
    await expectRefusal("retryBatch", "invalid_value", { path, json: { insist: "yes" } });
    await expectRefusal("waiveBatchLines", "missing_value", { path, json: {} });
    await expectRefusal("waiveBatchLines", "invalid_value", { path, json: { custom_ids: [] } });
    await expectRefusal("waiveBatchLines", "unknown_field", { path, json: { custom_ids: ["a"], custom_id: "a" } });
    for (const call of ["pauseBatch", "resumeBatch", "cancelBatch", "retryBatch"])
      await expectRefusal(call, "not_found");
    await expectRefusal("waiveBatchLines", "not_found", { json: { custom_ids: ["shot-1"] } });
  });

  test("reportBatch, batchPage, manifestSchema", async () => {
    const path = { id: (await aBatch()).id };
    await expectReply("reportBatch", { path, query: { base: "../videos/" } });
    await expectRefusal("reportBatch", "invalid_value", { path, query: { format: "pdf" } });
    await expectRefusal("reportBatch", "not_found");
    await expectReply("batchPage", { path });
    await expectRefusal("batchPage", "not_found");
    await expectRefusal("batchPage", "unauthorized", { path, key: null });
    await expectRefusal("batchPage", "forbidden", { path, key: studio });
    await expectReply("manifestSchema", { key: null });
  });
});

describe("the calls on webhook endpoints answer as the document says", () => {
  const url = "https://studio.example/reelq";

  test("createWebhookEndpoint, and what can be done with it", async () => {
    const { id } = await expectReply<{ id: string }>("createWebhookEndpoint", { json: { url, events: ["*"] } });
    const path = { id };
    await expectReply("listWebhookEndpoints");
    await expectReply("retrieveWebhookEndpoint", { path });
    await expectReply("retrieveWebhookEndpointSecret", { path });
    await expectReply("rotateWebhookEndpointSecret", { path });
    const { id: delivery } = await expectReply<{ id: string }>("testWebhookEndpoint", { path });
    await expectReply("listWebhookDeliveries", { path, query: { status: "pending" } });
    await expectReply("redeliverWebhook", { path: { id, delivery } });
    await expectRefusal("redeliverWebhook", "not_found", { path: { id, delivery: "wd_nobody" } });
    await expectReply("updateWebhookEndpoint", { path, json: { enabled: false } });
    await expectRefusal("testWebhookEndpoint", "conflict", { path });
    await expectRefusal("redeliverWebhook", "conflict", { path: { id, delivery } });
    await expectRefusal("updateWebhookEndpoint", "invalid_value", { path, json: { events: ["video.done"] } });
    await expectRefusal("updateWebhookEndpoint", "invalid_value", { path, json: { url: "https://127.0.0.1/" } });
    await expectRefusal("rotateWebhookEndpointSecret", "unknown_field", { path, json: { overlap: 1 } });
    await expectRefusal("listWebhookDeliveries", "invalid_value", { path, query: { limit: "0" } });
    await expectReply("deleteWebhookEndpoint", { path });
    for (const call of operations.filter(({ path }) => path.startsWith("/v1/webhook_endpoints/{id}")))
      await expectRefusal(call.id, "not_found", call.method === "post" ? { path, json: {} } : { path });
  });

  test("what is wrong with an endpoint", async () => {
    await expectRefusal("createWebhookEndpoint", "missing_value", { json: {} });
    await expectRefusal("createWebhookEndpoint", "unknown_field", { json: { url, uri: url } });
    await expectRefusal("createWebhookEndpoint", "invalid_value", { json: { url: "https://127.0.0.1/" } });
    await expectRefusal("createWebhookEndpoint", "malformed_body", { json: [] });
    await expectRefusal("createWebhookEndpoint", "unsupported_media_type", { form: { url } });
    await expectRefusal("createWebhookEndpoint", "unsupported_media_type", {
      json: { url },
      headers: { "Content-Type": "text/plain" },
    });
    await expectRefusal("createWebhookEndpoint", "body_too_large", { json: { url, description: "x".repeat(100_000) } });
    await expectRefusal("listWebhookEndpoints", "invalid_value", { query: { limit: "101" } });
  });

  test("retrieveSigningSecret, rotateSigningSecret", async () => {
    await expectReply("retrieveSigningSecret");
    await expectReply("rotateSigningSecret", { json: { overlap_seconds: 60 } });
    await expectRefusal("rotateSigningSecret", "invalid_value", { json: { overlap_seconds: -1 } });
  });
});

describe("what is not under /v1 answers as the document says", () => {
  test.each(["live", "ready", "openApi", "docs", "llms"])("%s, without a key", async (id) => {
    await expectReply(id, { key: null });
  });

  test("metrics, for an admin", async () => {
    await expectReply("metrics");
    await expectRefusal("metrics", "unauthorized", { key: null });
    await expectRefusal("metrics", "forbidden", { key: studio });
  });

  test("the page's parts are sent small, and are kept by browsers until there are others", async () => {
    const page = await (await ask("docs", { key: null })).text();
    const parts = [...page.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, part]) => part ?? "");
    expect(parts).toHaveLength(5);
    let bytes = 0;
    for (const part of parts) {
      const response = await fetch(`${api.url}${part}`, { method: "HEAD" });
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toMatch(part.includes("?v=") ? /immutable/ : /no-cache/);
      bytes += Number(response.headers.get("content-length"));
    }
    expect(bytes).toBeLessThan(600_000);
    for (const other of ["swagger-ui-bundle.js.map", "index.html", "..%2fpackage.json"])
      expect((await fetch(`${api.url}/docs/${other}`)).status).toBe(404);
  });

  test("the document is the same that is committed, whether compressed or not, and not sent twice", async () => {
    expect(await (await ask("openApi", { key: null })).json()).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    const plain = await ask("openApi", { key: null, headers: { "Accept-Encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(await plain.json()).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    const etag = plain.headers.get("etag") ?? "";
    // Without a word on caching of its own, fetch says "no-cache", which is answered whole.
    const headers = { "Accept-Encoding": "identity", "If-None-Match": etag, "Cache-Control": "max-age=0" };
    expect((await ask("openApi", { key: null, headers })).status).toBe(304);
  });
});

test.skipIf(redisServerProgram === undefined)("while Redis is stopped the API is still described", async () => {
  const own = await startRedis();
  const alone = await startTestApi({ redisUrl: own.url, keys });
  onTestFinished(() => alone.close());
  await own.stop();
  for (const id of ["openApi", "docs", "llms", "live"]) await expectReply(id, { at: alone, key: null });
  await expectReply("ready", { at: alone, key: null }, 503);
  await expectRefusal("listVideos", "unavailable", { at: alone });
});

test("a body of which too little comes is refused as the document says", async () => {
  const hasty = await startTestApi({ redisUrl: redis.url, keys, patience: { bodyMs: 200 } });
  onTestFinished(() => hasty.close());
  const call = request(`${hasty.url}/v1/videos`, {
    method: "POST",
    headers: { Authorization: `Bearer ${admin}`, "Content-Type": "application/json", "Content-Length": 50 },
  });
  call.write("{");
  const [response] = (await once(call, "response")) as [IncomingMessage];
  call.on("error", () => "It is cut off, which is meant.");
  expectRefused("createVideo", "timeout", response.statusCode ?? 0, await json(response));
});

/** After the tests above, which make the calls. */
describe("every call", () => {
  const calls = operations.map((operation) => [operation.id, operation] as const);

  test.each(calls)("%s has been seen to succeed as it says, and to refuse where it can", (id, operation) => {
    const unseen = Object.keys(operation.replies).filter((status) => !seen.get(id)?.has(status));
    // A folder has no addresses to be sent to, and this API has all it needs.
    expect(unseen.filter((status) => !["302", "503"].includes(status))).toEqual([]);
    const refusals = operation.errors ?? [];
    if (refusals.length > 0) expect(refusals.filter((code) => seen.get(id)?.has(code))).not.toEqual([]);
  });

  test.each(calls.filter(([, { door = "key" }]) => door === "key"))("%s needs a key", async (id) => {
    await expectRefusal(id, "unauthorized", { key: null });
  });

  test("says so where a key has used up its calls", async () => {
    const limited = await startTestApi({ redisUrl: redis.url, keys, rateLimit: 1 });
    onTestFinished(() => limited.close());
    await expectReply("listVideos", { at: limited, key: studio });
    await expectRefusal("listVideos", "rate_limited", { at: limited, key: studio });
  });
});

test("every code that a call names besides those of its door was seen from some call", () => {
  const all = new Set([...seen.values()].flatMap((codes) => Array.from(codes)));
  const rare = ["internal", "unavailable"];
  const named = new Set(operations.flatMap(problemsOf));
  expect([...named].filter((code) => !all.has(code) && !rare.includes(code))).toEqual([]);
});

test("every refusal that was seen has been heard to say what its example says", () => {
  const untrue = [...heard].filter(([call, errors]) => {
    const [id = "", code = ""] = call.split(" ");
    const example = exampleOf(operationOf(id), code as ProblemCode);
    return !errors.some((error) => isDeepStrictEqual(error, inGeneral(example)));
  });
  expect(untrue).toEqual([]);
});

interface Refusal {
  readonly $ref?: string;
  readonly content?: {
    readonly "application/json": {
      readonly example?: ErrorBody;
      readonly examples?: Record<string, { value: ErrorBody }>;
    };
  };
}

/** What the document shows for a code of a call. */
function exampleOf({ path, method }: Operation, code: ProblemCode): ErrorBody {
  const { paths, components } = openApiDocument();
  const call = paths[path]?.[method] as { responses: Record<string, Refusal> } | undefined;
  const own = call?.responses[problemCodes[code]];
  const shared = components["responses"]?.[own?.$ref?.split("/").at(-1) ?? ""] as Refusal | undefined;
  const shown = (shared ?? own)?.content?.["application/json"];
  const example = shown?.examples?.[code]?.value ?? shown?.example;
  if (!example) throw new Error(`${method} ${path} shows no example of ${code}.`);
  return example;
}

describe("the routes that are mounted", () => {
  /** For people with a browser; no calls. */
  const pages = ["GET /", "GET /login", "POST /login", "GET /logout", "POST /logout", "GET /docs/{asset}"];

  test("are those of the document", async () => {
    const mounted = routesOf((await serverOf(api)).router.stack, "");
    const documented = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(mounted.toSorted()).toEqual([...documented, ...pages].toSorted());
  });

  test.each([...new Set(operations.map(({ path }) => path))])("%s takes no other method than it says", async (path) => {
    const known = operations.filter((one) => one.path === path).map(({ method }) => method.toUpperCase());
    const response = await fetch(`${api.url}${path.replaceAll(/\{\w+\}/g, "nobody")}`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${admin}` },
    });
    expect(replySchemas["Error" satisfies ReplyName].parse(await response.json())).toMatchObject({
      error: { code: "method_not_allowed" },
    });
    const allowed = response.headers.get("allow")?.split(", ") ?? [];
    expect(allowed.filter((method) => method !== "HEAD").toSorted()).toEqual(known.toSorted());
  });
});

interface Layer {
  readonly route?: { readonly path: string | readonly string[]; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle: { readonly stack?: readonly Layer[] };
  /** Where it is mounted. */
  readonly rawPath: string;
}

/** The application behind an API of this process, as Node names it when a call comes in. */
async function serverOf({ url }: TestApi): Promise<{ readonly router: { readonly stack: readonly Layer[] } }> {
  const channel = "http.server.request.start";
  const { port } = new URL(url);
  const found = new Promise<Server>((resolve) => {
    const listen = (message: unknown): void => {
      const { server } = message as { server: Server };
      const address = server.address();
      if (typeof address !== "object" || String(address?.port) !== port) return;
      unsubscribe(channel, listen);
      resolve(server);
    };
    subscribe(channel, listen);
  });
  await fetch(`${url}/livez`);
  const [app] = (await found).listeners("request");
  return app as unknown as Awaited<ReturnType<typeof serverOf>>;
}

/** `GET /path` of every route; those that refuse every method alike are none. */
function routesOf(stack: readonly Layer[], mount: string): string[] {
  return stack.flatMap(({ route, handle, rawPath }) => {
    if (route) {
      const methods = Object.keys(route.methods).filter((method) => method !== "_all");
      const paths = [route.path].flat().map((path) => `${mount}${path === "/" && mount !== "" ? "" : path}`);
      return methods.flatMap((method) =>
        paths.map((path) => `${method.toUpperCase()} ${path.replaceAll(/:(\w+)/g, "{$1}")}`),
      );
    }
    return handle.stack ? routesOf(handle.stack, mount + rawPath.replace(/\/$/, "")) : [];
  });
}

describe("what the schema of a create allows, the API takes", () => {
  const dataUrl = `data:image/png;base64,${png.toString("base64")}`;
  test.each<[string, unknown]>([
    ["a prompt", { prompt: "a cat" }],
    ["everything", { prompt: "a cat", model: "sora-2", seconds: "10", size: "1280x720" }],
    ["seconds as a number", { prompt: "a cat", seconds: 10 }],
    ["an image as a data URL", { prompt: "a cat", input_reference: { image_url: dataUrl } }],
    ["an image as a text", { prompt: "a cat", input_reference: dataUrl }],
    ["an address for webhooks", { prompt: "a cat", reelq: { webhook_url: "https://studio.example/reelq" } }],
    ["no wishes", { prompt: "a cat", reelq: {} }],
    ["no prompt", { model: "sora-2" }],
    ["a prompt that is no text", { prompt: 1 }],
    ["an empty prompt", { prompt: "" }],
    ["a prompt that is too long", { prompt: "x".repeat(32_001) }],
    ["a field that nobody knows", { prompt: "a cat", n: 2 }],
    ["a model that is no text", { prompt: "a cat", model: 2 }],
    ["seconds that are neither", { prompt: "a cat", seconds: [10] }],
    ["an image that is none", { prompt: "a cat", input_reference: 7 }],
    ["two images", { prompt: "a cat", input_reference: { image_url: dataUrl, file_id: "file_1" } }],
    ["a wish that nobody knows", { prompt: "a cat", reelq: { webhook: "https://studio.example/" } }],
    ["an address that is no text", { prompt: "a cat", reelq: { webhook_url: 7 } }],
  ])("and the other way round: %s", async (_name, json) => {
    const { status } = await ask("createVideo", { json });
    expect(status).toBe(videoCreateSchema.safeParse(json).success ? 200 : 400);
  });

  test("an image by the id of a file", async () => {
    const { id } = await expectReply<{ id: string }>("createFile", { form: { file: image, purpose: "vision" } });
    const json = { prompt: "a cat", input_reference: { file_id: id } };
    expect(videoCreateSchema.parse(json)).toEqual(json);
    await expectReply("createVideo", { json });
  });
});
