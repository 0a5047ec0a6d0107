import { expect, test } from "vitest";
import { MediaJudge } from "../../packages/engine/src/media.ts";
import { nextFetchMs, missedLookMs } from "../../packages/engine/src/backoff.ts";
import { openPace } from "../../packages/engine/src/pace.ts";
import { openShares } from "../../packages/engine/src/shares.ts";

const box = (type: string, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, body]);
};
const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
};

const judge = (bytes: Buffer) => {
  const judging = new MediaJudge("mp4");
  judging.see(bytes);
  judging.end();
};

test.each([
  ["stsz", words(0, 1, 60_000_000)],
  ["stts", words(0, 1, 0xffffffff, 1)],
  ["ctts", words(0, 1, 0xffffffff, 1)],
])("an index whose %s claims more samples than any clip has is refused before it is expanded", (type, table) => {
  const stbl = box("stbl", box(type, table));
  const moov = box("moov", box("trak", box("mdia", box("minf", stbl))));
  const file = Buffer.concat([box("ftyp", Buffer.from("isom")), moov, box("mdat", Buffer.alloc(8))]);
  expect(() => judge(file)).toThrow(
    expect.objectContaining({ code: "not_video", message: expect.stringContaining("claims more than") as string }),
  );
});

test("a file that hardly moves, or has no end, is given up", () => {
  let now = 0;
  const count = openPace(() => now);
  count(1_000);
  now = 61_000;
  expect(() => count(1)).toThrow(/bytes a second/);
  const endless = openPace(() => 0);
  expect(() => endless(9 * 1024 ** 3)).toThrow(/no end/);
  const steady = openPace(() => now);
  steady(100 * 1024 ** 2);
  now += 61_000;
  expect(() => steady(1)).not.toThrow();
});

test("no Retry-After outlasts the file, or keeps a render from being looked at", () => {
  const hour = 3_600_000;
  expect(nextFetchMs({ tries: 1, lifeLeftMs: 60_000, retryAfterMs: hour }, () => 0.5)).toBe(30_000);
  expect(nextFetchMs({ tries: 1, lifeLeftMs: hour, retryAfterMs: 20_000 }, () => 0.5)).toBe(20_000);
  expect(missedLookMs(1, hour, () => 0.5)).toBe(300_000);
});

test("one upstream takes at most three quarters of the slots, where there are others", () => {
  const shares = openShares(() => 8, 2);
  const taken = Array.from({ length: 8 }, () => shares.take("poll", "hung"));
  expect(taken.filter(Boolean)).toHaveLength(6);
  expect(shares.take("poll", "other")).toBeDefined();
  taken[0]?.();
  expect(shares.take("poll", "hung")).toBeDefined();
  const alone = openShares(() => 8, 1);
  expect(Array.from({ length: 8 }, () => alone.take("poll", "only")).filter(Boolean)).toHaveLength(8);
});
