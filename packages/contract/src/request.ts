import { z } from "zod";
import { type Catalogue, type Model, defaultModel, defaultSecondsOf, defaultSizeOf } from "./catalogue.ts";
import { type BatchId, isBatchId, isVideoId, type VideoId } from "./id.ts";
import { nearestName } from "./nearest.ts";
import { type Problem, ProblemError } from "./problem.ts";
import { readStoryboard } from "./storyboard.ts";

/** The longest prompt, in UTF-16 code units: what the official SDK's documentation allows. */
export const maxPromptLength = 32_000;

export const videoIdSchema = z.custom<VideoId>(
  (value) => typeof value === "string" && isVideoId(value),
  "not a video id",
);

export const batchIdSchema = z.custom<BatchId>(
  (value) => typeof value === "string" && isBatchId(value),
  "not a batch's id",
);

/** A reference image: its bytes lie in storage under their SHA-256, never in Redis. */
const referenceSchema = z.object({
  /** Hex, of the bytes. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().positive(),
  contentType: z.string(),
  /** Pixels, where the image's head says them. */
  width: z.number().int().positive().optional(),
  height: z.number().int().positive().optional(),
});
export type Reference = z.infer<typeof referenceSchema>;

/** The finished task that a remix starts from: a remix must go to the account that holds it. */
const remixSourceSchema = z.object({ video: videoIdSchema, upstream: z.string(), task: z.string() });
export type RemixSource = z.infer<typeof remixSourceSchema>;

/** What was asked for, whole and valid. */
export const requestSchema = z.object({
  prompt: z.string(),
  model: z.string(),
  /** Clip length in seconds. */
  seconds: z.number().positive(),
  /** `WIDTHxHEIGHT` in pixels. */
  size: z.string(),
  reference: referenceSchema.optional(),
  remixOf: remixSourceSchema.optional(),
});
export type VideoRequest = z.infer<typeof requestSchema>;

const createFieldNames = ["prompt", "model", "seconds", "size", "input_reference", "reelq"];
const remixFieldNames = ["prompt", "reelq"];

/**
 * Judges the fields of a create call against the catalogue and fills in the defaults.
 * @throws ProblemError with every problem found, each naming the field, what was given and what is allowed
 */
export function judgeCreate(fields: Readonly<Record<string, unknown>>, catalogue: Catalogue): VideoRequest {
  const problems: Problem[] = unknownFields(fields, createFieldNames);
  const prompt = judgePrompt(fields["prompt"], problems);
  const named = judgeModel(fields["model"], catalogue, problems);
  const model = named && catalogue[named];
  if (!model) throw found(problems);
  const seconds = judgeSeconds(fields["seconds"], named, model, problems);
  const size = judgeSize(fields["size"], named, model, problems);
  if (prompt !== undefined && seconds !== undefined) judgeStoryboard(prompt, seconds, problems);
  if (prompt === undefined || seconds === undefined || size === undefined || problems.length > 0) throw found(problems);
  return { prompt, model: named, seconds, size };
}

/** Judges the fields of a remix call; length and size are its source's. */
export function judgeRemix(
  fields: Readonly<Record<string, unknown>>,
  source: VideoRequest,
  remixOf: RemixSource,
): VideoRequest {
  const problems: Problem[] = unknownFields(fields, remixFieldNames);
  const prompt = judgePrompt(fields["prompt"], problems);
  if (prompt !== undefined) judgeStoryboard(prompt, source.seconds, problems);
  if (prompt === undefined || problems.length > 0) throw found(problems);
  return { prompt, model: source.model, seconds: source.seconds, size: source.size, remixOf };
}

/** What the `reelq` object of a create call asks for beside the video itself. */
export interface CreateOptions {
  /** Where to tell of the video's fate. */
  readonly webhookUrl?: string;
}

const optionNames = ["webhook_url"];

/**
 * Judges the `reelq` object of a create or remix call; a text is taken for its JSON, as a form sends it.
 * @throws ProblemError
 */
export function judgeOptions(given: unknown): CreateOptions {
  if (given === undefined || given === null || given === "") return {};
  const options = typeof given === "string" ? parsed(given) : given;
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw found([
      {
        code: "invalid_value",
        message: `reelq must be an object, like {"webhook_url": "https://…"}; ${shown(given)} was given.`,
        param: "reelq",
      },
    ]);
  const problems = unknownFields(options as Record<string, unknown>, optionNames).map(({ code, message, param }) => ({
    code,
    message,
    param: `reelq.${param ?? ""}`,
  }));
  const { webhook_url: url } = options as { webhook_url?: unknown };
  if (url !== undefined && url !== null && (typeof url !== "string" || url.length > maxUrlLength || !URL.canParse(url)))
    problems.push({
      code: "invalid_value",
      message: `reelq.webhook_url must be a URL of at most ${maxUrlLength} characters; ${shown(url)} was given.`,
      param: "reelq.webhook_url",
    });
  if (problems.length > 0) throw found(problems);
  return typeof url === "string" ? { webhookUrl: url } : {};
}

const maxUrlLength = 2_048;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** In what a reference image differs from the video that starts with it, as a part of a sentence. */
export function misfitOf({ width, height }: Reference, size: string): string | undefined {
  if (width === undefined || height === undefined || `${width}x${height}` === size) return undefined;
  return `input_reference is ${width}x${height} pixels, and the video ${size}`;
}

const found = (problems: readonly Problem[]): ProblemError => {
  const [first, ...rest] = problems;
  return new ProblemError([first ?? { code: "internal", message: "The request could not be judged." }, ...rest]);
};

/** So many are told; who sends more has other troubles. */
const mostUnknown = 10;

function unknownFields(fields: Readonly<Record<string, unknown>>, known: readonly string[]): Problem[] {
  const unknown = Object.keys(fields).filter((name) => !known.includes(name));
  const told = unknown.slice(0, mostUnknown).map((name): Problem => {
    const meant = nearestName(name.slice(0, 80), known);
    const hint = meant ? `did you mean "${meant}"?` : `known fields: ${known.join(", ")}.`;
    return { code: "unknown_field", message: `Unknown field ${shown(name)}; ${hint}`, param: name.slice(0, 80) };
  });
  const untold = unknown.length - told.length;
  return untold > 0 ? [...told, { code: "unknown_field", message: `And ${untold} more that are not known.` }] : told;
}

const maxIdempotencyKeyLength = 255;

/** @throws ProblemError */
export function judgeIdempotencyKey(key: unknown): asserts key is string {
  if (typeof key === "string" && /^[\x21-\x7e]+$/.test(key) && key.length <= maxIdempotencyKeyLength) return;
  throw found([
    {
      code: "invalid_value",
      message: `Idempotency-Key must be 1 to ${maxIdempotencyKeyLength} printable ASCII characters without spaces.`,
      param: "Idempotency-Key",
    },
  ]);
}

function judgePrompt(given: unknown, problems: Problem[]): string | undefined {
  if (given === undefined || given === null) {
    problems.push({ code: "missing_value", message: "prompt is required: say what the video shows.", param: "prompt" });
  } else if (typeof given !== "string") {
    problems.push({
      code: "invalid_value",
      message: `prompt must be text; ${shown(given)} was given.`,
      param: "prompt",
    });
  } else if (!given.isWellFormed()) {
    problems.push({
      code: "invalid_value",
      message: "prompt is not well-formed Unicode: it holds half of a surrogate pair.",
      param: "prompt",
    });
  } else if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(given)) {
    problems.push({ code: "missing_value", message: "prompt is empty: say what the video shows.", param: "prompt" });
  } else if (given.length > maxPromptLength) {
    problems.push({
      code: "invalid_value",
      message: `prompt has ${given.length} characters; at most ${maxPromptLength} are allowed.`,
      param: "prompt",
    });
  } else return given;
  return undefined;
}

function judgeModel(given: unknown, catalogue: Catalogue, problems: Problem[]): string | undefined {
  const names = Object.keys(catalogue);
  if (given === undefined || given === null) {
    if (Object.hasOwn(catalogue, defaultModel)) return defaultModel;
    problems.push({
      code: "missing_value",
      message: `model is required; allowed: ${names.join(", ")}.`,
      param: "model",
    });
  } else if (typeof given === "string" && Object.hasOwn(catalogue, given)) {
    return given;
  } else {
    const meant = typeof given === "string" ? nearestName(given, names) : undefined;
    const hint = meant ? ` Did you mean "${meant}"?` : "";
    problems.push({
      code: "unknown_model",
      message: `model ${shown(given)} is not known; allowed: ${names.join(", ")}.${hint}`,
      param: "model",
    });
  }
  return undefined;
}

function judgeSeconds(given: unknown, name: string, model: Model, problems: Problem[]): number | undefined {
  if (given === undefined || given === null) return defaultSecondsOf(model);
  const seconds = typeof given === "string" && /^\d+(\.\d+)?$/.test(given.trim()) ? Number(given) : given;
  if (typeof seconds === "number" && model.seconds.includes(seconds)) return seconds;
  problems.push({
    code: "invalid_value",
    message: `seconds ${shown(given)} is not allowed for ${name}; allowed: ${model.seconds.join(", ")}.`,
    param: "seconds",
  });
  return undefined;
}

function judgeSize(given: unknown, name: string, model: Model, problems: Problem[]): string | undefined {
  if (given === undefined || given === null) return defaultSizeOf(model);
  if (typeof given === "string" && model.sizes.includes(given.trim())) return given.trim();
  problems.push({
    code: "invalid_value",
    message: `size ${shown(given)} is not allowed for ${name}; allowed: ${model.sizes.join(", ")}.`,
    param: "size",
  });
  return undefined;
}

function judgeStoryboard(prompt: string, seconds: number, problems: Problem[]): void {
  const storyboard = readStoryboard(prompt, seconds);
  if (storyboard.kind !== "broken") return;
  for (const { message } of storyboard.problems)
    problems.push({ code: "invalid_storyboard", message: `prompt: ${message}.`, param: "prompt" });
}

/** What was given, short enough to stand in a sentence. */
function shown(given: unknown): string {
  const text = typeof given === "string" ? JSON.stringify(given) : (JSON.stringify(given) ?? String(given));
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
