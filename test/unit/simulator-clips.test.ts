import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { clip, clipSizes } from "../../apps/simulator/src/clips.ts";
import { startSimulator } from "../../apps/simulator/src/simulator.ts";

const lengths = [4, 8, 10, 12, 15, 25];
const hasFfprobe = spawnSync("ffprobe", ["-version"]).status === 0;

test("there are pictures for the seed's sizes and the usual screens", () => {
  expect(clipSizes).toEqual(
    expect.arrayContaining(["720x1280", "1280x720", "1024x1792", "1792x1024", "1080x1920", "1920x1080", "64x64"]),
  );
});

test.each(clipSizes)("a clip of %s has that size, H.264 and exactly the asked length", async (size) => {
  for (const seconds of lengths) {
    const facts = readMp4(Buffer.from(await clip(size, seconds)));
    expect(facts).toEqual({ codec: "avc1", size, seconds, frames: seconds * 24, indexFirst: true });
  }
});

test("a clip may be shorter than a second and need not be whole seconds", async () => {
  expect(readMp4(Buffer.from(await clip("64x64", 0.5)))).toMatchObject({ seconds: 0.5, frames: 12 });
  expect(readMp4(Buffer.from(await clip("64x64", 2.5)))).toMatchObject({ seconds: 2.5, frames: 60 });
});

test.runIf(hasFfprobe).each([
  ["sora-2", "720x1280", 15],
  ["sora-2", "1280x720", 10],
  ["sora-2-pro", "1024x1792", 25],
  ["veo-3.1", "1792x1024", 4],
  ["wide", "854x480", 5],
])("ffprobe and a decoder agree: %s at %s for %i s", async (model, size, seconds) => {
  const simulator = await startSimulator({ renderMs: 0, models: { wide: { seconds: [5] } } });
  onTestFinished(() => simulator.close());
  const body = JSON.stringify({ prompt: "A cat", model, size, seconds: String(seconds) });
  const headers = { "content-type": "application/json" };
  const created = await fetch(`${simulator.url}/videos`, { method: "POST", body, headers });
  const { id } = (await created.json()) as { id: string };
  const response = await fetch(`${simulator.url}/videos/${id}/content`);
  const folder = await mkdtemp(join(tmpdir(), "clip-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "clip.mp4");
  await writeFile(file, Buffer.from(await response.arrayBuffer()));

  const show = "format=duration:stream=codec_name,width,height,nb_read_frames";
  const flags = ["-v", "error", "-count_frames", "-show_entries", show, "-of", "json", file];
  const { stdout, stderr } = await promisify(execFile)("ffprobe", flags);
  const { streams, format } = JSON.parse(stdout) as { streams: unknown[]; format: { duration: string } };
  const [width, height] = size.split("x").map(Number);
  expect(stderr).toBe("");
  expect(streams).toEqual([{ codec_name: "h264", width, height, nb_read_frames: String(seconds * 24) }]);
  expect(Math.abs(Number(format.duration) - seconds)).toBeLessThan(0.1);
});

/** Reads the facts off an MP4's boxes (ISO/IEC 14496-12), so that the test needs no ffprobe. */
function readMp4(file: Buffer) {
  const [mvhd, tkhd, stsd, stsz] = [
    box(file, "moov", "mvhd"),
    box(file, "moov", "trak", "tkhd"),
    box(file, "moov", "trak", "mdia", "minf", "stbl", "stsd"),
    box(file, "moov", "trak", "mdia", "minf", "stbl", "stsz"),
  ];
  const [timescale, duration] =
    mvhd[0] === 0 ? [12, 16].map((at) => mvhd.readUInt32BE(at)) : [20, 28].map((at) => mvhd.readUInt32BE(at));
  return {
    codec: stsd.toString("latin1", 12, 16),
    size: `${tkhd.readUInt16BE(tkhd.length - 8)}x${tkhd.readUInt16BE(tkhd.length - 4)}`,
    seconds: (duration ?? 0) / (timescale ?? 1),
    frames: stsz.readUInt32BE(8),
    indexFirst: file.indexOf("moov") < file.indexOf("mdat"),
  };
}

/** The payload of the box at the end of the path. */
function box(bytes: Buffer, ...[name, ...rest]: string[]): Buffer {
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    const payload = bytes.subarray(at + 8, at + length);
    if (bytes.toString("latin1", at + 4, at + 8) === name) return rest.length > 0 ? box(payload, ...rest) : payload;
    at += length;
  }
  throw new Error(`There is no box ${name}.`);
}
