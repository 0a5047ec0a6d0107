import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const keys = [
  { name: "studio", key: "studio-key-1" },
  { name: "night", key: "night-key-22" },
  { name: "admin", key: "admin-key-333" },
];

let redis: TestRedis;
let open: TestApi;
let locked: TestApi;

beforeAll(async () => {
  redis = await startRedis();
  open = await startTestApi({ redisUrl: redis.url });
  locked = await startTestApi({ redisUrl: redis.url, keys });
});

afterAll(async () => {
  await open.close();
  await locked.close();
  await redis.stop();
});

const basic = (password: string, user = "anyone") => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const order = { method: "POST", body: '{"prompt": "a cat"}' };
const withHeaders = (authorization: string | undefined): Record<string, string> => ({
  "Content-Type": "application/json",
  ...(authorization === undefined ? {} : { Authorization: authorization }),
});

const calls = [
  ["POST", "/v1/videos"],
  ["GET", "/v1/videos"],
  ["GET", "/v1/videos/video_1"],
  ["GET", "/v1/videos/video_1/content"],
  ["POST", "/v1/videos/video_1/remix"],
  ["POST", "/v1/videos/video_1/cancel"],
  ["POST", "/v1/videos/video_1/retry"],
  ["POST", "/v1/videos/video_1/resolve"],
  ["DELETE", "/v1/videos/video_1"],
  ["GET", "/v1/videos/video_1/events"],
  ["GET", "/v1/events"],
  ["POST", "/v1/files"],
  ["GET", "/v1/files"],
  ["GET", "/v1/files/file_1"],
  ["DELETE", "/v1/files/file_1"],
  ["GET", "/v1/files/file_1/content"],
  ["POST", "/v1/webhook_endpoints"],
  ["GET", "/v1/webhook_endpoints"],
] as const;

describe("where keys are set", () => {
  test.each(calls)("nobody calls %s %s without one", async (method, path) => {
    const refused = [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Bearer wrong-key-1",
      "Bearer studio-key-",
      "Bearer studio-key-11",
      "Bearer STUDIO-KEY-1",
      "Bearer studio-key-1,night-key-22",
      "studio-key-1",
      "Token studio-key-1",
      basic("wrong-key-1"),
    ];
    for (const authorization of refused) {
      const response = await fetch(`${locked.url}${path}`, {
        ...(method === "POST" ? order : { method }),
        headers: withHeaders(authorization),
      });
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer/);
      expect(await errorOf(response)).toMatchObject({
        type: "authentication_error",
        code: "unauthorized",
        param: null,
      });
    }
    expect(await locked.traces()).toEqual([]);
  });

  test("each of them opens every call", async () => {
    for (const { key } of keys) {
      for (const word of ["Bearer", "bearer"]) {
        const response = await fetch(`${locked.url}/v1/videos`, { headers: { Authorization: `${word} ${key}` } });
        expect(response.status).toBe(200);
      }
    }
  });

  test.each(["/board", "/board/", "/board/api/queues", "/board/queue/poll", "/metrics"])(
    "only an admin's key opens %s",
    async (path) => {
      const get = (authorization?: string) =>
        fetch(`${locked.url}${path}`, { headers: authorization === undefined ? {} : { Authorization: authorization } });
      for (const authorization of [undefined, "Bearer wrong-key-1", basic("admin-key-333"), "Basic", "Basic ***"]) {
        const response = await get(authorization);
        expect(response.status).toBe(401);
        expect(response.headers.get("www-authenticate")).toBe("Bearer");
      }
      const refused = await get("Bearer studio-key-1");
      expect(refused.status).toBe(403);
      expect(await errorOf(refused)).toMatchObject({
        code: "forbidden",
        message: expect.stringContaining("reelq keys create NAME --admin"),
      });
      expect((await get("Bearer admin-key-333")).status).toBe(200);
    },
  );

  test("health is told to everyone", async () => {
    for (const path of ["/livez", "/readyz"]) expect((await fetch(`${locked.url}${path}`)).status).toBe(200);
  });
});

describe("where none are set", () => {
  test("everyone may call, whatever they bring along", async () => {
    for (const authorization of [undefined, "Bearer whatever", basic("whatever")]) {
      const headers = withHeaders(authorization);
      expect((await fetch(`${open.url}/v1/videos`, { ...order, headers })).status).toBe(200);
      expect((await fetch(`${open.url}/board`, { headers })).status).toBe(200);
    }
  });

  test.each([
    ["/v1/videos", "PUT", "GET, POST"],
    ["/v1/videos", "DELETE", "GET, POST"],
    ["/v1/videos", "OPTIONS", "GET, POST"],
    ["/v1/videos/video_1", "POST", "GET, DELETE"],
    ["/v1/videos/video_1", "PATCH", "GET, DELETE"],
    ["/v1/videos/video_1/content", "POST", "GET, HEAD"],
    ["/v1/videos/video_1/remix", "GET", "POST"],
    ["/v1/videos/video_1/cancel", "GET", "POST"],
    ["/v1/videos/video_1/retry", "DELETE", "POST"],
    ["/v1/videos/video_1/resolve", "PUT", "POST"],
    ["/livez", "POST", "GET, HEAD"],
    ["/readyz", "DELETE", "GET, HEAD"],
  ])("%s does not know %s and says what it knows", async (path, method, allowed) => {
    const response = await fetch(`${open.url}${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe(allowed);
    const error = await errorOf(response);
    expect(error).toMatchObject({ type: "invalid_request_error", code: "method_not_allowed" });
    expect(error.message).toContain(`${method} is not possible here; allowed: ${allowed}`);
  });

  test.each(["/v1", "/v1/video", "/v2/videos", "/v1/videos/video_1/contents", "/favicon.ico", "//v1/videos", "/V2/"])(
    "%s is nowhere",
    async (path) => {
      const response = await fetch(`${open.url}${path}`);
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toMatchObject({
        code: "not_found",
        message: expect.stringContaining("There is no GET"),
      });
    },
  );

  test("the root leads to the board", async () => {
    const response = await fetch(`${open.url}/`, { redirect: "manual" });
    expect([response.status, response.headers.get("location")]).toEqual([302, "/board"]);
  });

  test("health says what was looked at", async () => {
    expect(await (await fetch(`${open.url}/livez`)).json()).toEqual({ ok: true });
    const response = await fetch(`${open.url}/readyz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      ok: true,
      checks: { redis: { ok: true, ms: expect.any(Number) }, storage: { ok: true, ms: expect.any(Number) } },
    });
  });

  test("nothing tells what the server is made of", async () => {
    for (const path of ["/livez", "/v1/videos", "/nowhere"]) {
      const response = await fetch(`${open.url}${path}`);
      expect(response.headers.get("x-powered-by")).toBeNull();
      expect(response.headers.get("server")).toBeNull();
    }
  });
});
