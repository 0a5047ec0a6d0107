import { z } from "zod";

/** `WIDTHxHEIGHT` in pixels. */
const sizeSchema = z.string().regex(/^[1-9]\d{1,4}x[1-9]\d{1,4}$/, "must be WIDTHxHEIGHT in pixels, like 720x1280");

const bothPrices = ({ code, input }: z.core.$ZodRawIssue): string | undefined =>
  code === "unrecognized_keys" &&
  Object.hasOwn(Object(input), "perSecondUsd") &&
  Object.hasOwn(Object(input), "perClipUsd")
    ? "has both perSecondUsd and perClipUsd; keep one"
    : undefined;

/** What one model allows. Messages hold no values: one may be a variable's. */
export const modelSchema = z
  .strictObject({
    /** Clip lengths in seconds. */
    seconds: z.array(z.number().positive().max(3600)).min(1),
    /** The length when a request names none; the longest allowed where it is left out. */
    defaultSeconds: z.number().positive().optional(),
    sizes: z.array(sizeSchema).min(1),
    defaultSize: sizeSchema.optional(),
    /** How long a render usually takes, in seconds, until reelq has learned it. */
    typicalRenderSeconds: z.number().positive().optional(),
    price: z
      .union(
        [
          z.strictObject({ perSecondUsd: z.number().nonnegative() }, { error: bothPrices }),
          z.strictObject({ perClipUsd: z.number().nonnegative() }, { error: bothPrices }),
        ],
        { error: "must be a map with perSecondUsd or perClipUsd" },
      )
      .optional(),
  })
  .superRefine((model, context) => {
    if (model.defaultSeconds !== undefined && !model.seconds.includes(model.defaultSeconds)) {
      context.addIssue({
        code: "custom",
        path: ["defaultSeconds"],
        message: "is not one of the model's seconds",
      });
    }
    if (model.defaultSize !== undefined && !model.sizes.includes(model.defaultSize)) {
      context.addIssue({
        code: "custom",
        path: ["defaultSize"],
        message: "is not one of the model's sizes",
      });
    }
  });
export type Model = z.infer<typeof modelSchema>;

/** The models by name. Data: an operator extends it, code does not know any model. */
export type Catalogue = Readonly<Record<string, Model>>;

export const catalogueSchema = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "a model's name is letters, digits, dots, dashes and underscores"),
  modelSchema,
);

export const defaultModel = "sora-2";
const preferredSize = "720x1280";

const seedSizes = [preferredSize, "1280x720", "1024x1792", "1792x1024"];

/** The models of the seed document. Typical renders: what vendors say of each length (upstream-api.md, Times). */
export const seedCatalogue: Catalogue = {
  "sora-2": { seconds: [10, 15], defaultSeconds: 15, sizes: seedSizes, typicalRenderSeconds: 180 },
  "sora-2-pro": { seconds: [10, 15, 25], defaultSeconds: 15, sizes: seedSizes, typicalRenderSeconds: 300 },
  "veo-3.1": { seconds: [4, 8, 12], defaultSeconds: 8, sizes: seedSizes, typicalRenderSeconds: 120 },
};

export const defaultSecondsOf = (model: Model): number => model.defaultSeconds ?? Math.max(...model.seconds);

export const defaultSizeOf = (model: Model): string =>
  model.defaultSize ?? (model.sizes.includes(preferredSize) ? preferredSize : (model.sizes[0] ?? preferredSize));
