import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { errorOf, startTestApi, type TestApi, videoOf } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

let redis: TestRedis;
let api: TestApi;
/** One that loses its patience soon. */
let hasty: TestApi;
let locked: TestApi;
beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
  locked = await startTestApi({ redisUrl: redis.url, keys: [{ name: "studio", key: "studio-key-1" }] });
  hasty = await startTestApi({ redisUrl: redis.url, patience: { headersMs: 200, bodyMs: 400, idleMs: 600 } });
});
afterAll(async () => {
  await api.close();
  await hasty.close();
  await locked.close();
  await redis.stop();
});

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json", ...headers },
  body: typeof body === "string" ? body : JSON.stringify(body),
});

async function dial(of: TestApi): Promise<Socket> {
  const socket = connect(Number(new URL(of.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** All that is answered until the other side closes. */
async function heard(socket: Socket): Promise<string> {
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  // A reset is an end as well; `once` would take it for a failure.
  await new Promise((resolve) => socket.on("close", resolve));
  return text;
}

describe("who does not send what it began to send", () => {
  test("with its headers is told so and cut off", async () => {
    const socket = await dial(hasty);
    socket.write("POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
    const text = await heard(socket);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(JSON.parse(text.split("\r\n\r\n")[1] ?? "")).toMatchObject({ error: { code: "timeout" } });
  });

  test("by a byte now and then neither", async () => {
    const socket = await dial(hasty);
    const trickle = setInterval(() => socket.write("x"), 20);
    onTestFinished(() => clearInterval(trickle));
    socket.write("POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
    expect(await heard(socket)).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("with its body, which comes at a steady pace, is waited for", async () => {
    const own = await startTestApi({ redisUrl: redis.url, patience: { bodyMs: 700 } });
    onTestFinished(() => own.close());
    const socket = await dial(own);
    const body = JSON.stringify({ prompt: "slow and steady" }).padEnd(200_000);
    const parts = body.match(/[^]{1,8000}/g) ?? [];
    socket.write(
      `POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    const pace = setInterval(() => {
      const part = parts.shift();
      if (part === undefined) clearInterval(pace);
      else socket.write(part);
    }, 60);
    onTestFinished(() => clearInterval(pace));
    expect(await heard(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("with its body is cut off, and nothing is accepted", async () => {
    const before = await hasty.traces();
    const socket = await dial(hasty);
    socket.write(
      'POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"prompt":',
    );
    const trickle = setInterval(() => socket.write(" "), 100);
    onTestFinished(() => clearInterval(trickle));
    await heard(socket);
    expect(await hasty.traces()).toEqual(before);
  });

  test("at all is cut off", async () => {
    expect(await heard(await dial(hasty))).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });
});

describe("a refusal that comes before the body was read", () => {
  const large = Buffer.alloc(6 * 1024 * 1024, 1);
  const form = (bytes: Uint8Array<ArrayBuffer>): FormData => {
    const body = new FormData();
    body.append("prompt", "x");
    body.append("input_reference", new Blob([bytes]), "a.png");
    return body;
  };

  test.each<[string, () => Promise<Response>, number]>([
    [
      "of a wrong key",
      () =>
        fetch(`${locked.url}/v1/videos`, {
          method: "POST",
          body: form(large),
          headers: { Authorization: "Bearer wrong-key" },
        }),
      401,
    ],
    [
      "of a bad idempotency key",
      () => fetch(`${api.url}/v1/videos`, { method: "POST", body: form(large), headers: { "Idempotency-Key": "a b" } }),
      400,
    ],
    [
      "of a file that is too long",
      () => fetch(`${api.url}/v1/videos`, { method: "POST", body: form(Buffer.alloc(32 * 1024 * 1024)) }),
      413,
    ],
    ["of a path that is nowhere", () => fetch(`${api.url}/v1/nowhere`, { method: "POST", body: form(large) }), 404],
  ])("%s is heard by who is still sending", async (_what, send, status) => {
    for (let times = 0; times < 2; times += 1) expect((await send()).status).toBe(status);
  });
});

describe("what is too much", () => {
  test.each([
    [
      "headers of 20 KB",
      `GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`,
      431,
      "headers_too_large",
    ],
    ["no HTTP", "hello\r\n\r\n", 400, "malformed_request"],
    [
      "two lengths",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
      "malformed_request",
    ],
    [
      "a length and chunks",
      "POST /v1/videos HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
      "malformed_request",
    ],
  ])("%s is refused in a sentence", async (_what, request, status, code) => {
    const socket = await dial(api);
    socket.write(request);
    const text = await heard(socket);
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(text.split("\r\n\r\n")[1] ?? "")).toMatchObject({ error: { code } });
  });

  test("a body that says that it is too long is refused before it is sent", async () => {
    const socket = await dial(api);
    socket.write(
      "POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n",
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 [^]*body_too_large/);
  });

  test("a JSON of a thousand levels is refused, one of a million too", async () => {
    for (const levels of [1_000, 1_000_000]) {
      const response = await fetch(
        `${api.url}/v1/videos`,
        json(`{"prompt":"x","reelq":${'{"a":'.repeat(levels)}1${"}".repeat(levels)}}`),
      );
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ code: "malformed_body" });
    }
  });

  test("a JSON of millions of values is refused before it is parsed, whichever way it is wide", async () => {
    const bodies = [
      `{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join(",")}}`,
      `{"prompt":"x","input_reference":[${"[],".repeat(1_000_000)}1]}`,
      `{"prompt":"x","reelq":{"a":[${"1,".repeat(1_000_000)}1]}}`,
    ];
    for (const body of bodies) {
      const response = await fetch(`${api.url}/v1/videos`, json(body));
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({
        code: "malformed_body",
        message: expect.stringMatching(/values/),
      });
    }
  });

  test("what looks like structure within a text counts for nothing", async () => {
    const prompt = `[{"a\\\\":${"[,{".repeat(5_000)} "quoted" \\`;
    const response = await fetch(`${api.url}/v1/videos`, json({ prompt }));
    expect((await videoOf(response)).prompt).toBe(prompt);
  });

  test("a thousand unknown fields are told as ten and the rest, however long their names", async () => {
    const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`${"k".repeat(1_000)}${index}`, 1]));
    const { message, param } = await errorOf(await fetch(`${api.url}/v1/videos`, json({ prompt: "x", ...fields })));
    expect(message).toContain("And 990 more that are not known.");
    expect(message.length).toBeLessThan(4_000);
    expect(param?.length).toBe(80);
  });

  test("a data URL with a head of megabytes is refused", async () => {
    const response = await fetch(
      `${api.url}/v1/videos`,
      json({ prompt: "x", input_reference: { image_url: `data:${";a".repeat(2_000_000)};base64,AAAA` } }),
    );
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param: "input_reference" });
  });

  test("bodies beyond what this process can hold are asked to come again", async () => {
    const own = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => own.close());
    const length = 20 * 1024 * 1024;
    const head = `POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: ${length}\r\n\r\n--X\r\n`;
    const sockets = await Promise.all(Array.from({ length: 14 }, () => dial(own)));
    const answers = sockets.map(async (socket) => {
      socket.write(head);
      const [chunk] = (await once(socket, "data")) as [Buffer];
      return chunk.toString();
    });
    const first = await Promise.any(answers);
    expect(first).toMatch(/^HTTP\/1\.1 503 [^]*Retry-After: 2[^]*"code":"unavailable"/);
    for (const socket of sockets) socket.destroy();
  });

  test("a form of a hundred parts is refused", async () => {
    const body = new FormData();
    for (let part = 0; part < 100; part += 1) body.append(`part-${part}`, "x");
    const response = await fetch(`${api.url}/v1/videos`, { method: "POST", body });
    expect(await errorOf(response)).toMatchObject({ code: "malformed_body" });
  });

  test.each([
    ["POST", "/v1/videos", "text/plain"],
    ["POST", "/v1/videos/x/remix", "application/xml"],
    ["POST", "/v1/videos/x/cancel", "text/plain"],
    ["POST", "/v1/videos/x/retry", "application/x-www-form-urlencoded"],
    ["POST", "/v1/files", "application/json"],
  ])("%s %s of another type (%s) is 415", async (method, path, type) => {
    const response = await fetch(`${api.url}${path}`, { method, headers: { "Content-Type": type }, body: "x=1" });
    expect(response.status).toBe(415);
    expect(await errorOf(response)).toMatchObject({ code: "unsupported_media_type", param: "Content-Type" });
  });
});

describe("every reply", () => {
  const paths = ["/livez", "/readyz", "/v1/videos", "/v1/videos/x", "/nowhere", "/board", "/login"];

  test("names its request, each its own", async () => {
    const ids = await Promise.all(
      paths.map(async (path) => (await fetch(`${api.url}${path}`, { redirect: "manual" })).headers.get("x-request-id")),
    );
    for (const id of ids) expect(id).toMatch(/^req_[0-9a-f-]{36}$/);
    expect(new Set(ids).size).toBe(paths.length);
  });

  test("tells browsers not to run, guess or frame it", async () => {
    for (const path of paths) {
      const { headers } = await fetch(`${api.url}${path}`, { redirect: "manual" });
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toMatch(/frame-ancestors 'none'/);
      expect(headers.get("x-frame-options")).toBe("SAMEORIGIN");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
    }
  });

  test("lets no page of another origin read it, unless the operator named it", async () => {
    const headers = { Origin: "https://app.example" };
    expect((await fetch(`${api.url}/v1/videos`, { headers })).headers.get("access-control-allow-origin")).toBeNull();
    const named = await startTestApi({ redisUrl: redis.url, corsOrigins: ["https://app.example"] });
    onTestFinished(() => named.close());
    const allowed = await fetch(`${named.url}/v1/videos`, { headers });
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example");
    expect(allowed.headers.get("access-control-expose-headers")).toContain("X-Request-Id");
    const asked = await fetch(`${named.url}/v1/videos`, {
      method: "OPTIONS",
      headers: { ...headers, "Access-Control-Request-Method": "POST" },
    });
    expect(asked.headers.get("access-control-allow-methods")).toContain("POST");
    expect((await fetch(`${named.url}/v1/videos`, json({ prompt: "a cat" }, headers))).status).toBe(200);
    const other = { Origin: "https://evil.example" };
    expect(
      (await fetch(`${named.url}/v1/videos`, { headers: other })).headers.get("access-control-allow-origin"),
    ).toBeNull();
    expect((await fetch(`${named.url}/v1/videos`, json({ prompt: "a cat" }, other))).status).toBe(403);
  });

  test("to a fault of ours says nothing about it, but how to find it in the log", async () => {
    const own = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => own.close());
    const { id } = await own.aVideo("queued");
    await own.engine.redis.set(own.engine.keys.video(id), "1 queued {not json");
    const response = await fetch(`${own.url}/v1/videos/${id}`);
    expect(response.status).toBe(500);
    const { message, code } = await errorOf(response);
    expect(code).toBe("internal");
    expect(message).not.toMatch(/JSON|\.ts|at /);
    expect(own.surprises).toHaveLength(1);
  });
});

describe("an idempotency key", () => {
  test("makes one video of a thousand calls at once", async () => {
    const own = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => own.close());
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, async () => {
        const response = await fetch(`${own.url}/v1/videos`, json({ prompt: "once" }, { "Idempotency-Key": "one" }));
        return [response.headers.get("idempotent-replayed"), (await videoOf(response)).id] as const;
      }),
    );
    expect(new Set(answers.map(([, id]) => id)).size).toBe(1);
    expect(answers.filter(([replayed]) => replayed === null)).toHaveLength(1);
    expect((await own.engine.ledger.counts()).queued).toBe(1);
  });

  test("is remembered for a week, or as long as the operator says", async () => {
    for (const [idempotency, days] of [
      [undefined, 7],
      [{ keepDays: 30 }, 30],
    ] as const) {
      const own = await startTestApi({ redisUrl: redis.url, ...(idempotency ? { idempotency } : {}) });
      onTestFinished(() => own.close());
      await fetch(`${own.url}/v1/videos`, json({ prompt: "a cat" }, { "Idempotency-Key": "kept" }));
      const left = await own.engine.redis.pttl(own.engine.keys.idempotency("open", "kept"));
      expect(Math.round(left / 86_400_000)).toBe(days);
    }
  });

  test("knows a remix again whose source is gone", async () => {
    const own = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => own.close());
    const source = await own.aVideo("stored");
    const remix = (prompt: string) =>
      fetch(`${own.url}/v1/videos/${source.id}/remix`, json({ prompt }, { "Idempotency-Key": "remix" }));
    const first = await videoOf(await remix("at night"));
    await fetch(`${own.url}/v1/videos/${source.id}`, { method: "DELETE" });
    const again = await remix("at night");
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await videoOf(again)).id).toBe(first.id);
    const other = await remix("at dawn");
    expect(other.status).toBe(409);
    expect((await errorOf(other)).message).toContain("these differ: prompt");
  });
});
