import { type Document, isMap, isNode, isPair, isScalar, LineCounter, type Node, parseDocument, visit } from "yaml";
import { z } from "zod";
import type { Environment } from "./environment.ts";
import { nearestName } from "./nearest.ts";
import { SettingsError } from "./settings-error.ts";

/** A place in the data: `["upstreams", "wisgate", "url"]`. */
export type Path = readonly PropertyKey[];

export interface ConfigFile<Config> {
  readonly config: Config;
  /** The line that a place in the data was written on, or its nearest surrounding one; from 1. */
  readonly lineOf: (path: Path) => number;
}

interface Mistake {
  readonly line: number;
  readonly column?: number;
  readonly message: string;
}

/**
 * Reads a YAML file with `${NAME}` in its values, each replaced by that variable of the environment
 * (`$${NAME}` stays as `${NAME}`). An empty file is an empty object.
 * @param path for messages only
 * @throws {SettingsError} with every mistake and its line; what variables held is in none of them
 */
export function readConfigFile<Schema extends z.ZodType>(
  path: string,
  text: string,
  env: Environment,
  schema: Schema,
): ConfigFile<z.output<Schema>> {
  const lines = new LineCounter();
  // Keys that are written twice are told with all the other mistakes, not instead of them.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const lineOf = (place: Path) => lineOfPlace(document, lines, place);
  // What was read around a syntax error is guesswork: nothing more is judged.
  refuse(path, syntaxMistakes(document, lines));
  const { filled, unset } = fillIn(document, lines, env);
  const result = parse(document, filled, schema);
  const wrong = result.success ? [] : explain(result.error.issues, schema, lineOf);
  // An unset variable left its placeholder behind: the schema's word on that line would only confuse.
  const unsetLines = new Set(unset.map(({ line }) => line));
  const twice = keysWrittenTwice(document, lines);
  refuse(path, [...twice, ...unset, ...wrong.filter(({ line }) => !unsetLines.has(line))]);
  return { config: result.data as z.output<Schema>, lineOf };
}

function refuse(path: string, mistakes: readonly Mistake[]): void {
  if (mistakes.length === 0) return;
  const sorted = mistakes.toSorted((a, b) => a.line - b.line);
  throw new SettingsError(
    path,
    sorted.map(({ line, column, message }) => `line ${line}${column === undefined ? "" : `:${column}`}: ${message}`),
  );
}

function syntaxMistakes(document: Document.Parsed, lines: LineCounter): Mistake[] {
  return [...document.errors, ...document.warnings].map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { line, column: col, message: sentence(error.message) };
  });
}

/** Of two values under one name only one would count, and nobody could see which. */
function keysWrittenTwice(document: Document.Parsed, lines: LineCounter): Mistake[] {
  const mistakes: Mistake[] = [];
  visit(document, {
    Map(_, map, ancestors) {
      const place = ancestors.flatMap((node) => (isPair(node) && isScalar(node.key) ? [String(node.key.value)] : []));
      const first = new Map<unknown, number>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const line = lineAt(lines, key);
        const before = first.get(key.value);
        if (before === undefined) first.set(key.value, line);
        else {
          const name = placeName([...place, String(key.value)]);
          mistakes.push({ line, message: `${name} is written twice, first on line ${before}; keep one of them.` });
        }
      }
    },
  });
  return mistakes;
}

const PLACEHOLDER = /\$?\$\{([^}]*)\}/g;

/** Replaces the placeholders in every value; says which values were filled in and which could not be. */
function fillIn(document: Document.Parsed, lines: LineCounter, env: Environment) {
  const unset: Mistake[] = [];
  const filled = new Set<unknown>();
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
      const line = lineAt(lines, node);
      filled.add(node);
      node.value = node.value.replace(PLACEHOLDER, (whole, name: string) => {
        if (whole.startsWith("$$")) return whole.slice(1);
        const value = env[name];
        if (value !== undefined && value !== "") return value;
        unset.push({ line, message: whyUnset(name, env) });
        return whole;
      });
    },
  });
  return { filled, unset };
}

function whyUnset(name: string, env: Environment): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    return `"\${${name}}" does not hold a variable's name; write $\${ where the text itself has \${.`;
  const nearest = nearestName(name, Object.keys(env));
  return `the variable ${name} is not set${nearest === undefined ? "." : `; did you mean ${nearest}?`}`;
}

function parse<Schema extends z.ZodType>(document: Document.Parsed, filled: ReadonlySet<unknown>, schema: Schema) {
  const data = (): unknown => (document.contents === null ? {} : document.toJS());
  const first = schema.safeParse(data());
  if (first.success) return first;
  // A variable is text. It becomes a number only where one is asked for, so that a key of digits stays a key.
  const numbers = first.error.issues
    .flatMap(likeliest)
    .filter((issue) => issue.code === "invalid_type" && issue.expected === "number")
    .map(({ path }) => document.getIn(path, true))
    .filter((node) => filled.has(node) && isScalar(node) && Number.isFinite(Number(node.value)));
  for (const node of numbers) if (isScalar(node)) node.value = Number(node.value);
  return numbers.length > 0 ? schema.safeParse(data()) : first;
}

type Issue = z.core.$ZodIssue;

function explain(issues: readonly Issue[], schema: z.ZodType, lineOf: (place: Path) => number): Mistake[] {
  return issues.flatMap(likeliest).flatMap((issue) => {
    if (issue.code !== "unrecognized_keys")
      return { line: lineOf(issue.path), message: `${placeName(issue.path)}: ${sentence(issue.message)}` };
    const known = keysAllowedAt(schema, issue.path);
    return issue.keys.map((key) => ({
      line: lineOf([...issue.path, key]),
      message: unknownKey(placeName([...issue.path, key]), nearestName(key, known), known),
    }));
  });
}

/** Of the ways in which a union did not fit, the one that came closest: it says what to mend. */
function likeliest(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const ways = issue.errors.filter((way) => way.some(({ path, code }) => path.length > 0 || code !== "invalid_type"));
  const [closest] = ways.toSorted((a, b) => a.length - b.length);
  if (closest === undefined) return [issue];
  return closest.flatMap((inner) => likeliest({ ...inner, path: [...issue.path, ...inner.path] }));
}

function unknownKey(place: string, nearest: string | undefined, known: readonly string[]): string {
  if (nearest !== undefined) return `${place} is not known; did you mean ${nearest}?`;
  return `${place} is not known${known.length > 0 ? `; known here: ${known.join(", ")}` : ""}.`;
}

/** The keys that a schema allows at a place; none where it allows any. */
function keysAllowedAt(schema: z.ZodType, place: Path): string[] {
  let here: JsonSchema[] = [z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" })];
  for (const key of place) here = here.flatMap(branches).flatMap((one) => stepInto(one, key));
  return here.flatMap(branches).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

const branches = (schema: JsonSchema): JsonSchema[] =>
  [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter((one) => typeof one === "object");

function stepInto({ properties, additionalProperties, items }: JsonSchema, key: PropertyKey): JsonSchema[] {
  const next = typeof key === "number" ? items : (properties?.[String(key)] ?? additionalProperties);
  return typeof next === "object" && !Array.isArray(next) ? [next] : [];
}

function lineOfPlace(document: Document.Parsed, lines: LineCounter, place: Path): number {
  const node = document.getIn(place, true);
  if (isNode(node) && node.range) return lineOfKey(document, lines, place) ?? lineAt(lines, node);
  return place.length === 0 ? 1 : lineOfPlace(document, lines, place.slice(0, -1));
}

/** A map's value may start lines below its key; people look for the key. */
function lineOfKey(document: Document.Parsed, lines: LineCounter, place: Path): number | undefined {
  const parent = place.length === 0 ? undefined : document.getIn(place.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const key = parent.items.map((pair) => pair.key).find((one) => isScalar(one) && one.value === place.at(-1));
  return isNode(key) ? lineAt(lines, key) : undefined;
}

const lineAt = (lines: LineCounter, node: Node): number => lines.linePos(node.range?.[0] ?? 0).line;

const placeName = (place: Path): string =>
  place.length === 0
    ? "the file"
    : place
        .map((part) => (typeof part === "number" ? `[${part}]` : String(part)))
        .join(".")
        .replaceAll(".[", "[");

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
