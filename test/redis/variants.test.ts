import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { setImmediate } from "node:timers/promises";
import { isFinal, type StoredFile, videoBody, type VideoIn } from "@reelq/contract";
import { HOUR, MINUTE, startWorker, type Storage, StorageError, type StageWorkers } from "@reelq/engine";
import { openUpstream } from "@reelq/upstream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { picture } from "../../apps/simulator/src/clips.ts";
import { openVariantMemory } from "../../packages/engine/src/variant-memory.ts";
import {
  type Bench,
  type BenchOptions,
  delegate,
  movableClock,
  type MovableClock,
  openBench,
  skipWaits,
} from "../support/engine.ts";
import { recorded } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";
import { says, type Script, scriptedUpstream, type ScriptedUpstream, someMp4 } from "../support/scripted-upstream.ts";

let redis: TestRedis;
let webp: Buffer;
let jpeg: Buffer;
beforeAll(async () => {
  redis = await startRedis();
  webp = Buffer.from(await picture("64x64", "webp"));
  jpeg = Buffer.from(await picture("64x64", "jpg"));
});
afterAll(() => redis.stop());

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

interface Setting extends Pick<BenchOptions, "storage"> {
  /** What the configuration says of pictures. */
  readonly variants?: "auto" | boolean;
  /** How long the pictures of a video may take. */
  readonly pictureMs?: number;
}

interface Gallery extends Bench {
  readonly gateway: ScriptedUpstream;
  /** The queries of the calls for bytes, in order; that of the video has none. */
  asked(): string[];
  readonly worker: StageWorkers;
  readonly clock: MovableClock;
}

/** A bench whose upstream is reached through a gateway that answers calls for pictures by itself. */
async function aGallery(pictures: Script | "passed on", setting: Setting = {}): Promise<Gallery> {
  const { variants = "auto", pictureMs = 10_000, ...options } = setting;
  // The bench knows the other capabilities alone.
  const capabilities = { range: true, variants };
  const clock = movableClock();
  const bench = await openBench(redis, {
    ...options,
    ...({ capabilities } as BenchOptions),
    simulator: { renderMs: 20 },
    clock,
    working: false,
  });
  const endSkipping = await skipWaits(bench.engine, clock);
  const gateway = await scriptedUpstream((seen, response, socket) => {
    if (pictures !== "passed on" && variantIn(seen.path) !== null) pictures(seen, response, socket);
    else void passOn(bench.simulator.origin, seen, response);
  });
  const upstream = openUpstream({
    name: "main",
    url: `${gateway.origin}/v1`,
    key: "bench-key",
    timeouts: { lookMs: pictureMs },
  });
  const worker = await startWorker(bench.engine, {
    name: "painter",
    stages: ["submit", "poll", "download"],
    concurrency: 40,
    upstreams: [upstream],
    doubtPolicy: "hold",
  });
  onTestFinished(async () => {
    await worker.close(1_000);
    await endSkipping();
    await bench.close();
    await upstream.close();
  });
  const asked = () =>
    gateway.seen.flatMap(({ path }) => (path.includes("/content") ? [variantIn(path) ?? "video"] : []));
  return { ...bench, gateway, asked, worker, clock };
}

const variantIn = (path: string): string | null => new URL(path, "http://gateway").searchParams.get("variant");

const passOn = async (
  origin: string,
  { method, path, headers, body }: Parameters<Script>[0],
  response: Parameters<Script>[1],
): Promise<void> => {
  const { "content-type": type, authorization } = headers;
  const reply = await fetch(origin + path, {
    method,
    headers: { ...(type ? { "content-type": type } : {}), ...(authorization ? { authorization } : {}) },
    ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
  });
  response.writeHead(reply.status, { "content-type": reply.headers.get("content-type") ?? "" });
  response.end(Buffer.from(await reply.arrayBuffer()));
};

const offers = (thumbnail: Script, spritesheet: Script): Script => {
  const scripts: Readonly<Record<string, Script>> = { thumbnail, spritesheet };
  return (seen, response, socket) => scripts[variantIn(seen.path) ?? ""]?.(seen, response, socket);
};
const none = says(404, { error: { message: "There is no such variant.", code: "not_found" } });
const both = (): Script =>
  offers(says(200, webp, { "content-type": "image/webp" }), says(200, jpeg, { "content-type": "image/jpeg" }));

/** Where pictures of a file would be. */
const pictureKeys = ({ key }: StoredFile): string[] =>
  ["thumbnail", "spritesheet"].flatMap((name) =>
    ["webp", "jpg", "png"].map((type) => key.replace(/mp4$/, `${name}.${type}`)),
  );

async function storedPictures({ engine }: Bench, file: StoredFile): Promise<string[]> {
  const keys = pictureKeys(file);
  const objects = await Promise.all(keys.map((key) => engine.storage.head(key)));
  return keys.filter((_, index) => objects[index] !== undefined);
}

const store = async (bench: Bench, prompt: string): Promise<VideoIn<"stored">> => {
  const { id } = await bench.create(prompt);
  return bench.reach(id, "stored");
};

const pictureOf = (key: string, bytes: Buffer, contentType: string) => ({
  key,
  bytes: bytes.length,
  sha256: sha256(bytes),
  contentType,
});

describe("the pictures of a video", () => {
  test("are stored beside it, and its record, its sidecar and the API tell of them", async () => {
    const bench = await aGallery("passed on");

    const video = await store(bench, "a cat");

    const { file } = video;
    const stem = file.key.replace(/\.mp4$/, "");
    const expected = {
      thumbnail: pictureOf(`${stem}.thumbnail.webp`, webp, "image/webp"),
      spritesheet: pictureOf(`${stem}.spritesheet.jpg`, jpeg, "image/jpeg"),
    };
    expect(file.variants).toEqual(expected);
    expect((await bench.file(expected.thumbnail.key)).equals(webp)).toBe(true);
    expect((await bench.file(expected.spritesheet.key)).equals(jpeg)).toBe(true);
    const sidecar = JSON.parse((await bench.file(file.sidecarKey)).toString()) as { file: StoredFile };
    expect(sidecar.file.variants).toEqual(expected);
    const { key, bytes, sha256: hash, contentType } = expected.thumbnail;
    expect(videoBody(video).reelq.file?.variants.thumbnail).toEqual({
      key,
      bytes,
      sha256: hash,
      content_type: contentType,
    });
    expect(bench.asked().sort()).toEqual(["spritesheet", "thumbnail", "video"]);
    expect(bench.simulator.looks().keysLeaked).toBe(0);
  });

  test("are asked for once the video is safe, and not before", async () => {
    const order: string[] = [];
    const watched = (room: Storage): Storage => ({
      ...delegate(room),
      async put(...call) {
        const put = await room.put(...call);
        order.push(call[0].replace(/^.*video_[^.]+/, ""));
        return put;
      },
    });
    const pictures: Script = (seen, ...rest) => {
      order.push("asked");
      both()(seen, ...rest);
    };
    const bench = await aGallery(pictures, { storage: watched });

    await store(bench, "first things first");

    expect([order[0], order.at(-1)]).toEqual([".mp4", ".mp4.json"]);
    expect(order.slice(1, -1).sort()).toEqual([".spritesheet.jpg", ".thumbnail.webp", "asked", "asked"]);
  });

  test("are what their bytes say, whatever was asked for and whatever the type says", async () => {
    const png = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.from("IEND\xaeB`\x82", "latin1")]);
    const bench = await aGallery(
      offers(says(200, png, { "content-type": "text/plain" }), says(200, webp, { "content-type": "" })),
    );

    const { file } = await store(bench, "a png");

    const stem = file.key.replace(/\.mp4$/, "");
    expect(file.variants).toEqual({
      thumbnail: pictureOf(`${stem}.thumbnail.png`, png, "image/png"),
      spritesheet: pictureOf(`${stem}.spritesheet.webp`, webp, "image/webp"),
    });
    expect(await bench.engine.storage.head(`${stem}.thumbnail.png`)).toMatchObject({ contentType: "image/png" });
  });

  test("are fetched from where a redirect leads, without the key", async () => {
    const elsewhere = await scriptedUpstream(both());
    const bench = await aGallery((seen, response) =>
      response.writeHead(302, { location: `${elsewhere.origin}/x?variant=${variantIn(seen.path)}` }).end(),
    );

    const { file } = await store(bench, "moved");

    expect(Object.keys(file.variants ?? {})).toEqual(["thumbnail", "spritesheet"]);
    expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    expect(bench.gateway.seen.every(({ headers }) => headers.authorization === "Bearer bench-key")).toBe(true);
  });

  test("are put again under the same keys after a crash before the record, or found where they are", async () => {
    const failed = new Set<string>();
    const moody = (room: Storage): Storage => ({
      ...delegate(room),
      async put(key, body, options) {
        if (!key.endsWith(".json") || failed.has(key)) return room.put(key, body, options);
        failed.add(key);
        body.destroy();
        bench.simulator.expire({ prompt: "expires" });
        throw new StorageError("unreachable", "The bucket is away.");
      },
    });
    const bench: Gallery = await aGallery("passed on", { storage: moody });

    for (const [prompt, calls] of [
      ["stays", 6],
      ["expires", 4],
    ] as const) {
      const before = bench.asked().length;
      const { file, setbacks } = await store(bench, prompt);
      const { thumbnail, spritesheet } = file.variants ?? {};
      expect([thumbnail?.sha256, spritesheet?.sha256]).toEqual([sha256(webp), sha256(jpeg)]);
      expect((await storedPictures(bench, file)).sort()).toEqual([spritesheet?.key, thumbnail?.key]);
      expect(setbacks.brokenDownloads).toBe(1);
      expect(bench.asked().length - before).toBe(calls);
    }
  });
});

describe("an upstream without pictures", () => {
  const image = { "content-type": "image/webp" };
  /** What the log says of some of them, where that tells two reasons apart. */
  const said: Readonly<Record<string, string>> = {
    noise: "no picture",
    "an AVIF": "no picture",
    "a cut that nobody tells of": "cut off after 200 bytes",
    "a JPEG without its end": "cut off",
    "a huge one that says so": "11534336 bytes are too many",
    "a huge one": "more than 10485760 bytes",
  };
  const cases: Readonly<Record<string, Script>> = {
    "404": none,
    "400": says(400, { error: { message: "Unknown parameter: 'variant'." } }),
    "a JSON error with HTTP 200": says(200, { error: { message: "boom", code: "internal" } }),
    "a page": says(200, "<!doctype html><title>Sign in</title>"),
    "nothing at all": says(200, ""),
    noise: says(200, Buffer.alloc(5_000, "noise "), image),
    "an AVIF": says(200, Buffer.from("\0\0\0\x20ftypavif\0\0\0\0avifmif1", "latin1"), { "content-type": "image/avif" }),
    expired: says(410, ""),
    throttled: says(429, {}),
    "500": says(500, {}),
    "a reset": (_seen, _response, socket) => socket.resetAndDestroy(),
    "a cut with a length": (_seen, response, socket) => {
      response.writeHead(200, { ...image, "content-length": webp.length });
      response.write(webp.subarray(0, 100), () => socket.destroy());
    },
    "a cut that nobody tells of": (seen, response, socket) =>
      says(200, webp.subarray(0, 200), image)(seen, response, socket),
    "a JPEG without its end": (seen, response, socket) =>
      says(200, jpeg.subarray(0, -100), image)(seen, response, socket),
    "a huge one that says so": (_seen, response) => {
      response.writeHead(200, { ...image, "content-length": 11 * 1024 * 1024 }).write(webp);
    },
    "a huge one": (_seen, response) => {
      // Were it let through, it would be a whole JPEG.
      response.writeHead(200, image).write(jpeg);
      response.write(Buffer.alloc(11 * 1024 * 1024));
      response.end("\xff\xd9", "latin1");
    },
    "a redirect to itself": (seen, response) => response.writeHead(302, { location: seen.path }).end(),
  };

  const slow: Readonly<Record<string, Script>> = {
    "an endless trickle": (_seen, response) => {
      response.writeHead(200, image).write(webp.subarray(0, 20));
      const trickle = setInterval(() => response.write("x"), 20);
      response.once("close", () => clearInterval(trickle));
    },
    silence: () => undefined,
  };

  test.each([
    ["whatever it says", cases, 10_000],
    ["however long it takes", slow, 300],
  ])("has its videos stored at the first try all the same, %s", async (_, scripts, pictureMs) => {
    const names = Object.keys(scripts);
    const scriptOf = (path: string): Script => {
      const task = bench.simulator.tasks().find(({ id }) => path.includes(`/${String(id)}/`));
      return scripts[String(task?.["prompt"])] ?? none;
    };
    const ends: Promise<unknown>[] = [];
    const script: Script = (seen, response, socket) => {
      ends.push(once(response, "close"));
      scriptOf(seen.path)(seen, response, socket);
    };
    // Without «true» it would not be asked for all of them.
    const bench: Gallery = await aGallery(script, { variants: true, pictureMs });
    const moves = recorded(bench.engine.facts, "moved");

    const videos = await Promise.all(names.map((name) => store(bench, name)));

    for (const [index, { id, file, setbacks, attempts }] of videos.entries()) {
      const name = names[index] ?? "";
      expect(file.variants, name).toBeUndefined();
      expect(await storedPictures(bench, file), name).toEqual([]);
      expect(setbacks.brokenDownloads, name).toBe(0);
      expect(attempts, name).toHaveLength(1);
      const { note } = moves.find(({ video }) => video.id === id && isFinal(video.status)) ?? {};
      expect(note, name).toMatch(/no thumbnail: .+; no spritesheet: ./);
      expect(note, name).toContain(said[name] ?? "");
    }
    expect(bench.asked().filter((what) => what === "video")).toHaveLength(names.length);
    // Nothing is left open.
    await Promise.all(ends);
  });

  test("that sends the video instead is cut off after its head", async () => {
    const all = 64 * 1024 * 1024;
    const sent: Promise<number>[] = [];
    const bench = await aGallery((_seen, response) => {
      response.writeHead(200, { "content-type": "video/mp4", "content-length": all });
      sent.push(pour(response, someMp4(64 * 1024), all));
    });

    const { file } = await store(bench, "again");

    expect(file.variants).toBeUndefined();
    expect(sent).toHaveLength(2);
    for (const bytes of await Promise.all(sent)) expect(bytes).toBeLessThan(4 * 1024 * 1024);
  });

  test("of one kind is not asked for it again for an hour after two videos, and still for the other", async () => {
    const bench = await aGallery(offers(says(200, jpeg), none));
    const calls = (what: string) => bench.asked().filter((one) => one === what).length;
    const counts: number[] = [];
    for (const ms of [0, 0, 0, 2 * HOUR]) {
      bench.clock.skip(ms);
      const { file } = await store(bench, `after ${ms}`);
      expect(Object.keys(file.variants ?? {})).toEqual(["thumbnail"]);
      counts.push(calls("spritesheet"));
    }
    expect(counts).toEqual([1, 2, 2, 3]);
    expect(calls("thumbnail")).toBe(4);
  });

  test("now and then is asked each time: one that was had ends the count", async () => {
    let calls = 0;
    const bench = await aGallery((...call) => ((calls++ & 2) === 0 ? none : both())(...call));
    for (let times = 1; times <= 4; times += 1) await store(bench, `time ${times}`);
    expect(calls).toBe(8);
  });

  test("by its configuration is not asked at all", async () => {
    const bench = await aGallery(both(), { variants: false });
    const { file } = await store(bench, "told so");
    expect(file).not.toHaveProperty("variants");
    expect(bench.asked()).toEqual(["video"]);
  });
});

/** Writes as fast as it is read, as long as there is a reader; says how much that was. */
async function pour(response: ServerResponse, chunk: Buffer, atMost: number): Promise<number> {
  const left = new AbortController();
  response.once("close", () => left.abort());
  let bytes = 0;
  for (; bytes < atMost && !left.signal.aborted; bytes += chunk.length) {
    if (!response.write(chunk)) await once(response, "drain", { signal: left.signal }).catch(() => undefined);
    // The reader, in this process too, has its turn.
    await setImmediate();
  }
  response.end();
  return bytes;
}

describe("what is remembered of an upstream's pictures", () => {
  const now = 1_000_000;

  test.each([
    ["an answer of its own", "none", HOUR],
    ["something that may pass", "missed", 5 * MINUTE],
  ] as const)("is %s: after two of it in a row it is left alone for a while, then one call decides", (_, miss, ms) => {
    const memory = openVariantMemory();
    memory.hadNot("a", miss, now);
    expect(memory.mayAsk("a", now)).toBe(true);
    memory.hadNot("a", miss, now);
    expect([memory.mayAsk("a", now), memory.mayAsk("b", now), memory.mayAsk("a", now + ms - 1)]).toEqual([
      false,
      true,
      false,
    ]);
    expect(memory.mayAsk("a", now + ms)).toBe(true);
    memory.hadNot("a", miss, now + ms);
    expect(memory.mayAsk("a", now + ms)).toBe(false);
  });

  test("is nothing where one was had in between", () => {
    const memory = openVariantMemory();
    memory.hadNot("a", "none", now);
    memory.had("a");
    memory.hadNot("a", "none", now);
    expect(memory.mayAsk("a", now)).toBe(true);
  });
});

describe("a storage or a worker in trouble over a picture", () => {
  const withPuts = (putPicture: Storage["put"]) => (room: Storage) => ({
    ...delegate(room),
    put: (...call: Parameters<Storage["put"]>) =>
      /\.(webp|jpg)$/.test(call[0]) ? putPicture(...call) : room.put(...call),
  });

  test("keeps no video from being stored, nor is the upstream blamed for it", async () => {
    const storage = withPuts(async (_key, body) => {
      body.destroy();
      throw new StorageError("unreachable", "The bucket is away.");
    });
    const bench = await aGallery("passed on", { storage });
    for (const prompt of ["one", "two", "three"]) {
      const { file, setbacks } = await store(bench, prompt);
      expect(file.variants).toBeUndefined();
      expect(setbacks.brokenDownloads).toBe(0);
    }
    expect(bench.asked().filter((what) => what === "thumbnail")).toHaveLength(3);
  });

  test("that never ends keeps no video waiting", async () => {
    const bench = await aGallery("passed on", {
      storage: withPuts(() => new Promise(() => undefined)),
      pictureMs: 300,
    });
    expect((await store(bench, "stuck")).file.variants).toBeUndefined();
  });

  test("that must stop stores the video without: nothing is fetched twice", async () => {
    const { promise: isAsked, resolve } = Promise.withResolvers<void>();
    const bench = await aGallery(() => resolve());
    const { id } = await bench.create("the last one");
    await isAsked;

    await bench.worker.close(0);

    expect(await bench.read(id)).toMatchObject({ status: "stored" });
    expect(bench.asked().filter((what) => what === "video")).toHaveLength(1);
  });
});
