import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { keysFor, type RedisReport, reportRedis } from "@reelq/engine";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { judgeRedis } from "../../apps/worker/src/doctor/redis.ts";
import { startSimulator } from "../../apps/simulator/src/simulator.ts";
import { temporaryFolder } from "../support/processes.ts";
import { redisServerProgram, startRedis, type TestRedis } from "../support/redis.ts";
import { says, type Script, scriptedUpstream } from "../support/scripted-upstream.ts";

const main = (app: string): string => fileURLToPath(new URL(`../../apps/${app}/src/main.ts`, import.meta.url));

/** Every secret of these tests, and nothing else, has this in it. */
const hush = "hush";
const secret = (what: string) => `sk-${hush}-${what}-0123456789`;

let redis: TestRedis;
let client: Redis;
let cache: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
  cache = await temporaryFolder();
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
  await cache.remove();
});

type Settings = Readonly<Record<string, unknown>>;

interface Told {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Check {
  readonly name: string;
  readonly state: string;
  readonly found: string;
  readonly advice: string | null;
  readonly ms: number;
}

async function aFolder(): Promise<string> {
  const { path, remove } = await temporaryFolder();
  onTestFinished(remove);
  return path;
}

/** Runs the command with a file of settings; what a test does not say is well. */
async function doctor(config: Settings, env: Record<string, string> = {}, args: readonly string[] = []): Promise<Told> {
  const folder = await aFolder();
  const path = join(folder, "reelq.yaml");
  // JSON is YAML too.
  await writeFile(path, JSON.stringify(config));
  return run(main("cli"), ["doctor", ...args], {
    REDIS_URL: redis.url,
    REELQ_CONFIG: path,
    STORAGE_URL: `file:${join(folder, "videos")}`,
    ...env,
  });
}

async function run(program: string, args: readonly string[], env: Record<string, string>): Promise<Told> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { NODE_COMPILE_CACHE: cache.path, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** The same as JSON: its checks by name, with what surrounds them. */
async function examine(config: Settings, env: Record<string, string> = {}) {
  const told = await doctor(config, env, ["--json"]);
  expect(told.stderr).toBe("");
  const document = JSON.parse(told.stdout) as {
    readonly settings: Settings;
    readonly checks: readonly Check[];
    readonly ok: boolean;
  };
  expect(told.code).toBe(document.ok ? 0 : 1);
  return { ...told, ...document, check: (name: string) => document.checks.find((one) => one.name === name) };
}

async function aSimulator(...options: Parameters<typeof startSimulator>) {
  const simulator = await startSimulator(...options);
  onTestFinished(() => simulator.close());
  return simulator;
}

/** The settings of upstreams where only what they answer matters; none of them may ever see a POST. */
async function upstreamsThat(scripts: Readonly<Record<string, Script>>): Promise<Settings> {
  const upstreams: Record<string, Settings> = {};
  for (const [name, script] of Object.entries(scripts)) {
    const { origin, seen } = await scriptedUpstream(script);
    onTestFinished(() => expect(seen.filter(({ method }) => method !== "GET")).toEqual([]));
    upstreams[name] = { url: `${origin}/v1`, key: secret(name) };
  }
  return { upstreams };
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Accepts, and never says a word. */
async function aHungServer(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return listening(server);
}

/** A way to the Redis on which replies are rewritten, each to as many bytes. */
async function rewriting(rewrite: (reply: string) => string): Promise<string> {
  const server = createServer((near) => {
    const far = connect(redis.port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
    near.pipe(far);
    far.on("data", (bytes) => near.write(rewrite(bytes.toString("latin1")), "latin1"));
  });
  onTestFinished(() => void server.close());
  const url = new URL(redis.url);
  url.port = String(await listening(server));
  return url.href;
}

const well = says(200, { object: "list", data: [], has_more: false });
const notThere = says(404, { error: { message: "There is no such task.", code: "not_found" } });
const withoutList: Script = (seen, response, socket) =>
  (seen.path.includes("?") ? says(405, { error: { message: "Use POST." } }) : notThere)(seen, response, socket);

describe("a deployment that is well", () => {
  test("is shown on a page of 80 columns, and nothing is left behind or paid for", async () => {
    const simulator = await aSimulator({ keys: [secret("well")] });
    const folder = await aFolder();
    const before = await client.keys("*");
    const { code, stdout, stderr } = await doctor(
      { upstreams: { north: { url: simulator.url, key: secret("well") } } },
      { STORAGE_URL: `file:${folder}` },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("all is well");
    expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).toMatch(/^ {2}ok {4}redis persistence {2}append-only file, written to disk before each answer$/m);
    expect(stdout).toMatch(/^ {2}ok {4}upstream north {5}it answers in .*; it lists its tasks/m);
    expect(await client.keys("*")).toEqual(before);
    expect((await readdir(folder, { recursive: true })).filter((name) => !name.startsWith("."))).toEqual([]);
    expect(simulator.posts()).toEqual([]);
  });

  test("is one JSON document, whatever is logged", async () => {
    const { checks, ok, code } = await examine(await upstreamsThat({ north: well }), { LOG_LEVEL: "trace" });
    expect({ ok, code }).toEqual({ ok: true, code: 0 });
    expect(checks.map(({ name }) => name)).toEqual([
      "redis",
      "redis version",
      "redis persistence",
      "redis eviction",
      "redis latency",
      "redis clock",
      "workers",
      "storage",
      "upstream north",
    ]);
    for (const check of checks)
      expect(check).toEqual({
        name: check.name,
        state: "ok",
        found: expect.any(String) as string,
        advice: null,
        ms: expect.any(Number) as number,
      });
  });

  test("may be the one upstream of UPSTREAM_URL", async () => {
    const simulator = await aSimulator({ keys: [secret("single")] });
    const { settings, ok } = await examine({}, { UPSTREAM_URL: simulator.url, UPSTREAM_API_KEY: secret("single") });
    expect(ok).toBe(true);
    expect(settings["upstreams"]).toMatchObject([{ name: "main", url: simulator.url, key: "set, ends in 6789" }]);
  });

  test("has as many workers as hold a lease, and they are no others' keys", async () => {
    const keys = keysFor("{reelq}");
    const [later, before] = [Date.now() + 60_000, Date.now() - 1];
    await client.zadd(keys.workers, later, "one", later, "two", before, "died");
    await client.zadd("{other}:workers", later, "three");
    onTestFinished(() => void client.del(keys.workers, "{other}:workers"));
    const { check } = await examine(await upstreamsThat({ north: well }));
    expect(check("workers")).toMatchObject({ state: "ok", found: "2 are alive" });
  });
});

describe("settings", () => {
  const file = (url: string) => ({
    upstreams: {
      north: {
        url,
        key: "${NORTH_KEY}",
        models: { "sora-2": { name: "sora-2-hd", weight: 3, limits: { inFlight: 2 } }, "fast-1": "swift" },
        format: "json",
        limits: { requestsPerMinute: 25, looksPerSecond: 5 },
        capabilities: { list: false },
        retentionSeconds: 86_400,
      },
      south: { url: `${url}/`, key: `${hush}-short`, models: ["sora-2"], weight: 2 },
    },
    models: { "fast-1": { seconds: [5, 10], sizes: ["720x1280"], price: { perSecondUsd: 0.1 } } },
    equivalents: { "fast-1": ["sora-2"] },
    timings: { breakerSeconds: 30 },
  });

  test("are shown as they were understood", async () => {
    const { url } = await aSimulator({});
    const { settings } = await examine(file(url), { NORTH_KEY: secret("north"), REELQ_IN_DOUBT: "resubmit" });
    const none = { inFlight: null, requestsPerMinute: null, looksPerSecond: null };
    expect(settings).toMatchObject({
      prefix: "{reelq}",
      inDoubt: "resubmit",
      concurrency: 16,
      upstreams: [
        {
          name: "north",
          url,
          key: "set, ends in 6789",
          format: "json",
          capabilities: { list: false, range: "auto", remix: "auto", variants: "auto" },
          retentionMs: 86_400_000,
          retentionAssumed: false,
          limits: { inFlight: null, requestsPerMinute: 25, looksPerSecond: 5 },
        },
        { name: "south", key: "set", format: "auto", retentionMs: 3_600_000, retentionAssumed: true, limits: none },
      ],
      lanes: [
        {
          name: "north/sora-2",
          wireModel: "sora-2-hd",
          weight: 3,
          limits: { ...none, inFlight: 2 },
          seconds: [10, 15],
        },
        { name: "north/fast-1", wireModel: "swift", weight: 1, limits: none, price: { perSecondUsd: 0.1 } },
        { name: "south/sora-2", wireModel: "sora-2", weight: 2, limits: none, price: null },
      ],
      equivalents: [{ model: "fast-1", others: [{ model: "sora-2", seconds: [10] }] }],
      changedTimings: { breakerMs: 30_000 },
    });
  });

  test("are on the page for people", async () => {
    const { url } = await aSimulator({});
    const { stdout } = await doctor(file(url), { NORTH_KEY: secret("north") });
    const said = stdout.replaceAll(/\s+/g, " ");
    for (const words of [
      "key set, ends in 6789",
      "retention 24 h, where a task does not say",
      "retention 1 h is assumed, where a task does not say",
      "account limits 25 requests a minute, 5 looks a second",
      "north/sora-2 called sora-2-hd there; weight 3; 2 in flight; 10, 15 s; 720x1280, 1280x720",
      "north/fast-1 called swift there; weight 1; no limits; 5, 10 s; 720x1280; 0.1 USD a second",
      "Equivalents fast-1 sora-2 (10 s)",
      "timings breaker 30 s; the defaults else",
    ])
      expect(said).toContain(words);
  });

  test("that are wrong end with 2 before anything is touched, each mistake told and no secret", async () => {
    const { code, stdout, stderr } = await doctor(
      {
        upstreams: {
          north: { url: `http://me:${secret("user")}@127.0.0.1:1/v1` },
          south: { url: "http://127.0.0.1:1/v1?a=b" },
          east: { url: "http://127.0.0.1:1/v1", key: `${secret("key")} ` },
        },
      },
      { STORAGE_URL: "http://127.0.0.1" },
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain("There are 4 mistakes in the settings:");
    expect(stderr).toContain("upstreams.north.url: must end with its path and hold no credentials");
    expect(stderr).toContain("upstreams.south.url: must end with its path and hold no credentials");
    expect(stderr).toContain("upstreams.east.key: is empty or holds characters that no HTTP header can carry");
    expect(stderr).toContain("STORAGE_URL");
    expect(stderr).not.toContain(hush);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("know two words for the form", async () => {
    const { code, stderr } = await run(main("worker"), ["--doctor", "yaml"], {});
    expect(code).toBe(2);
    expect(stderr).toContain('--doctor: "yaml" must be page or json.');
  });
});

describe("Redis", () => {
  test("that nobody is at fails with the reason, and the others are looked at all the same", async () => {
    const port = await aHungServer();
    const gone = createServer();
    const nowhere = await listening(gone);
    gone.close();
    const { ok, checks, check } = await examine(
      { upstreams: { north: { url: `http://127.0.0.1:${port}/v1`, timeouts: { lookSeconds: 1 } } } },
      { REDIS_URL: `redis://me:${secret("redis")}@127.0.0.1:${nowhere}` },
    );
    expect(ok).toBe(false);
    expect(checks.map(({ name, state }) => [name, state])).toEqual([
      ["redis", "fail"],
      ["storage", "ok"],
      ["upstream north", "fail"],
    ]);
    expect(check("redis")).toMatchObject({
      found: `connect ECONNREFUSED 127.0.0.1:${nowhere}`,
      advice: "Check REDIS_URL, the password and the network: nothing works without Redis.",
    });
  });

  test("and an upstream that hang both fail in time", async () => {
    const port = await aHungServer();
    const { checks } = await examine(
      { upstreams: { north: { url: `http://127.0.0.1:${port}/v1` } } },
      { REDIS_URL: `redis://127.0.0.1:${port}` },
    );
    expect(checks.map(({ name, state, found }) => [name, state, found])).toEqual([
      ["redis", "fail", "no answer within 15000 ms"],
      ["storage", "ok", expect.any(String)],
      ["upstream north", "fail", "no answer within 15000 ms"],
    ]);
  });

  test("of a database that it does not have is no Redis to work with", async () => {
    const { check } = await examine(await upstreamsThat({ north: well }), {
      REDIS_URL: new URL("/99", redis.url).href,
    });
    expect(check("redis")).toMatchObject({ state: "fail", found: expect.stringContaining("out of range") as string });
  });

  test("before 6.2 fails", async () => {
    const old = await rewriting((reply) => reply.replace(/redis_version:\d/, "redis_version:5"));
    const { ok, check } = await examine(await upstreamsThat({ north: well }), { REDIS_URL: old });
    expect(ok).toBe(false);
    expect(check("redis version")).toMatchObject({
      state: "fail",
      found: expect.stringMatching(/^Redis 5\./) as string,
      advice: expect.stringContaining("6.2 or later") as string,
    });
  });

  test("whose clock is far from ours is warned of", async () => {
    const slow = await rewriting((reply) =>
      reply.replace(/(?<=\*2\r\n\$10\r\n)\d{10}(?=\r\n)/, (seconds) => String(Number(seconds) - 7200)),
    );
    const { ok, check } = await examine(await upstreamsThat({ north: well }), { REDIS_URL: slow });
    expect(ok).toBe(true);
    expect(check("redis clock")).toMatchObject({ state: "warn", found: "its clock is 2 h behind ours" });
  });
});

describe.skipIf(redisServerProgram === undefined)("a Redis with settings of its own", () => {
  let other: TestRedis;
  let admin: Redis;
  const look = async (url = other.url) => examine(await upstreamsThat({ north: well }), { REDIS_URL: url });

  beforeAll(async () => {
    other = await startRedis();
    admin = new Redis(other.url);
  });
  afterAll(async () => {
    admin.disconnect();
    await other.stop();
  });

  /** Sets it for the time of one test. */
  async function set(name: string, value: string): Promise<void> {
    const [, before = ""] = await admin.config("GET", name);
    await admin.config("SET", name, value);
    onTestFinished(async () => void (await admin.config("SET", name, before)));
  }

  test("that evicts fails where it has a limit, and is warned of where it has none yet", async () => {
    await set("maxmemory-policy", "allkeys-lru");
    const unlimited = await look();
    expect(unlimited.ok).toBe(true);
    expect(unlimited.check("redis eviction")).toMatchObject({ state: "warn" });
    await set("maxmemory", "100mb");
    const limited = await look();
    expect(limited.ok).toBe(false);
    expect(limited.check("redis eviction")).toMatchObject({
      state: "fail",
      found: "allkeys-lru, maxmemory 100 MiB: it evicts the ledger when it is full",
      advice: "Set maxmemory-policy noeviction: any other evicts records, idempotency keys or leases.",
    });
  });

  test.each([
    ["appendfsync", "everysec", "ok", "up to a second can be lost"],
    ["appendfsync", "no", "warn", "loses what was not on disk yet"],
    ["appendonly", "no", "warn", "a restart loses videos that were accepted"],
  ])("with %s %s: %s", async (name, value, state, words) => {
    await set(name, value);
    const { check } = await look();
    expect(check("redis persistence")).toMatchObject({ state, found: expect.stringContaining(words) as string });
  });

  test("that shows no settings is told apart from one that has none, and the password stays a secret", async () => {
    const password = secret("redis");
    await admin.call("ACL", "SETUSER", "guest", "on", `>${password}`, "~*", "&*", "+@all", "-config");
    const url = new URL(other.url);
    [url.username, url.password] = ["guest", password];
    const { ok, check, settings, stdout } = await look(url.href);
    expect(ok).toBe(true);
    expect(settings["redisUrl"]).toBe(`redis://guest:***@127.0.0.1:${other.port}`);
    expect(check("redis persistence")).toMatchObject({
      state: "warn",
      found: "there is an append-only file; how often it is written to disk cannot be seen, because CONFIG is refused",
    });
    url.password = `${password}-wrong`;
    const refused = await look(url.href);
    expect(refused.check("redis")).toMatchObject({
      state: "fail",
      found: expect.stringMatching(/^WRONGPASS/) as string,
    });
    expect(stdout + refused.stdout).not.toContain(hush);
  });

  test("that may not be written fails", async () => {
    await admin.replicaof("127.0.0.1", 9);
    onTestFinished(async () => void (await admin.replicaof("NO", "ONE")));
    const { ok, check } = await look();
    expect(ok).toBe(false);
    expect(check("redis")).toMatchObject({ state: "fail", found: expect.stringContaining("replica") as string });
  });
});

describe("what Redis said", () => {
  const report: RedisReport = {
    version: { name: "Redis", version: "8.0.1", redisVersion: "8.0.1" },
    persistence: { appendOnly: true, appendFsync: "always" },
    eviction: { policy: "noeviction", maxMemoryBytes: 0 },
    pings: { count: 20, medianMs: 0.2, worstMs: 1.4 },
    clockSkewMs: 3,
    scriptRefusal: undefined,
    workers: 1,
    breakers: [],
  };
  const judged = (name: string, changed: Partial<RedisReport>) =>
    judgeRedis({ ...report, ...changed }).find((finding) => finding.name === name);

  test.each([
    ["7.2.4", "ok"],
    ["6.2.0", "ok"],
    ["6.0.20", "fail"],
    ["10.0.0", "ok"],
  ])("version %s: %s", (redisVersion, state) => {
    expect(judged("redis version", { version: { name: "Redis", version: redisVersion, redisVersion } })).toMatchObject({
      state,
    });
  });

  test("Valkey is called by its name", () => {
    const version = { name: "Valkey", version: "8.1.0", redisVersion: "7.2.4" };
    expect(judged("redis version", { version })).toMatchObject({ state: "ok", found: "Valkey 8.1.0, as Redis 7.2.4" });
  });

  test.each([
    [50, "ok"],
    [51, "warn"],
  ])("a median of %s ms: %s", (medianMs, state) => {
    const pings = { count: 20, medianMs, worstMs: 300 };
    expect(judged("redis latency", { pings })).toMatchObject({
      state,
      found: expect.stringMatching(/300 ms worst/) as string,
    });
  });

  test("nothing that is refused counts as well, but for the workers", () => {
    const blind = {
      version: undefined,
      eviction: undefined,
      persistence: { appendOnly: undefined, appendFsync: undefined },
    };
    const states = judgeRedis({ ...report, ...blind, workers: undefined }).map(({ name, state }) => [name, state]);
    expect(Object.fromEntries(states)).toMatchObject({
      "redis version": "warn",
      "redis persistence": "warn",
      "redis eviction": "warn",
      workers: "ok",
    });
  });
});

describe("storage", () => {
  test("that cannot be written fails with its own words", async () => {
    const folder = await aFolder();
    await writeFile(join(folder, "a-file"), "");
    const { check } = await examine(await upstreamsThat({ north: well }), {
      STORAGE_URL: `file:${folder}/a-file/videos`,
    });
    expect(check("storage")).toMatchObject({
      state: "fail",
      found: `it cannot be written: file:${folder}/a-file/videos (STORAGE_URL) cannot be used: a part of the path is a file, not a folder`,
    });
  });

  test("that refuses the key says so, and nobody reads the key", async () => {
    const echo = `<Error><Code>InvalidAccessKeyId</Code><Message>${secret("id")} ${secret("s3")}</Message></Error>`;
    const { origin } = await scriptedUpstream(says(403, echo, { "content-type": "application/xml" }));
    const { check, settings, stdout } = await examine(await upstreamsThat({ north: well }), {
      STORAGE_URL: "s3://some-bucket/videos",
      AWS_ENDPOINT_URL_S3: origin,
      AWS_ACCESS_KEY_ID: secret("id"),
      AWS_SECRET_ACCESS_KEY: secret("s3"),
      AWS_SESSION_TOKEN: secret("session"),
    });
    expect(check("storage")).toMatchObject({
      state: "fail",
      found: expect.stringContaining("The S3 server does not know the access key") as string,
    });
    expect(settings).toMatchObject({
      storagePlace: "s3://some-bucket/videos",
      awsEndpointUrl: origin,
      awsAccessKeyId: "set, ends in 6789",
      awsSecretAccessKey: "set",
      awsSessionToken: "set",
    });
    expect(stdout).not.toContain(hush);
  });

  /** A bucket that answers in its own way. */
  async function bucketThat(script: Script) {
    const { origin, seen } = await scriptedUpstream(script);
    const { check } = await examine(await upstreamsThat({ north: well }), {
      STORAGE_URL: "s3://some-bucket",
      AWS_ENDPOINT_URL_S3: origin,
      AWS_ACCESS_KEY_ID: "an-id",
      AWS_SECRET_ACCESS_KEY: "a-secret",
    });
    return { storage: check("storage"), methods: seen.map(({ method }) => method) };
  }
  const holding = (bytes: Buffer | string) => ({ etag: '"1"', "content-length": String(bytes.length) });

  test("that gives back something else fails, and what was written is deleted all the same", async () => {
    const { storage, methods } = await bucketThat((_, response) =>
      response.writeHead(200, holding("other")).end("other"),
    );
    expect(storage).toMatchObject({ state: "fail", found: "it does not give back what was just written" });
    expect(methods).toContain("DELETE");
  });

  test("that keeps what was deleted fails", async () => {
    let kept: Buffer = Buffer.alloc(0);
    const { storage } = await bucketThat(({ method, body }, response) => {
      if (method === "PUT") kept = body;
      response.writeHead(method === "DELETE" ? 204 : 200, method === "GET" || method === "HEAD" ? holding(kept) : {});
      response.end(method === "GET" ? kept : "");
    });
    expect(storage).toMatchObject({
      state: "fail",
      found: expect.stringMatching(/^it still has doctor\/\S+\.txt, which was just deleted$/) as string,
    });
  });

  test.each([
    ["GET", /^what was written cannot be read: GetObject is denied/],
    ["DELETE", /^doctor\/\S+\.txt was written and cannot be deleted: DeleteObject is denied/],
    ["HEAD", /^it cannot be seen whether what was deleted is gone: /],
  ])("that denies %s fails by the name of that step", async (denied, words) => {
    let kept: Buffer = Buffer.alloc(0);
    const { storage } = await bucketThat(({ method, body }, response) => {
      if (method === "PUT") kept = body;
      if (method === denied) return void response.writeHead(403).end();
      response.writeHead(200, method === "GET" ? holding(kept) : {}).end(method === "GET" ? kept : "");
    });
    expect(storage).toMatchObject({ state: "fail", found: expect.stringMatching(words) as string });
  });
});

describe("upstreams", () => {
  test("are each judged by what they answer, and none is asked to render", async () => {
    const anHourAgo = { date: new Date(Date.now() - 3_600_000).toUTCString() };
    const refusal = { error: { message: `Incorrect API key provided: ${secret("locked")}`, code: "invalid_api_key" } };
    const config = await upstreamsThat({
      well,
      listless: withoutList,
      locked: says(401, refusal),
      broke: says(403, { error: { message: "You exceeded your current quota.", code: "insufficient_quota" } }),
      page: says(200, "<html><title>Welcome</title></html>"),
      late: says(200, { object: "list", data: [] }, anHourAgo),
      down: says(503, "no healthy upstream"),
    });
    const { ok, check, stdout } = await examine(config);
    expect(ok).toBe(false);
    const told = Object.keys(config["upstreams"] as object).map((name) => [name, check(`upstream ${name}`)]);
    expect(Object.fromEntries(told)).toMatchObject({
      well: {
        state: "ok",
        found: expect.stringMatching(/it lists its tasks, so that doubts can be settled$/) as string,
      },
      listless: {
        state: "ok",
        found: expect.stringContaining("no list of tasks, so a doubt is held for a person") as string,
      },
      locked: {
        state: "fail",
        found: expect.stringContaining("the account is refused (invalid_api_key)") as string,
        advice: "Mend its key, or pay: nothing passes until then.",
      },
      broke: { state: "fail", found: expect.stringContaining("(insufficient_quota)") as string },
      page: { state: "fail", advice: expect.stringContaining("up to and with /v1") as string },
      late: { state: "warn", found: expect.stringMatching(/its clock is 1 h behind ours$/) as string },
      down: { state: "fail", advice: expect.stringContaining("Check its url") as string },
    });
    expect(stdout).not.toContain(hush);
  });

  test("that show no list against what the settings say are warned of", async () => {
    const { origin } = await scriptedUpstream(withoutList);
    const url = `${origin}/v1`;
    const { check } = await examine({
      upstreams: {
        sure: { url, key: "a", capabilities: { list: true } },
        none: { url, key: "b", capabilities: { list: false } },
      },
    });
    expect(check("upstream sure")).toMatchObject({
      state: "warn",
      advice: expect.stringContaining("capabilities.list") as string,
    });
    expect(check("upstream none")).toMatchObject({
      state: "ok",
      found: expect.stringContaining("is not used") as string,
    });
  });

  test("behind an open breaker are told with its reason, which cannot steer the terminal", async () => {
    const keys = keysFor("{reelq}");
    onTestFinished(() => void client.del(keys.breaker("north"), keys.breaker("south")));
    const [seconds] = await client.time();
    const later = (Number(seconds) + 3600) * 1000;
    await client.hset(keys.breaker("north"), { until: later, kind: "account", why: "\u001b[31mNo \u0007credit." });
    await client.hset(keys.breaker("south"), { until: 1, kind: "infrastructure", why: "nothing answers" });
    const { code, stdout } = await doctor(await upstreamsThat({ north: well, south: well, west: well }));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}warn {2}breaker north +open, nothing is sent for [\d.]+ (min|h) more: No credit\.$/m);
    expect(stdout).toMatch(/^ {2}warn {2}breaker south +half open, one video may try: nothing answers$/m);
    expect(stdout).not.toContain("breaker west");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("2 warnings");
    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});

test("an examination that is cut short does not end with 0", async () => {
  const server = createServer((socket) => socket.on("error", () => undefined));
  onTestFinished(() => void server.close());
  const child = spawn(process.execPath, [main("worker"), "--doctor", "page"], {
    stdio: "ignore",
    cwd: await aFolder(),
    env: { REDIS_URL: `redis://127.0.0.1:${await listening(server)}`, UPSTREAM_URL: "http://127.0.0.1:1/v1" },
  });
  const exited = once(child, "exit");
  await once(server, "connection");
  child.kill("SIGTERM");
  expect(await exited).toEqual([143, null]);
});

test("no key stays in Redis, not even for the second after which it would go by itself", async () => {
  const signal = AbortSignal.timeout(60_000);
  const report = await reportRedis({ url: redis.url, prefix: "{nothing-stays}", upstreams: ["north"], signal });
  expect(await client.keys("{nothing-stays}*")).toEqual([]);
  expect(report).toMatchObject({ scriptRefusal: undefined, workers: 0 });
});

/** Knows no command, and repeats each with all that was in it, as old servers and proxies do. */
async function anEchoingRedis(): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      const commands = bytes.toString().split(/^(?=\*\d)/m);
      for (const command of commands)
        socket.write(`-ERR unknown command, with args beginning with: ${command.replaceAll(/\s+/g, " ")}\r\n`);
    });
  });
  onTestFinished(() => void server.close());
  return listening(server);
}

test("no secret is on the page, whoever repeats it", async () => {
  const echoes: Script = (seen, response, socket) => {
    const message = `What is ${seen.headers.authorization}? Or ${secret("s3")}? Or ${secret("locked")}?`;
    says(418, { error: { message, code: secret("echoes") } })(seen, response, socket);
  };
  const config = await upstreamsThat({ echoes, locked: says(401, `<p>${secret("locked")}</p>`) });
  const password = encodeURIComponent(`${secret("redis")}&?`);
  const { code, stdout, stderr } = await doctor(
    { ...config, models: { "fast-1": { seconds: [5], sizes: ["64x64"] } } },
    {
      REDIS_URL: `redis://:${password}@127.0.0.1:${await anEchoingRedis()}/3?connectionName=${secret("query")}`,
      STORAGE_URL: "s3://some-bucket",
      AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1",
      AWS_ACCESS_KEY_ID: secret("id"),
      AWS_SECRET_ACCESS_KEY: secret("s3"),
      UNRELATED: secret("unrelated"),
    },
  );
  expect(code).toBe(1);
  expect(stdout).toMatch(/^ {2}REDIS_URL {14}redis:\/\/:\*\*\*@127\.0\.0\.1:\d+\/3\?connectionName=\*\*\*$/m);
  expect(stdout).toMatch(/^ {2}FAIL {2}redis +ERR unknown command/m);
  expect(stdout.replaceAll(/\s+/g, " ")).toContain("What is Bearer [key]? Or ***? Or ***?");
  expect(stdout.trimEnd().split("\n").at(-1)).toMatch(/^3 failures, \d warnings?$/);
  expect(stdout + stderr).not.toContain(hush);
});
