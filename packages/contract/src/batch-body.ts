import { z } from "zod";
import { batchReasons, batchStates, capStyles, priorityRange, sourcePolicies, windowEnds } from "./batch.ts";
import { type FailureClass, failureClasses } from "./failure.ts";
import { statuses } from "./lifecycle.ts";
import { microUsdSchema } from "./money.ts";
import { isoTimeSchema, pageOf, unixTimeSchema } from "./video-body.ts";

const countSchema = z.int().nonnegative();
const reasonNames = Object.keys(batchReasons) as [keyof typeof batchReasons];

/** US dollars as people write them; a text keeps every digit. */
const usdSchema = z.union([z.string(), z.number()]).describe('US dollars, like 25 or "12.50".');

const prioritySchema = z
  .int()
  .min(priorityRange.least)
  .max(priorityRange.most)
  .describe("Among batches the higher goes first; 0 where left out. Work that is no batch's goes before all of them.");

const weightSchema = z
  .number()
  .min(0.01)
  .max(1_000)
  .describe("Its share among batches of the same priority and project; 1 where left out.");

/** What may be changed while a batch runs; null takes it away. */
const changeable = {
  budget_usd: usdSchema.nullable().exactOptional().describe("What it may spend; no cap of its own where left out."),
  at_budget: z
    .enum(capStyles)
    .exactOptional()
    .describe("`finish`: what is paid finishes, the rest waits. `cancel`: the rest is cancelled."),
  window: z
    .string()
    .nullable()
    .exactOptional()
    .describe("When it may send, like `22:00-06:30 Europe/Berlin` or `Mon-Fri 22:00-06:30 Europe/Berlin`."),
  at_window_end: z
    .enum(windowEnds)
    .exactOptional()
    .describe("`carry`: the rest waits for the next window. `expire`: the rest is given up."),
  priority: prioritySchema.exactOptional(),
  weight: weightSchema.exactOptional(),
  stop_after_failures: z
    .int()
    .min(0)
    .max(1_000_000)
    .exactOptional()
    .describe("Failures of one class in a row that pause it; 0 for none. 5 where left out."),
  stop_after_usd: usdSchema
    .nullable()
    .exactOptional()
    .describe("Money spent without a stored file that pauses it; none where left out."),
  on_source_failure: z
    .enum(sourcePolicies)
    .exactOptional()
    .describe("What becomes of a clip whose `remix_of` failed; `skip` where left out."),
};

/** The body of `POST /v1/batches/{id}`. */
export const batchChangeSchema = z
  .strictObject(changeable)
  .describe("What is to be different; what is left out stays.");
export type BatchChange = z.infer<typeof batchChangeSchema>;

/** What reelq knows of a batch and the OpenAI shape does not. */
export const batchOptionsSchema = z
  .strictObject({
    ...changeable,
    name: z.string().min(1).max(200).exactOptional().describe("For people; the file's name where left out."),
    canary: z
      .int()
      .min(0)
      .max(1_000)
      .exactOptional()
      .describe("So many clips are sent and verified before the rest; 0 where left out."),
    again: z.boolean().exactOptional().describe("Renders also what is stored already."),
    defaults: z
      .record(z.string(), z.unknown())
      .exactOptional()
      .describe("For every line that does not say it itself: model, seconds, size, reference, takes, priority, tags."),
    references: z
      .record(z.string(), z.string())
      .exactOptional()
      .describe("For each path that a line names as its reference: the id of the uploaded file."),
  })
  .describe("What reelq knows and the OpenAI shape does not.");
export type BatchOptions = z.infer<typeof batchOptionsSchema>;

/** The body of `POST /v1/batches`; and of `POST /v1/batches/plan`, which creates nothing. */
export const batchCreateSchema = z
  .strictObject({
    input_file_id: z.string().describe("Of a manifest uploaded with `POST /v1/files` and the purpose `batch`."),
    endpoint: z.string().exactOptional().describe("`/v1/videos`."),
    completion_window: z.string().exactOptional().describe("Taken as it comes; `reelq.window` is what is kept."),
    metadata: z.record(z.string(), z.string()).nullable().exactOptional(),
    output_expires_after: z
      .looseObject({})
      .exactOptional()
      .describe("Taken as it comes: files stay until they are deleted."),
    reelq: batchOptionsSchema.exactOptional(),
  })
  .describe("A batch to render.");
export type BatchCreateBody = z.infer<typeof batchCreateSchema>;

/** The body of `POST /v1/batches/{id}/retry`: nothing in it retries every failed clip that may be. */
export const batchRetrySchema = z.strictObject({
  custom_ids: z.array(z.string()).exactOptional().describe("Only these; all failed ones where left out."),
  prompts: z.record(z.string(), z.string()).exactOptional().describe("For each custom id, the prompt to try instead."),
  insist: z
    .boolean()
    .exactOptional()
    .describe("Also where it would most likely fail again, or may have been paid for already."),
});
export type BatchRetryBody = z.infer<typeof batchRetrySchema>;

/** The body of `POST /v1/batches/{id}/waive`. */
export const batchWaiveSchema = z.strictObject({
  custom_ids: z
    .array(z.string())
    .min(1)
    .describe("Lines that are done without: cancelled while free, no failure any more."),
});
export type BatchWaiveBody = z.infer<typeof batchWaiveSchema>;

/** What is wrong with a manifest. */
const batchMistakeSchema = z.strictObject({
  code: z.string(),
  line: z.int().positive().nullable().describe("Of the manifest, from 1; null where it is none's."),
  message: z.string().describe("What was given, and what is allowed."),
  param: z.string().nullable().describe("The field."),
});
export type BatchMistake = z.infer<typeof batchMistakeSchema>;

/** `estimated` is what all would cost; null where a price is missing. */
const batchMoneySchema = z
  .strictObject({
    estimated: microUsdSchema.nullable().describe("Of all its clips; null where nobody said what a model costs."),
    reserved: microUsdSchema.describe("Set aside for what was sent and is not decided."),
    charged: microUsdSchema.describe("Spent for certain."),
    unknown: microUsdSchema.describe("Spent as far as anybody knows."),
  })
  .describe("In millionths of a US dollar.");
export type BatchMoney = z.infer<typeof batchMoneySchema>;

const countsSchema = z
  .strictObject({
    total: countSchema.describe("Clips: takes of lines."),
    ...(Object.fromEntries(statuses.map((status) => [status, countSchema])) as Record<
      (typeof statuses)[number],
      typeof countSchema
    >),
    reused: countSchema.describe("Of the stored ones: rendered before, by another batch."),
    skipped: countSchema.describe("Of the cancelled ones: their source failed."),
    waived: countSchema.describe("Done without; they count as neither stored nor failed."),
  })
  .describe("Clips by status.");

export const batchForecastSchema = z
  .strictObject({
    ends_at: isoTimeSchema.nullable().describe("When the last clip should be stored; null where nobody can say."),
    fits: z
      .boolean()
      .nullable()
      .describe("Whether it does before its window closes; null without a window or a forecast."),
    unfit: countSchema.describe("Clips that cannot be sent in time for the window."),
    of: countSchema.describe("Clips that were still to be done."),
    sentence: z.string(),
    at: isoTimeSchema,
  })
  .describe("By learned durations and limits.");
export type BatchForecast = z.infer<typeof batchForecastSchema>;

const laneUseSchema = z.strictObject({
  lane: z.string(),
  waiting: countSchema.describe("Clips of this batch that wait for it, or are on their way into it."),
  in_flight: countSchema.describe("Of all that it renders."),
  places: countSchema.nullable().describe("Renders at once; null where nobody limits it."),
  obstacle: z.string().nullable().describe("What keeps it from sending, a part of a sentence."),
});

/** A batch as the HTTP API shows it: the OpenAI shape, and the `reelq` object beside it. */
export const batchBodySchema = z
  .strictObject({
    id: z.string().describe("`batch_` and a UUIDv7."),
    object: z.literal("batch"),
    endpoint: z.literal("/v1/videos"),
    errors: z
      .strictObject({ object: z.literal("list"), data: z.array(batchMistakeSchema) })
      .nullable()
      .describe("The manifest's mistakes, at most 1,000."),
    input_file_id: z.string(),
    completion_window: z.string(),
    status: z.enum([
      "validating",
      "failed",
      "in_progress",
      "finalizing",
      "completed",
      "expired",
      "cancelling",
      "cancelled",
    ]),
    output_file_id: z.string().nullable(),
    error_file_id: z.string().nullable(),
    created_at: unixTimeSchema,
    in_progress_at: unixTimeSchema.nullable(),
    expires_at: unixTimeSchema.nullable(),
    finalizing_at: unixTimeSchema.nullable(),
    completed_at: unixTimeSchema.nullable(),
    failed_at: unixTimeSchema.nullable(),
    expired_at: unixTimeSchema.nullable(),
    cancelling_at: unixTimeSchema.nullable(),
    cancelled_at: unixTimeSchema.nullable(),
    request_counts: z.strictObject({ total: countSchema, completed: countSchema, failed: countSchema }),
    metadata: z.record(z.string(), z.string()).nullable(),
    reelq: z.strictObject({
      state: z.enum(batchStates),
      name: z.string(),
      project: z.string(),
      reason: z
        .strictObject({
          code: z.enum(reasonNames),
          message: z.string().describe("A whole sentence."),
          since: isoTimeSchema,
          command: z.string().nullable().describe("What goes on from here, for a person to type."),
        })
        .nullable()
        .describe("Why it sends nothing, or ended otherwise than by itself."),
      counts: countsSchema,
      money: batchMoneySchema,
      budget: microUsdSchema.nullable(),
      at_budget: z.enum(capStyles),
      window: z
        .strictObject({
          text: z.string(),
          is_open: z.boolean(),
          opens_at: isoTimeSchema.nullable().describe("Next; null while it is open."),
          closes_at: isoTimeSchema.describe("The one that is open, or the next one."),
          at_end: z.enum(windowEnds),
        })
        .nullable(),
      priority: z.int(),
      weight: z.number(),
      canary: z.strictObject({ count: countSchema, state: z.enum(["running", "passed", "failed"]) }).nullable(),
      stop_after_failures: countSchema,
      stop_after: microUsdSchema.nullable(),
      on_source_failure: z.enum(sourcePolicies),
      forecast: batchForecastSchema.nullable(),
      lanes: z.array(laneUseSchema),
      looks: countSchema.describe("Status queries of its finished clips."),
      retries: countSchema.describe("Setbacks of its finished clips that were survived."),
      report: z.boolean().describe("Whether the report of its end is written."),
      updated_at: isoTimeSchema,
    }),
  })
  .describe("A batch: the OpenAI shape, and the `reelq` object beside it.");
export type BatchBody = z.infer<typeof batchBodySchema>;

export const batchListBodySchema = pageOf(batchBodySchema).describe("A page of batches, newest first.");
export type BatchListBody = z.infer<typeof batchListBodySchema>;

/** What `POST /v1/batches/{id}/retry` answers. */
export const batchRetriedBodySchema = z
  .strictObject({
    object: z.literal("batch.retry"),
    batch: batchBodySchema,
    retried: countSchema.describe("Clips that are rendered again."),
  })
  .describe("The batch, and how many of its clips are tried again.");
export type BatchRetriedBody = z.infer<typeof batchRetriedBodySchema>;

/** What `POST /v1/batches/{id}/waive` answers. */
export const batchWaivedBodySchema = z
  .strictObject({
    object: z.literal("batch.waive"),
    batch: batchBodySchema,
    waived: countSchema.describe("Clips that are done without from now on."),
  })
  .describe("The batch, and how many of its clips are done without.");
export type BatchWaivedBody = z.infer<typeof batchWaivedBodySchema>;

/** One take of one line. */
export const clipBodySchema = z
  .strictObject({
    object: z.literal("batch.clip"),
    number: z.int().positive().describe("Its place in the batch."),
    line: z.int().positive(),
    custom_id: z.string(),
    take: z.int().positive(),
    video_id: z.string(),
    status: z.enum(statuses),
    origin: z
      .enum(["new", "reused", "shared"])
      .describe(
        "`new`: this batch has it rendered. `reused`: it was stored already. `shared`: another batch has it rendered.",
      ),
    waived: z.boolean(),
    skipped: z.boolean().describe("Cancelled, because its source failed."),
    before: z.array(z.string()).describe("Videos that a retry with another prompt took the place of."),
    prompt: z.string(),
    model: z.string(),
    seconds: z.number(),
    size: z.string(),
    reference_sha256: z.string().nullable(),
    remix_of: z.string().nullable().describe("A video's id."),
    priority: z.int(),
    tags: z.array(z.string()),
    lane: z.string(),
    waiting: z.strictObject({ reason: z.string(), detail: z.string().nullable() }).nullable(),
    failure: z
      .strictObject({
        class: z.enum(Object.keys(failureClasses) as [FailureClass, ...FailureClass[]]),
        code: z.string(),
        message: z.string(),
        meaning: z.string(),
        charged: z.enum(["yes", "no", "unknown"]),
        retry: z.enum(["allowed", "insist"]),
      })
      .nullable(),
    money: batchMoneySchema.describe("Of all its attempts, in millionths of a US dollar; `estimated` is of one."),
    attempts: countSchema,
    looks: countSchema,
    setbacks: countSchema,
    accepted_at: isoTimeSchema,
    sent_at: isoTimeSchema.nullable(),
    rendered_at: isoTimeSchema.nullable(),
    ended_at: isoTimeSchema.nullable(),
    file: z
      .strictObject({
        key: z.string().describe("Where it is in storage."),
        bytes: z.int().positive(),
        sha256: z.string(),
        content_type: z.string(),
        duration_ms: z.number().nullable(),
        width: z.int().nullable(),
        height: z.int().nullable(),
        differences: z.array(z.string()),
        thumbnail: z.string().nullable().describe("Where it is in storage."),
      })
      .nullable(),
  })
  .describe("One take of one line of a batch.");
export type ClipBody = z.infer<typeof clipBodySchema>;

export const clipListBodySchema = z
  .strictObject({
    object: z.literal("list"),
    data: z.array(clipBodySchema),
    last_number: z.int().positive().nullable().describe("What `after` takes for the next page."),
    has_more: z.boolean(),
  })
  .describe("A page of a batch's clips, in the manifest's order.");
export type ClipListBody = z.infer<typeof clipListBodySchema>;

/** What `POST /v1/batches/plan` answers. */
export const batchPlanBodySchema = z
  .strictObject({
    object: z.literal("batch.plan"),
    ok: z.boolean().describe("No line is wrong, and all fits its window and its budget."),
    lines: countSchema,
    clips: countSchema,
    errors: z.array(batchMistakeSchema).describe("At most 1,000."),
    error_count: countSchema,
    notes: z.array(z.string()).describe("What is worth knowing and not wrong, a sentence each."),
    reused: countSchema.describe("Clips that are stored already."),
    shared: countSchema.describe("Clips that another batch has rendered right now."),
    to_render: countSchema,
    reused_lines: z.array(z.int().positive()).describe("Lines all of whose clips are stored already, at most 1,000."),
    price: microUsdSchema.nullable().describe("Of what is to be rendered; null where a price is missing."),
    unpriced_models: z.array(z.string()),
    budget: microUsdSchema.nullable(),
    fits_budget: z.boolean().nullable(),
    lanes: z.array(
      z.strictObject({
        lane: z.string(),
        model: z.string(),
        seconds: z.number().describe("The clips' length."),
        clips: countSchema,
        price: microUsdSchema.nullable(),
        median_seconds: z.number().nonnegative().describe("How long a render takes."),
        places: countSchema.nullable(),
        requests_per_minute: countSchema.nullable(),
        expected_seconds: z.number().nonnegative().nullable().describe("Until its last clip is stored."),
      }),
    ),
    forecast: batchForecastSchema,
  })
  .describe("What a batch would do; nothing was created.");
export type BatchPlanBody = z.infer<typeof batchPlanBodySchema>;
