import { z } from "zod";
import { type BatchBody, batchBodySchema } from "./batch-body.ts";
import type { VideoId } from "./id.ts";
import type { Status } from "./lifecycle.ts";
import { unixTimeSchema, type VideoBody, videoBodySchema } from "./video-body.ts";

/** What an event of a video can be: its new status, in the words of the OpenAI shape where that has one, or an alarm. */
export const eventOfStatus = {
  queued: "video.queued",
  submitting: "video.submitting",
  in_doubt: "video.in_doubt",
  rendering: "video.rendering",
  downloading: "video.downloading",
  stored: "video.completed",
  failed: "video.failed",
  cancelled: "video.cancelled",
} as const satisfies Record<Status, string>;

/** `overdue`: a render takes far too long. `at_risk`: a file may expire before it is stored. */
export type Alarm = "overdue" | "at_risk";

/** Every type of event, with what it tells. */
export const eventTypes = {
  "video.queued": "A video was accepted, or waits again after a try that created nothing or a person's retry.",
  "video.submitting": "Its POST may be on the wire.",
  "video.in_doubt": "A POST was sent and its fate is not known.",
  "video.rendering": "The upstream has a task for it.",
  "video.downloading": "The upstream has finished; the file is being fetched.",
  "video.completed": "Its file is stored and verified.",
  "video.failed": "It failed; the failure says why, and whether it was charged.",
  "video.cancelled": "Somebody cancelled it.",
  "video.deleted": "Somebody deleted it and its files.",
  "video.at_risk": "Its file may expire at the upstream before it is stored.",
  "video.overdue": "Its render takes far longer than usual; it is looked at all the same.",
  "batch.in_progress": "Every line of a batch was judged and accepted.",
  "batch.paused": "A batch sends nothing more until somebody resumes it; its reason says why.",
  "batch.resumed": "A batch goes on.",
  "batch.forecast": "A part of a batch will not be stored before its window closes, or all of it will after all.",
  "batch.budget_50": "Half of a batch's budget is spent or set aside.",
  "batch.budget_80": "Four fifths of a batch's budget are spent or set aside.",
  "batch.budget_100": "A batch's next clip no longer fits its budget, or another cap that it is under.",
  "batch.completed": "Every clip of a batch has ended; its report is written.",
  "batch.expired": "A batch's window has closed for good; what was not sent is given up.",
  "batch.cancelled": "A batch was cancelled, and what was paid for has ended.",
  "batch.failed": "A batch's manifest has mistakes; nothing of it was accepted.",
  "webhook_endpoint.disabled": "Nothing is sent to a webhook endpoint any more.",
} as const satisfies Record<string, string>;
export type EventType = keyof typeof eventTypes;

export const isEventType = (text: string): text is EventType => Object.hasOwn(eventTypes, text);

/** After one of these, nothing happens to a video unless a person wants it. */
export const finalEventTypes: readonly EventType[] = [
  "video.completed",
  "video.failed",
  "video.cancelled",
  "video.deleted",
];

interface StreamEntry {
  /** The stream's own id, `milliseconds-sequence`: ascends, and is what `Last-Event-ID` resumes from. */
  readonly id: string;
  readonly project: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly type: EventType;
}

/** A video moved, or an alarm about it was raised. */
export interface VideoEvent extends StreamEntry {
  readonly video: VideoId;
  /** The record's version after it. */
  readonly version: number;
  /** Absent: the video was deleted. */
  readonly status?: Status;
  /** Not a move: the video is still where it is, and somebody should know. */
  readonly alarm?: Alarm;
}

/** Anything else that a project should hear of. */
export interface SubjectEvent extends StreamEntry {
  /** The id of what it is about. */
  readonly subject: string;
}

/** One entry of the event stream. */
export type LedgerEvent = VideoEvent | SubjectEvent;

/** An event as producers are told it, over SSE and by webhooks. */
export const eventBodySchema = z
  .strictObject({
    id: z
      .string()
      .describe(
        "`evt_` and the stream's id: the same however often and wherever it is told. The state that a video's own stream begins with is no event: its id is `state_`, the video's id and its version.",
      ),
    object: z.literal("event"),
    type: z.enum(Object.keys(eventTypes) as [EventType, ...EventType[]]),
    created_at: unixTimeSchema,
    project: z.string(),
    data: z
      .union([
        videoBodySchema,
        batchBodySchema,
        z.strictObject({ id: z.string(), object: z.literal("video.deleted") }),
        z.strictObject({ id: z.string() }),
      ])
      .describe(
        "The video or batch as it is when told; what is left of a video that was deleted; the id of what it is about otherwise.",
      ),
  })
  .describe("Something that happened.");
export type EventBody = z.infer<typeof eventBodySchema>;

/** @param subject the video or batch as it is now; undefined where it is gone, or is something else */
export function eventBody(event: LedgerEvent, subject: VideoBody | BatchBody | undefined): EventBody {
  return {
    id: `evt_${event.id.replace("-", "_")}`,
    object: "event",
    type: event.type,
    created_at: Math.floor(event.at / 1000),
    project: event.project,
    data: subject ?? ("video" in event ? { id: event.video, object: "video.deleted" as const } : { id: event.subject }),
  };
}
