import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, inject, test } from "vitest";
import { openStorage } from "../../packages/engine/src/storage/open.ts";
import { describeStorage } from "../support/storage-conformance.ts";
import type { S3Server } from "../support/s3-server.ts";

const s3 = inject("s3");
const prefix = `storage-test/${randomUUID()}`;

/** A room on the test server, with one fact changed. */
function openRoom(server: S3Server, changed: Partial<S3Server> = {}, inside: string = prefix) {
  const { endpoint, accessKey, secretKey, region, bucket } = { ...server, ...changed };
  return openStorage(`s3://${bucket}/${inside}`, {
    endpoint,
    region,
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
  });
}

if ("skipped" in s3) {
  test.skip(`a bucket: ${s3.skipped}`);
} else {
  describeStorage("a bucket", { open: async () => openRoom(s3), streamedMb: 100 });
  describeBucket(s3);
}

function describeBucket(server: S3Server): void {
  const mp4 = { contentType: "video/mp4" };

  describe("a bucket", () => {
    test("of which only a prefix is ours is left alone outside of it", async () => {
      const [ours, theirs] = [openRoom(server, {}, `${prefix}/ours`), openRoom(server, {}, `${prefix}/ours2`)];
      await theirs.put("a.mp4", Readable.from(["theirs"]), mp4);
      await ours.put("a.mp4", Readable.from(["ours"]), mp4);
      await ours.remove("a.mp4");
      const found = await theirs.get("a.mp4");
      expect((await buffer(found?.body ?? Readable.from([]))).toString()).toBe("theirs");
      await theirs.remove("a.mp4");
    });

    test("of which only a prefix is ours keeps the unfinished uploads of others", async () => {
      const [ours, theirs] = [openRoom(server, {}, `${prefix}/ours`), openRoom(server, {}, `${prefix}/ours2`)];
      const controller = new AbortController();
      const taken = Promise.withResolvers<void>();
      async function* unfinished() {
        for (let mb = 0; mb < 12; mb += 1) yield Buffer.alloc(1024 * 1024);
        taken.resolve();
        await new Promise(() => undefined);
      }
      const put = theirs.put("a.mp4", Readable.from(unfinished()), { ...mp4, signal: controller.signal });
      await taken.promise;
      expect(await ours.abandonUploads(Date.now() + 3_600_000)).toBe(0);
      expect(await theirs.abandonUploads(Date.now() + 3_600_000)).toBe(1);
      controller.abort(new Error("enough"));
      await expect(put).rejects.toThrow("enough");
    });

    test("can be used whole, without a prefix", async () => {
      const room = openStorage(`s3://${server.bucket}`, {
        endpoint: server.endpoint,
        accessKeyId: server.accessKey,
        secretAccessKey: server.secretKey,
      });
      expect(room.place).toBe(`s3://${server.bucket}`);
      await room.probe();
    });

    test("never shows its secrets", async () => {
      const room = openRoom(server, { secretKey: "a-wrong-secret" });
      expect(room.place).toBe(`s3://${server.bucket}/${prefix}`);
      const error: unknown = await room.probe().catch((thrown: unknown) => thrown);
      expect(String(error)).not.toContain("a-wrong-secret");
      expect(String(error)).not.toContain(server.accessKey);
    });

    test("gives URLs that end when they should and serve nothing else", async () => {
      const room = openRoom(server);
      await room.put("a.mp4", Readable.from(["x"]), mp4);
      const url = (await room.presign("a.mp4", 60)) ?? "";
      expect(new URL(url).searchParams.get("X-Amz-Expires")).toBe("60");
      expect((await fetch(url.replace("a.mp4", "b.mp4"))).status).toBe(403);
      expect((await fetch(url, { method: "DELETE" })).status).toBe(403);
      await room.remove("a.mp4");
    });

    test("takes many long uploads at once in a part's memory each", async () => {
      const room = openRoom(server);
      const [uploads, mb] = [16, 32];
      const atStart = process.memoryUsage().arrayBuffers;
      let highest = atStart;
      function* chunks() {
        for (let made = 0; made < mb * 16; made += 1) {
          highest = Math.max(highest, process.memoryUsage().arrayBuffers);
          yield Buffer.alloc(64 * 1024, made);
        }
      }
      const keys = Array.from({ length: uploads }, (_, number) => `many/${number}.mp4`);
      await Promise.all(keys.map((key) => room.put(key, Readable.from(chunks(), { objectMode: false }), mp4)));
      await Promise.all(keys.map((key) => room.remove(key)));
      // A part of 5 MB each is 80; the rest is on the way, or what the collector has not come round to.
      expect((highest - atStart) / 1024 / 1024).toBeLessThan((uploads * mb) / 2);
    });

    test.each([
      ["the bucket is missing", { bucket: "no-such-bucket" }, "no_bucket", /"no-such-bucket".*STORAGE_URL/],
      ["the access key is unknown", { accessKey: "UNKNOWNKEY" }, "denied", /AWS_ACCESS_KEY_ID/],
      ["the secret key is wrong", { secretKey: "wrong" }, "denied", /AWS_SECRET_ACCESS_KEY/],
      ["nothing listens", { endpoint: "http://127.0.0.1:1" }, "unreachable", /AWS_ENDPOINT_URL_S3.*ECONNREFUSED/],
    ])("says what to mend when %s", async (_, wrong, code, message) => {
      const room = openRoom(server, wrong);
      await expect(room.probe()).rejects.toMatchObject({
        name: "StorageError",
        code,
        message: expect.stringMatching(message),
      });
      await expect(room.get("a.mp4")).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    });
  });

  describe("an endpoint that is no S3 server", () => {
    test.each([404, 200, 500, 403])("and answers %i with a web page fails the probe", async (status) => {
      const { endpoint, close } = await serve((_, response) =>
        response.writeHead(status, { "content-type": "text/html" }).end("<html>hi"),
      );
      const room = openRoom(server, { endpoint });
      await expect(room.probe()).rejects.toMatchObject({ name: "StorageError" });
      await room.close();
      close();
    });

    test("and never answers lets go of a put when it is told to", async () => {
      const controller = new AbortController();
      const reason = new Error("stop");
      const { endpoint, close } = await serve(() => controller.abort(reason));
      const room = openRoom(server, { endpoint });
      await expect(room.put("a.mp4", Readable.from(["x"]), { ...mp4, signal: controller.signal })).rejects.toBe(reason);
      await room.close();
      close();
    });

    test("and hangs in the middle of a long upload has it taken back as soon as the put is told to stop", async () => {
      const controller = new AbortController();
      const reason = new Error("stop");
      const asked: string[] = [];
      const { endpoint, close } = await serve((request, response) => {
        asked.push(`${request.method} ${new URL(request.url ?? "", "http://here").search}`);
        if (request.method === "POST") response.end(uploadBegun);
        if (request.method === "PUT") controller.abort(reason);
        if (request.method === "DELETE") response.writeHead(204).end();
      });
      const room = openRoom(server, { endpoint });
      const body = Readable.from([Buffer.alloc(6 * 1024 * 1024)]);
      await expect(room.put("a.mp4", body, { ...mp4, signal: controller.signal })).rejects.toBe(reason);
      expect(asked).toEqual([
        "POST ?uploads=",
        expect.stringMatching(/^PUT .*uploadId=u1/),
        expect.stringMatching(/^DELETE .*uploadId=u1/),
      ]);
      await room.close();
      close();
    });
  });
}

const uploadBegun =
  "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u1</UploadId></InitiateMultipartUploadResult>";

async function serve(answer: RequestListener): Promise<{ endpoint: string; close: () => void }> {
  const web = createServer(answer);
  await once(web.listen(0, "127.0.0.1"), "listening");
  const address = web.address();
  const port = address && typeof address === "object" ? address.port : 0;
  const close = () => {
    web.closeAllConnections();
    web.close();
  };
  return { endpoint: `http://127.0.0.1:${port}`, close };
}
