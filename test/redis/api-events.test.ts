import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import type { EventBody, Video, VideoId } from "@reelq/contract";
import { openApiKeys, openEventFeed, openKeyring } from "@reelq/engine";
import { openReelq } from "@reelq/sdk";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openEventListening } from "../../apps/api/src/event-listening.ts";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { browserProgram, openBrowser } from "../support/browser.ts";
import { startApp } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { aVideo as aRecord, someTime } from "../support/video.ts";

const studio = { name: "studio", key: "studio-key-1" };
const film = { name: "film", key: "film-key-222" };
const admin = { name: "admin", key: "admin-key-333" };

let redis: TestRedis;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url, keys: [studio, film, admin] });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

interface Frame {
  readonly id?: string;
  readonly event?: string;
  readonly body?: EventBody;
}

/** Listens to a path, and ends with the test. */
async function listen(path: string, { key = studio.key, lastEventId }: { key?: string; lastEventId?: string } = {}) {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const response = await fetch(`${api.url}${path}`, {
    headers: {
      Authorization: `Bearer ${key}`,
      ...(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId }),
    },
    signal: stop.signal,
  });
  const frames = framesOf(response);
  return {
    response,
    stop: () => stop.abort(),
    /** The next frame that tells something; undefined at the end of the stream. */
    next: async (): Promise<Frame | undefined> => (await frames.next()).value,
    async take(count: number): Promise<Frame[]> {
      const taken: Frame[] = [];
      while (taken.length < count) taken.push((await frames.next()).value ?? {});
      return taken;
    },
  };
}

async function* framesOf(response: Response): AsyncGenerator<Frame, undefined> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const read = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const [id, event, data] = [read("id"), read("event"), read("data")];
      if (data === undefined) continue;
      yield {
        ...(id === undefined ? {} : { id }),
        ...(event === undefined ? {} : { event }),
        body: JSON.parse(data) as EventBody,
      };
    }
  }
  return undefined;
}

const aVideo = (status: Parameters<TestApi["aVideo"]>[0], project = "studio") => api.aVideo(status, { project });
const types = (frames: readonly Frame[]) => frames.map(({ event }) => event);

describe("a video's own events", () => {
  test("begin with its state and end with its end", async () => {
    const video = await aVideo("rendering");
    const listener = await listen(`/v1/videos/${video.id}/events`);
    expect(listener.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const first = await listener.next();
    expect(first).toMatchObject({
      event: "video.rendering",
      body: {
        object: "event",
        type: "video.rendering",
        project: "studio",
        data: { id: video.id, status: "in_progress" },
      },
    });
    const downloading = await api.moveOn(video, "downloading");
    await api.moveOn(downloading, "stored");
    expect(types(await listener.take(2))).toEqual(["video.downloading", "video.completed"]);
    expect(await listener.next()).toBeUndefined();
  });

  test("tell the same state under the same id, which is no event's", async () => {
    const video = await aVideo("rendering");
    const ids: (string | undefined)[] = [];
    for (let times = 0; times < 2; times += 1) {
      const listener = await listen(`/v1/videos/${video.id}/events`);
      ids.push((await listener.next())?.body?.id);
      listener.stop();
      await aVideo("queued");
    }
    expect(ids).toEqual([`state_${video.id}_${video.version}`, `state_${video.id}_${video.version}`]);
  });

  test("go on after the last one that was heard, each once", async () => {
    const video = await aVideo("queued");
    const before = await listen(`/v1/videos/${video.id}/events`);
    const { id = "" } = (await before.next()) ?? {};
    before.stop();
    const submitting = await api.moveOn(video, "submitting");
    const rendering = await api.moveOn(submitting, "rendering");
    const after = await listen(`/v1/videos/${video.id}/events`, { lastEventId: id });
    expect(types(await after.take(2))).toEqual(["video.submitting", "video.rendering"]);
    await api.moveOn(rendering, "downloading");
    expect(types(await after.take(1))).toEqual(["video.downloading"]);
  });

  test("that are over are 204, so that nobody asks again", async () => {
    const video = await aVideo("stored");
    const whole = await listen(`/v1/videos/${video.id}/events`, { lastEventId: "0-0" });
    const all = await whole.take(5);
    expect(types(all)).toEqual([
      "video.queued",
      "video.submitting",
      "video.rendering",
      "video.downloading",
      "video.completed",
    ]);
    expect(await whole.next()).toBeUndefined();
    const nothing = await listen(`/v1/videos/${video.id}/events`, { lastEventId: all.at(-1)?.id ?? "" });
    expect(nothing.response.status).toBe(204);
  });

  test("tell of its deletion", async () => {
    const video = await aVideo("queued");
    const listener = await listen(`/v1/videos/${video.id}/events`);
    await listener.next();
    await fetch(`${api.url}/v1/videos/${video.id}`, {
      method: "DELETE",
      headers: { Authorization: `Bearer ${studio.key}` },
    });
    expect(await listener.next()).toMatchObject({
      event: "video.deleted",
      body: { data: { id: video.id, object: "video.deleted" } },
    });
    expect(await listener.next()).toBeUndefined();
  });

  test("are told to its project and to an admin, and to nobody else", async () => {
    const video = await aVideo("queued", "film");
    expect((await listen(`/v1/videos/${video.id}/events`)).response.status).toBe(404);
    expect((await listen(`/v1/videos/${video.id}/events`, { key: film.key })).response.status).toBe(200);
    expect((await listen(`/v1/videos/${video.id}/events`, { key: admin.key })).response.status).toBe(200);
  });
});

describe("a project's events", () => {
  test("are its own; an admin hears all", async () => {
    const ours = await listen("/v1/events");
    const all = await listen("/v1/events", { key: admin.key });
    const theirs = await aVideo("queued", "film");
    const own = await aVideo("queued");
    expect((await ours.next())?.body?.data.id).toBe(own.id);
    expect((await all.take(2)).map(({ body }) => body?.data.id)).toEqual([theirs.id, own.id]);
  });

  test("come in one order, each with an id of its own, whoever listens since when", async () => {
    const early = await listen("/v1/events");
    for (let index = 0; index < 5; index += 1) await aVideo("rendering");
    const told = await early.take(15);
    const ids = told.map(({ id }) => id);
    expect(new Set(ids).size).toBe(15);
    expect(told.map(({ body }) => body?.id)).toEqual(ids.map((id) => `evt_${id?.replace("-", "_")}`));
    const late = await listen("/v1/events", { lastEventId: ids[4] ?? "" });
    expect((await late.take(10)).map(({ id }) => id)).toEqual(ids.slice(5));
  });

  test("can be chosen by type", async () => {
    const some = await listen("/v1/events?types=video.rendering,video.failed");
    await aVideo("rendering");
    await aVideo("failed");
    expect(types(await some.take(2))).toEqual(["video.rendering", "video.failed"]);
  });

  test.each([
    ["/v1/events?types=video.finished", undefined, "types"],
    ["/v1/events?types=video.failed&types=video.queued", undefined, "types"],
    ["/v1/events", "yesterday", "Last-Event-ID"],
    ["/v1/events?last_event_id=12", undefined, "Last-Event-ID"],
  ])("%s with the last id %s is refused, and says why", async (path, lastEventId, param) => {
    const { response } = await listen(path, lastEventId === undefined ? {} : { lastEventId });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param });
  });

  test("that are no longer known are told as a gap, before those that are", async () => {
    const own = await startTestApi({ redisUrl: redis.url, keys: [studio] });
    onTestFinished(() => own.close());
    await own.aVideo("rendering", { project: "studio" });
    await own.engine.redis.xtrim(own.engine.keys.events, "MAXLEN", "=", 1);
    const stop = new AbortController();
    const response = await fetch(`${own.url}/v1/events`, {
      headers: { Authorization: `Bearer ${studio.key}`, "Last-Event-ID": "1-0" },
      signal: stop.signal,
    });
    const frames = framesOf(response);
    expect((await frames.next()).value).toMatchObject({
      event: "gap",
      body: { object: "gap", oldest: expect.any(String) },
    });
    expect((await frames.next()).value).toMatchObject({ event: "video.rendering" });
    stop.abort();
  });
});

/** The listening of an API, with times of its own, on a server whose paths say who listens to what. */
async function aListening(
  options: { heartbeatMs?: number; blockedMs?: number; beforeRead?: () => Promise<unknown> } = {},
) {
  const { engine } = api;
  const apiKeys = openApiKeys(engine);
  const feed = openEventFeed(engine);
  const listening = openEventListening({
    feed,
    keyring: openKeyring({ apiKeys, clock: engine.clock, given: [studio], mayBeOpen: true }),
    async readVideo(id) {
      await options.beforeRead?.();
      return engine.ledger.read(id);
    },
    ...options,
  });
  const calls: Promise<void>[] = [];
  const responses: ServerResponse[] = [];
  /** `/<id of the API key>/<id of the video>` */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, apiKey = "", id = ""] = (request.url ?? "").split(/[/?]/);
    const video = id === "" ? undefined : await engine.ledger.read(id as VideoId);
    await listening.listen(request, response, { project: undefined, apiKey, video });
  }
  const server = createServer((request, response) => {
    responses.push(response);
    calls.push(answer(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    listening.close();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, listening, feed, server, calls, responses, apiKeys };
}

/** A connection that reads only when it is told to. */
async function knock(port: number, path: string, more = ""): Promise<{ socket: Socket; chunks: readonly string[] }> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.pause();
  const chunks: string[] = [];
  socket.setEncoding("latin1").on("data", (chunk: string) => void chunks.push(chunk));
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`);
  return { socket, chunks };
}

/** What a stream says, until it has said this. */
async function said(response: Response, words: string): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    chunks.push(chunk);
    if (chunks.slice(-3).join("").includes(words)) return chunks.join("");
  }
  throw new Error(`It ended before it said ${words}: ${chunks.join("")}`);
}

const idsIn = (stream: string): string[] => [...stream.matchAll(/^id: (\d+-\d+)\nevent/gm)].map(([, id = ""]) => id);

/** Moves of one video that are told in 20 KB each. */
async function aLotHappens(times: number): Promise<string[]> {
  const { redis: client, keys, ledger } = api.engine;
  const record = aRecord("queued");
  const video = { ...record, request: { ...record.request, prompt: "a cat ".repeat(3_000) } };
  await ledger.accept([{ video }]);
  const pipeline = client.pipeline();
  for (let time = 0; time < times; time += 1)
    pipeline.xadd(
      keys.events,
      "*",
      "project",
      "default",
      "video",
      video.id,
      "version",
      1,
      "status",
      "queued",
      "at",
      someTime,
    );
  return ((await pipeline.exec()) ?? []).map(([, id]) => id as string);
}

describe("a listener that does not read", () => {
  test("costs a buffer and no more, holds up nobody, and goes on where it was", async () => {
    const { port, responses, url, listening } = await aListening();
    const { socket, chunks } = await knock(port, "/given_studio");
    await expect.poll(() => responses[0]?.headersSent).toBe(true);
    const other = await fetch(`${url}/given_studio`);
    const ids = await aLotHappens(900);
    expect(idsIn(await said(other, `id: ${ids.at(-1)}\nevent: `)).slice(-ids.length)).toEqual(ids);
    const [stuck] = responses;
    expect(stuck?.writableNeedDrain).toBe(true);
    expect(stuck?.writableLength).toBeLessThan(200_000);
    socket.resume();
    await expect
      .poll(
        () =>
          chunks
            .slice(-9)
            .join("")
            .includes(`id: ${ids.at(-1)}\n`),
        { timeout: 20_000 },
      )
      .toBe(true);
    expect(idsIn(chunks.join("")).filter((id) => ids.includes(id))).toEqual(ids);
    expect(listening.size).toBe(1);
  });

  test("is cut after its time", async () => {
    const { port, responses, calls, listening } = await aListening({ blockedMs: 50 });
    const { socket } = await knock(port, "/given_studio");
    await expect.poll(() => responses[0]?.headersSent).toBe(true);
    await aLotHappens(1_000);
    await calls[0];
    expect(responses[0]?.destroyed).toBe(true);
    expect(listening.size).toBe(0);
    socket.destroy();
  });

  test("is told nothing more once its stream was ended, though that has not reached it", async () => {
    const { port, url, responses, apiKeys, feed } = await aListening({ heartbeatMs: 20 });
    const { record } = await apiKeys.create({ name: "slow", project: "studio", isAdmin: false });
    await knock(port, `/${record.id}`);
    await expect.poll(() => responses[0]?.headersSent).toBe(true);
    await aLotHappens(900);
    await expect.poll(() => responses[0]?.writableNeedDrain, { timeout: 20_000 }).toBe(true);
    await apiKeys.revoke(record.id);
    await expect.poll(() => responses[0]?.writableEnded, { timeout: 20_000 }).toBe(true);
    expect(feed.size).toBe(0);
    const pending = responses[0]?.writableLength;
    const other = await fetch(`${url}/given_studio`);
    await aLotHappens(1);
    await said(other, ": heartbeat");
    expect(responses[0]?.writableFinished).toBe(false);
    expect(responses[0]?.writableLength).toBe(pending);
  });
});

describe("heartbeats", () => {
  test("come to everyone, and end the stream of a key that was revoked", async () => {
    const { url, apiKeys, listening } = await aListening({ heartbeatMs: 20 });
    const { record } = await apiKeys.create({ name: "night", project: "studio", isAdmin: false });
    const [revoked, kept] = await Promise.all([fetch(`${url}/${record.id}`), fetch(`${url}/given_studio`)]);
    await apiKeys.revoke(record.id);
    expect(await text(revoked.body!)).toMatch(/^retry: 2000\nid: \d+-\d+\n\n(: heartbeat\n\n)*$/);
    await said(kept, ": heartbeat");
    expect(listening.size).toBeLessThan(2);
  });
});

/** The connections on which somebody waits for events. */
const readers = async (): Promise<number> =>
  ((await api.engine.redis.client("LIST")) as string).split("\n").filter((line) => line.includes("cmd=xread")).length;

test("300 listeners share one connection to Redis, hear of one event, and leave nothing behind", async () => {
  await expect.poll(readers).toBe(0);
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const { url, listening, feed, server, calls } = await aListening({ heartbeatMs: 30 });
  const before = timers();
  const video = await aVideo("rendering");
  const streams = await Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      const asked = get(`${url}/given_studio${index % 2 === 0 ? "" : `/${video.id}`}`, { agent: false });
      const [stream] = (await once(asked, "response")) as [IncomingMessage];
      return stream.setEncoding("utf8");
    }),
  );
  expect([listening.size, feed.size]).toEqual([300, 300]);
  await expect.poll(readers).toBe(1);
  const hearing = streams.map(async (stream) => {
    let all = "";
    for await (const chunk of stream) {
      all += chunk;
      if (all.includes(": heartbeat") && all.includes("event: video.downloading")) return all;
    }
    throw new Error(`It ended too soon: ${all}`);
  });
  await api.moveOn(video, "downloading");
  for (const all of await Promise.all(hearing)) expect(all.match(/^event: video.downloading$/gm)).toHaveLength(1);
  await Promise.all(calls);
  expect([listening.size, feed.size]).toEqual([0, 0]);
  await expect.poll(readers).toBe(0);
  await expect.poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(0);
  expect(timers()).toBeLessThanOrEqual(before);
});

describe("nothing is lost where things happen at once:", () => {
  test("a video that ends while it is asked whether more will come", async () => {
    const video = await aVideo("downloading");
    let reads = 0;
    const beforeRead = async () => (reads += 1) === 2 && api.moveOn(video, "stored");
    const { url } = await aListening({ beforeRead });
    const stream = await text((await fetch(`${url}/given_studio/${video.id}`)).body!);
    expect(stream.match(/^event: .*/gm)).toEqual(["event: video.downloading", "event: video.completed"]);
  });

  test("one that is retried and fails again while its 204 is on its way", async () => {
    const failed = await aVideo("failed");
    const id = await api.engine.redis.xrevrange(api.engine.keys.events, "+", "-", "COUNT", 1);
    let reads = 0;
    const { url } = await aListening({
      beforeRead: async () => (reads += 1) === 2 && api.moveOn(await api.moveOn(failed, "queued"), "failed"),
    });
    const response = await fetch(`${url}/given_studio/${failed.id}?last_event_id=${id[0]?.[0]}`);
    expect((await text(response.body!)).match(/^event: .*/gm)).toEqual(["event: video.queued", "event: video.failed"]);
  });

  test("moves that the first state shows already are not told again", async () => {
    let video: Video = await aVideo("queued");
    const move = async (next: "submitting" | "rendering" | "downloading" | "stored") =>
      (video = await api.moveOn(video, next));
    let reads = 0;
    const beforeRead = async () => {
      if ((reads += 1) > 1) return;
      await move("submitting");
      await move("rendering");
    };
    const { url } = await aListening({ beforeRead });
    const response = await fetch(`${url}/given_studio/${video.id}`);
    await move("downloading");
    await move("stored");
    expect((await text(response.body!)).match(/^event: .*/gm)).toEqual([
      "event: video.rendering",
      "event: video.downloading",
      "event: video.completed",
    ]);
  });

  test("one that a person retried goes on for whoever connects again", async () => {
    const video = await aVideo("rendering");
    const listener = await listen(`/v1/videos/${video.id}/events`);
    await listener.next();
    const failed = await api.moveOn(video, "failed");
    const last = await listener.next();
    expect(await listener.next()).toBeUndefined();
    const retried = await api.moveOn(failed, "queued");
    const again = await listen(`/v1/videos/${video.id}/events`, { lastEventId: last?.id ?? "" });
    expect((await again.next())?.event).toBe("video.queued");
    await api.moveOn(retried, "submitting");
    expect((await again.next())?.event).toBe("video.submitting");
  });

  test("a connection that breaks before its first event can resume", async () => {
    const response = await fetch(`${api.url}/v1/events`, { headers: { Authorization: `Bearer ${studio.key}` } });
    const [, id = ""] = /^retry: 2000\nid: (\d+-\d+)\n\n$/.exec(await said(response, "id: ")) ?? [];
    const video = await aVideo("queued");
    const after = await listen("/v1/events", { lastEventId: id });
    expect((await after.next())?.body?.data.id).toBe(video.id);
  });
});

test("the client for producers hears by the stream, and not by asking", async () => {
  const video = await aVideo("rendering");
  const asked: string[] = [];
  const hear = (message: unknown): void => void asked.push((message as { request: IncomingMessage }).request.url ?? "");
  subscribe("http.server.request.start", hear);
  onTestFinished(() => void unsubscribe("http.server.request.start", hear));
  const handle = openReelq({ url: api.url, key: studio.key }).videos.from(video.id);
  const heard: string[] = [];
  for await (const { type } of handle.events()) {
    heard.push(type);
    if (type === "video.rendering") await api.moveOn(await api.moveOn(video, "downloading"), "stored");
  }
  expect(heard).toEqual(["video.rendering", "video.downloading", "video.completed"]);
  expect(asked).toEqual([`/v1/videos/${video.id}/events`]);
});

describe("odd callers:", () => {
  const authorization = { Authorization: `Bearer ${studio.key}` };

  test("HEAD is told what GET would be, and no more", async () => {
    const video = await aVideo("queued");
    for (const path of ["/v1/events", `/v1/videos/${video.id}/events`]) {
      const response = await fetch(`${api.url}${path}`, { method: "HEAD", headers: authorization });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
      expect(await response.text()).toBe("");
    }
  });

  test.each(["", "*/*", "application/json", "text/event-stream;q=0", "nonsense"])(
    "Accept %j hears events all the same",
    async (accept) => {
      const stop = new AbortController();
      const response = await fetch(`${api.url}/v1/events`, {
        headers: { ...authorization, Accept: accept },
        signal: stop.signal,
      });
      expect(await said(response, "retry: 2000")).toContain("retry: 2000");
      stop.abort();
    },
  );

  test("HTTP/1.0 hears events until the connection's end", async () => {
    const video = await aVideo("downloading");
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    const all = text(socket);
    socket.write(`GET /v1/videos/${video.id}/events HTTP/1.0\r\nAuthorization: Bearer ${studio.key}\r\n\r\n`);
    await once(socket, "readable");
    await api.moveOn(video, "stored");
    const [head, body = ""] = (await all).split(/\r\n\r\n/);
    expect(head).not.toMatch(/transfer-encoding/i);
    expect(body.match(/^event: .*/gm)).toEqual(["event: video.downloading", "event: video.completed"]);
  });

  test("an empty list of types is refused", async () => {
    const { response } = await listen("/v1/events?types=");
    expect(await errorOf(response)).toMatchObject({ param: "types", message: expect.stringContaining("leave it out") });
  });

  test("the last event ends the stream of who did not want to hear of it", async () => {
    const video = await aVideo("downloading");
    const listener = await listen(`/v1/videos/${video.id}/events?types=video.queued`);
    await listener.next();
    await api.moveOn(video, "stored");
    expect(await listener.next()).toBeUndefined();
  });

  test("an id from the future is of a stream that is no more", async () => {
    const listener = await listen("/v1/events", { lastEventId: "999999999999999-0" });
    const video = await aVideo("queued");
    expect((await listener.next())?.body?.data.id).toBe(video.id);
  });

  test("clients that leave at once are forgotten", async () => {
    const video = await aVideo("stored");
    const { port, calls, listening, feed, server } = await aListening();
    const paths = ["/given_studio", `/given_studio/${video.id}`, `/given_studio/${video.id}?last_event_id=0-0`];
    const sockets = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => (await knock(port, paths[index % 3] ?? "")).socket),
    );
    for (const [index, socket] of sockets.entries())
      if (index % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
    await expect.poll(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(0);
    await Promise.all(calls);
    expect([listening.size, feed.size]).toEqual([0, 0]);
  });

  test("streams that were asked for behind another one are forgotten with it", async () => {
    const { port, calls, listening, feed } = await aListening();
    const { socket } = await knock(port, "/given_studio", "\r\nGET /given_studio HTTP/1.1\r\nHost: localhost\r\n");
    await expect.poll(() => calls.length).toBe(2);
    await expect.poll(() => listening.size).toBe(2);
    socket.destroy();
    await Promise.all(calls);
    expect([listening.size, feed.size]).toEqual([0, 0]);
  });
});

test("an API that ends while somebody listens ends the streams, and itself", async () => {
  const app = startApp("api", {
    env: { UPSTREAM_URL: "http://127.0.0.1:9/v1", REDIS_URL: redis.url, PORT: "0", STORAGE_URL: "file:/nowhere" },
    args: ["--prefix={bye}"],
  });
  onTestFinished(() => void app.kill("SIGKILL"));
  const url = await app.ready;
  const stream = await fetch(`${url}/v1/events`);
  const all = text(stream.body!);
  void app.kill("SIGTERM");
  expect(await app.exited).toBe(0);
  expect(await all).toMatch(/^retry: 2000/);
});

test.skipIf(browserProgram === undefined)(
  "an EventSource hears a video to its end, connects once more, and is told not to",
  async () => {
    const open = await startTestApi({ redisUrl: redis.url });
    const browser = await openBrowser();
    onTestFinished(async () => {
      await browser.close();
      await open.close();
    });
    const page = await browser.newPage();
    await page.route(`${open.url}/page`, (route) =>
      route.fulfill({ contentType: "text/html", body: "<title>t</title>" }),
    );
    await page.goto(`${open.url}/page`);
    const asked: unknown[] = [];
    const hear = (message: unknown): void => {
      const { url = "", headers } = (message as { request: IncomingMessage }).request;
      if (url.endsWith("/events")) asked.push(headers["last-event-id"]);
    };
    subscribe("http.server.request.start", hear);
    onTestFinished(() => void unsubscribe("http.server.request.start", hear));
    const answered: number[] = [];
    page.on("response", (response) => void answered.push(response.status()));
    const video = await open.aVideo("rendering");
    const hearing = page.evaluate(
      (path) =>
        new Promise<{ heard: string[]; last: string }>((resolve) => {
          // oxlint-disable-next-line typescript/no-explicit-any -- the browser's own
          const source = new (globalThis as any).EventSource(path);
          const heard: string[] = [];
          let last = "";
          for (const type of ["video.rendering", "video.downloading", "video.completed"])
            source.addEventListener(type, (event: { lastEventId: string }) => {
              heard.push(type);
              last = event.lastEventId;
            });
          source.addEventListener("error", () => source.readyState === 2 && resolve({ heard, last }));
        }),
      `/v1/videos/${video.id}/events`,
    );
    await page.waitForResponse((response) => response.url().endsWith("/events"));
    await open.moveOn(await open.moveOn(video, "downloading"), "stored");
    const { heard, last } = await hearing;
    expect(heard).toEqual(["video.rendering", "video.downloading", "video.completed"]);
    expect(asked).toEqual([undefined, last]);
    expect(answered).toEqual([200, 204]);
  },
);
