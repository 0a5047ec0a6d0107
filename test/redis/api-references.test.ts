import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import type { VideoId } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOf, startTestApi, type TestApi, videoOf } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const picture = readFileSync(new URL("../../apps/cli/demo/dusk.png", import.meta.url));

let redis: TestRedis;
let api: TestApi;
/** Every address that was connected to: nothing may leave this machine, even while the guard is broken. */
const connected: string[] = [];
/** What the names of these tests resolve to, each time that they are asked for. */
const names = new Map<string, () => string[]>();

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({
    redisUrl: redis.url,
    allow: ["127.0.0.1"],
    web: {
      resolve: async (name) =>
        (names.get(name)?.() ?? []).map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      connect: ({ address, port }) => {
        connected.push(`${address}:${port}`);
        throw new Error(`Nothing may be connected to here: ${address}.`);
      },
    },
  });
});
afterAll(async () => {
  await api.close();
  await redis.stop();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const create = (url: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/videos`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify({ prompt: "a cat", ...body }),
  });
const withImage = (image_url: string) => create(api.url, { input_reference: { image_url } });
const recordOf = (of: TestApi, { id }: { id: string }) => of.engine.ledger.read(id as VideoId);

describe("an image's address leads nowhere inside", () => {
  test.each([
    "https://127.0.0.2/cat.png",
    "https://2130706434/cat.png",
    "https://0x7f000002/cat.png",
    "https://0177.0.0.2/cat.png",
    "https://127.2/cat.png",
    "https://[::1]/cat.png",
    "https://[::ffff:127.0.0.2]/cat.png",
    "https://[64:ff9b::7f00:2]/cat.png",
    "https://10.0.0.1/cat.png",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.168.1.1/cat.png",
    "https://[fd00::1]/cat.png",
    "https://0.0.0.0/cat.png",
    "https://inside.example/cat.png",
    "https://both.example/cat.png",
    "http://public.example/cat.png",
    "https://nowhere.example/cat.png",
    "https://user:password@public.example/cat.png",
  ])("%s", async (url) => {
    names.set("inside.example", () => ["10.1.2.3"]);
    names.set("both.example", () => ["93.184.216.34", "127.0.0.2"]);
    names.set("public.example", () => ["93.184.216.34"]);
    const before = await api.traces();
    const response = await withImage(url);
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "invalid_value", param: "input_reference" });
    expect(error.message).not.toMatch(/10\.1\.2\.3/);
    expect(connected).toEqual([]);
    expect(await api.traces()).toEqual(before);
  });

  test("through a redirect neither", async () => {
    const url = await serve((_request, response) =>
      response.writeHead(302, { location: "https://169.254.169.254/latest/meta-data/" }).end(),
    );
    // The connector of these tests opens nothing; this one is the system's.
    const own = await startTestApi({ redisUrl: redis.url, allow: ["127.0.0.1"] });
    onTestFinished(() => own.close());
    const response = await create(own.url, { input_reference: { image_url: `${url}/cat.png` } });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param: "input_reference" });
  });
});

describe("an image's address", () => {
  let own: TestApi;
  beforeAll(async () => {
    own = await startTestApi({ redisUrl: redis.url, allow: ["127.0.0.1"] });
  });
  afterAll(() => own.close());

  test("is fetched without anything of the caller's", async () => {
    const heard: string[] = [];
    const url = await serve((request, response) => {
      heard.push(JSON.stringify([request.url, request.headers]));
      response.end(picture);
    });
    const response = await create(
      own.url,
      { input_reference: { image_url: `${url}/cat.png?signed=1` } },
      { Authorization: "Bearer a-callers-key", Cookie: "a=callers-cookie" },
    );
    expect(response.status).toBe(200);
    expect(heard).toHaveLength(1);
    expect(heard[0]).toContain("/cat.png?signed=1");
    expect(heard[0]).not.toMatch(/callers/);
    expect((await recordOf(own, await videoOf(response)))?.request.reference).toMatchObject({
      bytes: picture.length,
      contentType: "image/png",
    });
  });

  test.each<[string, RequestListener, number, string]>([
    ["a page", (_q, r) => r.setHeader("content-type", "image/png").end("<html></html>"), 400, "invalid_image"],
    ["nothing", (_q, r) => r.end(), 400, "invalid_image"],
    ["a refusal", (_q, r) => r.writeHead(403).end(picture), 400, "invalid_value"],
    ["more than is allowed", (_q, r) => r.end(Buffer.alloc(21 * 1024 * 1024)), 413, "body_too_large"],
    ["an end too soon", (_q, r) => r.writeHead(200, { "content-length": 9_999 }).end("half"), 400, "invalid_value"],
  ])("that brings %s is refused, and nothing is accepted", async (_what, listener, status, code) => {
    const before = await own.engine.redis.xlen(own.engine.keys.events);
    const url = await serve(listener);
    const response = await create(own.url, { input_reference: { image_url: `${url}/cat.png` } });
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject({ code, param: "input_reference" });
    expect(await own.engine.redis.xlen(own.engine.keys.events)).toBe(before);
  });

  test("is not fetched again for a request that is known by its key, even where it leads nowhere any more", async () => {
    let fetches = 0;
    const url = await serve((_request, response) => {
      fetches += 1;
      if (fetches === 1) response.end(picture);
      else response.writeHead(410).end();
    });
    const send = (image_url: string) =>
      create(own.url, { input_reference: { image_url } }, { "Idempotency-Key": "with-an-address" });
    const first = await videoOf(await send(`${url}/cat.png`));
    const again = await send(`${url}/cat.png`);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await videoOf(again)).id).toBe(first.id);
    expect(fetches).toBe(1);
    const other = await send(`${url}/dog.png`);
    expect(other.status).toBe(409);
    expect((await errorOf(other)).message).toContain("these differ: input_reference");
    expect(fetches).toBe(1);
  });
});

describe("a form, as the official SDKs send it", () => {
  const send = (...parts: [string, string | Blob][]) => {
    const body = new FormData();
    body.append("prompt", "a cat");
    for (const [name, value] of parts) body.append(name, value);
    return fetch(`${api.url}/v1/videos`, { method: "POST", body });
  };
  const dataUrl = `data:image/png;base64,${picture.toString("base64")}`;

  test.each<[string, [string, string][]]>([
    ["an object in parts", [["input_reference[image_url]", dataUrl]]],
    ["an object as JSON", [["input_reference", JSON.stringify({ image_url: dataUrl })]]],
    ["a data URL", [["input_reference", dataUrl]]],
  ])("may hold the reference as %s", async (_what, parts) => {
    const response = await send(...parts);
    expect(response.status).toBe(200);
    expect((await recordOf(api, await videoOf(response)))?.request.reference?.bytes).toBe(picture.length);
  });

  test.each<[string, [string, string | Blob][], string]>([
    [
      "both ways",
      [
        ["input_reference", new Blob([picture])],
        ["input_reference[image_url]", dataUrl],
      ],
      "input_reference",
    ],
    ["an unknown part", [["input_reference[url]", dataUrl]], "input_reference.url"],
    [
      "a file that nobody uploaded",
      [["input_reference[file_id]", "file_01a203c7-aeba-707d-9cfc-7e2a21d39313"]],
      "file_id",
    ],
    ["what is no file's id", [["input_reference[file_id]", "file-abc"]], "input_reference.file_id"],
    ["a part of a text", [["prompt[0]", "a dog"]], "prompt[0]"],
  ])("with %s is refused", async (_what, parts, param) => {
    const response = await send(...parts);
    expect([400, 404]).toContain(response.status);
    expect((await errorOf(response)).param).toBe(param);
  });

  test("may name a webhook", async () => {
    const whole = await send(["reelq", JSON.stringify({ webhook_url: "https://example.com/hook" })]);
    const inParts = await send(["reelq[webhook_url]", "https://example.com/hook"]);
    for (const response of [whole, inParts])
      expect((await recordOf(api, await videoOf(response)))?.webhook).toEqual({
        url: "https://example.com/hook",
        key: "open",
      });
    const refused = await send(["reelq[webhook_url]", "https://10.0.0.1/hook"]);
    expect(refused.status).toBe(400);
    expect((await errorOf(refused)).param).toBe("reelq.webhook_url");
    const unknown = await send(["reelq[webhok_url]", "https://example.com/hook"]);
    expect(await errorOf(unknown)).toMatchObject({
      code: "unknown_field",
      param: "reelq.webhok_url",
      message: expect.stringContaining('did you mean "webhook_url"?'),
    });
  });
});

describe("an image that is not of the video's size", () => {
  const input_reference = { image_url: `data:image/png;base64,${picture.toString("base64")}` };

  test("is taken with a warning", async () => {
    const video = await videoOf(await create(api.url, { input_reference, size: "1024x1792" }));
    expect(video.reelq.warnings).toEqual([
      expect.stringMatching(/^input_reference is \d+x\d+ pixels, and the video 1024x1792/),
    ]);
    expect((await videoOf(await create(api.url, {}))).reelq.warnings).toEqual([]);
  });

  test("is refused where the operator says so", async () => {
    const strict = await startTestApi({ redisUrl: redis.url, references: { misfit: "refuse" } });
    onTestFinished(() => strict.close());
    const response = await create(strict.url, { input_reference, size: "1024x1792" });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_image", param: "input_reference" });
    expect(await strict.traces()).toEqual([]);
  });
});
