import { z } from "zod";

const checkSchema = z.strictObject({
  ok: z.boolean(),
  detail: z.string().exactOptional(),
  ms: z.int().nonnegative().describe("How long the look took."),
});

const breakerSchema = z.strictObject({
  breaker: z.enum(["closed", "open", "half_open"]).describe("`open`: nothing is sent to it for now."),
  why: z.string().exactOptional(),
  seconds: z.int().nonnegative().exactOptional().describe("Until it is tried again."),
});

export const liveBodySchema = z.strictObject({ ok: z.literal(true) }).describe("The process answers.");

export const readyBodySchema = z
  .strictObject({
    ok: z.boolean(),
    checks: z.record(z.string(), checkSchema).describe("What the API needs, by name."),
    upstreams: z
      .record(z.string(), breakerSchema)
      .exactOptional()
      .describe("One that cannot be reached does not make the API unready: what it accepts is durable, and waits."),
  })
  .describe("Whether the API has what it needs.");
