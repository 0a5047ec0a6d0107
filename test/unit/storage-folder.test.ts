import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
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

  test("says where it is", () => {
    expect(openFolder({ path: "/srv/videos/" }).place).toBe("file:/srv/videos");
  });

  test("that cannot be one fails its probe with the setting's name and the reason", async () => {
    await writeFile(join(scratch, "taken"), "");
    const folder = openFolder({ path: join(scratch, "taken/videos") });
    await expect(folder.probe()).rejects.toThrow(
      `file:${join(scratch, "taken/videos")} (STORAGE_URL) cannot be used: a part of the path is a file, not a folder.`,
    );
  });
});
