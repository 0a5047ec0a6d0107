import { fieldNamed } from "./field-names.ts";
import { type Clip, type Fields, isMap, type Wrong, wrong } from "./reading.ts";
import { shown } from "./shown.ts";

const example = '{"id": "shot-1", "prompt": "A fox crosses a lake"}';
const openAiExample = '{"custom_id": "shot-1", "method": "POST", "url": "/v1/videos", "body": {"prompt": "A fox"}}';

/** What a clip says, under our own names: of a line of ours, or of the OpenAI batch shape. */
export function readClip({ line, given, isRow }: Clip): Fields {
  const refuse = (message: string, field?: string): Fields => ({ fields: {}, mistakes: [wrong(line, message, field)] });
  if (!isMap(given)) return refuse(`A clip is an object, like ${example}; ${shown(given)} was given.`);
  if (isRow) return readFields([given], line);
  if (isMap(given["defaults"]))
    return refuse("Defaults must be the first line, so that they are known when a clip is read.", "defaults");
  if (Object.hasOwn(given, "clips"))
    return refuse('A line holds one clip; a manifest with "clips" is one object and nothing else.', "clips");
  if (!Object.hasOwn(given, "body") && !(Object.hasOwn(given, "method") && Object.hasOwn(given, "url")))
    return readFields([given], line);
  const { method, url, body, ...others } = given;
  const mistakes = [
    ...judgeConstant("method", method, "POST", line),
    ...judgeConstant("url", url, "/v1/videos", line),
    ...(isMap(body)
      ? []
      : [wrong(line, `body must be an object, as in ${openAiExample}; ${shown(body)} was given.`, "body")]),
  ];
  const read = readFields(isMap(body) ? [others, body] : [others], line);
  return { fields: read.fields, mistakes: [...mistakes, ...read.mistakes] };
}

function judgeConstant(name: string, given: unknown, only: string, line: number): Wrong[] {
  if (given === undefined || given === null || given === only) return [];
  return [wrong(line, `${name} must be ${only}, the only one that a manifest has; ${shown(given)} was given.`, name)];
}

/** A field that is null counts as left out. */
export function readFields(sources: readonly Readonly<Record<string, unknown>>[], line: number): Fields {
  const mistakes: Wrong[] = [];
  const fields = new Map<string, unknown>();
  const written = new Map<string, string>();
  for (const [name, value] of sources.flatMap((source) => Object.entries(source))) {
    if (value === null || value === undefined) continue;
    const field = fieldNamed(name);
    const before = written.get(field);
    if (name === "__proto__") mistakes.push(wrong(line, "No field can be called __proto__; take it out.", name));
    else if (before === undefined)
      fields.set(field, field === "reference" ? readReference(value, line, mistakes) : value);
    else if (before === name) mistakes.push(wrong(line, `${name} stands beside body and in it; keep one.`, field));
    else mistakes.push(wrong(line, `${before} and ${name} mean the same; keep one.`, field));
    written.set(field, name);
  }
  return { fields: Object.fromEntries(fields), mistakes };
}

/** A path, an address or a file's id, also out of `{image_url}` and `{file_id}`. */
function readReference(given: unknown, line: number, mistakes: Wrong[]): unknown {
  if (!isMap(given)) return given;
  const [only, ...others] = Object.entries(given);
  if (only && others.length === 0 && (only[0] === "image_url" || only[0] === "file_id") && typeof only[1] === "string")
    return only[1];
  const message = `reference must be text (a path, an address or a file's id), {"image_url": "..."} or {"file_id": "..."}; ${shown(given)} was given.`;
  mistakes.push(wrong(line, message, "reference"));
  return undefined;
}
