import { z } from "zod";
import { chargedSchema, failureSchema } from "./failure.ts";
import { batchIdSchema, requestSchema, videoIdSchema } from "./request.ts";
import type { Status } from "./lifecycle.ts";

/** Milliseconds since 1970; upstreams' own times may have fractions of one. */
const atSchema = z.number().nonnegative();

/** The version of the record's shape: a newer one is set aside, never guessed at. The second one leaves out what follows from the rest. */
export const recordSchemaVersion = 2;

/** One upstream x one model. */
const laneSchema = z.object({ upstream: z.string(), model: z.string() });
export type Lane = z.infer<typeof laneSchema>;

/** What became of a POST: decided in `upstream/src/outcome.ts`. */
const attemptOutcomeSchema = z.enum(["accepted", "refused", "in_doubt", "adopted", "created_nothing", "given_up"]);
export type AttemptOutcome = z.infer<typeof attemptOutcomeSchema>;

/**
 * One paid POST. Those proved not to have created anything (not sent, throttled) leave no attempt behind,
 * only a count in `setbacks`.
 */
const attemptSchema = z.object({
  number: z.number().int().positive(),
  upstream: z.string(),
  intentAt: atSchema,
  /** After this time the POST may no longer be sent. */
  postBy: atSchema,
  endedAt: atSchema.optional(),
  outcome: attemptOutcomeSchema.optional(),
  task: z.string().optional(),
  charged: chargedSchema,
  /** What it was expected to cost when it was sent, in millionths of a US dollar; absent where nobody said a price. */
  estimate: z.number().int().nonnegative().optional(),
  /** The budgets' day that it counts for, `YYYY-MM-DD`. */
  day: z.string().optional(),
});
export type Attempt = z.infer<typeof attemptSchema>;

/** The upstream's own job. */
const taskSchema = z.object({
  upstream: z.string(),
  id: z.string(),
  acceptedAt: atSchema,
  /** 0 to 100, as reported; information, never a verdict. */
  progress: z.number().min(0).max(100).optional(),
  completedAt: atSchema.optional(),
  /** When the upstream deletes its file; absent: it did not say. */
  expiresAt: atSchema.optional(),
  /** When it is taken to do so where it did not say: by the upstream's `retentionSeconds`. */
  assumedExpiresAt: atSchema.optional(),
  /** Where the upstream says the bytes are, if not at its content call. */
  contentUrl: z.string().optional(),
});
export type Task = z.infer<typeof taskSchema>;

/** Why a queued video waits. */
export const waitReasons = [
  "throttled",
  "not_sent",
  "account",
  "turn",
  "window",
  "budget",
  "paused",
  "canary",
  "dependency",
] as const;
const waitReasonSchema = z.enum(waitReasons);
export type WaitReason = z.infer<typeof waitReasonSchema>;

const waitingSchema = z.object({ reason: waitReasonSchema, since: atSchema, detail: z.string().optional() });

/** What is known of a POST whose fate is not. */
const doubtSchema = z.object({
  since: atSchema,
  reason: z.string(),
  /** How often the upstream's list was read for evidence. */
  looks: z.number().int().nonnegative(),
  /** When a whole list first showed no match. */
  absentSince: atSchema.optional(),
  /** What the last look found, in a sentence. */
  evidence: z.string().optional(),
  /** Nothing more can be learned: a person decides. */
  held: z.boolean(),
  /** The upstream answered with a task that another video owns: no list proves anything then. */
  contested: z.boolean().optional(),
  /** It is so old that no task of it can still run: it takes up no place any more. */
  over: z.boolean().optional(),
  /** Looks in a row at a list that could not be read. */
  unread: z.number().int().positive().optional(),
});
export type Doubt = z.infer<typeof doubtSchema>;

/** How the looks at a task went. */
const looksSchema = z.object({
  count: z.number().int().nonnegative(),
  /** Missed looks in a row. */
  missed: z.number().int().nonnegative(),
  /** What the last of them brought, one sentence. */
  lastProblem: z.string().optional(),
  /** The last look that found it running. */
  lastAt: atSchema.optional(),
  /** Of some looks: the render's age in ms, and the progress reported then. */
  readings: z.array(z.tuple([z.number().nonnegative(), z.number().min(0).max(100)])).optional(),
  /** The first 404 of an unbroken run of them, and how many there were. */
  notFoundSince: atSchema.optional(),
  notFound: z.number().int().nonnegative(),
});
export type Looks = z.infer<typeof looksSchema>;

/** How the tries to fetch the bytes went. */
const fetchingSchema = z.object({
  tries: z.number().int().nonnegative(),
  /** A refusal (403, 404, 410) right after completion usually passes: since when they came without a break. */
  refusedSince: atSchema.optional(),
  /** Tries in a row that brought something that is no video: enough of them are proof. */
  unusable: z.number().int().positive().optional(),
  lastProblem: z.string().optional(),
});
export type Fetching = z.infer<typeof fetchingSchema>;

/** A picture stored beside a video. */
const pictureSchema = z.object({
  key: z.string(),
  bytes: z.number().int().positive(),
  sha256: z.string(),
  contentType: z.string(),
});

/** The stored bytes. */
const fileSchema = z.object({
  key: z.string(),
  sidecarKey: z.string(),
  bytes: z.number().int().positive(),
  sha256: z.string(),
  contentType: z.string(),
  media: z
    .object({
      container: z.string(),
      durationMs: z.number().nonnegative().optional(),
      width: z.number().int().nonnegative().optional(),
      height: z.number().int().nonnegative().optional(),
      codec: z.string().optional(),
    })
    .optional(),
  /** What differs from what was asked for, a sentence each. */
  differences: z.array(z.string()),
  /** The pictures that the upstream had of it; absent where it had none, and in records from before they were kept. */
  variants: z
    .object({ thumbnail: pictureSchema.exactOptional(), spritesheet: pictureSchema.exactOptional() })
    .optional(),
});
export type StoredFile = z.infer<typeof fileSchema>;

/** What went wrong on the way and was survived. */
const setbacksSchema = z.object({
  throttled: z.number().int().nonnegative(),
  notSent: z.number().int().nonnegative(),
  doubts: z.number().int().nonnegative(),
  missedLooks: z.number().int().nonnegative(),
  contentNotReady: z.number().int().nonnegative(),
  brokenDownloads: z.number().int().nonnegative(),
});
export type Setbacks = z.infer<typeof setbacksSchema>;
export const noSetbacks: Setbacks = {
  throttled: 0,
  notSent: 0,
  doubts: 0,
  missedLooks: 0,
  contentNotReady: 0,
  brokenDownloads: 0,
};

/** The place of a video in a batch. */
const placeInBatchSchema = z.object({
  id: batchIdSchema,
  /** Of the clip, from 1: its place among all takes of all lines. */
  number: z.number().int().positive(),
  /** Of the manifest, from 1. */
  line: z.number().int().positive(),
  customId: z.string(),
  take: z.number().int().positive(),
  /** Among the batch's clips the higher goes first. */
  priority: z.number().int(),
  tags: z.array(z.string()),
  /** Names all that makes the render what it is: the same key, the same clip. */
  renderKey: z.string(),
  /** The number of the clip that it remixes, while that is not stored: `request.remixOf` is filled in then. */
  source: z.number().int().positive().optional(),
});
export type PlaceInBatch = z.infer<typeof placeInBatchSchema>;

/** What every video has, whatever its status. */
const core = {
  schema: z.literal(recordSchemaVersion),
  id: videoIdSchema,
  /** Counts the record's writes: what compare-and-set compares. */
  version: z.number().int().positive(),
  /** The version with which its reminder was made, and part of that one's id: a look that goes on keeps it. */
  reminder: z.number().int().positive(),
  project: z.string(),
  request: requestSchema,
  lane: laneSchema,
  /** Where its producer wants to hear of it, and which API key's secret signs that. */
  webhook: z.object({ url: z.string(), key: z.string() }).optional(),
  batch: placeInBatchSchema.optional(),
  createdAt: atSchema,
  updatedAt: atSchema,
  /** When the next step is due, final ones excepted: what the sweep goes by. */
  dueAt: atSchema,
  attempts: z.array(attemptSchema),
  /** A record that has none does not name them. */
  setbacks: setbacksSchema.default(noSetbacks),
};

const videoSchemas = {
  queued: z.object({
    ...core,
    status: z.literal("queued"),
    waiting: waitingSchema.optional(),
    /** In no lane's queue: it waits until its batch lets it go. */
    parked: z.literal(true).optional(),
  }),
  submitting: z.object({
    ...core,
    status: z.literal("submitting"),
    /** Who holds the intent: while that worker lives and its time is not up, nobody else may judge the POST. */
    worker: z.string(),
  }),
  in_doubt: z.object({ ...core, status: z.literal("in_doubt"), doubt: doubtSchema }),
  rendering: z.object({ ...core, status: z.literal("rendering"), task: taskSchema, looks: looksSchema }),
  downloading: z.object({
    ...core,
    status: z.literal("downloading"),
    task: taskSchema,
    looks: looksSchema,
    fetching: fetchingSchema,
  }),
  stored: z.object({
    ...core,
    status: z.literal("stored"),
    task: taskSchema,
    looks: looksSchema,
    file: fileSchema,
    storedAt: atSchema,
  }),
  failed: z.object({
    ...core,
    status: z.literal("failed"),
    task: taskSchema.optional(),
    failure: failureSchema,
    failedAt: atSchema,
  }),
  cancelled: z.object({
    ...core,
    status: z.literal("cancelled"),
    task: taskSchema.optional(),
    cancelledAt: atSchema,
    abandoned: z.boolean(),
    /** Its batch left it out, because the clip that it remixes failed. */
    skipped: z.literal(true).optional(),
  }),
} satisfies Record<Status, z.ZodObject>;

/** A video's record: the status decides which fields there are. */
export const videoSchema = z.discriminatedUnion("status", [
  videoSchemas.queued,
  videoSchemas.submitting,
  videoSchemas.in_doubt,
  videoSchemas.rendering,
  videoSchemas.downloading,
  videoSchemas.stored,
  videoSchemas.failed,
  videoSchemas.cancelled,
]);
export type Video = z.infer<typeof videoSchema>;

/** A video in one of the statuses named: a function that needs a task id takes `VideoIn<"rendering">`. */
export type VideoIn<S extends Status> = Extract<Video, { status: S }>;

/** What every video has. */
export type VideoCore = Omit<VideoIn<"submitting">, "status" | "worker">;

/** The part of a record that it keeps when it moves on. */
export const coreOf = ({
  schema,
  id,
  version,
  reminder,
  project,
  request,
  lane,
  webhook,
  batch,
  createdAt,
  updatedAt,
  dueAt,
  attempts,
  setbacks,
}: Video): VideoCore => ({
  schema,
  id,
  version,
  reminder,
  project,
  request,
  lane,
  ...(webhook === undefined ? {} : { webhook }),
  ...(batch === undefined ? {} : { batch }),
  createdAt,
  updatedAt,
  dueAt,
  attempts,
  setbacks,
});

/** The attempt that is on the wire or was last. */
export const lastAttempt = (video: Video): Attempt | undefined => video.attempts.at(-1);
