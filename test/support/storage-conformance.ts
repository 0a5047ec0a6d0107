import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Storage } from "../../packages/engine/src/storage/storage.ts";

const MB = 1024 * 1024;
/** What an S3 upload sends at a time: the sizes around it are where uploads go wrong. */
const PART = 5 * MB;
const HOUR_MS = 3_600_000;

const video = { contentType: "video/mp4" };

/** What every room promises, whatever it is made of. */
export function describeStorage(
  room: string,
  { open, streamedMb }: { open: () => Promise<Storage>; streamedMb: number },
): void {
  describe(room, () => {
    let storage: Storage;
    beforeAll(async () => {
      storage = await open();
    });
    afterAll(async () => {
      await Promise.all([...used].map((key) => storage.remove(key)));
      await storage.close();
    });

    const used = new Set<string>();
    const put: Storage["put"] = async (key, ...rest) => {
      const stored = await storage.put(key, ...rest);
      used.add(key);
      return stored;
    };
    const putBytes = (key: string, bytes: Buffer) => put(key, Readable.from([bytes]), video);
    const read = async (key: string) => {
      const found = await storage.get(key);
      return found && (await buffer(found.body));
    };
    const unfinished = () => storage.abandonUploads(Date.now() + HOUR_MS);

    test.each([0, 1, 1000, PART - 1, PART, PART + 1, 2 * PART, 20 * MB])(
      "%i bytes come back as they were put",
      async (length) => {
        const key = aKey();
        const bytes = randomBytes(length);
        expect(await putBytes(key, bytes)).toEqual({ bytes: length, sha256: sha256(bytes) });
        const found = await storage.get(key);
        expect(found).toMatchObject({ bytes: length, contentType: "video/mp4" });
        expect((await buffer(found?.body ?? Readable.from([]))).equals(bytes)).toBe(true);
        const { body: _, ...facts } = found ?? {};
        expect(await storage.head(key)).toEqual(facts);
      },
    );

    test("a body that comes in chunks of any length, also as text, is put whole", async () => {
      const key = aKey();
      const chunks = [
        randomBytes(3),
        randomBytes(PART),
        "žluťoučký",
        randomBytes(PART + 7),
        Buffer.alloc(0),
        randomBytes(1),
      ];
      const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
      expect(await put(key, Readable.from(chunks), video)).toEqual({
        bytes: whole.length,
        sha256: sha256(whole),
      });
      expect((await read(key))?.equals(whole)).toBe(true);
    });

    test.each([0, 1000, PART, 2 * PART + 1])(
      "a judge sees all of %i bytes before they are committed",
      async (length) => {
        const key = aKey();
        const bytes = randomBytes(length);
        const seen: Buffer[] = [];
        let ends = 0;
        const judge = {
          see: (some: Buffer) => void seen.push(Buffer.from(some)),
          end: () => void (ends += 1),
        };
        await put(key, Readable.from([bytes]), { ...video, judge });
        expect(Buffer.concat(seen).equals(bytes)).toBe(true);
        expect(ends).toBe(1);
      },
    );

    test.each([1000, PART, 2 * PART + 1])(
      "a judge who refuses %i bytes, at once or at their end, undoes the put",
      async (length) => {
        const key = aKey();
        const refused = new Error("They are no film.");
        const refuse = () => {
          throw refused;
        };
        const judges = [
          { see: refuse, end: () => undefined },
          { see: () => undefined, end: refuse },
        ];
        for (const judge of judges) {
          const body = Readable.from([randomBytes(length)]);
          await expect(put(key, body, { ...video, judge })).rejects.toBe(refused);
          expect(body.destroyed).toBe(true);
          expect(await storage.head(key)).toBeUndefined();
        }
        expect(await unfinished()).toBe(0);
      },
    );

    test("a long body is streamed in both ways with flat memory", async () => {
      const key = aKey();
      const length = streamedMb * MB;
      const memory = watchMemory();
      const { bytes, sha256: hash } = await put(
        key,
        Readable.from(generated(length, memory.look), { objectMode: false }),
        video,
      );
      expect(bytes).toBe(length);
      const found = await storage.get(key);
      const check = createHash("sha256");
      for await (const chunk of found?.body ?? []) {
        check.update(chunk as Buffer);
        memory.look();
      }
      expect(check.digest("hex")).toBe(hash);
      expect(memory.growthMb()).toBeLessThan(64);
      await storage.remove(key);
    });

    test.each([
      ["mp4", "video/mp4"],
      ["webm", "video/webm"],
      ["mov", "video/quicktime"],
      ["avi", "video/x-msvideo"],
      ["json", "application/json"],
      ["webp", "image/webp"],
      ["jpg", "image/jpeg"],
      ["png", "image/png"],
      ["bin", "application/octet-stream"],
    ])("a .%s keeps its content type %s", async (extension, contentType) => {
      const key = aKey(extension);
      await put(key, Readable.from(["x"]), { contentType });
      expect((await storage.head(key))?.contentType).toBe(contentType);
    });

    describe("a range", () => {
      const bytes = randomBytes(70_000);
      let key: string;
      beforeAll(async () => {
        key = aKey();
        await putBytes(key, bytes);
      });

      test.each([
        ["the first byte", 0, 0],
        ["the last byte", 69_999, 69_999],
        ["the middle", 1, 69_998],
        ["the end", 65_000, 69_999],
        ["everything", 0, 69_999],
      ])("of %s gives just that, and the length of the whole", async (_, start, end) => {
        const found = await storage.get(key, { start, end });
        expect(found?.bytes).toBe(70_000);
        expect((await buffer(found?.body ?? Readable.from([]))).equals(bytes.subarray(start, end + 1))).toBe(true);
      });

      test.each([
        [70_000, 70_000],
        [0, 70_000],
        [69_999, 80_000],
        [5, 4],
        [-1, 5],
        [0.5, 5],
        [Number.NaN, 5],
      ])("of %d-%d, which is not inside, is refused", async (start, end) => {
        await expect(storage.get(key, { start, end })).rejects.toMatchObject({ code: "invalid_range" });
      });

      test("of an empty object is refused", async () => {
        const empty = aKey();
        await putBytes(empty, Buffer.alloc(0));
        await expect(storage.get(empty, { start: 0, end: 0 })).rejects.toMatchObject({ code: "invalid_range" });
      });

      test("of what is not there is undefined", async () => {
        expect(await storage.get(aKey(), { start: 0, end: 0 })).toBeUndefined();
      });
    });

    test("a second put replaces the object and its etag", async () => {
      const key = aKey();
      await putBytes(key, Buffer.from("first"));
      const before = await storage.head(key);
      await putBytes(key, Buffer.from("other"));
      expect((await read(key))?.toString()).toBe("other");
      const after = await storage.head(key);
      expect(after?.etag).toMatch(/^"[^"]+"$/);
      expect(after?.etag).not.toBe(before?.etag);
    });

    test.each([1000, PART + 1000])(
      "many puts of %i bytes at one key at once end in one whole object",
      async (length) => {
        const key = aKey();
        const bodies = Array.from({ length: 6 }, () => randomBytes(length));
        await Promise.all(bodies.map((body) => putBytes(key, body)));
        const found = await read(key);
        expect(bodies.some((body) => found?.equals(body))).toBe(true);
        expect(await unfinished()).toBe(0);
      },
    );

    test("a reader keeps the object it began with while another put replaces it", async () => {
      const key = aKey();
      const bytes = randomBytes(2 * MB);
      await putBytes(key, bytes);
      const found = await storage.get(key, { start: 0, end: 2 * MB - 1 });
      await putBytes(key, randomBytes(1000));
      expect((await buffer(found?.body ?? Readable.from([]))).equals(bytes)).toBe(true);
    });

    describe.each([100, PART, 2 * PART + 100])("a put that goes wrong after %i bytes", (length) => {
      const failure = new Error("the file is not what was paid for");

      /** An object that is there before, the put that must not harm it, and what must be so afterwards. */
      const expectUnharmed = async (fail: (key: string) => Promise<unknown>, expected: unknown) => {
        const key = aKey();
        await putBytes(key, Buffer.from("before"));
        await expect(fail(key)).rejects.toBe(expected);
        expect((await read(key))?.toString()).toBe("before");
        const fresh = aKey();
        await expect(fail(fresh)).rejects.toBe(expected);
        expect(await storage.head(fresh)).toBeUndefined();
        expect(await unfinished()).toBe(0);
      };

      test("because its body fails in place of ending leaves nothing behind", async () => {
        await expectUnharmed((key) => put(key, Readable.from(failing(length, failure)), video), failure);
      });

      test("because the signal is aborted leaves nothing behind, and says the signal's reason", async () => {
        const reason = new Error("the worker is told to stop");
        await expectUnharmed(async (key) => {
          const controller = new AbortController();
          const body = Readable.from(stalling(length, () => controller.abort(reason)));
          return put(key, body, { ...video, signal: controller.signal });
        }, reason);
      });
    });

    test("a body that is cut off without an error fails the put", async () => {
      const key = aKey();
      const body = new PassThrough();
      body.write("half of it");
      const cutOff = put(key, body, video);
      body.destroy();
      await expect(cutOff).rejects.toThrow();
      expect(await storage.head(key)).toBeUndefined();
      expect(await unfinished()).toBe(0);
    });

    test("a body that has failed before the put fails the put with its error", async () => {
      const failure = new Error("too early");
      const body = new PassThrough();
      body.once("error", () => undefined);
      await new Promise((resolve) => body.destroy(failure).once("close", resolve));
      await expect(put(aKey(), body, video)).rejects.toBe(failure);
    });

    test("a put whose signal is aborted already sends nothing and destroys its body", async () => {
      const reason = new Error("too late");
      const key = aKey();
      const body = Readable.from(["x"]);
      await expect(put(key, body, { ...video, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(body.destroyed).toBe(true);
      expect(await storage.head(key)).toBeUndefined();
    });

    test("what is removed is gone, its neighbours stay, and removing it again is fine", async () => {
      const folder = randomUUID();
      await putBytes(`${folder}/a/one.mp4`, Buffer.from("1"));
      await putBytes(`${folder}/a/one.mp4.json`, Buffer.from("{}"));
      await storage.remove(`${folder}/a/one.mp4`);
      await storage.remove(`${folder}/a/one.mp4`);
      await storage.remove(`${folder}/a`);
      expect(await storage.head(`${folder}/a/one.mp4`)).toBeUndefined();
      expect(await storage.get(`${folder}/a/one.mp4`)).toBeUndefined();
      expect((await read(`${folder}/a/one.mp4.json`))?.toString()).toBe("{}");
    });

    test("puts and removals of neighbours at once do not get in each other's way", async () => {
      const folder = randomUUID();
      const writers = Array.from({ length: 5 }, async (_, writer) => {
        const key = `${folder}/deep/er/${writer}.bin`;
        for (let round = 0; round < 20; round += 1) {
          await putBytes(key, Buffer.from(String(round)));
          expect((await read(key))?.toString()).toBe(String(round));
          await storage.remove(key);
        }
      });
      await Promise.all(writers);
    });

    test("what is not there is undefined, also below an object and above one", async () => {
      const folder = randomUUID();
      await putBytes(`${folder}/a/b.mp4`, Buffer.from("x"));
      for (const key of [aKey(), `${folder}/a`, folder, `${folder}/a/b.mp4/c.mp4`]) {
        expect(await storage.head(key)).toBeUndefined();
        expect(await storage.get(key)).toBeUndefined();
        await storage.remove(key);
      }
      expect((await read(`${folder}/a/b.mp4`))?.toString()).toBe("x");
    });

    test.each([
      ["of every allowed character", "a.b-c_d/E/0/-/_/v.1.2.mp4"],
      ["of many segments", `${"x/".repeat(300)}end.mp4`],
      ["of a long segment", "s".repeat(200)],
    ])("a key %s is fine", async (_, path) => {
      const key = `${randomUUID()}/${path}`;
      await putBytes(key, Buffer.from(path));
      expect((await read(key))?.toString()).toBe(path);
    });

    test.each([
      ["of nothing", ""],
      ["from the root", "/etc/passwd"],
      ["that climbs out", "../outside.mp4"],
      ["that climbs out in the middle", "a/../../outside.mp4"],
      ["with a dot for a segment", "a/./b.mp4"],
      ["with an empty segment", "a//b.mp4"],
      ["with a slash at the end", "a/"],
      ["in the folder of unfinished files", ".incoming/x.mp4"],
      ["that is hidden", "a/.hidden"],
      ["with a backslash", "a\\b.mp4"],
      ["with a space", "a b.mp4"],
      ["with a zero", "a\0b.mp4"],
      ["with a percent sign", "a%2e%2e.mp4"],
      ["with a letter of another alphabet", "ä.mp4"],
      ["with a line break", "a.mp4\n"],
      ["with too long a segment", "s".repeat(201)],
      ["that is too long", `${"x/".repeat(400)}x`],
    ])("a key %s is refused by every call", async (_, key) => {
      const refusal = { code: "invalid_key", message: expect.stringContaining("key") };
      const body = Readable.from(["x"]);
      await expect(put(key, body, video)).rejects.toMatchObject(refusal);
      expect(body.destroyed).toBe(true);
      await expect(storage.head(key)).rejects.toMatchObject(refusal);
      await expect(storage.get(key)).rejects.toMatchObject(refusal);
      await expect(storage.remove(key)).rejects.toMatchObject(refusal);
      await expect(storage.presign(key, 60)).rejects.toMatchObject(refusal);
    });

    test("a presigned URL, where there is one, serves the bytes and their ranges to anyone", async () => {
      const key = aKey();
      await putBytes(key, Buffer.from("0123456789"));
      const url = await storage.presign(key, 60);
      if (url === undefined) return;
      const response = await fetch(url);
      expect(response.headers.get("content-type")).toBe("video/mp4");
      expect(await response.text()).toBe("0123456789");
      const part = await fetch(url, { headers: { range: "bytes=2-4" } });
      expect([part.status, await part.text()]).toEqual([206, "234"]);
    });

    test("the probe passes and leaves nothing", async () => {
      await storage.probe();
      expect(await unfinished()).toBe(0);
    });

    test("an upload that nobody finishes can be abandoned once it is old, and its put fails", async () => {
      const key = aKey();
      const body = new PassThrough({ highWaterMark: 64 * MB });
      const abandonedPut = put(key, body, video);
      abandonedPut.catch(() => undefined);
      body.write(randomBytes(2 * PART));
      let abandoned = 0;
      while (abandoned === 0) {
        expect(await storage.abandonUploads(Date.now() - HOUR_MS)).toBe(0);
        abandoned = await unfinished();
      }
      expect(abandoned).toBe(1);
      body.end(randomBytes(PART));
      await expect(abandonedPut).rejects.toThrow();
      expect(await storage.head(key)).toBeUndefined();
      expect(await unfinished()).toBe(0);
    });

    test("bodies that are destroyed early let go of what they held", async () => {
      const key = aKey();
      await putBytes(key, randomBytes(4 * MB));
      const before = await openFiles();
      for (let round = 0; round < 200; round += 1) {
        const found = await storage.get(key);
        const closed = new Promise((resolve) => found?.body.once("close", resolve));
        found?.body.destroy();
        await closed;
      }
      expect((await openFiles()) - before).toBeLessThan(20);
    });
  });
}

const aKey = (extension = "mp4"): string => `2026/11/22/${randomUUID()}.${extension}`;

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Fresh chunks: were they one and the same, a room that collects them would look flat. */
function* generated(length: number, look: () => void): Generator<Buffer> {
  for (let made = 0; made < length; made += 64 * 1024) {
    look();
    yield Buffer.alloc(64 * 1024, made / (64 * 1024));
  }
}

function* failing(length: number, failure: Error): Generator<Buffer> {
  yield* inPieces(length);
  throw failure;
}

/** Says when all of it has been taken, and never ends, not even when it is told to. */
async function* stalling(length: number, taken: () => void): AsyncGenerator<Buffer> {
  yield* inPieces(length);
  taken();
  await new Promise(() => undefined);
}

function* inPieces(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= 50_000) yield randomBytes(Math.min(left, 50_000));
}

/** Of this process; the highest since the start, above the start. */
function watchMemory() {
  const atStart = process.memoryUsage().rss;
  let highest = atStart;
  return {
    look: () => {
      highest = Math.max(highest, process.memoryUsage.rss());
    },
    growthMb: () => (highest - atStart) / MB,
  };
}

/** How many files and sockets this process has open. */
const openFiles = async (): Promise<number> => (await readdir("/dev/fd")).length;
