import {
  type Alarm,
  eventOfStatus,
  type EventType,
  type LedgerEvent,
  type Status,
  type VideoId,
} from "@reelq/contract";

/** About a week of moves at a few thousand videos a day; 200 bytes each. */
export const eventStreamLength = 200_000;

/**
 * Reads an entry of the event stream: `project`, `at` in ms, and either `video`, `version` and `status` (and `alarm`
 * where it is one; `type` instead of a status where the video was deleted), or `type` and `subject`.
 */
export function eventOf(id: string, fields: readonly string[]): LedgerEvent {
  const read = new Map<string, string>();
  for (let index = 0; index + 1 < fields.length; index += 2) read.set(fields[index] ?? "", fields[index + 1] ?? "");
  const entry = { id, project: read.get("project") ?? "default", at: Number(read.get("at")) };
  const type = read.get("type") as EventType | undefined;
  const subject = read.get("subject");
  if (type !== undefined && subject !== undefined) return { ...entry, type, subject };
  const status = read.get("status") as Status | undefined;
  const alarm = read.get("alarm") as Alarm | undefined;
  return {
    ...entry,
    video: read.get("video") as VideoId,
    version: Number(read.get("version")),
    type: type ?? (alarm ? `video.${alarm}` : eventOfStatus[status ?? "queued"]),
    ...(status === undefined ? {} : { status }),
    ...(alarm === undefined ? {} : { alarm }),
  };
}

/** Ids are `milliseconds-sequence`. */
export function isBefore(one: string, other: string): boolean {
  const [[ms = 0, sequence = 0], [otherMs = 0, otherSequence = 0]] = [one, other].map((id) =>
    id.split("-").map(Number),
  ) as [number[], number[]];
  return ms < otherMs || (ms === otherMs && sequence < otherSequence);
}
