import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VideoListBody } from "@reelq/contract";
import { openStorage } from "@reelq/engine";
import { type RedisServer, startRedisServer } from "@reelq/service";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf, startTestApi, type TestApi, videoOf } from "../support/api.ts";
import { redisServerProgram as binary, startRedis } from "../support/redis.ts";

/** A caller is told within a second; the rest is for a machine that is busy with other tests. */
const toldWithinMs = 2_500;

const order = (prompt: string): RequestInit => ({
  method: "POST",
  body: JSON.stringify({ prompt }),
  headers: { "Content-Type": "application/json" },
});

async function timed(calling: Promise<Response>): Promise<{ response: Response; ms: number }> {
  const startedAt = performance.now();
  const response = await calling;
  return { response, ms: performance.now() - startedAt };
}

async function expectUnavailable(calling: Promise<Response>): Promise<void> {
  const { response, ms } = await timed(calling);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
  const error = await errorOf(response);
  expect(error).toMatchObject({ type: "server_error", code: "unavailable", param: null });
  expect(error.message).toContain("Try again in a few seconds");
  expect(ms).toBeLessThan(toldWithinMs);
}

describe.skipIf(binary === undefined)("while Redis is stopped", () => {
  let dir: string;
  let redis: RedisServer;
  let api: TestApi;
  const videos = () => `${api.url}/v1/videos`;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "reelq-outage-"));
    redis = await startRedisServer({ dir, binary });
    api = await startTestApi({ redisUrl: redis.url });
    await fetch(videos(), order("before"));
    await redis.stop();
  });

  afterAll(async () => {
    await api.close();
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test("a create call is told so, soon, and when to come again", async () => {
    await expectUnavailable(fetch(videos(), order("during")));
    await Promise.all(Array.from({ length: 20 }, (_, n) => expectUnavailable(fetch(videos(), order(`during ${n}`)))));
  });

  test("so is every other call", async () => {
    const id = "video_0199a000-0000-7000-8000-000000000000";
    await Promise.all([
      expectUnavailable(fetch(videos())),
      expectUnavailable(fetch(`${videos()}/${id}`)),
      expectUnavailable(fetch(`${videos()}/${id}/content`)),
      expectUnavailable(fetch(`${videos()}/${id}/cancel`, { method: "POST" })),
      expectUnavailable(fetch(`${videos()}/${id}/remix`, order("at night"))),
    ]);
  });

  test("the process lives, and says that it is not ready, and why", async () => {
    expect((await fetch(`${api.url}/livez`)).status).toBe(200);
    const { response, ms } = await timed(fetch(`${api.url}/readyz`));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      ok: false,
      checks: { redis: { ok: false, detail: expect.stringMatching(/\w/) }, storage: { ok: true } },
    });
    expect(ms).toBeLessThan(toldWithinMs);
  });

  test("nothing was accepted: once it is back, only what came before is there", async () => {
    redis = await startRedisServer({ dir, binary });
    // Whatever was still on its way to Redis arrives before this.
    await api.engine.redis.ping().catch(() => api.engine.redis.ping());
    const { data } = (await (await fetch(videos())).json()) as VideoListBody;
    expect(data.map(({ prompt }) => prompt)).toEqual(["before"]);
    const jobs = await Promise.all(api.engine.queues.all.map((queue) => queue.getJobs()));
    expect(jobs.flat().map((job) => job?.id)).toEqual([`${data[0]?.id}.1`]);
    expect((await fetch(videos(), order("after"))).status).toBe(200);
    expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
  });
});

test(
  "a Redis that hangs makes no promise of it: the call may have taken effect, and its key finds out",
  { skip: binary === undefined },
  async () => {
    const redis = await startRedis();
    const api = await startTestApi({ redisUrl: redis.url });
    const hanging = order("while it hangs");
    const send = { ...hanging, headers: { ...hanging.headers, "Idempotency-Key": "one" } };
    await fetch(`${api.url}/v1/videos`);
    process.kill(redis.pid, "SIGSTOP");
    const told = await fetch(`${api.url}/v1/videos`, send).finally(() => process.kill(redis.pid, "SIGCONT"));
    expect(told.status).toBe(503);
    expect((await errorOf(told)).message).toContain(
      "with an Idempotency-Key, a call that took effect after all is not done twice",
    );
    const again = await fetch(`${api.url}/v1/videos`, send);
    const { id } = await videoOf(again);
    const { data } = (await (await fetch(`${api.url}/v1/videos`)).json()) as VideoListBody;
    expect(data.map((video) => video.id)).toEqual([id]);
    await api.close();
    await redis.stop();
  },
);

test("while the bucket is out of reach, a call with a picture is told so and accepts nothing", async () => {
  const redis = await startRedis();
  const credentials = { accessKeyId: "some-key", secretAccessKey: "some-secret", region: "us-east-1" };
  const storage = openStorage("s3://bucket", { ...credentials, endpoint: "http://127.0.0.1:9" });
  const api = await startTestApi({ redisUrl: redis.url, storage });
  const body = new FormData();
  body.append("prompt", "a cat");
  const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));
  body.append("input_reference", new Blob([new Uint8Array(picture)]), "dusk.png");
  const response = await fetch(`${api.url}/v1/videos`, { method: "POST", body });
  expect(response.status).toBe(503);
  expect(await errorOf(response)).toMatchObject({ code: "unavailable", message: expect.stringContaining("storage") });
  expect(api.surprises).toHaveLength(1);
  expect(await api.traces()).toEqual([]);
  await api.close();
  await redis.stop();
});

test.skipIf(binary === undefined)(
  "while Redis is full, what cannot be kept is told so, and nothing is half done",
  async () => {
    const redis = await startRedis();
    const api = await startTestApi({ redisUrl: redis.url });
    const upload = () => {
      const body = new FormData();
      body.append("purpose", "user_data");
      body.append("file", new Blob(["kept"]), "a.txt");
      return fetch(`${api.url}/v1/files`, { method: "POST", body });
    };
    const { id } = (await (await upload()).json()) as { id: string };
    await api.engine.redis.config("SET", "maxmemory", "1mb");
    for (const response of [
      await upload(),
      await fetch(`${api.url}/v1/files/${id}`, { method: "DELETE" }),
      await fetch(`${api.url}/v1/videos`, order("full")),
    ]) {
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("2");
      expect(await errorOf(response)).toMatchObject({ code: "unavailable" });
    }
    expect(await (await fetch(`${api.url}/v1/files/${id}/content`)).text()).toBe("kept");
    await api.engine.redis.config("SET", "maxmemory", "0");
    expect((await fetch(`${api.url}/v1/files/${id}`, { method: "DELETE" })).status).toBe(200);
    expect((await fetch(`${api.url}/v1/files/${id}`)).status).toBe(404);
    expect(await api.engine.ledger.trash()).toEqual(new Map());
    await api.close();
    await redis.stop();
  },
);
