import { recordSchemaVersion, type Video, type VideoId, videoSchema } from "@reelq/contract";
import { SECOND } from "./clock.ts";
import { CorruptRecordError } from "./corrupt-record.ts";

/**
 * What is kept of a video, as it stands in Redis: `version status json`. A hundred thousand lie in Redis's memory: what
 * follows from the rest of it is left out, and filled in when it is read.
 */
export function recordText(video: Video): string {
  const hadNone = Object.values(video.setbacks).every((times) => times === 0);
  const short = eachPart({ ...video }, withoutUsual);
  return `${video.version} ${video.status} ${JSON.stringify(hadNone ? { ...short, setbacks: undefined } : short)}`;
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
  const parsed = videoSchema.safeParse(filledIn(record));
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

type Part = Readonly<Record<string, unknown>>;

const withoutUsual = (part: Part, usual: Part): Part =>
  Object.fromEntries(Object.entries(part).filter(([name, value]) => value !== usual[name]));

const isPart = (value: unknown): value is Part => typeof value === "object" && value !== null && !Array.isArray(value);

/** A part that is missing, or is something else, stays so: the schema refuses it. */
const filledIn = (record: unknown): unknown => {
  if (!isPart(record)) return record;
  const { schema, ...said } = eachPart(record, (part, usual) => ({ ...usual, ...part }));
  // The first shape is the second one with nothing left out.
  return { ...said, schema: schema === 1 ? recordSchemaVersion : schema };
};

/** A record whose parts are changed, each by what it says where it does not say it. */
function eachPart(record: Part, change: (part: Part, usual: Part) => Part): Part {
  const { version, request, lane, attempts, task, looks } = record;
  const changed = (part: unknown, usual: Part): unknown => (isPart(part) ? change(part, usual) : part);
  const upstream = isPart(lane) ? lane["upstream"] : undefined;
  return {
    ...change(record, { reminder: version }),
    lane: changed(lane, { model: isPart(request) ? request["model"] : undefined }),
    attempts: Array.isArray(attempts)
      ? attempts.map((attempt: unknown, at) => changed(attempt, usualAttempt(attempt, at, upstream)))
      : attempts,
    ...(task === undefined ? {} : { task: changed(task, usualTask(attempts, upstream)) }),
    ...(looks === undefined ? {} : { looks: changed(looks, { missed: 0, notFound: 0 }) }),
  };
}

/** A part of how records are written: it stays so, whatever the timings say. */
const usualPostMs = 10 * SECOND;

function usualAttempt(attempt: unknown, at: number, upstream: unknown): Part {
  const intentAt = isPart(attempt) ? attempt["intentAt"] : undefined;
  const postBy = typeof intentAt === "number" ? intentAt + usualPostMs : undefined;
  return { number: at + 1, upstream, postBy, charged: "unknown" };
}

/** The one that the last attempt made. */
function usualTask(attempts: unknown, upstream: unknown): Part {
  const last: unknown = Array.isArray(attempts) ? attempts.at(-1) : undefined;
  return isPart(last) ? { upstream, id: last["task"], acceptedAt: last["endedAt"] } : { upstream };
}
