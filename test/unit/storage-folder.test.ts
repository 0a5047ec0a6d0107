import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFolder } from "../../packages/engine/src/storage/folder.ts";
import { describeStorage } from "../support/storage-conformance.ts";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "reelq-storage-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

describeStorage("a folder", {
  open: async () => openFolder({ path: join(scratch, "made/when/needed") }),
  streamedMb: 200,
});

describe("a folder", () => {
  const mp4 = { contentType: "video/mp4" };

  test("is made only when something is put", async () => {
    const path = join(scratch, "not-yet");
    const folder = openFolder({ path });
    expect(await folder.head("a.mp4")).toBeUndefined();
    expect(await folder.abandonUploads(Date.now())).toBe(0);
    await folder.remove("a.mp4");
    expect(await readdir(scratch)).not.toContain("not-yet");
  });

  test("holds the objects as plain files below their keys, and no empty folders", async () => {
    const path = join(scratch, "plain");
    const folder = openFolder({ path });
    await folder.put("2026/11/22/a.mp4", Readable.from(["x"]), mp4);
    await folder.put("2026/11/23/b.mp4", Readable.from(["x"]), mp4);
    expect((await readdir(path, { recursive: true })).toSorted()).toEqual([
      ".incoming",
      "2026",
      "2026/11",
      "2026/11/22",
      "2026/11/22/a.mp4",
      "2026/11/23",
      "2026/11/23/b.mp4",
    ]);
    await folder.remove("2026/11/22/a.mp4");
    expect(await readdir(join(path, "2026/11"))).toEqual(["23"]);
    await folder.remove("2026/11/23/b.mp4");
    expect(await readdir(path)).toEqual([".incoming"]);
  });

  test("whose folders come and go under many hands loses no put", async () => {
    const folder = openFolder({ path: join(scratch, "busy") });
    const hands = Array.from({ length: 8 }, async (_, hand) => {
      for (let round = 0; round < 60; round += 1) {
        await folder.put(`a/b/c/${hand}.bin`, Readable.from(["x"]), { contentType: "application/octet-stream" });
        expect(await folder.head(`a/b/c/${hand}.bin`)).toMatchObject({ bytes: 1 });
        await folder.remove(`a/b/c/${hand}.bin`);
      }
    });
    await Promise.all(hands);
  });

  test("says where it is", () => {
    expect(openFolder({ path: "/srv/videos/" }).place).toBe("file:/srv/videos");
  });

  test("that cannot be one says so by the setting's name, in every call that would touch it", async () => {
    const path = join(scratch, "taken/videos");
    await writeFile(join(scratch, "taken"), "");
    const folder = openFolder({ path });
    const refusal = {
      code: "unusable",
      message: `file:${path} (STORAGE_URL) cannot be used: a part of the path is a file, not a folder.`,
    };
    await expect(folder.probe()).rejects.toMatchObject(refusal);
    await expect(folder.put("a.mp4", Readable.from(["x"]), mp4)).rejects.toMatchObject(refusal);
  });

  test("does not mistake a body's own system error for one of the disk", async () => {
    const folder = openFolder({ path: join(scratch, "honest") });
    const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
    const body = new Readable({ read: () => body.destroy(reset) });
    await expect(folder.put("a.mp4", body, mp4)).rejects.toBe(reset);
  });

  test("is told of a body that fails before it is read", async () => {
    const folder = openFolder({ path: join(scratch, "early") });
    const reset = new Error("gone");
    const body = new PassThrough();
    const put = folder.put("a.mp4", body, mp4);
    body.destroy(reset);
    await expect(put).rejects.toBe(reset);
  });
});
