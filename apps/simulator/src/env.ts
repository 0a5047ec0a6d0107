import { type Environment, readEnvironment, type Setting, settings } from "@reelq/service";
import { z } from "zod";
import { clipSizes } from "./clips.ts";
import { issuesOf } from "./issues.ts";
import { type SettingsPatch, settingsPatchSchema } from "./settings.ts";
import type { SimulatorOptions } from "./simulator.ts";

const setting = <Schema extends z.ZodType>(one: Setting<Schema>): Setting<Schema> => one;
const { shape } = settingsPatchSchema;
const number = z
  .string()
  .regex(/^\d+(\.\d+)?$/)
  .transform(Number)
  .optional();
const milliseconds = number.pipe(shape.expiresAfterMs);
const limit = number.pipe(shape.maxRunning.unwrap().unwrap().optional());

const optionSettings = {
  seed: setting({
    variable: "SIM_SEED",
    description: "What render times and fault dice are drawn from.",
    allowed: "any text",
    schema: z.string().optional(),
  }),
  timeScale: setting({
    variable: "SIM_TIME_SCALE",
    description: "Drawn render times are multiplied by this.",
    allowed: "a number above 0, like 0.02",
    schema: number.pipe(shape.timeScale),
  }),
  renderMs: setting({
    variable: "SIM_RENDER_MS",
    description: "How long every render takes, instead of a drawn time.",
    allowed: "a whole number of milliseconds",
    schema: milliseconds,
  }),
  expiresAfterMs: setting({
    variable: "SIM_EXPIRES_AFTER_MS",
    description: "How long a finished file can be fetched.",
    allowed: "a whole number of milliseconds",
    schema: milliseconds,
  }),
  maxRunning: setting({
    variable: "SIM_MAX_RUNNING",
    description: "How many tasks of one key may run at once.",
    allowed: "a whole number from 1",
    schema: limit,
  }),
  requestsPerMinute: setting({
    variable: "SIM_REQUESTS_PER_MINUTE",
    description: "How many creates and remixes of one key and model may come in any 60 s.",
    allowed: "a whole number from 1",
    schema: limit,
  }),
  looksPerSecond: setting({
    variable: "SIM_LOOKS_PER_SECOND",
    description: "How many retrieves and lists of one key may come in any second.",
    allowed: "a whole number from 1",
    schema: limit,
  }),
  keys: setting({
    variable: "SIM_KEYS",
    description: "The API keys, each an account of its own; unset, any key will do.",
    allowed: "keys with commas between them",
    secret: true,
    schema: z.string().transform(readKeys).optional(),
  }),
  models: setting({
    variable: "SIM_MODELS",
    description: "Models beside the seed's.",
    allowed: `JSON like {"fast-1":{"seconds":[2,5],"sizes":["64x64"]}}, with sizes out of ${clipSizes.join(", ")}`,
    schema: z.string().transform(readModels).optional(),
  }),
  minimumBytes: setting({
    variable: "SIM_MINIMUM_BYTES",
    description: "Videos are padded to this size.",
    allowed: "a whole number of bytes, up to 2 GiB",
    schema: number.pipe(shape.minimumBytes),
  }),
};

const port = setting({
  ...settings.port,
  description: "The port that the simulator listens on; 0 takes a free one.",
  schema: settings.port.schema.removeDefault().default(8788),
});

/**
 * What the environment asks of the simulator, read once at its start.
 * @throws SettingsError with every mistake
 */
export function readSimulatorEnvironment(env: Environment): SimulatorOptions {
  return readEnvironment({ host: settings.host, port, ...optionSettings }, env);
}

function readKeys(text: string): string[] {
  const keys = text.split(",").map((key) => key.trim());
  return keys.filter((key) => key !== "");
}

function readModels(text: string, context: z.RefinementCtx): NonNullable<SettingsPatch["models"]> {
  try {
    return shape.models.unwrap().parse(JSON.parse(text));
  } catch (error) {
    const message = error instanceof z.ZodError ? issuesOf(error) : "this is not JSON";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  }
}
