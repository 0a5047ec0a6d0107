import { z } from "zod";
import { chargedSchema, type FailureClass, failureClasses } from "./failure.ts";
import { statuses } from "./lifecycle.ts";
import { microUsdSchema } from "./money.ts";
import { waitReasons } from "./video.ts";

/** Whole seconds since 1970: how the OpenAI shape says a time. */
export const unixTimeSchema = z.int().nonnegative().describe("Unix time in seconds.");

/** How all that is reelq's own says a time. */
export const isoTimeSchema = z.iso.datetime().describe("ISO 8601, in UTC.");

const countSchema = z.int().nonnegative();

/** A picture stored beside a video. */
export const pictureBodySchema = z
  .strictObject({
    key: z.string().describe("Where it is in storage."),
    bytes: z.int().positive(),
    sha256: z.string().describe("Hex."),
    content_type: z.string(),
  })
  .describe("A picture stored beside a video.");
export type PictureBody = z.infer<typeof pictureBodySchema>;

export const storedFileBodySchema = z
  .strictObject({
    key: z.string().describe("Where it is in storage."),
    sidecar: z.string().describe("Where the JSON with the facts about it is in storage."),
    bytes: z.int().positive(),
    sha256: z.string().describe("Hex."),
    content_type: z.string(),
    media: z
      .strictObject({
        container: z.string(),
        durationMs: z.number().nonnegative().optional(),
        width: countSchema.optional(),
        height: countSchema.optional(),
        codec: z.string().optional(),
      })
      .nullable()
      .describe("What its bytes say of themselves; null where they cannot be read that far."),
    differences: z.array(z.string()).describe("What differs from what was asked for, a sentence each."),
    variants: z
      .strictObject({ thumbnail: pictureBodySchema.exactOptional(), spritesheet: pictureBodySchema.exactOptional() })
      .describe("The pictures that the upstream had of it, by the name that `?variant=` takes."),
  })
  .describe("The stored and verified file.");

const waitingBodySchema = z.strictObject({
  reason: z.enum(waitReasons),
  since: isoTimeSchema,
  detail: z.string().nullable(),
});

const doubtBodySchema = z.strictObject({
  since: isoTimeSchema,
  reason: z.string(),
  looks: countSchema.describe("How often the upstream's list was read for evidence."),
  evidence: z.string().nullable().describe("What the last look found, in a sentence."),
  held: z.boolean().describe("Nothing more can be learned: a person decides, with resolve."),
});

const attemptBodySchema = z.strictObject({
  number: z.int().positive(),
  upstream: z.string(),
  at: isoTimeSchema,
  outcome: z.enum(["accepted", "refused", "in_doubt", "adopted", "created_nothing", "given_up"]).nullable(),
  task: z.string().nullable().describe("The upstream's id of its task."),
  estimated: microUsdSchema
    .nullable()
    .describe("What it was expected to cost, in millionths of a US dollar; null where nobody said a price."),
  charged: chargedSchema.describe("Whether it cost money; `unknown` counts as spent until somebody says otherwise."),
});

const setbacksBodySchema = z
  .strictObject({
    throttled: countSchema,
    notSent: countSchema,
    doubts: countSchema,
    missedLooks: countSchema,
    contentNotReady: countSchema,
    brokenDownloads: countSchema,
  })
  .describe("What went wrong on the way and was survived.");

const failureBodySchema = z.strictObject({
  class: z.enum(Object.keys(failureClasses) as [FailureClass, ...FailureClass[]]),
  charged: chargedSchema,
  actor: z.enum(["producer", "operator", "nobody"]).describe("Who can act on it."),
  retry: z.enum(["allowed", "insist"]).describe("`insist`: a retry must say that it is meant."),
  meaning: z.string(),
});

export const reelqBodySchema = z
  .strictObject({
    status: z.enum(statuses),
    version: z.int().positive().describe("Counts the record's writes."),
    project: z.string(),
    upstream: z.string(),
    lane: z.string().describe("`upstream/model`."),
    task: z.string().nullable().describe("The upstream's id of its task."),
    updated_at: isoTimeSchema,
    waiting: waitingBodySchema.nullable().describe("Why a queued video waits."),
    in_doubt: doubtBodySchema.nullable().describe("What is known of a POST whose fate is not."),
    upstream_expires_at: isoTimeSchema.nullable().describe("When the upstream deletes its own file."),
    attempts: z.array(attemptBodySchema).describe("The paid POSTs."),
    setbacks: setbacksBodySchema,
    looks: countSchema.describe("How often the upstream was asked for its status."),
    warnings: z.array(z.string()).describe("What may not come out as expected, a sentence each."),
    batch: z
      .strictObject({
        id: z.string(),
        number: z.int().positive().describe("Of the clip in the batch."),
        line: z.int().positive().describe("Of the manifest."),
        custom_id: z.string(),
        take: z.int().positive(),
        tags: z.array(z.string()),
      })
      .nullable()
      .describe("Its place in a batch."),
    failure: failureBodySchema.nullable(),
    file: storedFileBodySchema.nullable(),
  })
  .describe("What the OpenAI shape has no place for; times in ISO 8601.");
export type ReelqBody = z.infer<typeof reelqBodySchema>;

/**
 * A video as the HTTP API shows it: the OpenAI shape (times in Unix seconds, `seconds` a string), and
 * beside it the `reelq` object with what that shape has no place for (times in ISO 8601).
 */
export const videoBodySchema = z
  .strictObject({
    id: z.string().describe("`video_` and a UUIDv7: ids sort by the time they were made."),
    object: z.literal("video"),
    created_at: unixTimeSchema,
    completed_at: unixTimeSchema.nullable(),
    expires_at: z.null().describe("Always null: a stored file stays until it is deleted."),
    status: z
      .enum(["queued", "in_progress", "completed", "failed"])
      .describe("`completed` is said only of a file that is stored and verified. `reelq.status` is finer."),
    error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    model: z.string(),
    progress: z
      .int()
      .min(0)
      .max(100)
      .describe("Percent, as the upstream reports it; 100 is said only of a stored file."),
    prompt: z.string(),
    remixed_from_video_id: z.string().nullable(),
    seconds: z.string().describe("The clip's length in seconds."),
    size: z.string().describe("`WIDTHxHEIGHT` in pixels."),
    reelq: reelqBodySchema,
  })
  .describe("A video: the OpenAI shape, and the `reelq` object beside it.");
export type VideoBody = z.infer<typeof videoBodySchema>;

/** What every list has: a page, and where to go on. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    object: z.literal("list"),
    data: z.array(item),
    first_id: z.string().nullable(),
    last_id: z.string().nullable().describe("What `after` takes for the next page."),
    has_more: z.boolean(),
  });

export const videoListBodySchema = pageOf(videoBodySchema).describe(
  "A page of videos, newest first unless asked otherwise.",
);
export type VideoListBody = z.infer<typeof videoListBodySchema>;

export const videoDeletedBodySchema = z.strictObject({
  id: z.string(),
  object: z.literal("video.deleted"),
  deleted: z.literal(true),
  reelq: z.strictObject({ files: z.array(z.string()).describe("The keys of its files, which are gone from storage.") }),
});
