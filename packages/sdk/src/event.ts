import type { BatchBody, EventBody, eventOfStatus, EventType, VideoBody } from "@reelq/contract";

/** What is left of a video that was deleted. */
export interface DeletedVideo {
  readonly id: string;
  readonly object: "video.deleted";
}

/**
 * A video moved (`video.completed`), or an alarm about it was raised (`video.at_risk`). `data` is the video as it was
 * when the event was told, which may be later than what the event tells of; look at `data.object` first.
 */
export type VideoEvent = Omit<EventBody, "type" | "data"> & {
  readonly type: Exclude<Extract<EventType, `video.${string}`>, "video.deleted">;
  readonly data: VideoBody | DeletedVideo;
};

export type VideoDeletedEvent = Omit<EventBody, "type" | "data"> & {
  readonly type: "video.deleted";
  readonly data: DeletedVideo;
};

/** A batch changed its state, or something of it should be known; `data` is the batch as it was when told. */
export type BatchEvent = Omit<EventBody, "type" | "data"> & {
  readonly type: Extract<EventType, `batch.${string}`>;
  readonly data: BatchBody;
};

/** Something about anything else; `data` has its id. */
export type SubjectEvent = Omit<EventBody, "type" | "data"> & {
  readonly type: Exclude<EventType, `video.${string}` | `batch.${string}`> | "webhook.test";
  readonly data: { readonly id: string };
};

/**
 * Events after the id that was asked for are no longer kept: some may have been missed. Look at what matters with
 * `retrieve` or `list`, and go on.
 */
export interface EventGap {
  readonly object: "gap";
  readonly type: "gap";
  /** The oldest event that is kept. */
  readonly oldest: string;
}

/** An event as it is told everywhere. New types are added in time: leave those alone that you do not know. */
export type ReelqEvent = VideoEvent | VideoDeletedEvent | BatchEvent | SubjectEvent;

/** What an iteration over one video's events brings. */
export type VideoStreamEvent = VideoEvent | VideoDeletedEvent | EventGap;

/** What an iteration over a project's events brings. */
export type ProjectStreamEvent = ReelqEvent | EventGap;

/** Nothing happens to it any more unless a person wants it. */
export const isEnded = ({ status }: VideoBody): boolean => status === "completed" || status === "failed";

/** The contract has the same table; its value is not imported, because the library for schemas would come along. */
export const eventTypeOf = {
  queued: "video.queued",
  submitting: "video.submitting",
  in_doubt: "video.in_doubt",
  rendering: "video.rendering",
  downloading: "video.downloading",
  stored: "video.completed",
  failed: "video.failed",
  cancelled: "video.cancelled",
} as const satisfies typeof eventOfStatus;

/** Whether an event is a video's last one: what is told again of a failure before a retry is not. */
export const isLastOf = ({ type, data }: VideoEvent | VideoDeletedEvent): boolean =>
  data.object === "video.deleted" || (lastTypes.has(type) && isEnded(data));

const lastTypes = new Set<ReelqEvent["type"]>(["video.completed", "video.failed", "video.cancelled", "video.deleted"]);
