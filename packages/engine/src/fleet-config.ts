import {
  type Catalogue,
  catalogueSchema,
  type FailureClass,
  failureClasses,
  modelSchema,
  readUsd,
} from "@reelq/contract";
import { z } from "zod";
import { dayOf } from "./day.ts";
import { mistakesBetween } from "./fleet-mistakes.ts";
import { timingsSchema } from "./timings.ts";

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "a name is letters, digits, dots, dashes and underscores");

function wholeFromOne(what: string) {
  const error = `${what} must be a whole number from 1; leave it out where there is no limit`;
  // Not `z.int()`: after a fraction it lets nothing more be judged, and every mistake is to be told.
  return z.number({ error }).refine((value) => Number.isSafeInteger(value) && value >= 1, error);
}

/** What an account allows; what is left out has no limit. */
const limitsSchema = z.strictObject({
  /** Tasks at once. */
  inFlight: wholeFromOne("tasks at once").optional(),
  /** POSTs in any minute. */
  requestsPerMinute: wholeFromOne("POSTs in any minute").optional(),
  /** Status queries in any second. */
  looksPerSecond: wholeFromOne("status queries in any second").optional(),
});

const weightSchema = z
  .number({ error: "must be a number above 0" })
  .positive("must be above 0")
  .max(1_000, "must be at most 1000");

const noAmount = "must be an amount in US dollars, like 25 or 12.50";

/** US dollars as people write them. */
const usd = z
  .union([z.number(), z.string()], { error: noAmount })
  .refine((given) => readUsd(given) !== undefined, noAmount);

/** What may be spent; what is left out has no cap. */
const budgetSchema = z.strictObject({
  /** From midnight to midnight. */
  perDayUsd: usd.optional(),
  /** Ever. */
  totalUsd: usd.optional(),
});
export type BudgetSettings = z.infer<typeof budgetSchema>;

function whyNoZone(timeZone: string): string | undefined {
  try {
    dayOf(0, timeZone);
    return undefined;
  } catch {
    return "is no time zone; one looks like Europe/Berlin";
  }
}

/** Failure classes of which an upstream's bill decides whether they cost money. */
const openClasses = Object.entries(failureClasses).flatMap(([name, { charged }]) =>
  charged === "unknown" ? [name] : [],
) as [FailureClass, ...FailureClass[]];

/** A model at one upstream, where more is to be said than its name. */
const servedSchema = z.strictObject({
  /** What the upstream calls it, where that differs. */
  name: z.string().min(1).optional(),
  /** Its share of the model's videos, where other upstreams serve it too; the upstream's own weight where left out. */
  weight: weightSchema.optional(),
  /** Of this model at this upstream, within those of the whole account. */
  limits: limitsSchema.optional(),
  /** What it costs there; the model's own price where left out. */
  price: modelSchema.shape.price,
});

const servesNothing = "is empty; leave it out where all are served";

const servedModels = z
  .record(
    z.string(),
    z.union([z.string().min(1), servedSchema], {
      error: "must be the upstream's name for it, or a map with name, weight, limits or price",
    }),
  )
  .refine((models) => Object.keys(models).length > 0, servesNothing);

const capability = z.union([z.literal("auto", { error: "must be auto, true or false" }), z.boolean()]);

/** A second's thousandth at the least; a day is longer than anything that is waited for. */
const timeoutSchema = z.number().min(0.001).max(86_400);

const notAnUrl = "must be an http or https URL up to and with /v1";

function whyNoUrl(text: string): string | undefined {
  if (/[\s\p{Cc}]/u.test(text)) return "holds spaces or line breaks; write it without";
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\/[^/]/i.test(text)) return notAnUrl;
  if (/[?#]/.test(text) || url.username !== "" || url.password !== "")
    return "must end with its path and hold no credentials; put the token in key";
  if (url.port === "0") return "has port 0, where nothing can listen";
  // Other paths may be a gateway's own.
  if (/\/videos\/*$/.test(url.pathname)) return "must end in /v1, not with the call /videos, which is added to it";
  return undefined;
}

const upstreamSchema = z.strictObject({
  /** Up to and with `/v1`. */
  url: z
    // Not `z.url()`: it takes line breaks out before anyone can tell of them.
    .string({ error: notAnUrl })
    .trim()
    .superRefine((url, context) => {
      const message = whyNoUrl(url);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    }),
  /** The bearer token. */
  key: z
    .string({ error: "must be a text; put digits in quotes" })
    .regex(/^[\x21-\x7e]+$/, "is empty or holds characters that no HTTP header can carry")
    .optional(),
  /** The models it serves, all of the catalogue where left out; a map where its name for one differs, or more is to be said. */
  models: z
    .union([z.array(z.string()).min(1, servesNothing), servedModels], {
      error: "must be a list of models, or a map of them",
    })
    .optional(),
  /** Its share of the videos that other upstreams could render too. */
  weight: weightSchema.optional(),
  /** What a create call is sent as. */
  format: z.enum(["auto", "multipart", "json"]).optional(),
  /** How long it keeps a finished file, where its tasks do not say; an hour unless told. */
  retentionSeconds: z.number().positive().optional(),
  /** What it can do, where finding out is not wanted or goes wrong. */
  capabilities: z
    .strictObject({
      /** `GET /videos`: settles doubts, and saves looks. */
      list: capability.optional(),
      /** A file can be asked for from the middle on. */
      range: capability.optional(),
      /** `POST /videos/{id}/remix`. */
      remix: capability.optional(),
      /** `GET /videos/{id}/content?variant=thumbnail` and `spritesheet`. */
      variants: capability.optional(),
    })
    .optional(),
  /** Of the whole account. */
  limits: limitsSchema.optional(),
  /** What may be spent there. */
  budget: budgetSchema.optional(),
  /** Whether it bills clips that failed, by failure class, where the class alone does not say it. */
  bills: z
    .partialRecord(z.enum(openClasses), z.boolean({ error: "must be true or false" }), {
      error: `must be a map of failure classes (${openClasses.join(", ")}) to true or false`,
    })
    .optional(),
  timeouts: z
    .strictObject({
      /** TCP and TLS. */
      connectSeconds: timeoutSchema.optional(),
      /** A whole create: while it may last, a POST without a reply is not judged absent. */
      createSeconds: timeoutSchema.optional(),
      /** A whole status query. */
      lookSeconds: timeoutSchema.optional(),
      /** Between two chunks of a file. */
      idleSeconds: timeoutSchema.optional(),
    })
    .optional(),
});
export type UpstreamEntry = z.infer<typeof upstreamSchema>;
export type LimitSettings = z.infer<typeof limitsSchema>;
export type Capability = z.infer<typeof capability>;

const shape = z.strictObject({
  upstreams: z.record(name, upstreamSchema).default({}),
  models: catalogueSchema.default({}),
  /** For a model, those that may stand in for it while no upstream that serves it can be reached. */
  equivalents: z
    .record(z.string(), z.array(z.string(), { error: "must be a list of models" }).min(1, "must name a model"))
    .default({}),
  /** What may be spent on everything. */
  budget: budgetSchema
    .extend({
      /** Whose midnight ends the budgets' day. */
      timeZone: z
        .string()
        .default("UTC")
        .superRefine((timeZone, context) => {
          const message = whyNoZone(timeZone);
          if (message !== undefined) context.addIssue({ code: "custom", message });
        }),
    })
    .prefault({}),
  /** By the name that an API key has. */
  projects: z
    .record(
      z.string(),
      z.strictObject({
        budget: budgetSchema.optional(),
        /** Its share of a lane that batches of several projects wait for. */
        weight: weightSchema.default(1),
      }),
    )
    .default({}),
  /** Reference images. */
  references: z
    .strictObject({
      /** What becomes of one whose width and height are not the video's: `reelq.warnings` says so, or it is refused. */
      misfit: z.enum(["warn", "refuse"], { error: "must be warn or refuse" }).default("warn"),
    })
    .prefault({}),
  /** Idempotency keys. */
  idempotency: z
    .strictObject({
      /** How long one is remembered: longer than any client tries, and than the videos' jobs are kept. */
      keepDays: z.number({ error: "must be a number of days" }).min(1).max(365).default(7),
    })
    .prefault({}),
  timings: timingsSchema,
});

/** What `REELQ_CONFIG` says. */
export const fleetSchema = shape.superRefine(
  (config, context) => {
    for (const { path, message } of mistakesBetween(config))
      context.addIssue({ code: "custom", path: [...path], message });
  },
  // Also where the shape is wrong in another place: all mistakes are told at once.
  { when: ({ value }) => typeof value === "object" && value !== null },
);
export type FleetConfig = z.infer<typeof fleetSchema>;

/** The models that an upstream serves, each with what is said of it there. */
export function servedBy(
  { models }: UpstreamEntry,
  catalogue: Catalogue,
): Readonly<Record<string, z.infer<typeof servedSchema>>> {
  if (models === undefined) return Object.fromEntries(Object.keys(catalogue).map((model) => [model, {}]));
  if (Array.isArray(models)) return Object.fromEntries(models.map((model) => [model, {}]));
  return Object.fromEntries(
    Object.entries(models).map(([model, said]) => [model, typeof said === "string" ? { name: said } : said]),
  );
}
