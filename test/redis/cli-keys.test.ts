import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultPrefix } from "@reelq/engine";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type KeysCommand, readKeysCommand, runKeys } from "../../apps/api/src/keys.ts";
import { type AppOptions, startApp, temporaryFolder } from "../support/processes.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const main = fileURLToPath(new URL("../../apps/cli/src/main.ts", import.meta.url));
const nowhere = "redis://127.0.0.1:1";
/** Nobody is rendering here. */
const UPSTREAM_URL = "http://127.0.0.1:9/v1";

let redis: TestRedis;
let client: Redis;
let cache: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: string;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
  cache = await temporaryFolder();
  folder = cache.path;
});
afterAll(async () => {
  client.disconnect();
  await redis.stop();
  await cache.remove();
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** `reelq keys ...`, on the Redis of these tests unless the surroundings say otherwise. */
async function keys(args: readonly string[], { cwd = folder, env = { REDIS_URL: redis.url } }: Surroundings = {}) {
  const child = spawn(process.execPath, [main, "keys", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd,
    env: { NODE_COMPILE_CACHE: cache.path, ...env },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr } satisfies Ended;
}

/** What `reelq keys` has an API do, in this process. @returns what it says */
async function doneHere(command: Pick<KeysCommand, "verb"> & Partial<KeysCommand>, redisUrl = redis.url) {
  let said = "";
  const whole = { name: "", project: "default", isAdmin: false, perMinute: undefined, asJson: false, ...command };
  const place = { redisUrl, prefix: defaultPrefix };
  await runKeys(whole, place, { say: (text) => void (said += text), remark: () => undefined });
  return said;
}

/** An API as a process of its own, on the same Redis. */
function anApi(env: Readonly<Record<string, string>>, options: Omit<AppOptions, "env"> = {}) {
  const settings = { UPSTREAM_URL, PORT: "0", STORAGE_URL: `file:${folder}/videos`, NODE_COMPILE_CACHE: cache.path };
  const api = startApp("api", { ...options, env: { ...settings, REDIS_URL: redis.url, ...env } });
  onTestFinished(async () => void (await api.kill("SIGKILL")));
  return api;
}

/** Everything that a Redis holds, as text. */
async function everythingIn(): Promise<string> {
  const held: unknown[] = [];
  for (const key of await client.keys("*")) {
    const type = await client.type(key);
    if (type === "string") held.push(key, await client.get(key));
    else if (type === "hash") held.push(key, await client.hgetall(key));
    else if (type === "set") held.push(key, await client.smembers(key));
    else if (type === "zset") held.push(key, await client.zrange(key, "0", "-1"));
    else if (type === "list") held.push(key, await client.lrange(key, 0, -1));
    else if (type === "stream") held.push(key, await client.xrange(key, "-", "+"));
    else expect.fail(`${key} is a ${type}, which nobody looks into here.`);
  }
  return JSON.stringify(held);
}

/** The first of all tests: no key is in Redis before it. */
test("a public address is refused without any key, opened by the first one, and the key is nowhere in Redis", async () => {
  const refused = anApi({ HOST: "0.0.0.0" });
  expect(await refused.exited).toBe(2);
  expect(refused.output()).toBe(
    'There is 1 mistake in the settings:\n  - HOST is "0.0.0.0", which others can reach, and there is no API key; set REELQ_API_KEYS, make one with reelq keys create, or leave HOST at 127.0.0.1.\n',
  );

  const made = await keys(["create", "first", "--project", "studio"]);
  expect(made).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^rq_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n$/),
    stderr: `first is a key of the project studio. It is kept as a hash only, and cannot be shown again.
It is the first one: from now on every call needs a key.
  for these commands   export REELQ_API_KEY=...
  elsewhere            the header Authorization: Bearer ...
`,
  });
  const key = made.stdout.trim();

  const api = anApi({ HOST: "0.0.0.0" });
  const url = new URL((await api.ready) ?? "");
  url.hostname = "127.0.0.1";
  const ask = (authorization?: string): Promise<Response> =>
    fetch(new URL("/v1/videos", url), {
      method: "POST",
      body: '{"prompt": "a cat"}',
      headers: { "Content-Type": "application/json", ...(authorization ? { Authorization: authorization } : {}) },
    });
  expect((await ask()).status).toBe(401);
  const asked = await ask(`Bearer ${key}`);
  expect([asked.status, asked.headers.get("ratelimit-policy")]).toEqual([200, '"calls";q=6000;w=60']);

  const held = await everythingIn();
  expect(held).toContain(createHash("sha256").update(key).digest("hex"));
  expect(held).toContain("studio");
  expect(held).not.toContain(key);
  expect(held).not.toContain(key.split("_").slice(2).join("_"));
  expect(api.output()).not.toContain(key.split("_").slice(2).join("_"));

  expect((await keys(["revoke", "first"])).code).toBe(0);
  await expect.poll(async () => (await ask(`Bearer ${key}`)).status, { timeout: 5_000 }).toBe(401);
});

describe("reelq keys", () => {
  test("prints what it made as JSON, lists it without the key, and revokes it by its id", async () => {
    const made = await keys(["create", "ops", "--admin", "--calls-per-minute", "60", "--json"]);
    expect([made.code, made.stderr]).toEqual([0, ""]);
    const { key, ...record } = JSON.parse(made.stdout) as { key: string; id: string };
    expect(record).toEqual({
      id: `key_${key.slice(3, 19)}`,
      object: "api_key",
      name: "ops",
      project: "default",
      admin: true,
      calls_per_minute: 60,
      created_at: expect.any(Number),
      revoked_at: null,
    });

    const listed = await keys(["list", "--json"]);
    const list = JSON.parse(listed.stdout) as { object: string; data: unknown[] };
    expect(list.object).toBe("list");
    expect(list.data).toContainEqual(record);
    const page = await doneHere({ verb: "list" });
    expect(page).toMatch(
      new RegExp(`^${record.id}  ops +default +admin  60/min  made 20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d$`, "m"),
    );
    for (const text of [listed.stdout, page]) expect(text).not.toContain(key.slice(20));
    const revoked = await keys(["revoke", record.id, "--json"]);
    expect(JSON.parse(revoked.stdout)).toEqual({ ...record, revoked_at: expect.any(Number) });
    expect(await doneHere({ verb: "list" })).toMatch(new RegExp(`^${record.id}  ops .* revoked 20`, "m"));
  });

  test("says what is wrong with what it was asked for", async () => {
    await doneHere({ verb: "create", name: "nightly" });
    const wrong: readonly (readonly [readonly string[], number, string])[] = [
      [["create", "nightly"], 1, "There is an API key named nightly already"],
      [
        ["revoke", "nihgtly"],
        2,
        'There is no API key "nihgtly"; did you mean nightly? `reelq keys list` shows them all.',
      ],
      [["create", "fine", "--calls-per-minute", "-1"], 2, '--calls-per-minute: "-1" must be a whole number'],
      [["create"], 2, "missing required argument 'name'"],
      [["revoke"], 2, "missing required argument 'name-or-id'"],
      [["lits"], 2, "unknown command 'lits'"],
    ];
    const told = await Promise.all(wrong.map(([args]) => keys(args)));
    for (const [index, [args, code, words]] of wrong.entries())
      expect([args, told[index]]).toEqual([args, { code, stdout: "", stderr: expect.stringContaining(words) }]);
    for (const [command, message] of [
      [{ verb: "revoke", name: "somebody-else" }, 'There is no API key "somebody-else".'],
      [{ verb: "create", name: "a b" }, /^The name "a b" must be/],
      [{ verb: "create", name: "fine", project: "x/y" }, /^The project "x\/y" must be/],
    ] as const)
      await expect(doneHere(command)).rejects.toThrow(message);
    expect(await doneHere({ verb: "list" })).not.toContain("fine");
  });

  test.each<readonly [Record<string, string>, readonly string[]]>([
    [{ name: "shop", admin: "yes" }, ["--name does not go with serving.", "--admin does not go with serving."]],
    [{ keys: "list", name: "shop" }, ["--name does not go with --keys list."]],
    [
      { keys: "revoke", project: "shop" },
      ["--project does not go with --keys revoke.", "--name is missing: which key?"],
    ],
    [{ keys: "create", name: "" }, ["--name is missing: which key?"]],
  ])("the API's own options %j do not go together", (given, mistakes) => {
    expect(() => readKeysCommand(given)).toThrow(expect.objectContaining({ mistakes }));
  });

  test("looks after the keys of what reelq up runs in its folder, unless REDIS_URL is set", async () => {
    const beside = await temporaryFolder();
    onTestFinished(beside.remove);
    await mkdir(join(beside.path, ".reelq"));
    const running = { pid: process.pid, redisUrl: redis.url, prefix: "{reelq-tryout}" };
    await writeFile(join(beside.path, ".reelq/up.json"), JSON.stringify(running));
    const made = await keys(["create", "visitor"], { cwd: beside.path, env: {} });
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("export REELQ_API_KEY=")]);
    const another = await keys(["create", "another", "--admin"], { cwd: beside.path, env: {} });
    expect(another.stderr).toBe(
      "another is an admin's key, which sees every project; its own is default. It is kept as a hash only, and cannot be shown again.\n",
    );
    expect((await keys(["revoke", "another"], { cwd: beside.path, env: {} })).code).toBe(0);
    expect(await client.hkeys("{reelq-tryout}:api-keys")).toContain(`key_${made.stdout.slice(3, 19)}`);
    expect(await doneHere({ verb: "list" })).not.toContain("visitor");
    expect((await keys(["list"], { cwd: beside.path, env: { REDIS_URL: nowhere } })).code).toBe(3);
  });
});

describe("where Redis does not answer", () => {
  /** It takes connections, and says nothing. */
  async function silence(): Promise<string> {
    const server = createServer((socket) => void socket.on("error", () => undefined));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const noAnswerAt = (url: string) => `Redis does not answer at ${url} (REDIS_URL).`;

  test("reelq keys says so, and ends with 3", async () => {
    // A password is nobody's business.
    const told = await keys(["create", "shop"], { env: { REDIS_URL: nowhere.replace("//", "//me:secret@") } });
    expect(told).toEqual({ code: 3, stdout: "", stderr: `${noAnswerAt(nowhere)}\n` });
    const url = await silence();
    const message = noAnswerAt(url);
    await expect(doneHere({ verb: "list" }, url)).rejects.toThrow(expect.objectContaining({ exitCode: 3, message }));
  });

  test("an API at a public address says so and ends, for it cannot know whether there is a key", async () => {
    for (const url of [nowhere, await silence()]) {
      const api = anApi({ HOST: "0.0.0.0", REDIS_URL: url });
      expect(await api.exited).toBe(3);
      expect(api.output()).toBe(
        `HOST is "0.0.0.0", which others can reach, and REELQ_API_KEYS names no key, so there must be one in Redis. Redis does not answer at ${url} (REDIS_URL).\n`,
      );
    }
  });

  test("an API starts all the same where the settings name a key, or where only this machine reaches it", async () => {
    const apis = [
      anApi({ HOST: "0.0.0.0", REDIS_URL: nowhere, REELQ_API_KEYS: "shop:a-long-key" }),
      anApi({ REDIS_URL: nowhere }),
    ];
    for (const api of apis) expect(await api.ready).toMatch(/^http:/);
  });
});
