import { recordSchemaVersion, type Video, type VideoId, videoSchema } from "@reelq/contract";
import { CorruptRecordError } from "./corrupt-record.ts";

/** What is kept of a video. Most have had no setback, and a hundred thousand of them lie in Redis's memory. */
export function recordText(video: Video): string {
  const hadNone = Object.values(video.setbacks).every((times) => times === 0);
  return JSON.stringify(hadNone ? { ...video, setbacks: undefined } : video);
}

/** The Redis door: a record is parsed here and trusted from here on. */
export function parseRecord(id: VideoId, text: string): Video {
  const match = /^(\d+) (\S+) /.exec(text);
  if (!match) throw new CorruptRecordError(id, "it does not begin with its version and status.");
  let record: unknown;
  try {
    record = JSON.parse(text.slice(match[0].length));
  } catch (cause) {
    throw new CorruptRecordError(id, `it is not JSON (${(cause as Error).message}).`);
  }
  const schema = (record as { schema?: unknown } | null)?.schema;
  if (typeof schema === "number" && schema > recordSchemaVersion) {
    throw new CorruptRecordError(
      id,
      `it was written by a newer version (shape ${schema}, this one knows ${recordSchemaVersion}).`,
    );
  }
  const parsed = videoSchema.safeParse(record);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CorruptRecordError(id, `${issue?.path.join(".") || "the record"}: ${issue?.message ?? "invalid"}.`);
  }
  const video = parsed.data;
  if (video.id !== id || video.version !== Number(match[1]) || video.status !== match[2])
    throw new CorruptRecordError(id, "its head and its body differ.");
  return video;
}

/** A page leaves out what cannot be read, rather than failing whole; the sweep announces such records. */
export function readable(id: VideoId, text: string | null | undefined): Video[] {
  if (!text) return [];
  try {
    return [parseRecord(id, text)];
  } catch (error) {
    if (error instanceof CorruptRecordError) return [];
    throw error;
  }
}
