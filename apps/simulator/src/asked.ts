import type { ReceivedBody } from "./body.ts";
import { Refusal } from "./refusal.ts";
import type { Settings } from "./settings.ts";
import type { Asked, Task } from "./tasks.ts";

export const defaultModel = "sora-2";
const defaultSeconds = "15";
const defaultSize = "720x1280";
const maxPromptLength = 32_000;

/** Judges a create call. Defaults are the seed's, so a model that has no 15 s refuses a call that names no length. */
export function judgeCreate({ fields, file }: ReceivedBody, models: Settings["models"]): Asked | Refusal {
  const prompt = judgePrompt(fields["prompt"]);
  if (prompt instanceof Refusal) return prompt;
  const model = fields["model"] ?? defaultModel;
  const allowed = typeof model === "string" && Object.hasOwn(models, model) ? models[model] : undefined;
  if (typeof model !== "string" || !allowed) return invalid("model", model, Object.keys(models));
  const given = fields["seconds"] ?? defaultSeconds;
  const seconds = allowed.seconds.find((length) => length === given || String(length) === given);
  if (seconds === undefined) return invalid("seconds", given, allowed.seconds);
  const size = fields["size"] ?? defaultSize;
  if (typeof size !== "string" || !allowed.sizes.includes(size)) return invalid("size", size, allowed.sizes);
  const image = judgeReference(file);
  if (image) return image;
  return { prompt, model, seconds, size, remixOf: null };
}

/** Judges a remix call: only the prompt is new. */
export function judgeRemix({ fields }: ReceivedBody, source: Task): Asked | Refusal {
  const prompt = judgePrompt(fields["prompt"]);
  if (prompt instanceof Refusal) return prompt;
  return { prompt, model: source.model, seconds: source.seconds, size: source.size, remixOf: source.id };
}

function judgePrompt(prompt: unknown): string | Refusal {
  if (prompt === undefined || prompt === null)
    return new Refusal(400, "missing_required_parameter", "Missing required parameter: 'prompt'.", { param: "prompt" });
  if (typeof prompt !== "string" || prompt.trim() === "")
    return new Refusal(400, "invalid_value", "Invalid 'prompt': must be a text that is not empty.", {
      param: "prompt",
    });
  if (prompt.length > maxPromptLength)
    return new Refusal(
      400,
      "string_above_max_length",
      `Invalid 'prompt': ${prompt.length} characters, and ${maxPromptLength} are allowed.`,
      { param: "prompt" },
    );
  return prompt;
}

function judgeReference(file: ReceivedBody["file"]): Refusal | undefined {
  const param = "input_reference";
  if (file && file.field !== param)
    return new Refusal(400, "unknown_parameter", `Unknown file: '${file.field}'.`, { param: file.field });
  if (file && !file.contentType.startsWith("image/"))
    return new Refusal(400, "invalid_value", `Invalid '${param}': ${file.contentType} is not an image.`, { param });
  if (file?.bytes === 0) return new Refusal(400, "invalid_value", `Invalid '${param}': the file is empty.`, { param });
  return undefined;
}

const invalid = (param: string, given: unknown, allowed: readonly unknown[]): Refusal =>
  new Refusal(
    400,
    "invalid_value",
    `Invalid value: ${JSON.stringify(given)}. Supported values of '${param}' are: ${allowed.map(String).join(", ")}.`,
    { param },
  );
