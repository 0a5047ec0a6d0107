import type { BatchBody } from "@reelq/contract";
import { cookieSecretOf, openApiKeys, type OpenBatches, openBatches, openKeyring } from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import OpenAI, { APIError, BadRequestError, NotFoundError, toFile } from "openai";
import type { Batch, BatchCreateParams } from "openai/resources/batches";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApi } from "../../apps/api/src/server.ts";
import { type Bench, openBench, tinyModel } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const studio = { name: "studio", key: "studio-key-1" };
const pager = { name: "pager", key: "pager-key-55" };

let redis: TestRedis;
let bench: Bench;
let batches: OpenBatches;
let api: Awaited<ReturnType<typeof startApi>>;
const surprises: unknown[] = [];

beforeAll(async () => {
  redis = await startRedis();
  bench = await openBench(redis);
  const { engine, producer, person } = bench;
  const outside = { fetchImage: (url: string) => Promise.reject(new Error(`Nobody is to be asked for ${url}.`)) };
  batches = openBatches(engine, { producer, outside, readManifest });
  api = await startApi({
    engine,
    producer,
    person,
    batches,
    keyring: openKeyring({
      apiKeys: openApiKeys(engine),
      clock: engine.clock,
      given: [studio, pager],
      mayBeOpen: false,
    }),
    cookieSecret: () => cookieSecretOf(engine),
    rateLimit: 0,
    corsOrigins: [],
    batchLookMs: 100,
    health: () => Promise.resolve({ ok: true, checks: {} }),
    host: "127.0.0.1",
    port: 0,
    onError: (error) => void surprises.push(error),
  });
});
afterAll(async () => {
  await api.close(0);
  await batches.close();
  await bench.close();
  await redis.stop();
});

/** The SDK as it is, with another base URL. */
const sdk = (options: Partial<ConstructorParameters<typeof OpenAI>[0]> = {}): OpenAI =>
  new OpenAI({ baseURL: `${api.url}/v1`, apiKey: studio.key, ...options });

/** The SDK's types know the endpoints of its own time. */
const endpoint = "/v1/videos" as BatchCreateParams["endpoint"];

let prompts = 0;

/** A line as OpenAI's batches have it. */
const line = (customId: string, fields: object = {}): string =>
  JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/videos",
    body: { model: tinyModel, prompt: `a line of its own, ${(prompts += 1)}`, seconds: "1", size: "64x64", ...fields },
  });

async function aBatch(lines: readonly string[], client = sdk()): Promise<Batch> {
  const file = await client.files.create({
    file: await toFile(Buffer.from(`${lines.join("\n")}\n`), "shots.jsonl"),
    purpose: "batch",
  });
  return client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
}

/** Waits until a batch is over; each of its states comes to us as it happens. */
async function ended(id: string): Promise<Batch> {
  const response = await fetch(`${api.url}/v1/batches/${id}/events`, {
    headers: { Authorization: `Bearer ${studio.key}` },
  });
  await response.text();
  return sdk().batches.retrieve(id);
}

/** What a call is refused with. */
async function refusal(calling: Promise<unknown>): Promise<APIError> {
  const error: unknown = await calling.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof APIError)) throw new Error(`It was not refused, but ended with ${String(error)}.`);
  return error;
}

const linesOf = async (client: OpenAI, file: string | undefined) =>
  (await (await client.files.content(file ?? "")).text())
    .trimEnd()
    .split("\n")
    .map((text) => JSON.parse(text) as OutputLine);

interface OutputLine {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: { readonly id: string; readonly status: string } };
  readonly error: unknown;
}

describe("the official SDK, unmodified", () => {
  test("renders a batch, and reads its output", async () => {
    const client = sdk();
    const input = await client.files.create({
      file: await toFile(Buffer.from([line("one"), line("two")].join("\n")), "shots.jsonl"),
      purpose: "batch",
    });
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint,
      completion_window: "24h",
      metadata: { film: "winter" },
    });
    expect(batch).toMatchObject({
      id: expect.stringMatching(/^batch_/),
      object: "batch",
      endpoint: "/v1/videos",
      input_file_id: input.id,
      completion_window: "24h",
      metadata: { film: "winter" },
    });
    expect(Math.abs(batch.created_at - Date.now() / 1000)).toBeLessThan(60);
    const done = await ended(batch.id);
    expect(done).toMatchObject({ status: "completed", request_counts: { total: 2, completed: 2, failed: 0 } });
    expect(done.completed_at).toBeGreaterThanOrEqual(done.created_at);
    const output = await linesOf(client, done.output_file_id);
    expect(output.map(({ custom_id }) => custom_id).toSorted()).toEqual(["one", "two"]);
    for (const { response, error } of output) {
      expect([response.status_code, error]).toEqual([200, null]);
      const video = await client.videos.retrieve(response.body.id);
      expect(video.status).toBe("completed");
      expect((await client.videos.downloadContent(video.id)).headers.get("content-type")).toBe("video/mp4");
    }
    expect((await client.files.retrieve(done.output_file_id ?? "")).purpose).toBe("batch_output");
  });

  test("hears of every mistake in its input", async () => {
    const batch = await ended((await aBatch([line("one"), line("two", { seconds: "7" }), "{"])).id);
    expect(batch.status).toBe("failed");
    expect(batch.errors?.data?.map(({ line }) => line)).toEqual([2, 3]);
    expect(batch.errors?.data?.[0]).toMatchObject({ param: "seconds", message: expect.stringContaining("7") });
    expect(batch.output_file_id ?? null).toBeNull();
  });

  test("lists with automatic paging", async () => {
    const client = sdk({ apiKey: pager.key });
    const made: string[] = [];
    for (let index = 0; index < 5; index += 1) made.push((await aBatch([line(`page-${index}`)], client)).id);
    const found: string[] = [];
    for await (const batch of client.batches.list({ limit: 2 })) found.push(batch.id);
    expect(found).toEqual(made.toReversed());
  });

  test("cancels", async () => {
    const { id } = await aBatch([line("one")]);
    const cancelled = await sdk().batches.cancel(id);
    expect(["cancelling", "cancelled"]).toContain(cancelled.status);
    expect(await ended(id)).toMatchObject({ status: "cancelled", cancelled_at: expect.any(Number) });
  });

  test("is told what to mend", async () => {
    const client = sdk();
    const file = await client.files.create({
      file: await toFile(Buffer.from(line("one")), "a.jsonl"),
      purpose: "batch",
    });
    const other = await refusal(
      client.batches.create({ input_file_id: file.id, endpoint: "/v1/responses", completion_window: "24h" }),
    );
    expect(other).toBeInstanceOf(BadRequestError);
    expect(other).toMatchObject({ code: "invalid_value", param: "endpoint" });
    expect(other.message).toContain('"/v1/responses" is not served here; allowed: /v1/videos');
    const gone = await refusal(
      client.batches.create({ input_file_id: "file_nobody", endpoint, completion_window: "24h" }),
    );
    expect(gone).toBeInstanceOf(NotFoundError);
    expect(gone.message).toContain("file_nobody");
    expect(await refusal(client.batches.retrieve("batch_nobody"))).toBeInstanceOf(NotFoundError);
    expect(await refusal(client.batches.cancel("batch_nobody"))).toBeInstanceOf(NotFoundError);
  });
});

describe("its own retries never make a second batch", () => {
  /** The first POST comes to nothing; the SDK asks `fetch` for other things too. */
  function losingFirst(lose: (send: () => Promise<BatchBody>) => Promise<unknown>) {
    let posts = 0;
    const flaky: typeof fetch = async (url, init) => {
      if (init?.method?.toUpperCase() !== "POST" || !(url as string).endsWith("/batches")) return fetch(url, init);
      posts += 1;
      if (posts > 1) return fetch(url, init);
      await lose(async () => (await (await fetch(url, init)).json()) as BatchBody);
      throw new TypeError("fetch failed");
    };
    return { fetch: flaky, posts: () => posts };
  }

  test("a create whose answer is lost is repeated and recognised", async () => {
    let first: BatchBody | undefined;
    const flaky = losingFirst(async (send) => (first = await send()));
    const { id } = await aBatch([line("lost")], sdk({ fetch: flaky.fetch }));
    expect(flaky.posts()).toBe(2);
    expect(id).toBe(first?.id);
  });

  test("a create that never arrived is made when it is repeated", async () => {
    const flaky = losingFirst(() => Promise.resolve());
    const { id } = await aBatch([line("never arrived")], sdk({ fetch: flaky.fetch }));
    expect(flaky.posts()).toBe(2);
    expect(await sdk().batches.retrieve(id)).toMatchObject({ id });
  });
});

test("nothing went wrong that was nobody's fault", () => {
  expect(surprises).toEqual([]);
});
