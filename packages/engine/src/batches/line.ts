import { createHash } from "node:crypto";
import {
  type Catalogue,
  collecting,
  isFileId,
  isVideoId,
  judgeCreate,
  manifestFields,
  type ManifestEntry,
  mostTakes,
  nearestName,
  priorityRange,
  type Problem,
  ProblemError,
  type VideoId,
} from "@reelq/contract";

/** What a line remixes: a clip of the same manifest, or a video that is stored already. */
type LineSource =
  | { readonly kind: "clip"; readonly customId: string; readonly take: number }
  | { readonly kind: "video"; readonly id: VideoId };

/** A line that is right by itself. A remix has its model, length and size from its source. */
export interface Line {
  readonly line: number;
  readonly customId: string;
  readonly takes: number;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly prompt: string;
  readonly shape?: { readonly model: string; readonly seconds: number; readonly size: string } | undefined;
  /** As it was written. */
  readonly reference?: string | undefined;
  readonly source?: LineSource | undefined;
}

const longestId = 256;
const mostTags = 50;
const longestTag = 100;

/**
 * Judges a line by itself.
 * @param ordinal which of the lines that can be read it is, from 1
 * @throws ProblemError with all that is wrong with it
 */
export function judgeLine({ line, fields }: ManifestEntry, ordinal: number, catalogue: Catalogue): Line {
  const problems: Problem[] = [];
  for (const name of Object.keys(fields).filter((field) => !(manifestFields as readonly string[]).includes(field)))
    problems.push(unknownField(name));
  const wrong = (param: string, message: string): undefined => {
    problems.push({ code: "invalid_value", message, param });
    return undefined;
  };
  const customId = readId(fields["id"], ordinal, wrong);
  const takes = readWhole(fields, "takes", wholeTakes, wrong);
  const priority = readWhole(fields, "priority", wholePriority, wrong);
  const tags = readTags(fields["tags"], wrong);
  const reference = readText(fields["reference"], "reference", wrong);
  const source = readSource(fields["remix_of"], wrong);
  const { prompt, model, seconds, size } = fields;
  // A remix is judged with what its source has, once that is known.
  const request = collecting(problems, () =>
    judgeCreate(source ? { prompt, ...shapeOfAny(catalogue) } : { prompt, model, seconds, size }, catalogue),
  );
  if (problems.length > 0 || !request || customId === undefined || takes === undefined || priority === undefined)
    throw new ProblemError(problems as [Problem, ...Problem[]]);
  return {
    line,
    customId,
    takes,
    priority,
    tags: tags ?? [],
    prompt: request.prompt,
    ...(source ? { source } : { shape: { model: request.model, seconds: request.seconds, size: request.size } }),
    ...(reference === undefined || source ? {} : { reference }),
  };
}

/** Only the prompt counts. The longest clip, so that no storyboard is too long for it. */
function shapeOfAny(catalogue: Catalogue) {
  const models = Object.entries(catalogue).map(([model, { seconds }]) => ({ model, seconds: Math.max(...seconds) }));
  return models.sort((one, other) => other.seconds - one.seconds)[0] ?? {};
}

function unknownField(name: string): Problem {
  const meant = nearestName(name.slice(0, 80), manifestFields);
  return {
    code: "unknown_field",
    message: `Unknown field ${shown(name)}; ${meant ? `did you mean "${meant}"?` : `known fields: ${manifestFields.join(", ")}.`}`,
    param: name.slice(0, 80),
  };
}

type Wrong = (param: string, message: string) => undefined;

const isEmpty = (given: unknown): boolean => given === undefined || given === null || given === "";

function readId(given: unknown, ordinal: number, wrong: Wrong): string | undefined {
  if (isEmpty(given)) return `clip-${ordinal}`;
  const text = typeof given === "number" ? String(given) : given;
  if (typeof text === "string" && text.length <= longestId && /^[^\p{Cc}]+$/u.test(text) && text.trim() === text)
    return text;
  return wrong("id", `id must be a text of 1 to ${longestId} characters on one line; ${shown(given)} was given.`);
}

interface Whole {
  readonly usual: number;
  readonly least: number;
  readonly most: number;
}
const wholeTakes: Whole = { usual: 1, least: 1, most: mostTakes };
const wholePriority: Whole = { usual: 0, ...priorityRange };

function readWhole(
  fields: ManifestEntry["fields"],
  name: string,
  { usual, least, most }: Whole,
  wrong: Wrong,
): number | undefined {
  const given = fields[name];
  if (isEmpty(given)) return usual;
  const number = typeof given === "string" && /^\s*-?\d{1,9}\s*$/.test(given) ? Number(given) : given;
  if (typeof number === "number" && Number.isInteger(number) && number >= least && number <= most) return number;
  return wrong(name, `${name} must be a whole number from ${least} to ${most}; ${shown(given)} was given.`);
}

function readText(given: unknown, name: string, wrong: Wrong): string | undefined {
  if (isEmpty(given)) return undefined;
  return typeof given === "string" ? given : wrong(name, `${name} must be a text; ${shown(given)} was given.`);
}

function readTags(given: unknown, wrong: Wrong): readonly string[] | undefined {
  if (isEmpty(given)) return [];
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const tags = list.map((tag) => (typeof tag === "number" ? String(tag) : tag));
  if (tags.length <= mostTags && tags.every((tag) => typeof tag === "string" && tag !== "" && tag.length <= longestTag))
    return [...new Set(tags as string[])];
  return wrong(
    "tags",
    `tags must be a list of at most ${mostTags} texts of 1 to ${longestTag} characters; ${shown(given)} was given.`,
  );
}

function readSource(given: unknown, wrong: Wrong): LineSource | undefined {
  if (isEmpty(given)) return undefined;
  const text = typeof given === "number" ? String(given) : given;
  if (typeof text !== "string" || text.length > longestId + 4)
    return wrong("remix_of", `remix_of must be the id of a line or of a video; ${shown(given)} was given.`);
  if (isVideoId(text)) return { kind: "video", id: text };
  return { kind: "clip", customId: text, take: 1 };
}

/** How a reference as it was written is found: what kind of place it names. */
export function kindOfReference(text: string): "file" | "address" | "path" {
  if (isFileId(text)) return "file";
  return /^(https?:|data:)/i.test(text) ? "address" : "path";
}

/** What was given, in one short line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** Names all that makes a render what it is, but for the take: equal for equal requests only. */
export const digestOf = (parts: readonly unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 24);
