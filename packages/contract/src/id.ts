/** A video's id: `video_` and a UUIDv7 (RFC 9562), so that ids sort by the time they were made. */
export type VideoId = `video_${string}`;

/** An uploaded file's id: `file_` and a UUIDv7. */
export type FileId = `file_${string}`;

/** A batch's id: `batch_` and a UUIDv7. */
export type BatchId = `batch_${string}`;

const UUID_V7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}";
const VIDEO_ID = new RegExp(`^video_${UUID_V7}$`);
const FILE_ID = new RegExp(`^file_${UUID_V7}$`);
const BATCH_ID = new RegExp(`^batch_${UUID_V7}$`);

export const isVideoId = (text: string): text is VideoId => VIDEO_ID.test(text);
export const isFileId = (text: string): text is FileId => FILE_ID.test(text);
export const isBatchId = (text: string): text is BatchId => BATCH_ID.test(text);

/** The last millisecond an id was made in, and how many were made in it: keeps one process's ids in order. */
let last = { ms: 0, sequence: 0 };

/**
 * Makes a new id. Ids of one process ascend even within a millisecond: the 12 bits after the version are
 * a counter (RFC 9562, section 6.2, method 1), seeded low so that it has room.
 * @param nowMs milliseconds since 1970
 */
export const newVideoId = (nowMs: number): VideoId => `video_${newUuid(nowMs)}`;
export const newFileId = (nowMs: number): FileId => `file_${newUuid(nowMs)}`;
export const newBatchId = (nowMs: number): BatchId => `batch_${newUuid(nowMs)}`;

/** A UUIDv7 for the id of anything else. */
export function newUuid(nowMs: number): string {
  const random = nextRandom();
  last = nextTick(nowMs, random);
  const time = last.ms.toString(16).padStart(12, "0");
  const counter = last.sequence.toString(16).padStart(3, "0");
  const variant = hexOf(((random[2] ?? 0) & 0x3f) | 0x80);
  let node = "";
  for (let at = 4; at < 10; at += 1) node += hexOf(random[at] ?? 0);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}${hexOf(random[3] ?? 0)}-${node}`;
}

const hexes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const hexOf = (byte: number): string => hexes[byte] ?? "";

/** Fetched for hundreds of ids at once: a call for each costs more than the rest of it. */
const pool = new Uint8Array(4_000);
let used = pool.length;

function nextRandom(): Uint8Array {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  return pool.subarray(used, (used += 10));
}

function nextTick(nowMs: number, random: Uint8Array) {
  if (nowMs > last.ms) return { ms: nowMs, sequence: (((random[0] ?? 0) << 8) | (random[1] ?? 0)) & 0x3ff };
  if (last.sequence < 0xfff) return { ms: last.ms, sequence: last.sequence + 1 };
  return { ms: last.ms + 1, sequence: 0 };
}
