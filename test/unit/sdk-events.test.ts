import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Status, VideoBody } from "@reelq/contract";
import {
  openReelq,
  type ProjectStreamEvent,
  ReelqError,
  UnreachableError,
  VideoCancelledError,
  VideoFailedError,
  type VideoHandle,
  WaitTimeoutError,
} from "@reelq/sdk";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";

const id = "video_0199a000-0000-7000-8000-000000000000";

const servers: Server[] = [];

afterEach(() => void vi.useRealTimers());

afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
});

const words = {
  queued: ["queued", "queued"],
  submitting: ["submitting", "queued"],
  in_doubt: ["in_doubt", "queued"],
  rendering: ["rendering", "in_progress"],
  downloading: ["downloading", "in_progress"],
  stored: ["completed", "completed"],
  failed: ["failed", "failed"],
  cancelled: ["cancelled", "failed"],
} as const satisfies Record<Status, readonly [string, VideoBody["status"]]>;

let versions = 0;

/** As much of a video's body as the client looks at. */
const aBody = (status: Status, facts: object = {}): VideoBody =>
  ({
    id,
    object: "video",
    status: words[status][1],
    error: status === "failed" ? { code: "no_cats", message: "No cats." } : null,
    reelq: {
      status,
      version: (versions += 1),
      updated_at: "2027-01-15T08:00:00.000Z",
      project: "studio",
      failure: status === "failed" ? { class: "refused", charged: "no", retry: "insist", meaning: "no" } : null,
    },
    ...facts,
  }) as VideoBody;

/** A frame of a video's move, as the API writes it. */
const moved = (place: string, status: Status, data: object = aBody(status)): string => {
  const type = `video.${words[status][0]}`;
  const event = { id: `evt_${place.replace("-", "_")}`, object: "event", type, created_at: 1, project: "studio", data };
  return `id: ${place}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
};

interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

type Answer = (response: ServerResponse, asked: Asked) => void;

/** Streams these frames, and ends. */
const told =
  (...frames: string[]): Answer =>
  (response) =>
    response.writeHead(200, { "Content-Type": "text/event-stream" }).end(frames.join(""));

/** Streams these frames, and breaks off. */
const tornOff =
  (...frames: string[]): Answer =>
  (response) =>
    response
      .writeHead(200, { "Content-Type": "text/event-stream" })
      .write(frames.join("") || ": \n", () => response.destroy());

/** Streams these frames, and goes on without a word. */
const goingOn =
  (...frames: string[]): Answer =>
  (response) =>
    response.writeHead(200, { "Content-Type": "text/event-stream" }).write(frames.join("") || ": heartbeat\n\n");

const refusing =
  (status: number, code: string, headers = {}): Answer =>
  (response) =>
    response
      .writeHead(status, headers)
      .end(JSON.stringify({ error: { message: `It is ${code}.`, type: "x", code, param: null } }));

const json =
  (body: object): Answer =>
  (response) =>
    response.end(JSON.stringify(body));

/** An API that answers each request as the test's next line says; the last line again and again. */
async function anApi(...answers: Answer[]) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const seen = { path: request.url ?? "", headers: request.headers };
    asked.push(seen);
    (answers.length > 1 ? answers.shift() : answers[0])?.(response, seen);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reelq = openReelq({ url });
  return { reelq, handle: reelq.videos.from(id), asked, server };
}

async function all<Event>(events: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

const typesOf = (events: readonly { readonly type: string }[]): string[] => events.map(({ type }) => type);
const eventsOf = (handle: VideoHandle, options = {}) => all(handle.events(options)).then(typesOf);

const rejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => Promise.reject(new Error(`This should not have come out well: ${JSON.stringify(value)}`)),
    (error: unknown) => error,
  );

describe.concurrent("a video's events", () => {
  test("come one by one, and end with the last one though the connection stays open", async () => {
    const { handle, asked } = await anApi(
      goingOn(moved("1-0", "queued"), ": heartbeat\n\n", moved("2-0", "rendering"), moved("3-0", "stored")),
    );
    const events = await all(handle.events());
    expect(typesOf(events)).toEqual(["video.queued", "video.rendering", "video.completed"]);
    expect(events[2]).toMatchObject({ id: "evt_3_0", project: "studio", data: { id, status: "completed" } });
    expect(handle.video).toMatchObject({ status: "completed" });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ path: `/v1/videos/${id}/events`, headers: { accept: "text/event-stream" } });
  });

  test("go on where a connection broke off, and none is told twice", async () => {
    const { handle, asked } = await anApi(
      tornOff(moved("1-0", "queued"), moved("2-0", "submitting")),
      refusing(502, "bad_gateway"),
      // A server that goes back further than it was asked to.
      told(moved("1-0", "queued"), moved("2-0", "submitting"), moved("2-1", "in_doubt")),
      tornOff(),
      told(moved("10-0", "rendering"), moved("9-5", "rendering"), moved("11-0", "stored")),
    );
    expect(await eventsOf(handle)).toEqual([
      "video.queued",
      "video.submitting",
      "video.in_doubt",
      "video.rendering",
      "video.completed",
    ]);
    expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "2-0", "2-0", "2-1", "2-1"]);
  });

  test("a frame that broke off half-way is told once, whole", async () => {
    const whole = moved("2-0", "rendering");
    const { handle, asked } = await anApi(
      tornOff(moved("1-0", "queued"), whole.slice(0, -1)),
      told(whole, moved("3-0", "stored")),
    );
    expect(await eventsOf(handle)).toEqual(["video.queued", "video.rendering", "video.completed"]);
    expect(asked[1]?.headers["last-event-id"]).toBe("1-0");
  });

  test.each(["evt_7_2", "7-2"])("begin after the event that one names: %s", async (lastEventId) => {
    const { handle, asked } = await anApi(told(moved("8-0", "stored")));
    expect(await eventsOf(handle, { lastEventId })).toEqual(["video.completed"]);
    expect(asked[0]?.headers["last-event-id"]).toBe("7-2");
  });

  test("end where nothing more will come", async () => {
    const { handle } = await anApi((response) => response.writeHead(204).end());
    expect(await eventsOf(handle, { lastEventId: "9-0" })).toEqual([]);
  });

  test("tell of a gap, and go on", async () => {
    const gap = 'event: gap\ndata: {"object":"gap","oldest":"5-0"}\n\n';
    const { handle } = await anApi(told(gap, moved("6-0", "stored")));
    const events = await all(handle.events({ lastEventId: "1-0" }));
    expect(events).toMatchObject([{ type: "gap", oldest: "5-0" }, { type: "video.completed" }]);
  });

  test("end with a deletion", async () => {
    const { handle } = await anApi(goingOn(moved("1-0", "queued", { id, object: "video.deleted" })));
    expect(await all(handle.events())).toMatchObject([{ data: { object: "video.deleted" } }]);
  });

  test("do not end with a failure that was retried since", async () => {
    const { handle, asked } = await anApi(
      told(moved("1-0", "failed", aBody("queued"))),
      told(moved("2-0", "queued"), moved("3-0", "stored")),
    );
    expect(await eventsOf(handle, { lastEventId: "0-1" })).toEqual(["video.failed", "video.queued", "video.completed"]);
    expect(asked[1]?.headers["last-event-id"]).toBe("1-0");
  });

  test("that nobody listens to any more close the connection", async () => {
    const { handle, server } = await anApi(goingOn(moved("1-0", "queued")));
    const closed = once(server, "connection").then(([socket]) => once(socket as NodeJS.EventEmitter, "close"));
    for await (const event of handle.events()) if (event.type === "video.queued") break;
    await expect(closed).resolves.toBeDefined();
  });

  test("are given up by the signal, with its reason", async () => {
    const { handle } = await anApi(goingOn(moved("1-0", "queued")));
    const stop = new AbortController();
    const reason = new Error("enough");
    const seen: string[] = [];
    const listening = (async () => {
      for await (const { type } of handle.events({ signal: stop.signal })) {
        seen.push(type);
        stop.abort(reason);
      }
    })();
    expect(await rejection(listening)).toBe(reason);
    expect(seen).toEqual(["video.queued"]);
    expect(await rejection(eventsOf(handle, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  test("that cannot be read are an error that says so", async () => {
    const { handle } = await anApi(told("id: 1-0\ndata: {\n\n"));
    expect(await rejection(eventsOf(handle))).toMatchObject({ code: "unknown", message: expect.stringContaining("{") });
  });

  test.each([
    ["unauthorized", 401],
    ["forbidden", 403],
  ])("of somebody who is %s end at once", async (code, status) => {
    const { handle, asked } = await anApi(refusing(status, code));
    expect(await rejection(eventsOf(handle))).toMatchObject({ code, status });
    expect(asked).toHaveLength(1);
  });
});

describe.concurrent("where the API has no event stream", () => {
  test.each<[string, Answer]>([
    ["an unknown route", refusing(404, "not_found")],
    ["a method that is not allowed", refusing(405, "method_not_allowed")],
    [
      "something else at its address",
      (response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<p>"),
    ],
  ])("it is asked instead: %s", async (_, answer) => {
    const looks = [aBody("queued"), aBody("queued"), aBody("rendering"), aBody("stored")];
    const { handle, asked } = await anApi(answer, ...looks.map(json));
    const events = await all(handle.events());
    expect(typesOf(events)).toEqual(["video.queued", "video.rendering", "video.completed"]);
    expect(events.at(-1)).toMatchObject({ id: `look_${looks[3]?.reelq.version}`, project: "studio", data: { id } });
    expect(asked.slice(1).map(({ path }) => path)).toEqual(looks.map(() => `/v1/videos/${id}`));
  });

  test("what was told already is not told again by asking", async () => {
    const { handle } = await anApi(
      tornOff(moved("1-0", "queued"), moved("2-0", "rendering")),
      refusing(404, "not_found"),
      json(aBody("rendering")),
      json(aBody("stored")),
    );
    expect(await eventsOf(handle)).toEqual(["video.queued", "video.rendering", "video.completed"]);
  });

  test("an id that was found by asking begins anew", async () => {
    const { handle, asked } = await anApi(told(moved("8-0", "stored")));
    await eventsOf(handle, { lastEventId: "look_12" });
    expect(asked[0]?.headers).not.toHaveProperty("last-event-id");
  });

  test("no such video is no such video", async () => {
    const { handle } = await anApi(refusing(404, "not_found"));
    expect(await rejection(handle.result())).toMatchObject({ status: 404, code: "not_found" });
  });

  test("a project's events say so", async () => {
    const { reelq } = await anApi(refusing(404, "not_found"));
    const error = await rejection(all(reelq.events()));
    expect(error).toBeInstanceOf(ReelqError);
    expect(error).toMatchObject({ status: 404 });
  });
});

describe.concurrent("a project's events", () => {
  test("are of the types asked for, and resume by an id that came without an event", async () => {
    const { reelq, asked } = await anApi(
      tornOff("id: 4-0\n\n"),
      tornOff(moved("5-0", "stored")),
      goingOn(moved("6-0", "failed")),
    );
    const seen: ProjectStreamEvent[] = [];
    for await (const event of reelq.events({ types: ["video.completed", "video.failed"] })) {
      seen.push(event);
      if (seen.length === 2) break;
    }
    expect(typesOf(seen)).toEqual(["video.completed", "video.failed"]);
    expect(asked[0]?.path).toBe("/v1/events?types=video.completed%2Cvideo.failed");
    expect(asked.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "4-0", "5-0"]);
  });
});

describe.concurrent("a result", () => {
  test("is the completed video, and every state is shown on the way", async () => {
    const { handle } = await anApi(told(moved("1-0", "queued"), moved("2-0", "rendering"), moved("3-0", "stored")));
    const seen: Status[] = [];
    const video = await handle.result({ onUpdate: ({ reelq }) => seen.push(reelq.status) });
    expect(video).toMatchObject({ id, status: "completed" });
    expect(seen).toEqual(["queued", "rendering", "stored"]);
  });

  test("of a failed video is an error that says whether it was charged and may be tried again", async () => {
    const { handle } = await anApi(told(moved("1-0", "failed")));
    const error = await rejection(handle.result());
    expect(error).toBeInstanceOf(VideoFailedError);
    const facts = { class: "refused", code: "no_cats", charged: "no", retry: "insist", video: { id } };
    expect(error).toMatchObject({ ...facts, message: `${id} failed: No cats.` });
  });

  test("of a cancelled video is an error of its own", async () => {
    const { handle } = await anApi(told(moved("1-0", "cancelled")));
    const error = await rejection(handle.result());
    expect(error).toBeInstanceOf(VideoCancelledError);
    expect(error).toMatchObject({ code: "cancelled", video: { reelq: { status: "cancelled" } } });
  });

  test("of a deleted video is that it is not there", async () => {
    const deleted = { id, object: "video.deleted" };
    const { handle } = await anApi(told(moved("1-0", "rendering", deleted)), refusing(404, "not_found"));
    expect(await rejection(handle.result())).toMatchObject({ code: "not_found" });
  });

  test("is asked for where a stream says that nothing more will come", async () => {
    const nothing: Answer = (response) => response.writeHead(204).end();
    const { handle } = await anApi(nothing, json(aBody("stored")));
    expect(await handle.result()).toMatchObject({ status: "completed" });
  });

  test("outlives what passes: breaks, gateways, an API that is overloaded or without its ledger", async () => {
    const { handle } = await anApi(
      (response) => response.destroy(),
      (response) => response.writeHead(502).end("<html>"),
      tornOff(moved("1-0", "queued")),
      refusing(503, "unavailable", { "Retry-After": "0" }),
      refusing(429, "rate_limited", { "Retry-After": "0" }),
      told(moved("2-0", "stored")),
    );
    expect(await handle.result()).toMatchObject({ status: "completed" });
  });

  test("is given up after timeoutMs, and can be waited for again", async () => {
    const { handle } = await anApi(goingOn(moved("1-0", "rendering")), told(moved("2-0", "stored")));
    const error = await rejection(handle.result({ timeoutMs: 200 }));
    expect(error).toBeInstanceOf(WaitTimeoutError);
    expect(error).toMatchObject({ code: "wait_timeout", id, timeoutMs: 200, video: { id } });
    expect((error as Error).message).toBe(`${id} did not come to its end within 200 ms. It is rendering.`);
    expect(await handle.result()).toMatchObject({ status: "completed" });
  });

  test("is given up once the API was away for too long", async () => {
    const { handle, asked } = await anApi((response) => response.destroy());
    const error = await rejection(handle.result({ awayMs: 600 }));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(asked.length).toBeGreaterThan(1);
  });
});

describe("a connection that is dead", () => {
  /** Streams that say what they are given, and then nothing, ever; time runs as the test says. */
  function silentApi(...streams: (string | undefined)[]) {
    vi.useFakeTimers();
    const asked: (string | null)[] = [];
    const fetch = async (_address: unknown, init?: RequestInit): Promise<Response> => {
      asked.push(new Headers(init?.headers).get("last-event-id"));
      const text = streams.shift();
      if (text?.startsWith("{")) return new Response(text);
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => text && controller.enqueue(new TextEncoder().encode(text)),
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
    };
    const reelq = openReelq({ url: "http://reelq.example", fetch });
    return { reelq, handle: reelq.videos.from(id), asked };
  }

  test("is made anew once it is silent for too long", async () => {
    const { handle, asked } = silentApi(moved("1-0", "queued"), moved("2-0", "stored"));
    const result = handle.result();
    await vi.advanceTimersByTimeAsync(44_000);
    expect(asked).toEqual([null]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(await result).toMatchObject({ status: "completed" });
    expect(asked).toEqual([null, "1-0"]);
  });

  test("and never was alive has the API asked instead", async () => {
    const { handle, asked } = silentApi(undefined, JSON.stringify(aBody("stored")));
    const result = handle.result();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(await result).toMatchObject({ status: "completed" });
    expect(asked).toHaveLength(2);
  });

  test("is tried again where there is nothing else to ask", async () => {
    const { reelq, asked } = silentApi(undefined, undefined, moved("2-0", "stored"));
    const first = reelq.events({ lastEventId: "1-0" }).next();
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await first).value).toMatchObject({ type: "video.completed" });
    expect(asked).toEqual(["1-0", "1-0", "1-0"]);
  });

  test("is waited for five minutes where nobody says otherwise", async () => {
    vi.useFakeTimers();
    const fetch = () => Promise.reject(new TypeError("fetch failed"));
    const handle = openReelq({ url: "http://reelq.example", fetch }).videos.from(id);
    let ended: unknown;
    const waiting = rejection(handle.result()).then((error) => (ended = error));
    await vi.advanceTimersByTimeAsync(4 * 60_000);
    expect(ended).toBeUndefined();
    await vi.advanceTimersByTimeAsync(70_000);
    expect(await waiting).toBeInstanceOf(UnreachableError);
  });

  test("is waited for without end where one says so", async () => {
    vi.useFakeTimers();
    const fetch = () => Promise.reject(new TypeError("fetch failed"));
    const handle = openReelq({ url: "http://reelq.example", fetch }).videos.from(id);
    const waiting = rejection(handle.result({ awayMs: Number.POSITIVE_INFINITY, timeoutMs: 24 * 3_600_000 }));
    await vi.advanceTimersByTimeAsync(25 * 3_600_000);
    expect(await waiting).toBeInstanceOf(WaitTimeoutError);
  });
});
