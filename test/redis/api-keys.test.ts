import { type Status, statuses, type VideoBody, type VideoListBody } from "@reelq/contract";
import { type ApiKeys, cookieSecretOf, openApiKeys, openKeyring, openPerson, producerOn } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { startApi } from "../../apps/api/src/server.ts";
import { errorOf, startTestApi, type TestApi, type TestApiOptions, videoOf } from "../support/api.ts";
import { movableClock } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const studio = { name: "studio", key: "studio-key-1" };
const film = { name: "film", key: "film-key-222" };
const admin = { name: "admin", key: "admin-key-333" };

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

async function anApi(options: Omit<TestApiOptions, "redisUrl"> = {}): Promise<TestApi & { apiKeys: ApiKeys }> {
  const api = await startTestApi({ redisUrl: redis.url, ...options });
  onTestFinished(() => api.close());
  return { ...api, apiKeys: openApiKeys(api.engine) };
}

interface Beside {
  readonly given?: readonly { readonly name: string; readonly key: string }[];
  readonly mayBeOpen?: boolean;
  readonly rateLimit?: number;
}

/** Another API process on the same Redis, as far as the two can tell; its keyring has a clock of its own. */
async function beside({ engine }: TestApi, { given = [], mayBeOpen = false, rateLimit = 0 }: Beside = {}) {
  const clock = movableClock();
  const surprises: unknown[] = [];
  const producer = producerOn(engine);
  const api = await startApi({
    engine,
    producer,
    person: openPerson(engine, producer),
    keyring: openKeyring({ apiKeys: openApiKeys(engine), clock, given, mayBeOpen }),
    cookieSecret: () => cookieSecretOf(engine),
    rateLimit,
    corsOrigins: [],
    health: () => Promise.resolve({ ok: true, checks: {} }),
    host: "127.0.0.1",
    port: 0,
    onError: (error) => surprises.push(error),
  });
  onTestFinished(async () => {
    await api.close(0);
    expect(surprises).toEqual([]);
  });
  return { url: api.url, clock };
}

const call = (url: string, path: string, key?: string, options: RequestInit = {}): Promise<Response> =>
  fetch(`${url}${path}`, {
    ...options,
    headers: {
      "Content-Type": "application/json",
      ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      ...(options.headers as Record<string, string> | undefined),
    },
  });

const post = (body: object = {}, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers,
});

describe("API keys in Redis", () => {
  test("of many who take one name at once, one gets it", async () => {
    const { apiKeys } = await anApi();
    const wanted = { name: "shop", project: "shop", isAdmin: false };
    const made = await Promise.allSettled(Array.from({ length: 12 }, () => apiKeys.create(wanted)));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of made)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "conflict", message: /named shop/ });
    expect(await apiKeys.list()).toHaveLength(1);
  });

  test("a name is free again once its key was revoked, and means the new one", async () => {
    const { apiKeys } = await anApi();
    const wanted = { name: "shop", project: "shop", isAdmin: false };
    const first = await apiKeys.create(wanted);
    await apiKeys.revoke("shop");
    const second = await apiKeys.create(wanted);
    expect(second.key).not.toBe(first.key);
    expect((await apiKeys.revoke("shop")).id).toBe(second.record.id);
    await expect(apiKeys.revoke(first.record.id)).rejects.toMatchObject({ message: /was revoked before/ });
  });

  test.each(["", "a b", "-a", "a:b", "ä", "x".repeat(65), "key_0123456789abcdef"])(
    "%j is no name of a key or a project",
    async (name) => {
      const { apiKeys } = await anApi();
      for (const wanted of [
        { name, project: "shop" },
        { name: "shop", project: name },
      ])
        await expect(apiKeys.create({ ...wanted, isAdmin: false })).rejects.toMatchObject({ code: "invalid_value" });
      expect(await apiKeys.any()).toBe(false);
    },
  );

  test("a key opens the API at once, and nothing that is nearly it does", async () => {
    const api = await anApi({ keys: [admin] });
    const { key } = await api.apiKeys.create({ name: "shop", project: "shop", isAdmin: false });
    expect((await call(api.url, "/v1/videos", key)).status).toBe(200);
    const [head = "", id = "", text = ""] = /^(rq_)([0-9a-f]+)(.+)$/.exec(key)?.slice(1) ?? [];
    const wrong = [
      key.slice(0, -1),
      `${key}A`,
      key.toUpperCase(),
      `${head}${"0".repeat(id.length)}${text}`,
      `${head}${id}_${"A".repeat(43)}`,
      `key_${id}`,
    ];
    for (const one of wrong) expect((await call(api.url, "/v1/videos", one)).status).toBe(401);
  });

  test("what is asked for with a key belongs to its project", async () => {
    const api = await anApi();
    const { key } = await api.apiKeys.create({ name: "nightly", project: "shop", isAdmin: false });
    const { id } = await videoOf(await call(api.url, "/v1/videos", key, post({ prompt: "a cat" })));
    expect(await api.engine.ledger.read(id as `video_${string}`)).toMatchObject({ project: "shop" });
  });
});

describe("a key that is revoked", () => {
  test("opens nothing once a second is over, at every API", async () => {
    const api = await anApi();
    const { key } = await api.apiKeys.create({ name: "shop", project: "shop", isAdmin: true });
    const others = [await beside(api), await beside(api)];
    for (const { url } of others) expect((await call(url, "/v1/videos", key)).status).toBe(200);
    await api.apiKeys.revoke("shop");
    for (const { url, clock } of others) {
      clock.skip(1_000);
      for (const path of ["/v1/videos", "/board", "/metrics"]) expect((await call(url, path, key)).status).toBe(401);
    }
  });

  test("hears no more events after the next heartbeat; others do", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const api = await anApi();
    const { url, clock } = await beside(api);
    const gone = await api.apiKeys.create({ name: "gone", project: "shop", isAdmin: false });
    const kept = await api.apiKeys.create({ name: "kept", project: "shop", isAdmin: false });
    const streams = await Promise.all([gone, kept].map(({ key }) => call(url, "/v1/events", key)));
    const [ofGone, ofKept] = streams.map(({ body }) => body!.pipeThrough(new TextDecoderStream()).getReader());
    for (const reader of [ofGone, ofKept]) expect((await reader?.read())?.value).toContain("retry:");
    await api.apiKeys.revoke("gone");
    clock.skip(1_000);
    vi.advanceTimersByTime(15_000);
    expect(await ofGone?.read()).toMatchObject({ done: true });
    expect((await ofKept?.read())?.value).toContain(": heartbeat");
    await ofKept?.cancel();
  });
});

describe("an API without keys of its own", () => {
  test("closes to everyone with the first key in Redis, and stays closed when that is revoked", async () => {
    const api = await anApi();
    const { url, clock } = await beside(api, { mayBeOpen: true });
    expect((await call(url, "/v1/videos")).status).toBe(200);
    const { key } = await api.apiKeys.create({ name: "shop", project: "shop", isAdmin: false });
    clock.skip(1_000);
    for (const path of ["/v1/videos", "/board", "/metrics"]) expect((await call(url, path)).status).toBe(401);
    expect((await call(url, "/v1/videos", key)).status).toBe(200);
    await api.apiKeys.revoke("shop");
    clock.skip(60_000);
    expect((await call(url, "/v1/videos")).status).toBe(401);
    expect((await call(url, "/v1/videos", key)).status).toBe(401);
    const later = await beside(api, { mayBeOpen: true });
    expect((await call(later.url, "/v1/videos")).status).toBe(401);
  });

  test("knows the project of the first key also while it still takes everyone", async () => {
    const api = await anApi();
    const { url } = await beside(api, { mayBeOpen: true });
    // It has just heard that there is none, and its clock stands still.
    expect((await call(url, "/v1/videos")).status).toBe(200);
    const { key } = await api.apiKeys.create({ name: "shop", project: "shop", isAdmin: false });
    const { id } = await videoOf(await call(url, "/v1/videos", key, post({ prompt: "a cat" })));
    expect(await api.engine.ledger.read(id as `video_${string}`)).toMatchObject({ project: "shop" });
  });

  test("never opens where strangers reach it", async () => {
    const { url } = await beside(await anApi(), { mayBeOpen: false });
    expect((await call(url, "/v1/videos")).status).toBe(401);
  });
});

describe("two projects and an admin", () => {
  let api: TestApi;
  /** By project, one video in each status. */
  let videos: Record<string, Record<Status, string>>;

  const order = (key: string, headers: Record<string, string> = {}, prompt = "a cat") =>
    call(api.url, "/v1/videos", key, post({ prompt }, headers));

  beforeAll(async () => {
    api = await startTestApi({ redisUrl: redis.url, keys: [studio, film, admin], allow: ["127.0.0.1"] });
    videos = { studio: {} as Record<Status, string>, film: {} as Record<Status, string> };
    // In turns, so that pages of one project have holes where the other's are.
    for (const status of statuses)
      for (const project of ["studio", "film"])
        videos[project]![status] = (await api.aVideo(status, { project, prompt: `${project}'s ${status}` })).id;
  });
  afterAll(() => api.close());

  const ownIds = (project: string): string[] => Object.values(videos[project] ?? {}).toSorted();

  /** Every page of a list, as ids. */
  async function pages(path: string, key: string, query: Record<string, string>): Promise<string[]> {
    const ids: string[] = [];
    for (let after: string | undefined; ;) {
      const all = new URLSearchParams({ ...query, limit: "3", ...(after === undefined ? {} : { after }) });
      const page = (await (await call(api.url, `${path}?${all.toString()}`, key)).json()) as VideoListBody;
      ids.push(...page.data.map(({ id }) => id));
      if (!page.has_more) return ids;
      after = page.last_id ?? expect.fail("A page that others follow has no last id.");
    }
  }

  test.each(["asc", "desc"])("each lists its own only, page after page, %s", async (order) => {
    const sorted = (ids: string[]) => (order === "asc" ? ids.toSorted() : ids.toSorted().toReversed());
    expect(await pages("/v1/videos", studio.key, { order })).toEqual(sorted(ownIds("studio")));
    expect(await pages("/v1/videos", film.key, { order })).toEqual(sorted(ownIds("film")));
    expect(await pages("/v1/videos", admin.key, { order })).toEqual(sorted([...ownIds("studio"), ...ownIds("film")]));
    for (const status of [...statuses, "in_progress", "completed"]) {
      const [ours, theirs] = await Promise.all(
        [studio, film].map(({ key }) => pages("/v1/videos", key, { order, status })),
      );
      expect(ours).not.toEqual([]);
      expect(ours).toEqual(sorted(ours ?? []));
      for (const id of ours ?? []) expect(ownIds("studio")).toContain(id);
      for (const id of theirs ?? []) expect(ownIds("film")).toContain(id);
      expect(await pages("/v1/videos", admin.key, { order, status })).toEqual(sorted([...ours!, ...theirs!]));
    }
  });

  test("a list goes on after another project's video as after one that is not there", async () => {
    for (const theirs of ownIds("film")) {
      const nobodys = theirs.slice(0, -1) + (theirs.endsWith("0") ? "1" : "0");
      for (const order of ["asc", "desc"]) {
        const [one, other] = await Promise.all(
          [theirs, nobodys].map((after) => call(api.url, `/v1/videos?order=${order}&after=${after}`, studio.key)),
        );
        expect(await one?.text()).toBe(await other?.text());
      }
    }
  });

  /** All of a reply that a caller could tell two apart by. */
  async function replyTo(path: string, id: string, key: string, options: RequestInit): Promise<object> {
    const text = typeof options.body === "string" ? options.body.replaceAll("ID", id) : undefined;
    const response = await call(api.url, path.replaceAll("ID", id), key, {
      ...options,
      ...(text === undefined ? {} : { body: text }),
    });
    const headers = Object.fromEntries(response.headers);
    const body = (await response.text()).replaceAll(id, "ID");
    for (const each of ["x-request-id", "date", "content-length", "etag"]) delete headers[each];
    return { status: response.status, headers, body };
  }

  async function expectUnseen(
    path: string,
    options: RequestInit,
    theirs: string,
    nobodys: string,
    status = 404,
  ): Promise<void> {
    const reply = await replyTo(path, theirs, studio.key, options);
    expect(reply).toEqual(await replyTo(path, nobodys, studio.key, options));
    expect(reply).toMatchObject({ status });
  }

  const ofAVideo: readonly Asked[] = [
    ["GET", "/v1/videos/ID"],
    ["DELETE", "/v1/videos/ID"],
    ["GET", "/v1/videos/ID/events"],
    ["GET", "/v1/videos/ID/explain"],
    ["GET", "/v1/videos/ID/content"],
    ["HEAD", "/v1/videos/ID/content"],
    ["GET", "/v1/videos/ID/content?variant=thumbnail"],
    ["GET", "/v1/videos/ID/content?redirect=1"],
    ["POST", "/v1/videos/ID/remix", { prompt: "a dog" }],
    ["POST", "/v1/videos/ID/cancel", {}],
    ["POST", "/v1/videos/ID/cancel", { abandon: true }],
    ["POST", "/v1/videos/ID/retry", {}],
    ["POST", "/v1/videos/ID/retry", { insist: true }],
    ["POST", "/v1/videos/ID/resolve", { resubmit: true }],
    ["POST", "/v1/videos/ID/resolve", { fail: true }],
    ["POST", "/v1/videos/ID/resolve", { task: "task-1" }],
  ];

  test.each(ofAVideo)("%s %s of the other's is as of nobody's", async (method, path, body) => {
    const options = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const before = await api.engine.redis.xlen(api.engine.keys.events);
    for (const theirs of ownIds("film"))
      await expectUnseen(path, options, theirs, "video_0199a000-0000-7000-8000-000000000000");
    // And nothing became of it.
    expect(await api.engine.redis.xlen(api.engine.keys.events)).toBe(before);
  });

  test("nor can the other's be remixed by the id of its task", async () => {
    const path = "/v1/videos/ID/remix";
    const task = `task-of-${videos["film"]?.stored}`;
    await expectUnseen(path, post({ prompt: "a dog" }), task, "task-of-nobody");
    const remixed = await call(api.url, path.replace("ID", task), film.key, post({ prompt: "a dog" }));
    const { id } = await videoOf(remixed);
    expect((await call(api.url, `/v1/videos/${id}`, film.key, { method: "DELETE" })).status).toBe(200);
  });

  test("an admin sees and moves what is anyone's", async () => {
    for (const project of ["studio", "film"])
      for (const id of ownIds(project)) {
        expect((await call(api.url, `/v1/videos/${id}`, admin.key)).status).toBe(200);
        expect((await call(api.url, `/v1/videos/${id}/explain`, admin.key)).status).toBe(200);
      }
    const { id } = await videoOf(await order(film.key));
    const cancelled = await videoOf(await call(api.url, `/v1/videos/${id}/cancel`, admin.key, post()));
    expect(cancelled.reelq.status).toBe("cancelled");
    expect((await call(api.url, `/v1/videos/${id}`, admin.key, { method: "DELETE" })).status).toBe(200);
  });

  test("an idempotency key of one says nothing to the other", async () => {
    const again = { "Idempotency-Key": "order-4711" };
    const ours = await videoOf(await order(studio.key, again));
    for (const [key, prompt] of [
      [film.key, "a cat"],
      [admin.key, "another cat"],
    ] as const) {
      const reply = await order(key, again, prompt);
      expect([reply.status, reply.headers.get("idempotent-replayed")]).toEqual([200, null]);
      const theirs = await videoOf(reply);
      expect(theirs.id).not.toBe(ours.id);
      await call(api.url, `/v1/videos/${theirs.id}`, admin.key, { method: "DELETE" });
    }
    const repeated = await order(studio.key, again);
    expect(repeated.headers.get("idempotent-replayed")).toBe("true");
    expect((await videoOf(repeated)).id).toBe(ours.id);
    await call(api.url, `/v1/videos/${ours.id}`, studio.key, { method: "DELETE" });
  });

  test("each hears its own events, an admin everyone's", async () => {
    const stop = new AbortController();
    const listen = async (key: string) => {
      const response = await call(api.url, "/v1/events", key, { signal: stop.signal });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      return async (count: number): Promise<string[]> => {
        let text = "";
        const told = () => [...text.matchAll(/^data: (.+)\n/gm)].map(([, data]) => (JSON.parse(data!) as Told).project);
        while (told().length < count) text += (await reader.read()).value ?? expect.fail("The stream ended.");
        return told();
      };
    };
    const [ours, theirs, all] = await Promise.all([studio, film, admin].map(({ key }) => listen(key)));
    const made: VideoBody[] = [];
    for (const key of [film.key, studio.key, film.key, studio.key]) made.push(await videoOf(await order(key)));
    expect(await ours?.(2)).toEqual(["studio", "studio"]);
    expect(await theirs?.(2)).toEqual(["film", "film"]);
    expect(await all?.(4)).toEqual(["film", "studio", "film", "studio"]);
    stop.abort();
    for (const { id } of made) await call(api.url, `/v1/videos/${id}`, admin.key, { method: "DELETE" });
  });

  describe("files", () => {
    const png = Buffer.from(
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
      "base64",
    );
    const nobodys = "file_0199a000-0000-7000-8000-000000000000";
    const mine: Record<string, string> = {};

    beforeAll(async () => {
      for (const { name, key } of [studio, film]) {
        const form = new FormData();
        form.set("purpose", "vision");
        form.set("file", new Blob([png]), "first.png");
        const headers = { Authorization: `Bearer ${key}` };
        const response = await fetch(`${api.url}/v1/files`, { method: "POST", body: form, headers });
        mine[name] = ((await response.json()) as { id: string }).id;
      }
    });

    test.each<Asked>([
      ["GET", "/v1/files/ID"],
      ["GET", "/v1/files/ID/content"],
      ["HEAD", "/v1/files/ID/content"],
      ["DELETE", "/v1/files/ID"],
      ["POST", "/v1/videos", { prompt: "a cat", input_reference: { file_id: "ID" } }],
    ])("%s %s with the other's is as with nobody's", async (method, path, body) => {
      const options = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      await expectUnseen(path, options, mine["film"] ?? "", nobodys);
      expect((await call(api.url, `/v1/files/${mine["film"]}`, film.key)).status).toBe(200);
    });

    test("each lists its own only", async () => {
      for (const order of ["asc", "desc"])
        for (const { name, key } of [studio, film])
          expect(await pages("/v1/files", key, { order })).toEqual([mine[name]]);
    });
  });

  describe("webhook endpoints", () => {
    const nobodys = "we_0199a000-0000-7000-8000-000000000000";
    const mine: Record<string, string> = {};

    beforeAll(async () => {
      for (const { name, key } of [studio, film]) {
        const response = await call(api.url, "/v1/webhook_endpoints", key, post({ url: "https://hooks.example/in" }));
        mine[name] = ((await response.json()) as { id: string }).id;
      }
    });

    test.each<Asked>([
      ["GET", "/v1/webhook_endpoints/ID"],
      ["POST", "/v1/webhook_endpoints/ID", { enabled: false }],
      ["DELETE", "/v1/webhook_endpoints/ID"],
      ["GET", "/v1/webhook_endpoints/ID/secret"],
      ["POST", "/v1/webhook_endpoints/ID/rotate_secret", {}],
      ["POST", "/v1/webhook_endpoints/ID/test", {}],
      ["GET", "/v1/webhook_endpoints/ID/deliveries"],
      ["POST", "/v1/webhook_endpoints/ID/deliveries/whd_1/redeliver", {}],
    ])("%s %s of the other's is as of nobody's", async (method, path, body) => {
      const options = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      await expectUnseen(path, options, mine["film"] ?? "", nobodys);
      const still = await call(api.url, `/v1/webhook_endpoints/${mine["film"]}`, film.key);
      expect(await still.json()).toMatchObject({ id: mine["film"], enabled: true });
    });

    test("each lists its own only, an admin everyone's, and each key has a signing secret of its own", async () => {
      expect(await pages("/v1/webhook_endpoints", studio.key, {})).toEqual([mine["studio"]]);
      expect(await pages("/v1/webhook_endpoints", film.key, {})).toEqual([mine["film"]]);
      expect(await pages("/v1/webhook_endpoints", admin.key, {})).toEqual([mine["film"], mine["studio"]]);
      const secrets = await Promise.all(
        [studio, film].map(async ({ key }) => {
          const response = await call(api.url, "/v1/webhook_endpoints/signing_secret", key);
          return ((await response.json()) as { secret: string }).secret;
        }),
      );
      expect(new Set(secrets).size).toBe(2);
    });
  });
});

/** Method, path and body of a call, with ID in the place of an id. */
type Asked = [method: string, path: string, body?: object];

interface Told {
  readonly project: string;
}

describe("the calls of a minute", () => {
  const headersOf = ({ headers }: Response) => ({
    policy: headers.get("ratelimit-policy"),
    rate: headers.get("ratelimit"),
    limit: headers.get("x-ratelimit-limit-requests"),
    remaining: headers.get("x-ratelimit-remaining-requests"),
    reset: headers.get("x-ratelimit-reset-requests"),
    retryAfter: headers.get("retry-after"),
  });
  const none = { policy: null, rate: null, limit: null, remaining: null, reset: null, retryAfter: null };
  /** From the text of a header: seconds until the window ends. */
  const secondsIn = (text: string | null): number => Number(/(?:t=|^)(\d+)s?$/.exec(text ?? "")?.[1]);

  test("are counted for each key, and said in the standard headers", async () => {
    const api = await anApi({ keys: [studio, film], rateLimit: 3 });
    for (const remaining of [2, 1, 0]) {
      const response = await call(api.url, "/v1/videos", studio.key);
      expect(response.status).toBe(200);
      const headers = headersOf(response);
      expect(headers).toEqual({
        policy: '"calls";q=3;w=60',
        rate: expect.stringMatching(new RegExp(`^"calls";r=${remaining};t=\\d+$`)),
        limit: "3",
        remaining: String(remaining),
        reset: expect.stringMatching(/^\d+s$/),
        retryAfter: null,
      });
      for (const text of [headers.rate, headers.reset]) {
        expect(secondsIn(text)).toBeGreaterThan(0);
        expect(secondsIn(text)).toBeLessThanOrEqual(60);
      }
    }
    const refused = await call(api.url, "/v1/videos", studio.key, post({ prompt: "a cat" }));
    expect(refused.status).toBe(429);
    const { rate, retryAfter, remaining } = headersOf(refused);
    expect(remaining).toBe("0");
    expect(rate).toBe(`"calls";r=0;t=${retryAfter}`);
    expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);
    expect(await errorOf(refused)).toMatchObject({
      type: "rate_limit_error",
      code: "rate_limited",
      message: expect.stringMatching(/^The API key studio may call 3 times a minute; it may again in \d+ s\.$/),
    });
    expect(await api.engine.ledger.list({ limit: 1, order: "asc" })).toMatchObject({ videos: [] });
    expect(headersOf(await call(api.url, "/v1/videos", film.key)).remaining).toBe("2");
  });

  test("are counted at all API processes together", async () => {
    const api = await anApi({ keys: [studio], rateLimit: 4 });
    const other = await beside(api, { given: [studio], rateLimit: 4 });
    const seen: (string | null)[] = [];
    for (const url of [api.url, other.url, api.url, other.url])
      seen.push(headersOf(await call(url, "/v1/videos", studio.key)).remaining);
    expect(seen).toEqual(["3", "2", "1", "0"]);
    for (const url of [api.url, other.url]) expect((await call(url, "/v1/videos", studio.key)).status).toBe(429);
  });

  test("never pass the limit, however many come at once", async () => {
    const api = await anApi({ keys: [studio], rateLimit: 10 });
    const replies = await Promise.all(Array.from({ length: 40 }, () => call(api.url, "/v1/videos", studio.key)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(10);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(30);
  });

  test("have the limit of their key where it has one, also none at all", async () => {
    const api = await anApi({ rateLimit: 3 });
    const slow = await api.apiKeys.create({ name: "slow", project: "shop", isAdmin: false, perMinute: 1 });
    const free = await api.apiKeys.create({ name: "free", project: "shop", isAdmin: false, perMinute: 0 });
    expect(headersOf(await call(api.url, "/v1/videos", slow.key))).toMatchObject({ limit: "1", remaining: "0" });
    expect((await call(api.url, "/v1/videos", slow.key)).status).toBe(429);
    for (let count = 0; count < 5; count += 1) {
      const response = await call(api.url, "/v1/videos", free.key);
      expect([response.status, headersOf(response)]).toEqual([200, none]);
    }
  });

  test("are not limited without keys, and who has none uses up nobody's", async () => {
    const open = await anApi({ rateLimit: 1 });
    for (let count = 0; count < 3; count += 1) {
      const response = await call(open.url, "/v1/videos");
      expect([response.status, headersOf(response)]).toEqual([200, none]);
    }
    const locked = await anApi({ keys: [studio], rateLimit: 1 });
    for (const key of [undefined, "wrong-key-1"]) {
      const response = await call(locked.url, "/v1/videos", key);
      expect([response.status, headersOf(response)]).toEqual([401, none]);
    }
    expect((await call(locked.url, "/v1/videos", studio.key)).status).toBe(200);
  });

  test("begin anew when the minute is over", async () => {
    const api = await anApi({ keys: [studio], rateLimit: 1 });
    await call(api.url, "/v1/videos", studio.key);
    expect((await call(api.url, "/v1/videos", studio.key)).status).toBe(429);
    // Redis ends the minute: each count expires by itself.
    const [count = "", ...others] = await api.engine.redis.keys(`${api.engine.keys.prefix}:rate:*`);
    expect(others).toEqual([]);
    expect(await api.engine.redis.pttl(count)).toBeGreaterThan(0);
    await api.engine.redis.pexpire(count, 0);
    expect((await call(api.url, "/v1/videos", studio.key)).status).toBe(200);
  });
});

const everyKey = [studio, film, admin];
const keyNamed = (name: string): string => everyKey.find((one) => one.name === name)?.key ?? "";

test("a task that another project's video owns is told as taken, and not whose it is", async () => {
  const own = await startTestApi({ redisUrl: redis.url, keys: everyKey });
  onTestFinished(() => own.close());
  const theirs = await own.aVideo("rendering", { project: "film" });
  const ours = await own.aVideo("in_doubt", { project: "studio" });
  const resolve = (key: string) =>
    fetch(`${own.url}/v1/videos/${ours.id}/resolve`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ task: theirs.task.id }),
    });
  const told = await resolve(studio.key);
  expect(told.status).toBe(409);
  const { message } = await errorOf(told);
  expect(message).toBe("That task belongs to another video already.");
  expect((await errorOf(await resolve(admin.key))).message).toContain(theirs.id);
});

test("an admin sees the files of every project, a project its own", async () => {
  const own = await startTestApi({ redisUrl: redis.url, keys: everyKey });
  onTestFinished(() => own.close());
  const upload = async (name: string): Promise<string> => {
    const body = new FormData();
    body.append("purpose", "user_data");
    body.append("file", new Blob([name]), `${name}.txt`);
    const response = await fetch(`${own.url}/v1/files`, {
      method: "POST",
      headers: { Authorization: `Bearer ${keyNamed(name)}` },
      body,
    });
    return ((await response.json()) as { id: string }).id;
  };
  const [one, other] = [await upload("studio"), await upload("film")];
  const listed = async (name: string) => {
    const response = await fetch(`${own.url}/v1/files`, { headers: { Authorization: `Bearer ${keyNamed(name)}` } });
    return ((await response.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  };
  expect(await listed("studio")).toEqual([one]);
  expect(await listed("film")).toEqual([other]);
  expect(await listed("admin")).toEqual([other, one]);
});
