import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  BufferSource,
  BufferTarget,
  type EncodedPacket,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  Input,
  MP4,
  Mp4OutputFormat,
  Output,
} from "mediabunny";

const folder = new URL("../clips/", import.meta.url);
const framesPerSecond = 24;

/** The sizes there are pictures for, as `WIDTHxHEIGHT`: see scripts/make-clips.sh. */
export const clipSizes: readonly string[] = readdirSync(folder)
  .filter((name) => name.endsWith(".mp4"))
  .map((name) => name.slice(0, -".mp4".length));

/** MP4s by size and length, each built once: two builds differ in their creation time, and a resumed download must not. */
const built = new Map<string, Promise<Uint8Array>>();

/** An H.264 MP4 of exactly this size and length, with the index in front of the data. */
export function clip(size: string, seconds: number): Promise<Uint8Array> {
  const key = `${size}/${seconds}`;
  const known = built.get(key);
  if (known) return known;
  const building = loop(size, seconds);
  built.set(key, building);
  building.catch(() => built.delete(key));
  return building;
}

/** The still pictures of a size: a WebP thumbnail, a JPEG sprite sheet. */
export const picture = (size: string, extension: "webp" | "jpg"): Promise<Uint8Array> =>
  readFile(new URL(`${size}.${extension}`, folder));

/** Repeats the one second there is, frame by frame, as often as asked. */
async function loop(size: string, seconds: number): Promise<Uint8Array> {
  const input = new Input({ formats: [MP4], source: new BufferSource(readFileSync(new URL(`${size}.mp4`, folder))) });
  const track = await input.getPrimaryVideoTrack();
  const decoderConfig = await track?.getDecoderConfig();
  if (!track || !decoderConfig) throw new Error(`The clip ${size}.mp4 has no video track.`);
  const frames: EncodedPacket[] = [];
  for await (const frame of new EncodedPacketSink(track).packets()) frames.push(frame);

  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: "in-memory" }), target });
  const video = new EncodedVideoPacketSource("avc");
  output.addVideoTrack(video, { frameRate: framesPerSecond });
  await output.start();
  const count = Math.max(1, Math.round(seconds * framesPerSecond));
  for (let number = 0; number < count; number += 1) {
    const frame = frames[number % frames.length];
    const timing = { timestamp: number / framesPerSecond, duration: 1 / framesPerSecond };
    if (frame) await video.add(frame.clone(timing), { decoderConfig });
  }
  await output.finalize();
  if (!target.buffer) throw new Error(`The clip ${size} of ${seconds} s was not written.`);
  return new Uint8Array(target.buffer);
}
