import type { StoredFile } from "@reelq/contract";
import { createFile, MP4BoxBuffer, type Track } from "mp4box";
import type { Judge } from "./storage/storage.ts";

export type Media = NonNullable<StoredFile["media"]>;

/** What was fetched is no whole video. `truncated` may pass on another try, `not_video` rarely does. */
export class UnusableBytesError extends Error {
  readonly code: "truncated" | "not_video";

  constructor(code: "truncated" | "not_video", message: string) {
    super(message);
    this.name = "UnusableBytesError";
    this.code = code;
  }
}

export type Container = "mp4" | "avi" | "webm";

export const contentTypes: Readonly<Record<Container, string>> = {
  mp4: "video/mp4",
  avi: "video/x-msvideo",
  webm: "video/webm",
};

/** How many bytes `containerOf` wants to see. */
export const magicBytes = 12;

/** The container that the first bytes announce; undefined: not a video. Boxes: ISO/IEC 14496-12; RIFF; EBML (RFC 8794). */
export function containerOf(head: Uint8Array): Container | undefined {
  const text = Buffer.from(head.subarray(0, magicBytes)).toString("latin1");
  if (/^....(ftyp|moov|mdat|wide|free|skip)/s.test(text)) return "mp4";
  if (/^RIFF....AVI /s.test(text)) return "avi";
  if (text.startsWith("\x1aE\xdf\xa3")) return "webm";
  return undefined;
}

/** The index of a film is a few kilobytes a second; more than this is no index. */
const maxIndexBytes = 64 * 1024 * 1024;

/**
 * Judges whether a video's bytes are whole: top-level boxes must fill an MP4 exactly, and its index must hold a video
 * track. Memory: only the index is kept.
 */
export class MediaJudge implements Judge {
  readonly #container: Container;
  #position = 0;
  /** Where the next top-level box begins; Infinity: the last one reaches to the end of the file. */
  #boundary = 0;
  #header = Buffer.alloc(0);
  #index: Buffer[] = [];
  #indexBytes = 0;
  #keeping = false;
  #seen = new Set<string>();
  #media: Media | undefined;

  constructor(container: Container) {
    this.#container = container;
  }

  /** What the container says; only after the end. */
  get media(): Media {
    return this.#media ?? { container: this.#container };
  }

  see(bytes: Buffer): void {
    if (this.#container === "mp4") this.#walk(bytes);
    else if (this.#container === "avi") this.#readRiff(bytes);
    this.#position += bytes.length;
  }

  end(): void {
    if (this.#container === "mp4") this.#media = this.#judgeMp4();
    else this.#checkWhole();
  }

  /** Follows the top-level boxes through a chunk, however they are cut. */
  #walk(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      const at = this.#position + offset;
      if (at < this.#boundary) {
        const length = Math.min(chunk.length - offset, this.#boundary - at);
        if (this.#keeping) this.#keep(chunk.subarray(offset, offset + length));
        offset += length;
        continue;
      }
      offset += this.#readHeader(chunk.subarray(offset), at);
    }
  }

  /** Takes header bytes until the box is known; says how many it took. */
  #readHeader(bytes: Buffer, at: number): number {
    const before = this.#header.length;
    const wanted = before < 8 ? 8 : this.#header.readUInt32BE(0) === 1 ? 16 : 8;
    const taken = bytes.subarray(0, wanted - before);
    this.#header = Buffer.concat([this.#header, taken]);
    const { length } = this.#header;
    const needsLongSize = length === 8 && this.#header.readUInt32BE(0) === 1;
    // While a header is incomplete the boundary runs along, so that the next byte comes here again.
    this.#boundary = at + taken.length;
    if (length < 8 || needsLongSize) return taken.length;
    this.#open(at + taken.length - length);
    return taken.length;
  }

  #open(start: number): void {
    const short = this.#header.readUInt32BE(0);
    const type = this.#header.toString("latin1", 4, 8);
    const size = short === 1 ? Number(this.#header.readBigUInt64BE(8)) : short;
    if (short !== 0 && size < this.#header.length)
      throw new UnusableBytesError("not_video", `The MP4 is broken: a box at byte ${start} says it has ${size} bytes.`);
    this.#boundary = short === 0 ? Infinity : start + size;
    this.#seen.add(type);
    this.#keeping = type === "ftyp" || type === "moov";
    if (this.#keeping) this.#keep(this.#header);
    this.#header = Buffer.alloc(0);
  }

  #keep(bytes: Buffer): void {
    this.#indexBytes += bytes.length;
    if (this.#indexBytes > maxIndexBytes)
      throw new UnusableBytesError("not_video", `The MP4's index has more than ${maxIndexBytes} bytes.`);
    this.#index.push(Buffer.from(bytes));
  }

  #readRiff(chunk: Buffer): void {
    if (this.#header.length >= 8) return;
    this.#header = Buffer.concat([this.#header, chunk.subarray(0, 8 - this.#header.length)]);
    if (this.#header.length === 8) this.#boundary = this.#header.readUInt32LE(4) + 8;
  }

  #checkWhole(): void {
    if (this.#header.length > 0 && this.#container === "mp4")
      throw new UnusableBytesError("truncated", `The file ends within a box's header, at byte ${this.#position}.`);
    if (this.#boundary !== Infinity && this.#position < this.#boundary) {
      throw new UnusableBytesError(
        "truncated",
        `The file ends at byte ${this.#position}; its container goes on to ${this.#boundary}.`,
      );
    }
  }

  #judgeMp4(): Media {
    this.#checkWhole();
    if (!this.#seen.has("moov"))
      throw new UnusableBytesError("truncated", "The MP4 has no index (moov): its end or its beginning is missing.");
    if (!this.#seen.has("mdat") && !this.#seen.has("moof"))
      throw new UnusableBytesError("not_video", "The MP4 holds no media data.");
    return readIndex(Buffer.concat(this.#index));
  }
}

function readIndex(index: Buffer): Media {
  refuseBombs(index);
  const file = createFile(false);
  const complaints: string[] = [];
  file.onError = (module, message) => void complaints.push(`${module}: ${message}`);
  try {
    file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(new Uint8Array(index).buffer, 0), true);
    file.flush();
    const info = file.getInfo();
    const [track] = info.videoTracks ?? [];
    if (track) return mediaOf(track, info.isFragmented);
  } catch (error) {
    complaints.push((error as Error).message);
  }
  throw new UnusableBytesError(
    "not_video",
    `The MP4 holds no video track that can be read (${complaints.join("; ") || "it names none"}).`,
  );
}

/** Boxes on the way to the sample tables (ISO/IEC 14496-12). */
const enclosing = new Set(["moov", "trak", "mdia", "minf", "stbl"]);

/** More samples than days of film have. A table can claim billions in a few bytes, and whoever expands it is stuck. */
const mostSamples = 2_000_000;

/** Adds up what the sample tables claim, without expanding them. */
function refuseBombs(index: Buffer, from = 0, to = index.length, depth = 0): void {
  if (depth > 8) return;
  for (let at = from; at + 8 <= to;) {
    const size = index.readUInt32BE(at);
    const type = index.toString("latin1", at + 4, at + 8);
    if (size < 8 || at + size > to) return;
    if (enclosing.has(type)) refuseBombs(index, at + 8, at + size, depth + 1);
    else if (claimedSamples(type, index.subarray(at + 8, at + size)) > mostSamples) {
      throw new UnusableBytesError("not_video", `The MP4's index claims more than ${mostSamples} samples (${type}).`);
    }
    at += size;
  }
}

function claimedSamples(type: string, body: Buffer): number {
  if ((type === "stsz" || type === "stz2") && body.length >= 12) return body.readUInt32BE(8);
  if (type !== "stts" && type !== "ctts") return 0;
  let claimed = 0;
  for (let at = 8; at + 8 <= body.length && claimed <= mostSamples; at += 8) claimed += body.readUInt32BE(at);
  return claimed;
}

function mediaOf({ timescale, duration, video, codec }: Track, isFragmented: boolean): Media {
  // A fragmented file says its length, if at all, only across its fragments.
  const says = timescale > 0 && duration > 0 && !isFragmented;
  return {
    container: "mp4",
    ...(says ? { durationMs: Math.round((duration / timescale) * 1000) } : {}),
    ...(video ? { width: video.width, height: video.height } : {}),
    ...(codec ? { codec } : {}),
  };
}

/** A render's length may be off by less than this without anyone having been cheated. */
const toleranceMs = 500;

/** What the file differs in from what was paid for, a sentence each. */
export function differencesFrom(asked: { readonly seconds: number; readonly size: string }, media: Media): string[] {
  const differences: string[] = [];
  if (media.durationMs !== undefined && Math.abs(media.durationMs - asked.seconds * 1000) > toleranceMs) {
    differences.push(`It lasts ${media.durationMs / 1000} s; ${asked.seconds} s were asked for.`);
  }
  if (media.width !== undefined && `${media.width}x${media.height}` !== asked.size) {
    differences.push(`It is ${media.width}x${media.height}; ${asked.size} was asked for.`);
  }
  return differences;
}
