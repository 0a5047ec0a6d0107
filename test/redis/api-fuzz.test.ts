import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Status } from "@reelq/contract";
import { expect, test } from "vitest";
import { startTestApi } from "../support/api.ts";
import { startRedis } from "../support/redis.ts";

const calls = 20_000;
const seed = 20_261_122;

interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const keys = [
  { name: "studio", key: "studio-key-1" },
  { name: "film", key: "film-key-222" },
  { name: "admin", key: "admin-key-333" },
];

test(`${calls} calls of no sense at all: each is answered, none crashes or leaks anything, and only what was accepted is there`, async () => {
  const redis = await startRedis();
  const api = await startTestApi({ redisUrl: redis.url, keys });
  const { hostname, port } = new URL(api.url);
  const agent = new Agent({ keepAlive: true, maxSockets: 40 });
  const statuses: Status[] = ["queued", "rendering", "stored", "failed", "cancelled", "in_doubt"];
  const known: string[] = [];
  for (const project of ["studio", "film"])
    for (const status of statuses) known.push((await api.aVideo(status, { project })).id);
  const dice = diceOf(seed);
  const accepted = new Set(known);
  const faults: unknown[] = [];
  const send = async (call: Call): Promise<void> => {
    const { status, text } = await answerOf({ ...call, hostname, port, agent });
    if (status >= 500 || (status >= 400 && call.method !== "HEAD" && !isOurs(call.path) && !isProblem(text)))
      faults.push({ ...call, body: call.body.toString("latin1").slice(0, 2_000), status, text });
    if (status === 200 && call.method === "POST") noteVideo(text, (id) => accepted.add(id));
    if (status === 200 && call.method === "DELETE") noteVideo(text, (id) => accepted.delete(id), "video.deleted");
  };
  const round = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 40)
      await Promise.all(Array.from({ length: 40 }, () => send(aCall(dice, known))));
  };
  await round(calls / 4);
  const heldBefore = heldBytes();
  await round((calls * 3) / 4);
  const heldAfter = heldBytes();

  expect(faults.slice(0, 3)).toEqual([]);
  expect(api.surprises).toEqual([]);
  // Whatever a call holds on to is held three times as often by now; what is accepted is in Redis.
  expect(heldAfter - heldBefore).toBeLessThan(24 * 1024 * 1024);
  const videos = new Set(await api.engine.redis.zrange(api.engine.keys.videos, "-", "+", "BYLEX"));
  expect(videos).toEqual(accepted);
  // Some of it made sense after all, or the nonsense would prove little.
  expect(accepted.size).toBeGreaterThan(known.length + 100);
  agent.destroy();
  await api.close();
  await redis.stop();
}, 180_000);

function noteVideo(text: string, note: (id: string) => void, object = "video"): void {
  const body = JSON.parse(text) as { id: string; object: string };
  if (body.object === object) note(body.id);
}

/** What is alive in this process after the garbage is gone. */
function heldBytes(): number {
  setFlagsFromString("--expose_gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Pages, and Bull Board's own errors, have no OpenAI shape. */
const isOurs = (path: string): boolean => /^\/(board|log|docs)/.test(path);

const isProblem = (text: string): boolean => {
  const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
  return typeof error?.message === "string" && typeof error.code === "string" && !/\bat .*:\d+:\d+/.test(text);
};

async function answerOf({ body, ...call }: Call & { hostname: string; port: string; agent: Agent }): Promise<Answer> {
  const calling = request({ ...call, headers: { ...call.headers, "Content-Length": body.length } });
  calling.end(body);
  const [response] = (await once(calling, "response")) as [IncomingMessage];
  const status = response.statusCode ?? 0;
  if (response.headers["content-type"]?.startsWith("text/event-stream")) {
    response.destroy();
    return { status, text: "" };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status, text: Buffer.concat(chunks).toString() };
}

interface Dice {
  below(end: number): number;
  one<T>(of: readonly T[]): T;
  chance(share: number): boolean;
}

/** Mulberry32: the same seed, the same calls. */
function diceOf(start: number): Dice {
  let state = start;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number): number => Math.floor(next() * end);
  return {
    below,
    one<T>(of: readonly T[]): T {
      const found = of[below(of.length)];
      if (found === undefined) throw new Error("There is nothing to choose from.");
      return found;
    },
    chance: (share) => next() < share,
  };
}

function aCall(dice: Dice, known: readonly string[]): Call {
  const method = dice.chance(0.5)
    ? "POST"
    : dice.one(["GET", "GET", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]);
  const { type, body } = dice.chance(0.5) ? aJsonBody(dice) : aFormBody(dice);
  return {
    method,
    path: aPath(dice, known),
    headers: {
      "Content-Type": dice.chance(0.9)
        ? type
        : dice.one(["", "text/plain", "application/json;;", "multipart/form-data; boundary=", "a/b/c"]),
      ...(dice.chance(0.1) ? { "Idempotency-Key": dice.one(["k", "k k", "k".repeat(300), "é"]) } : {}),
      ...(dice.chance(0.1) ? { Range: dice.one(["bytes=0-", "bytes=9-1", "bytes=-", "bytes=1e9-", "x"]) } : {}),
      ...(dice.chance(0.1) ? { "x-stainless-retry-count": dice.one(["0", "1", "-1", "x", "99999"]) } : {}),
      ...(dice.chance(0.05) ? { "Last-Event-ID": dice.one(["0-0", "x", "9".repeat(40), "1-1-1"]) } : {}),
      ...(dice.chance(0.05) ? { Cookie: dice.one(["reelq_session=s%3Ax.1.y", "a", "=;;=", "reelq_form=%"]) } : {}),
      Authorization: dice.chance(0.9)
        ? `Bearer ${dice.one(keys).key}`
        : dice.one(["Basic ====", "Bearer", "\t", "Bearer rq_0000000000000000_x", `Bearer ${"k".repeat(5_000)}`]),
    },
    body: dice.chance(0.4) ? mutated(body, dice) : body,
  };
}

const odd = [
  "",
  " ",
  "a cat",
  "10",
  "sora-2",
  "__proto__",
  "\u0000",
  "\ud83d",
  "🐈",
  "-1",
  "1e400",
  "x".repeat(40_000),
  "Shot 1:",
  "../..",
  "%00",
];

const places = ["/v1/videos", "/v1/files", "/v1/webhook_endpoints"];
const belows = [
  "",
  ..."/content /remix /cancel /retry /resolve /explain /events /nothing /content/x".split(" "),
  ..."/deliveries /deliveries/x/redeliver /rotate_secret /secret /test".split(" "),
];
const elsewhere = [
  ..."/v1/events /v1/videos/edits /v1/webhook_endpoints/signing_secret /livez /readyz /metrics".split(" "),
  ..."/board /board/api/queues /login /logout /openapi.json /docs /llms.txt / /v1 //".split(" "),
];

function aPath(dice: Dice, known: readonly string[]): string {
  const id = dice.one([
    ...known,
    "video_1",
    "file_1",
    "we_1",
    "__proto__",
    "%00",
    "%ff",
    "..",
    "a".repeat(3_000),
    "%2e%2e%2f",
  ]);
  const parameters = [
    "after",
    "limit",
    "order",
    "status",
    "variant",
    "redirect",
    "types",
    "purpose",
    "__proto__",
    "a[b]",
  ];
  const name = dice.one(parameters);
  const query = dice.chance(0.3) ? `?${name}=${encodeURIComponent(dice.one(odd).toWellFormed().slice(0, 99))}` : "";
  if (dice.chance(0.1)) return `${dice.one(elsewhere)}${query}`;
  const place = dice.chance(0.7) ? "/v1/videos" : dice.one(places);
  return `${dice.chance(0.5) ? place : `${place}/${id}${dice.one(belows)}`}${query}`;
}

const fieldNames = [
  ..."model seconds size input_reference abandon task __proto__ constructor x".split(" "),
  ..."input_reference[image_url] input_reference[__proto__] reelq reelq[webhook_url] purpose file url".split(" "),
];

function aJsonBody(dice: Dice): { type: string; body: Buffer } {
  const value = (depth: number): unknown => {
    const kind = dice.below(depth > 0 ? 9 : 6);
    if (kind < 3) return dice.one(odd);
    if (kind === 3) return dice.one([0, -1, 10, 1e300, 0.5]);
    if (kind === 4) return dice.one([null, true, false]);
    if (kind === 5) return "data:image/png;base64,iVBORw0KGgo=";
    if (kind < 8) return Array.from({ length: dice.below(4) }, () => value(depth - 1));
    return { [dice.one(fieldNames)]: value(depth - 1) };
  };
  const fields: [string, unknown][] = dice.chance(0.7) ? [["prompt", dice.chance(0.7) ? "a cat" : value(3)]] : [];
  while (dice.chance(0.3)) fields.push([dice.one(fieldNames), value(3)]);
  // Written by hand: an object would lose its second "prompt" and its "__proto__".
  const text = `{${fields.map(([name, given]) => `${JSON.stringify(name)}:${JSON.stringify(given)}`).join(",")}}`;
  return { type: "application/json", body: Buffer.from(text) };
}

function aFormBody(dice: Dice): { type: string; body: Buffer } {
  const parts = dice.chance(0.8) ? [['name="prompt"', "a cat"]] : [];
  while (dice.chance(0.5)) {
    const name = `name="${dice.one(fieldNames)}"`;
    const isFile = dice.chance(0.5);
    parts.push(isFile ? [`${name}; filename="a.png"`, "\u0089PNG".repeat(dice.below(2_000))] : [name, dice.one(odd)]);
  }
  const text = parts
    .map(([head, value]) => `--XX\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`)
    .join("");
  return { type: "multipart/form-data; boundary=XX", body: Buffer.from(`${text}--XX--\r\n`) };
}

/** Bytes changed, cut off, or there twice. */
function mutated(body: Buffer, dice: Dice): Buffer {
  const copy = Buffer.from(body);
  for (let flips = dice.below(4); flips > 0; flips -= 1)
    if (copy.length > 0) copy[dice.below(copy.length)] = dice.below(256);
  const cut = copy.subarray(0, dice.chance(0.5) ? dice.below(copy.length + 1) : copy.length);
  return dice.chance(0.2) ? Buffer.concat([cut, cut]) : cut;
}
