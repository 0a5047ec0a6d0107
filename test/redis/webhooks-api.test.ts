import { openApiKeys, startWebhookWorker } from "@reelq/engine";
import { openWeb } from "@reelq/web";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOf, startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { until } from "../support/facts.ts";
import { aReceiver } from "../support/webhooks.ts";
import { webhookDeliveryBodySchema, webhookEndpointBodySchema, webhookSecretBodySchema } from "@reelq/contract";

let redis: TestRedis;
let api: TestApi;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

const path = "/v1/webhook_endpoints";

const call = (method: string, where: string, body?: unknown, at = api): Promise<Response> =>
  fetch(`${at.url}${where}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });

async function json(response: Promise<Response>): Promise<Record<string, unknown>> {
  const { status } = await response;
  const body = (await (await response).json()) as Record<string, unknown>;
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
}

const create = (fields: object = {}, at = api) =>
  json(call("POST", path, { url: "https://hooks.example.com/reelq", ...fields }, at));

/** An API with keys of two projects, and one that sees all. */
async function twoProjects() {
  const api = await startTestApi({ redisUrl: redis.url });
  const apiKeys = openApiKeys(api.engine);
  const keyFor = async (name: string, project: string, isAdmin = false) =>
    (await apiKeys.create({ name, project, isAdmin })).key;
  const keys = {
    studio: await keyFor("studio", "studio"),
    studioToo: await keyFor("studio-too", "studio"),
    garage: await keyFor("garage", "garage"),
    admin: await keyFor("admin", "default", true),
  };
  return { ...api, keys };
}

describe("an endpoint", () => {
  test("is made with a secret that is told then and where it is asked for, and in no other reply", async () => {
    const made = await create({ description: "the studio's" });
    expect(webhookEndpointBodySchema.parse(made)).toMatchObject({
      url: "https://hooks.example.com/reelq",
      events: ["video.completed", "video.failed", "video.cancelled", "video.in_doubt", "video.at_risk"],
      description: "the studio's",
      enabled: true,
      disabled_reason: null,
      disabled_at: null,
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) as string,
      project: "default",
    });
    const { secret, ...shown } = made;
    const where = `${path}/${String(made["id"])}`;
    expect(await json(call("GET", where))).toEqual(shown);
    const list = await json(call("GET", path));
    expect(list).toMatchObject({ object: "list", first_id: made["id"] });
    expect(JSON.stringify(list)).not.toContain("whsec_");
    const told = await json(call("GET", `${where}/secret`));
    expect(webhookSecretBodySchema.parse(told)).toEqual({
      object: "webhook_secret",
      secret,
      previous_secret_until: null,
    });
    const rotated = await json(call("POST", `${where}/rotate_secret`, { overlap_seconds: 60 }));
    expect(rotated["secret"]).not.toBe(secret);
    expect(await json(call("GET", `${where}/secret`))).toMatchObject({
      secret: rotated["secret"],
      previous_secret_until: expect.any(Number) as number,
    });
    await json(call("POST", `${where}/rotate_secret`, { overlap_seconds: 0 }));
    expect(await json(call("GET", `${where}/secret`))).toMatchObject({ previous_secret_until: null });
  });

  test("is changed field by field, disabled and enabled", async () => {
    const { id, secret: _, ...rest } = await create();
    const where = `${path}/${String(id)}`;
    const changed = { url: "https://other.example.com/", events: ["*"], description: "new" };
    expect(await json(call("POST", where, changed))).toEqual({ id, ...rest, ...changed });
    expect(await json(call("POST", where, { description: null }))).toMatchObject({ description: null, events: ["*"] });
    expect(await json(call("POST", where, { enabled: false }))).toMatchObject({
      enabled: false,
      disabled_reason: "asked",
      disabled_at: expect.any(Number) as number,
    });
    expect(await json(call("POST", where, { enabled: true }))).toMatchObject({
      enabled: true,
      disabled_reason: null,
      disabled_at: null,
    });
  });

  test("is gone once it is deleted", async () => {
    const { id } = await create();
    expect(await json(call("DELETE", `${path}/${String(id)}`))).toEqual({
      id,
      object: "webhook_endpoint.deleted",
      deleted: true,
    });
    for (const [method, where] of [
      ["GET", ""],
      ["POST", ""],
      ["DELETE", ""],
      ["GET", "/secret"],
      ["POST", "/rotate_secret"],
      ["POST", "/test"],
      ["GET", "/deliveries"],
      ["POST", "/deliveries/wd_1/redeliver"],
    ] as const)
      expect((await call(method, `${path}/${String(id)}${where}`)).status).toBe(404);
  });

  test.each([
    [{}, "missing_value", "url", "url is required"],
    [{ url: 7 }, "invalid_value", "url", "url"],
    [{ url: "ftp://example.com" }, "invalid_value", "url", "https"],
    [{ url: "http://example.com/hook" }, "invalid_value", "url", "https"],
    [{ url: "https://10.0.0.7/hook" }, "invalid_value", "url", "public"],
    [{ url: "https://2130706433/hook" }, "invalid_value", "url", "public"],
    [{ url: "https://localhost/hook" }, "invalid_value", "url", "public"],
    [{ url: "https://user:pass@example.com/" }, "invalid_value", "url", "password"],
    [{ url: "https://example.com", events: [] }, "invalid_value", "events", "events"],
    [{ url: "https://example.com", events: ["video.complete"] }, "invalid_value", "events", '"video.completed"?'],
    [{ url: "https://example.com", events: ["webhook.test"] }, "invalid_value", "events", "known types"],
    [{ url: "https://example.com", event: [] }, "unknown_field", "event", '"events"?'],
    [{ url: "https://example.com", description: 1 }, "invalid_value", "description", "description"],
  ])("is refused as %j", async (body, code, param, words) => {
    const response = await call("POST", path, body);
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code, param });
    expect(error.message).toContain(words);
  });

  test("cannot be moved to an address that is not public, nor rotated with an overlap of more than a week", async () => {
    const { id } = await create();
    const moved = await call("POST", `${path}/${String(id)}`, { url: "https://192.168.0.1/" });
    expect(await errorOf(moved)).toMatchObject({ code: "invalid_value", param: "url" });
    const rotated = await call("POST", `${path}/${String(id)}/rotate_secret`, { overlap_seconds: 604_801 });
    expect(await errorOf(rotated)).toMatchObject({ code: "invalid_value", param: "overlap_seconds" });
  });
});

test("each project sees its own endpoints, has room for a hundred, and signs with each key's own secret", async () => {
  const { keys, ...parts } = await twoProjects();
  onTestFinished(() => parts.close());
  const as = (key: string, method: string, where: string, body?: unknown) =>
    fetch(`${parts.url}${path}${where}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const endpoint = { url: "https://hooks.example.com/" };
  const made = (await (await as(keys.studio, "POST", "", endpoint)).json()) as { id: string; created_by: string };
  expect(made).toMatchObject({ project: "studio" });
  for (const [method, where] of [
    ["GET", ""],
    ["DELETE", ""],
    ["GET", "/secret"],
    ["GET", "/deliveries"],
  ] as const)
    expect((await as(keys.garage, method, `/${made.id}${where}`)).status).toBe(404);
  const idsSeenBy = async (key: string) => {
    const { data } = (await (await as(key, "GET", "")).json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };
  expect(await idsSeenBy(keys.garage)).toEqual([]);
  expect(await idsSeenBy(keys.studio)).toEqual([made.id]);
  expect(await idsSeenBy(keys.studioToo)).toEqual([made.id]);
  expect(await idsSeenBy(keys.admin)).toContain(made.id);
  const more = await Promise.all(Array.from({ length: 99 }, () => as(keys.studioToo, "POST", "", endpoint)));
  expect(new Set(more.map(({ status }) => status))).toEqual(new Set([200]));
  const tooMany = await as(keys.studio, "POST", "", endpoint);
  expect(tooMany.status).toBe(409);
  expect((await errorOf(tooMany)).message).toContain("100 webhook endpoints");
  expect((await as(keys.garage, "POST", "", endpoint)).status).toBe(200);
  const page = (await (await as(keys.studio, "GET", "?limit=60")).json()) as { has_more: boolean; last_id: string };
  const rest = await as(keys.studio, "GET", `?limit=60&after=${page.last_id}`);
  expect(await rest.json()).toMatchObject({ has_more: false, last_id: made.id });
  expect(page.has_more).toBe(true);
  const secrets = await Promise.all(
    [keys.studio, keys.studioToo, keys.studio].map(async (key) => {
      const { secret } = (await (await as(key, "GET", "/signing_secret")).json()) as { secret: string };
      return secret;
    }),
  );
  expect(secrets[0]).toBe(secrets[2]);
  expect(secrets[0]).not.toBe(secrets[1]);
  const rotated = (await (await as(keys.studio, "POST", "/signing_secret/rotate", {})).json()) as { secret: string };
  expect(rotated.secret).not.toBe(secrets[0]);
});

test("the log shows what was sent, by status and in pages, and sends again what it is told to", async () => {
  const api = await startTestApi({ redisUrl: redis.url });
  const receiver = await aReceiver(({ event }) => (event.type === "video.completed" ? 200 : 500));
  onTestFinished(() => api.close());
  const { engine } = api;
  const { id } = await create({ events: ["*"] }, api);
  // Where it leads is decided when it is sent, by whoever sends.
  await engine.redis.hset(engine.keys.webhookEndpoint(String(id)), "url", receiver.url);
  const video = await api.aVideo("stored");
  const tried = until(engine.facts, "webhookTried", () => true, "a first try");
  const web = openWeb({ allow: ["127.0.0.1"] });
  const worker = startWebhookWorker(engine, {
    name: "one",
    send: (url, options) => web.post(url, options),
    timings: { passEveryMs: 50 },
  });
  onTestFinished(() => worker.close(0));
  await tried;
  const where = `${path}/${String(id)}/deliveries`;
  const all = (await json(call("GET", where, undefined, api))) as { data: Record<string, unknown>[] };
  expect(all.data.map(({ type, status }) => [type, status])).toEqual([
    ["video.completed", "pending"],
    ["video.downloading", "pending"],
    ["video.rendering", "pending"],
    ["video.submitting", "pending"],
    ["video.queued", "pending"],
  ]);
  const first = webhookDeliveryBodySchema.parse(all.data.at(-1));
  expect(first).toMatchObject({
    endpoint: id,
    event: expect.stringMatching(/^evt_\d+_\d+$/) as string,
    ended_at: null,
    next_at: expect.any(Number) as number,
    tries: [{ status: 500, error: "The address answered 500, not 2xx." }],
    payload: { type: "video.queued", data: { id: video.id } },
  });
  const page = await json(call("GET", `${where}?limit=2`, undefined, api));
  expect(page).toMatchObject({ has_more: true, last_id: all.data[1]?.["id"] });
  const next = await json(call("GET", `${where}?limit=3&after=${String(page["last_id"])}`, undefined, api));
  expect(next).toMatchObject({ has_more: false, data: all.data.slice(2) });
  expect(await json(call("GET", `${where}?status=delivered`, undefined, api))).toMatchObject({ data: [] });
  expect((await call("GET", `${where}?status=lost`, undefined, api)).status).toBe(400);

  const again = until(engine.facts, "webhookTried", () => true, "a second try");
  expect(await json(call("POST", `${where}/${first.id}/redeliver`, undefined, api))).toMatchObject({ id: first.id });
  await again;
  const log = (await json(call("GET", where, undefined, api))) as { data: { tries: unknown[] }[] };
  expect(log.data.at(-1)?.tries).toHaveLength(2);

  const probe = until(engine.facts, "webhookTried", ({ type }) => type === "webhook.test", "the test");
  expect(await json(call("POST", `${path}/${String(id)}/test`, undefined, api))).toMatchObject({
    type: "webhook.test",
    status: "pending",
  });
  await probe;
});
