import { batchStates, batchStatusOf } from "../batch.ts";
import { eventTypes } from "../event.ts";
import { publicStatus, statuses } from "../lifecycle.ts";
import { deliveryStatuses } from "../webhook.ts";

const idOf = (name: string, what: string, example: string) => ({
  name,
  in: "path",
  required: true,
  description: what,
  schema: { type: "string" },
  example,
});

const query = (name: string, description: string, schema: object) => ({ name, in: "query", description, schema });

const limit = (byDefault: number, most: number) =>
  query("limit", "The longest page.", { type: "integer", minimum: 1, maximum: most, default: byDefault });

const eventId = { type: "string", pattern: "^(evt_)?\\d{1,15}[-_]\\d{1,15}$" };

const uuid = "01a20320-a200-7000-8000-000000000001";

/** What calls take beside their bodies. Those in a path are named for their call's group. */
export const parameters = {
  VideoId: idOf("id", "The video's id.", `video_${uuid}`),
  SourceId: idOf(
    "id",
    "The id of a stored video, or the upstream's id of its task: official SDKs know only that one.",
    `video_${uuid}`,
  ),
  FileId: idOf("id", "The file's id.", `file_${uuid}`),
  EndpointId: idOf("id", "The webhook endpoint's id.", `we_${uuid}`),
  BatchId: idOf("id", "The batch's id.", `batch_${uuid}`),
  DeliveryId: idOf("delivery", "The delivery's id.", "wd_…"),

  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Chosen by the caller: the same key with the same request is answered with the first video or batch again, and no second one is made. With another request it is refused with `idempotency_conflict`. Like `order-4711-clip-3`.",
    schema: { type: "string", pattern: "^[\\x21-\\x7e]{1,255}$" },
  },
  After: query("after", "The last id of the page before: the page goes on behind it.", { type: "string" }),
  Order: query("order", "By the time they were made.", { type: "string", enum: ["asc", "desc"], default: "desc" }),
  VideoLimit: limit(20, 100),
  FileLimit: limit(100, 1_000),
  EndpointLimit: limit(100, 100),
  DeliveryLimit: limit(20, 100),
  VideoStatus: query(
    "status",
    "One status. The words of the OpenAI shape stand for all of reelq's own that they cover.",
    { type: "string", enum: [...new Set([...Object.values(publicStatus), ...statuses])] },
  ),
  VideoBatch: query("batch", "Only this batch's, in its manifest's order.", { type: "string" }),
  DeliveryStatus: query("status", "How it ended, or that it has not.", {
    type: "string",
    enum: [...deliveryStatuses],
  }),
  BatchLimit: limit(20, 100),
  BatchStatus: query(
    "status",
    "One status. The words of the OpenAI shape stand for all of reelq's own that they cover.",
    { type: "string", enum: [...new Set([...Object.values(batchStatusOf), ...batchStates])] },
  ),
  ClipAfter: query("after", "The `last_number` of the page before: the page goes on behind it.", {
    type: "integer",
    minimum: 0,
    default: 0,
  }),
  ClipLimit: limit(100, 500),
  ClipStatus: {
    ...query("status", "Only clips in one of these statuses, separated by commas.", {
      type: "array",
      items: { type: "string", enum: [...statuses] },
      minItems: 1,
    }),
    style: "form",
    explode: false,
  },
  ReportFormat: query("format", "What it is written as.", {
    type: "string",
    enum: ["html", "csv", "json"],
    default: "html",
  }),
  ReportBase: query(
    "base",
    "What stands before each file's key in storage in the report's links, like `https://cdn.example/clips/` or `../videos/`; where left out, they lead to this API.",
    { type: "string", maxLength: 2_048 },
  ),
  LastEventIdOfBatch: {
    name: "Last-Event-ID",
    in: "header",
    description:
      "The `id:` of the last frame, which only that of a batch that is over has: where nothing has happened since, the answer is 204. A browser's EventSource sends it by itself when it connects again.",
    schema: { type: "string" },
  },
  Purpose: query("purpose", "What they are for.", { type: "string" }),
  Variant: query("variant", "The video itself, or a picture of it.", {
    type: "string",
    enum: ["video", "thumbnail", "spritesheet"],
    default: "video",
  }),
  Redirect: query(
    "redirect",
    "`1`: be sent to an address of the bucket that is good for an hour, where the storage has such; the bytes otherwise.",
    { type: "string", enum: ["0", "1"], default: "0" },
  ),
  Range: {
    name: "Range",
    in: "header",
    description: "One range of bytes (RFC 9110), like `bytes=0-1023`. Several count as none.",
    schema: { type: "string" },
  },
  IfRange: {
    name: "If-Range",
    in: "header",
    description: "An ETag: the range is honoured only if the file is still that one.",
    schema: { type: "string" },
  },
  IfNoneMatch: {
    name: "If-None-Match",
    in: "header",
    description: "ETags that the caller has already.",
    schema: { type: "string" },
  },
  EventTypes: {
    ...query("types", "Only these types of events, separated by commas.", {
      type: "array",
      items: { type: "string", enum: Object.keys(eventTypes) },
      minItems: 1,
    }),
    style: "form",
    explode: false,
  },
  LastEventId: {
    name: "Last-Event-ID",
    in: "header",
    description:
      "The last event that was seen: what came after it is told. The `id:` of a frame, like `1795348800000-0`, and the `evt_…` that is the `id` of a body are both taken. A browser's EventSource sends it by itself when it connects again.",
    schema: eventId,
  },
  LastEventIdQuery: query(
    "last_event_id",
    "The same as the header `Last-Event-ID`, which counts where both are given. For who cannot set a header: a browser's EventSource that connects for the first time.",
    eventId,
  ),
} as const;

export type ParameterName = keyof typeof parameters;
