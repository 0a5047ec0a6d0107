import { z } from "zod";
import { clipSizes } from "./clips.ts";

const seedSizes = ["720x1280", "1280x720", "1024x1792", "1792x1024"];

const modelSchema = z.strictObject({
  /** Clip lengths in seconds. */
  seconds: z.array(z.number().positive().max(120)).min(1),
  /** Every size that there is a clip for, where left out. */
  sizes: z
    .array(z.enum(clipSizes))
    .min(1)
    .default([...clipSizes]),
});
type Model = z.infer<typeof modelSchema>;

/** The models of the seed document. */
const seedModels: Record<string, Model> = {
  "sora-2": { seconds: [10, 15], sizes: seedSizes },
  "sora-2-pro": { seconds: [10, 15, 25], sizes: seedSizes },
  "veo-3.1": { seconds: [4, 8, 12], sizes: seedSizes },
};

const capabilities = {
  /** GET /v1/videos */
  list: z.boolean(),
  /** DELETE /v1/videos/{id} */
  delete: z.boolean(),
  /** Range on content; without it the header is ignored. */
  range: z.boolean(),
  remix: z.boolean(),
  /** `?variant=` on content; `none`: 404 for all but the video; false: the parameter is ignored, and the video served. */
  variants: z.union([z.boolean(), z.literal("none")]),
};
const allCapable: Settings["capabilities"] = { list: true, delete: true, range: true, remix: true, variants: true };

const cap = z.number().int().positive().nullable();
const span = z.number().int().nonnegative();

const fields = {
  /** Render times are multiplied by this: 0.02 makes the median 2.1 s. */
  timeScale: z.number().positive(),
  /** Every render takes exactly this long; null draws a time instead. Not scaled. */
  renderMs: span.nullable(),
  /** How long a finished file can be fetched. */
  expiresAfterMs: span,
  /** Tasks of one key that may run at once; null for no end. */
  maxRunning: cap,
  /** Creates and remixes in any 60 s, for each key and model. */
  requestsPerMinute: cap,
  /** Retrieves and lists in any second, for each key. */
  looksPerSecond: cap,
  /** Accepted API keys, each an account of its own; with none, any key will do and all see all. */
  keys: z.array(z.string().min(1)),
  /** How task ids look: the seed's way, with colons, or long base64. */
  ids: z.enum(["plain", "colons", "base64"]),
  /** Videos are padded up to this many bytes. */
  minimumBytes: z
    .number()
    .int()
    .nonnegative()
    .max(2 ** 31),
};

/** What can be changed while the simulator runs. `models` and `capabilities` are added to what is there. */
export const settingsPatchSchema = z
  .strictObject({
    ...fields,
    capabilities: z.strictObject(capabilities).partial(),
    models: z.record(z.string().min(1), modelSchema),
  })
  .partial();
export type SettingsPatch = z.input<typeof settingsPatchSchema>;

export type Settings = z.infer<z.ZodObject<typeof fields>> & {
  readonly capabilities: z.infer<z.ZodObject<typeof capabilities>>;
  readonly models: Readonly<Record<string, Model>>;
};

export const defaultSettings: Settings = {
  timeScale: 1,
  renderMs: null,
  expiresAfterMs: 3_600_000,
  maxRunning: null,
  requestsPerMinute: null,
  looksPerSecond: null,
  keys: [],
  ids: "plain",
  minimumBytes: 0,
  capabilities: allCapable,
  models: seedModels,
};

export function changed(settings: Settings, patch: z.output<typeof settingsPatchSchema>): Settings {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  return {
    ...settings,
    ...given,
    capabilities: { ...settings.capabilities, ...withoutUndefined(patch.capabilities ?? {}) },
    models: { ...settings.models, ...patch.models },
  };
}

const withoutUndefined = <T extends object>(given: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
