import { request } from "node:http";
import type { Status } from "@reelq/contract";
import { expect, test } from "vitest";
import { startTestApi } from "../support/api.ts";
import { startRedis } from "../support/redis.ts";

const calls = 1_000;
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

test(`${calls} calls of no sense at all: each is answered, none crashes anything, and only what was accepted is there`, async () => {
  const redis = await startRedis();
  const api = await startTestApi({ redisUrl: redis.url });
  const { hostname, port } = new URL(api.url);
  const statuses: Status[] = ["queued", "rendering", "stored", "failed", "cancelled", "in_doubt"];
  const known: string[] = [];
  for (const status of statuses) known.push((await api.aVideo(status)).id);
  const dice = diceOf(seed);
  const accepted = new Set(known);
  const faults: unknown[] = [];
  const send = async (call: Call): Promise<void> => {
    const { status, text } = await answerOf({ ...call, hostname, port });
    if (status >= 500 || (status >= 400 && call.method !== "HEAD" && !isProblem(text)))
      faults.push({ ...call, body: call.body.toString("latin1"), status, text });
    if (status === 200 && call.method === "POST") accepted.add((JSON.parse(text) as { id: string }).id);
  };
  for (let sent = 0; sent < calls; sent += 20)
    await Promise.all(Array.from({ length: 20 }, () => send(aCall(dice, known))));

  expect(faults).toEqual([]);
  expect(api.surprises).toEqual([]);
  const { videos } = await api.engine.ledger.list({ limit: calls * 2, order: "asc" });
  expect(new Set(videos.map(({ id }) => id))).toEqual(accepted);
  // Some of it made sense after all, or the nonsense would prove little.
  expect(accepted.size).toBeGreaterThan(known.length + 10);
  await api.close();
  await redis.stop();
});

const isProblem = (text: string): boolean => {
  const { error } = JSON.parse(text) as { error?: { message?: unknown; code?: unknown } };
  return typeof error?.message === "string" && typeof error.code === "string";
};

function answerOf({ body, ...call }: Call & { hostname: string; port: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...call.headers, "Content-Length": body.length };
    const calling = request({ ...call, headers, agent: false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
    });
    calling.on("error", reject);
    calling.end(body);
  });
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
  const method = dice.chance(0.6) ? "POST" : dice.one(["GET", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]);
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
      ...(dice.chance(0.05) ? { Authorization: dice.one(["Basic ====", "Bearer", "\t"]) } : {}),
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

function aPath(dice: Dice, known: readonly string[]): string {
  const id = dice.one([...known, "video_1", "__proto__", "%00", "%ff", "..", "a".repeat(3_000), "%2e%2e%2f"]);
  const below = dice.one(["", "/content", "/remix", "/cancel", "/retry", "/resolve", "/nothing", "/content/x"]);
  const name = dice.one(["after", "limit", "order", "status", "variant", "redirect", "__proto__", "a[b]"]);
  const query = dice.chance(0.3) ? `?${name}=${encodeURIComponent(dice.one(odd).toWellFormed().slice(0, 99))}` : "";
  return `${dice.chance(0.6) ? "/v1/videos" : `/v1/videos/${id}${below}`}${query}`;
}

const fieldNames = ["model", "seconds", "size", "input_reference", "abandon", "task", "__proto__", "constructor", "x"];

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
