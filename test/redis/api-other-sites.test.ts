import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let api: Awaited<ReturnType<typeof startTestApi>>;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

/** fetch would not let us set these. */
const statusOf = (method: string, path: string, headers: Record<string, string>): Promise<number> =>
  new Promise((resolve, reject) => {
    const body = method === "POST" ? JSON.stringify({ prompt: "a cat" }) : "";
    const call = request(
      new URL(path, api.url),
      { method, headers: { "Content-Type": "application/json", ...headers } },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    call.on("error", reject);
    call.end(body);
  });

test.each<[string, Record<string, string>]>([
  ["a page of another site, as browsers say it", { "Sec-Fetch-Site": "cross-site" }],
  ["a page of another origin", { Origin: "https://evil.example" }],
  ["a page without an origin", { Origin: "null" }],
  ["a name that was made to point here", { Host: "evil.example" }],
])("%s cannot spend money", async (_what, headers) => {
  expect(await statusOf("POST", "/v1/videos", headers)).toBe(403);
  expect(await api.traces()).toEqual([]);
});

test.each<[string, Record<string, string>]>([
  ["a program", {}],
  ["a page of its own", { "Sec-Fetch-Site": "same-origin" }],
  ["somebody who typed the address", { "Sec-Fetch-Site": "none" }],
  ["a program that names this machine", { Host: "localhost:8787" }],
])("%s is served", async (_what, headers) => {
  expect(await statusOf("POST", "/v1/videos", headers)).toBe(200);
  expect(await statusOf("GET", "/v1/videos", headers)).toBe(200);
});
