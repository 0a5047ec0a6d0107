import type { EventBody } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

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
