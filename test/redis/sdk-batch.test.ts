import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BatchBody, BatchState } from "@reelq/contract";
import { openReelq, ReelqError, UnreachableError } from "@reelq/sdk";
import { afterAll, describe, expect, test } from "vitest";

const id = "batch_0199a000-0000-7000-8000-000000000000";

const servers: Server[] = [];

afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
});

/** As much of a batch's body as the client looks at. */
const aBatch = (state: BatchState, stored = 0): BatchBody =>
  ({ id, object: "batch", reelq: { state, counts: { stored } } }) as unknown as BatchBody;

const frame = (batch: BatchBody): string => `event: batch\ndata: ${JSON.stringify(batch)}\n\n`;

interface Asked {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

type Answer = (response: ServerResponse) => void;

const json =
  (body: object, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));

const refusing = (status: number, code: string): Answer =>
  json({ error: { message: `It is ${code}.`, type: "x", code, param: null } }, status);

/** Streams these states and ends; whoever listens may come back at once. */
const told =
  (...batches: BatchBody[]): Answer =>
  (response) =>
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(`retry: 1\n\n${batches.map(frame).join("")}`);

/** Streams these states and breaks off. */
const tornOff =
  (...batches: BatchBody[]): Answer =>
  (response) =>
    response
      .writeHead(200, { "Content-Type": "text/event-stream" })
      .write(`retry: 1\n\n${batches.map(frame).join("")}`, () => response.destroy());

const hangingUp: Answer = (response) => response.destroy();

/** An API that answers each request as the test's next line says; the last line again and again. */
async function anApi(...answers: Answer[]) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      asked.push({ line: `${request.method} ${request.url}`, headers: request.headers, body });
      (answers.length > 1 ? answers.shift() : answers[0])?.(response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  const { batches } = openReelq({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  return { batches, asked, lines: () => asked.map(({ line }) => line) };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const seen: Item[] = [];
  for await (const item of items) seen.push(item);
  return seen;
}

const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`This should not have come out well: ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );

describe("a call", () => {
  test("asks what it is named for", async () => {
    const { batches, asked } = await anApi(json({ data: [], has_more: false }));
    await batches.plan({ input_file_id: "file_1" });
    await batches.retrieve(id);
    await batches.list({ limit: 5, status: "paused", order: "asc", after: id });
    await batches.update(id, { budget_usd: "12.50", window: null });
    await batches.pause(id);
    await batches.resume(id);
    await batches.cancel(id);
    await batches.retry(id, { custom_ids: ["a"], prompts: { a: "a dog" }, insist: true });
    await batches.retry(id);
    await batches.waive(id, ["a", "b"]);
    await batches.clips(id, { after: 3, limit: 10, status: "failed" });
    await batches.report("a/b?", { format: "csv", base: "https://clips.example/" });
    expect(asked.map(({ line, body }) => [line, body])).toEqual([
      ["POST /v1/batches/plan", { input_file_id: "file_1" }],
      [`GET /v1/batches/${id}`, undefined],
      [`GET /v1/batches?limit=5&status=paused&order=asc&after=${id}`, undefined],
      [`POST /v1/batches/${id}`, { budget_usd: "12.50", window: null }],
      [`POST /v1/batches/${id}/pause`, {}],
      [`POST /v1/batches/${id}/resume`, {}],
      [`POST /v1/batches/${id}/cancel`, {}],
      [`POST /v1/batches/${id}/retry`, { custom_ids: ["a"], prompts: { a: "a dog" }, insist: true }],
      [`POST /v1/batches/${id}/retry`, {}],
      [`POST /v1/batches/${id}/waive`, { custom_ids: ["a", "b"] }],
      [`GET /v1/batches/${id}/clips?after=3&limit=10&status=failed`, undefined],
      ["GET /v1/batches/a%2Fb%3F/report?format=csv&base=https%3A%2F%2Fclips.example%2F", undefined],
    ]);
  });

  test("to create that got no answer is sent again with the same key; one to retry is not", async () => {
    const { batches, asked } = await anApi(hangingUp, json(aBatch("validating")));
    expect(await batches.create({ input_file_id: "file_1" })).toEqual(aBatch("validating"));
    const keys = asked.map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual([expect.stringMatching(/^.{36}$/), keys[0]]);

    const other = await anApi(hangingUp, json({ retried: 1 }));
    expect(await rejection(other.batches.retry(id))).toBeInstanceOf(UnreachableError);
    expect(other.asked).toHaveLength(1);
  });

  test("to create takes a key of the caller's", async () => {
    const { batches, asked } = await anApi(json(aBatch("validating")));
    await batches.create({ input_file_id: "file_1" }, { idempotencyKey: "night-12" });
    expect(asked[0]?.headers["idempotency-key"]).toBe("night-12");
  });

  test("for all clips goes on after the last number of each page", async () => {
    const { batches, lines } = await anApi(
      json({ object: "list", data: [{ number: 1 }, { number: 4 }], last_number: 4, has_more: true }),
      json({ object: "list", data: [{ number: 9 }], last_number: 9, has_more: false }),
    );
    const clips = await all(batches.allClips(id, { status: "failed" }));
    expect(clips.map(({ number }) => number)).toEqual([1, 4, 9]);
    expect(lines()).toEqual([
      `GET /v1/batches/${id}/clips?status=failed`,
      `GET /v1/batches/${id}/clips?status=failed&after=4`,
    ]);
  });

  test("for all batches goes on after the last id of each page", async () => {
    const { batches, lines } = await anApi(
      json({ object: "list", data: [{ id: "one" }], last_id: "one", has_more: true }),
      json({ object: "list", data: [{ id: "two" }], last_id: "two", has_more: false }),
    );
    expect((await all(batches.all({ limit: 1 }))).map((batch) => batch.id)).toEqual(["one", "two"]);
    expect(lines()).toEqual(["GET /v1/batches?limit=1", "GET /v1/batches?limit=1&after=one"]);
  });

  test("for a report is a stream", async () => {
    const { batches } = await anApi((response) => response.end("<!doctype html>"));
    expect(await (await batches.report(id)).text()).toBe("<!doctype html>");
  });
});

describe("a watch", () => {
  test("brings each state and ends with the batch", async () => {
    const { batches, lines } = await anApi(
      told(aBatch("validating"), aBatch("running"), aBatch("paused"), aBatch("running", 2), aBatch("completed", 3)),
    );
    const states = await all(batches.watch(id));
    expect(states.map(({ reelq }) => reelq.state)).toEqual(["validating", "running", "paused", "running", "completed"]);
    expect(lines()).toEqual([`GET /v1/batches/${id}/events`]);
  });

  test.each(["expired", "cancelled", "failed"] as const)("ends with one that is %s", async (state) => {
    const { batches } = await anApi(told(aBatch("running"), aBatch(state)));
    expect(await all(batches.watch(id))).toHaveLength(2);
  });

  test("goes on after a break, and says when the API is away and when it is back", async () => {
    const { batches } = await anApi(
      tornOff(aBatch("running", 1)),
      hangingUp,
      refusing(503, "unavailable"),
      told(aBatch("running", 2), aBatch("completed", 2)),
    );
    const said: string[] = [];
    const watch = batches.watch(id, { onAway: () => said.push("away"), onBack: () => said.push("back") });
    for await (const { reelq } of watch) said.push(`${reelq.state} ${reelq.counts.stored}`);
    expect(said).toEqual(["running 1", "away", "back", "running 2", "completed 2"]);
  });

  test("of a batch that is over by the time it listens brings the last state", async () => {
    const { batches, lines } = await anApi((response) => response.writeHead(204).end(), json(aBatch("completed")));
    expect(await all(batches.watch(id))).toEqual([aBatch("completed")]);
    expect(lines()).toEqual([`GET /v1/batches/${id}/events`, `GET /v1/batches/${id}`]);
  });

  test("asks where nothing can be streamed, and tells each state once", async () => {
    const { batches, lines } = await anApi(
      json({ a: "proxy that knows better" }),
      json(aBatch("running")),
      json(aBatch("completed")),
    );
    const said: string[] = [];
    const states = await all(batches.watch(id, { onAway: () => said.push("away") }));
    expect(states).toEqual([aBatch("running"), aBatch("completed")]);
    expect(lines().slice(1)).toEqual([`GET /v1/batches/${id}`, `GET /v1/batches/${id}`]);
    expect(said).toEqual([]);
  });

  test("of a batch that there is not says so at once", async () => {
    const { batches } = await anApi(refusing(404, "not_found"));
    const error = await rejection(all(batches.watch(id)));
    expect(error).toBeInstanceOf(ReelqError);
    expect(error).toMatchObject({ code: "not_found" });
  });

  test("ends with the signal's reason, and with what is wrong once the API was away for too long", async () => {
    const { batches } = await anApi(tornOff(aBatch("running")), hangingUp);
    expect(await rejection(all(batches.watch(id, { awayMs: 100 })))).toBeInstanceOf(UnreachableError);

    const enough = new Error("That is enough.");
    const control = new AbortController();
    const listening = await anApi((response) =>
      response.writeHead(200, { "Content-Type": "text/event-stream" }).write(frame(aBatch("running"))),
    );
    const watch = listening.batches.watch(id, { signal: control.signal });
    expect((await watch.next()).value).toEqual(aBatch("running"));
    const next = rejection(watch.next());
    control.abort(enough);
    expect(await next).toBe(enough);
  });
});
