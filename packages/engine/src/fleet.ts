import { type Catalogue, catalogueSchema, type Lane, nearestName, seedCatalogue } from "@reelq/contract";
import { z } from "zod";
import { SECOND } from "./clock.ts";
import type { LaneLimits } from "./lane.ts";
import { type Timings, timingsOf, timingsSchema } from "./timings.ts";

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "a name is letters, digits, dots, dashes and underscores");

const upstreamSchema = z.strictObject({
  /** Up to and with `/v1`. */
  url: z.url({ protocol: /^https?$/, error: "must be an http or https URL up to and with /v1" }),
  /** The bearer token. */
  key: z.string().min(1).optional(),
  /** The models it serves, all of the catalogue where left out; a map where its name for one differs. */
  models: z.union([z.array(z.string()).min(1), z.record(z.string(), z.string().min(1))]).optional(),
  /** What a create call is sent as. */
  format: z.enum(["auto", "multipart", "json"]).optional(),
  limits: z
    .strictObject({
      /** Tasks at once, for each model. */
      inFlight: z.number().int().positive().optional(),
      /** POSTs in any minute, for each model. */
      requestsPerMinute: z.number().int().positive().optional(),
      /** Status queries in any second, for the whole account. */
      looksPerSecond: z.number().int().positive().optional(),
    })
    .optional(),
  timeouts: z
    .strictObject({
      /** TCP and TLS. */
      connectSeconds: z.number().positive().optional(),
      /** A whole create: while it may last, a POST without a reply is not judged absent. */
      createSeconds: z.number().positive().optional(),
      /** A whole status query. */
      lookSeconds: z.number().positive().optional(),
      /** Between two chunks of a file. */
      idleSeconds: z.number().positive().optional(),
    })
    .optional(),
});
type UpstreamEntry = z.infer<typeof upstreamSchema>;

/** What `REELQ_CONFIG` says. */
export const fleetSchema = z
  .strictObject({
    upstreams: z.record(name, upstreamSchema).default({}),
    models: catalogueSchema.default({}),
    timings: timingsSchema,
  })
  .superRefine(({ upstreams, models }, context) => {
    const known = Object.keys({ ...seedCatalogue, ...models });
    for (const [upstream, { models: served }] of Object.entries(upstreams)) {
      for (const model of modelNames(served ?? [])) {
        if (known.includes(model)) continue;
        const meant = nearestName(model, known);
        context.addIssue({
          code: "custom",
          path: ["upstreams", upstream, "models"],
          message: `"${model}" is no known model; ${meant ? `did you mean "${meant}"?` : `known: ${known.join(", ")}; add it under models.`}`,
        });
      }
    }
  });
export type FleetConfig = z.infer<typeof fleetSchema>;

/** The upstreams and models, and how they meet in lanes. */
export interface Fleet {
  readonly catalogue: Catalogue;
  readonly upstreams: Readonly<Record<string, UpstreamEntry>>;
  readonly lanes: readonly Lane[];
  /** The lane a new video of this model goes to. */
  laneFor(model: string): Lane | undefined;
  /** What the upstream calls the lane's model. */
  wireModel(lane: Lane): string;
  readonly timings: Timings;
  limitsOf(lane: Lane): LaneLimits;
  /** Status queries in a second; 0: no limit. */
  looksPerSecond(upstream: string): number;
}

export function openFleet(given: z.input<typeof fleetSchema>): Fleet {
  const config = fleetSchema.parse(given);
  const catalogue: Catalogue = { ...seedCatalogue, ...config.models };
  const lanes = Object.entries(config.upstreams).flatMap(([upstream, { models }]) =>
    modelNames(models ?? Object.keys(catalogue)).map((model) => ({ upstream, model })),
  );
  const served = new Set(lanes.map(({ model }) => model));
  return {
    // A model that nobody serves cannot be asked for, once there are upstreams at all.
    catalogue:
      lanes.length === 0
        ? catalogue
        : Object.fromEntries(Object.entries(catalogue).filter(([model]) => served.has(model))),
    upstreams: config.upstreams,
    timings: timingsOf(config.timings),
    lanes,
    laneFor: (model) => lanes.find((lane) => lane.model === model),
    wireModel: ({ upstream, model }) => {
      const models = config.upstreams[upstream]?.models;
      return models && !Array.isArray(models) ? (models[model] ?? model) : model;
    },
    limitsOf: ({ upstream }) => {
      const { inFlight = 0, requestsPerMinute = 0 } = config.upstreams[upstream]?.limits ?? {};
      return { places: inFlight, perMinute: requestsPerMinute };
    },
    looksPerSecond: (upstream) => config.upstreams[upstream]?.limits?.looksPerSecond ?? 0,
  };
}

/** What `@reelq/upstream` is told of the time-outs of one. */
export function timeoutsOf({ timeouts = {} }: UpstreamEntry) {
  const { connectSeconds, createSeconds, lookSeconds, idleSeconds } = timeouts;
  return {
    ...(connectSeconds === undefined ? {} : { connectMs: connectSeconds * SECOND }),
    ...(createSeconds === undefined ? {} : { headersMs: createSeconds * SECOND, totalMs: createSeconds * SECOND }),
    ...(lookSeconds === undefined ? {} : { lookMs: lookSeconds * SECOND }),
    ...(idleSeconds === undefined ? {} : { bodyIdleMs: idleSeconds * SECOND }),
  };
}

/** The name of the one upstream that UPSTREAM_URL stands for. */
const singleName = "main";

/** The file's upstreams, or the one of UPSTREAM_URL. */
export const withSingleUpstream = (
  config: FleetConfig,
  url: string | undefined,
  key: string | undefined,
): FleetConfig =>
  url === undefined ? config : { ...config, upstreams: { [singleName]: key === undefined ? { url } : { url, key } } };

/** What is wrong between UPSTREAM_URL and the file of REELQ_CONFIG. */
export function refuseUpstreams(config: FleetConfig, url: string | undefined): string | undefined {
  const named = Object.keys(config.upstreams);
  if (url !== undefined && named.length > 0)
    return `UPSTREAM_URL is set, and REELQ_CONFIG names upstreams too (${named.join(", ")}); keep one of them.`;
  if (url === undefined && named.length === 0)
    return "There is no upstream: set UPSTREAM_URL, or name upstreams in the file of REELQ_CONFIG.";
  return undefined;
}

const modelNames = (models: readonly string[] | Readonly<Record<string, string>>): readonly string[] =>
  Array.isArray(models) ? models : Object.keys(models);

export const laneName = ({ upstream, model }: Lane): string => `${upstream}/${model}`;
