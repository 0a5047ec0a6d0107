import { z } from "zod";
import { statuses } from "./lifecycle.ts";
import { isoTimeSchema } from "./video-body.ts";

const ownerSchema = z.enum(["lane", "account"]).describe("Whose limit it is.");
const secondsSchema = z.int().nonnegative().describe("For so long at the most.");

const obstacleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.enum(["breaker", "resting"]), reason: z.string(), seconds: secondsSchema }),
  z.strictObject({
    kind: z.literal("full"),
    in_flight: z.int().nonnegative(),
    places: z.int().positive(),
    of: ownerSchema,
    learned: z.boolean().describe("Nobody configured so few places: the upstream's refusals taught it."),
  }),
  z.strictObject({
    kind: z.literal("rate"),
    requests_per_minute: z.int().positive(),
    seconds: secondsSchema,
    of: ownerSchema,
  }),
]);

const laneSchema = z.strictObject({
  name: z.string().describe("`upstream/model`."),
  ahead: z.int().nonnegative().nullable().describe("Older queued videos of the lane; null where it is not queued."),
  waiting: z.int().nonnegative(),
  in_flight: z.int().nonnegative(),
  breaker: z.enum(["closed", "open", "half_open"]).describe("Whether anything is sent to its upstream."),
  breaker_why: z.string().nullable(),
});

/** Why a video is where it is, as `GET /v1/videos/{id}/explain` shows it; times in ISO 8601. */
export const explanationBodySchema = z
  .strictObject({
    id: z.string(),
    object: z.literal("video.explanation"),
    status: z.enum(statuses),
    sentence: z.string().describe("One plain sentence."),
    next_at: isoTimeSchema
      .nullable()
      .describe("The next thing that happens to it by itself; null: nothing does, or nobody can say when."),
    expected: z
      .strictObject({ median: isoTimeSchema, ninety_percent: isoTimeSchema })
      .nullable()
      .describe("When it is expected to be rendered: the median, and what nine of ten do not pass."),
    obstacle: obstacleSchema.nullable().describe("What keeps a queued video's lane from sending."),
    lane: laneSchema.nullable().describe("Null once it is final."),
  })
  .describe("Why a video is where it is.");
export type ExplanationBody = z.infer<typeof explanationBodySchema>;
