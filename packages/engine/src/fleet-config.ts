import { type Catalogue, catalogueSchema, nearestName, seedCatalogue } from "@reelq/contract";
import { z } from "zod";
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

/** A model at one upstream, where more is to be said than its name. */
const servedSchema = z.strictObject({
  /** What the upstream calls it, where that differs. */
  name: z.string().min(1).optional(),
  /** Its share of the model's videos, where other upstreams serve it too; the upstream's own weight where left out. */
  weight: weightSchema.optional(),
  /** Of this model at this upstream, within those of the whole account. */
  limits: limitsSchema.optional(),
});

const servesNothing = "is empty; leave it out where all are served";

const servedModels = z
  .record(
    z.string(),
    z.union([z.string().min(1), servedSchema], {
      error: "must be the upstream's name for it, or a map with name, weight or limits",
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
    })
    .optional(),
  /** Of the whole account. */
  limits: limitsSchema.optional(),
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
  timings: timingsSchema,
});

/** What `REELQ_CONFIG` says. */
export const fleetSchema = shape.superRefine(
  (config, context) => {
    const complain = ({ path, message }: Mistake) => context.addIssue({ code: "custom", path: [...path], message });
    for (const judge of [unknownModels, standsInForItself, unservedModels, sameAccounts, idleEquivalents])
      judge(config).forEach(complain);
  },
  // Also where the shape is wrong in another place: all mistakes are told at once.
  { when: ({ value }) => typeof value === "object" && value !== null },
);
export type FleetConfig = z.infer<typeof fleetSchema>;

interface Mistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The file before it is known to have the right shape. */
type Unsure = Readonly<Record<"upstreams" | "models" | "equivalents", unknown>>;

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value) : [];

const fieldOf = (value: unknown, field: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, field)
    ? (value as Record<string, unknown>)[field]
    : undefined;

/** The texts of a list with their places in it, or the keys of a map. */
const textsIn = (value: unknown): [string, number][] =>
  Array.isArray(value)
    ? value.flatMap((one, index): [string, number][] => (typeof one === "string" ? [[one, index]] : []))
    : entriesOf(value).map(([key], index) => [key, index]);

/** The first of many names, so that no message is longer than anyone reads. */
function few(names: readonly unknown[]): string {
  const told = names.slice(0, 20).join(", ");
  return names.length > 20 ? `${told} and ${names.length - 20} more` : told;
}

/** Under an upstream's models or under equivalents: a model that no catalogue holds. */
function unknownModels({ upstreams, models, equivalents }: Unsure): Mistake[] {
  const known = new Set(Object.keys({ ...seedCatalogue, ...Object.fromEntries(entriesOf(models)) }));
  const served = entriesOf(upstreams).flatMap(([upstream, entry]) => {
    const list = fieldOf(entry, "models");
    const isList = Array.isArray(list);
    return textsIn(list).map(([model, index]) => ({
      model,
      path: ["upstreams", upstream, "models", isList ? index : model],
    }));
  });
  const replaced = entriesOf(equivalents).map(([model]) => ({ model, path: ["equivalents", model] }));
  const standIns = entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others).flatMap(([other, index]) =>
      other === model ? [] : { model: other, path: ["equivalents", model, index] },
    ),
  );
  return [served, replaced, standIns].flatMap((named) =>
    named
      .filter(({ model }) => !known.has(model))
      .map(({ model, path }, index) => ({
        path,
        message: `"${model}" is no known model; ${index < ADVISED ? adviceFor(model, [...known]) : "add it under models."}`,
      })),
  );
}

/** Looking for the name that was meant takes long among many; of so many mistakes nobody reads more. */
const ADVISED = 50;

function adviceFor(model: string, known: readonly string[]): string {
  const meant = nearestName(model, known);
  return meant ? `did you mean "${meant}"?` : `known: ${few(known)}; add it under models.`;
}

function standsInForItself({ equivalents }: Unsure): Mistake[] {
  return entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others)
      .filter(([other]) => other === model)
      .map(([, index]) => ({ path: ["equivalents", model, index], message: `"${model}" cannot stand in for itself` })),
  );
}

/** Under models: one that the file's upstreams do not serve, which is most likely a slip in one of the two places. */
function unservedModels({ upstreams, models }: Unsure): Mistake[] {
  const entries = entriesOf(upstreams);
  const lists = entries.map(([, entry]) => textsIn(fieldOf(entry, "models")));
  // One that names nothing serves all, or is told of elsewhere.
  if (entries.length === 0 || lists.some((list) => list.length === 0)) return [];
  const served = new Set(lists.flatMap((list) => list.map(([model]) => model)));
  const names = few(entries.map(([upstream]) => upstream));
  return entriesOf(models)
    .filter(([model]) => !served.has(model))
    .map(([model]) => ({
      path: ["models", model],
      message: `no upstream serves it; name it under the models of one of: ${names}`,
    }));
}

/** No model has so many lengths or sizes; comparing each with each would take long. */
const MOST_COMPARED = 100;

/** An equivalent that allows none of the lengths or none of the sizes of the model that it is to stand in for. */
function idleEquivalents({ models, equivalents }: Unsure): Mistake[] {
  const catalogue = { ...seedCatalogue, ...Object.fromEntries(entriesOf(models)) };
  const has = (model: string, what: "seconds" | "sizes"): unknown[] => {
    const allowed = fieldOf(fieldOf(catalogue, model), what);
    return Array.isArray(allowed) && allowed.length <= MOST_COMPARED ? allowed : [];
  };
  return entriesOf(equivalents).flatMap(([model, others]) =>
    textsIn(others).flatMap(([other, index]) =>
      (["seconds", "sizes"] as const).flatMap((what) => {
        const [asked, offered] = [has(model, what), has(other, what)];
        // What is not even a list is told elsewhere; what is too long for one is not looked at.
        if (asked.length === 0 || offered.length === 0 || asked.some((one) => offered.includes(one))) return [];
        const message = `"${other}" can never stand in for "${model}": it allows none of its ${what} (${few(asked)})`;
        return [{ path: ["equivalents", model, index], message }];
      }),
    ),
  );
}

/** One account under two names would have each of its limits twice. */
function sameAccounts({ upstreams }: Unsure): Mistake[] {
  const seen = new Map<string, string>();
  return entriesOf(upstreams).flatMap(([upstream, entry]) => {
    const url = fieldOf(entry, "url");
    if (typeof url !== "string") return [];
    const account = JSON.stringify([(URL.parse(url)?.href ?? url).replace(/\/+$/, ""), fieldOf(entry, "key") ?? null]);
    const other = seen.get(account);
    seen.set(account, upstream);
    if (other === undefined) return [];
    const message = `has the url and the key of ${other}: one account under two names would pass its limits; keep one of them`;
    return [{ path: ["upstreams", upstream], message }];
  });
}

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
