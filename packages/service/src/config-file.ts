import { type Document, isScalar, LineCounter, type Node, parseDocument, type YAMLError } from "yaml";
import type { z } from "zod";
import { type Mistake, mistakesOf } from "./config-mistake.ts";
import type { Environment } from "./environment.ts";
import { type Filled, fillIn } from "./placeholders.ts";
import type { Path } from "./place.ts";
import { likeliest, schemaMistakes } from "./schema-mistakes.ts";
import { plainWords } from "./schema-words.ts";
import { survey, tooDeep } from "./yaml-survey.ts";
import { openTree, type YamlTree } from "./yaml-tree.ts";

export type { Path } from "./place.ts";

export interface ConfigFile<Config> {
  readonly config: Config;
  /** The line that a place in the data was written on, or its nearest surrounding one; from 1. */
  readonly lineOf: (path: Path) => number;
}

/**
 * Reads a YAML file with `${NAME}` in its values, each replaced by that variable of the environment
 * (`$${NAME}` stays as `${NAME}`). An empty file is an empty object.
 * @param path for messages only
 * @throws {SettingsError} with every mistake and its line, the first fifty in words; what variables held is in none
 */
export function readConfigFile<Schema extends z.ZodType>(
  path: string,
  text: string,
  env: Environment,
  schema: Schema,
): ConfigFile<z.output<Schema>> {
  const refuse = (mistakes: readonly Mistake[]): void => {
    if (mistakes.length > 0) throw mistakesOf(path, mistakes);
  };
  const lines = new LineCounter();
  const lineAt = (node: Node): number => lines.linePos(node.range?.[0] ?? 0).line;
  const [document, { targets, fatal, keys }] = unlessTooDeep(path, () => {
    // Keys that are written twice are told with all the other mistakes, not instead of them.
    const parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
    // What was read around a syntax error is guesswork: nothing more is judged.
    refuse(syntaxMistakes(parsed, lines));
    return [parsed, survey(parsed, lineAt)];
  });
  refuse(fatal);
  const { filled, mistakes: unset } = fillIn(document, lineAt, env);
  const tree = openTree(document, targets, lineAt);
  const result = judge(tree, filled, schema);
  const wrong = result.success ? [] : schemaMistakes(result.error.issues, schema, tree.lineOf);
  // An unset variable left its placeholder behind: the schema's word on that line would only confuse.
  const unsetLines = new Set(unset.map(({ line }) => line));
  const told = wrong.filter(({ line, place }) => !unsetLines.has(line) && place.at(-1) !== "__proto__");
  const hush = (words: string, place: Path): string => withoutValue(words, filled.get(tree.nodeAt(place)));
  refuse([...keys, ...unset, ...told.map(({ line, place, say }) => ({ line, say: () => hush(say(), place) }))]);
  return { config: result.data as z.output<Schema>, lineOf: tree.lineOf };
}

/** The parser goes into lists and maps by calling itself, and has no limit but the stack's. */
function unlessTooDeep<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw mistakesOf(path, [tooDeep]);
    throw error;
  }
}

function syntaxMistakes(document: Document.Parsed, lines: LineCounter): Mistake[] {
  const found = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  // The parser may notice by itself that it ran out of stack; after a mistake that is only what came of it.
  if (found[0]?.code === "RESOURCE_EXHAUSTION") return [tooDeep];
  const own = found.filter(({ code }) => code !== "RESOURCE_EXHAUSTION");
  return own.map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { line, column: col, say: () => syntaxWords(error) };
  });
}

function syntaxWords({ code, message }: YAMLError): string {
  if (code === "MULTIPLE_DOCS") return "holds more than one document; keep one";
  if (code === "TAG_RESOLVE_FAILED") return "tags are not known here; put a text that starts with ! in quotes";
  // After a colon the parser shows what the file holds, which may be a secret.
  return message.replace(/(?<=\w): .*$/s, "");
}

function judge<Schema extends z.ZodType>(tree: YamlTree, filled: ReadonlyMap<unknown, Filled>, schema: Schema) {
  const parse = () => schema.safeParse(tree.data() ?? {}, { error: plainWords });
  const first = parse();
  if (first.success) return first;
  // A variable is text. It becomes a number only where one is asked for, so that a key of digits stays a key.
  const numbers = first.error.issues
    .flatMap(likeliest)
    .filter((issue) => issue.code === "invalid_type" && issue.expected === "number")
    .map(({ path }) => tree.nodeAt(path))
    .filter((node) => filled.has(node) && isScalar(node) && Number.isFinite(Number(node.value)));
  for (const node of numbers) if (isScalar(node)) node.value = Number(node.value);
  return numbers.length > 0 ? parse() : first;
}

/** Messages put what the file holds in quotes; of a variable they get to show only the name. */
const withoutValue = (words: string, filled: Filled | undefined): string =>
  filled === undefined ? words : words.replaceAll(`"${filled.text}"`, () => `"${filled.written}"`);
