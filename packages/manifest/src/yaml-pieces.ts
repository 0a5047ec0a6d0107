import { nearestName } from "@reelq/contract";
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument, type YAMLError } from "yaml";
import { headOf } from "./head.ts";
import { end, type Reading, wrong } from "./reading.ts";
import { shown } from "./shown.ts";
import { nameOf, openYamlValues } from "./yaml-values.ts";

/** Parses a YAML document piece by piece. */
export interface YamlPieces {
  /**
   * @param line the piece's first
   * @param isClip whether it is one clip of the list, with its dash
   */
  read(text: string, line: number, isClip: boolean): Generator<Reading>;
  /** A key of the document whose value comes in pieces of its own. */
  takeKey(name: string, line: number): Generator<Reading>;
}

const keys = ["defaults", "clips"];

/** Of a piece with more, the others come of the first. */
const mostSyntaxMistakes = 3;

/** Whoever wrote so many cannot be helped by more. */
const mostBroken = 50;

type LineOf = (node: unknown) => number;

export function openYamlPieces(): YamlPieces {
  const values = openYamlValues();
  const seen = new Set<string>();
  let broken = 0;

  function* takeKey(name: string, line: number): Generator<Reading> {
    if (seen.has(name)) yield wrong(line, `${shown(name)} is written twice; keep one.`, name);
    else if (!keys.includes(name) && !name.startsWith("x-")) yield wrong(line, unknownKey(name), name);
    else if (name === "defaults" && seen.has("clips")) yield wrong(line, "defaults must stand above clips.", name);
    seen.add(name);
  }

  /** @returns the node's value; undefined where something is wrong with it */
  function* valueOf(node: unknown, lineOf: LineOf): Generator<Reading, { value: unknown } | undefined> {
    const { value, mistakes } = values.read(node);
    for (const { node: at, message, isEnd } of mistakes) yield (isEnd ? end : wrong)(lineOf(at), message);
    return mistakes.length === 0 ? { value } : undefined;
  }

  function* readClips(node: unknown, lineOf: LineOf): Generator<Reading> {
    if (isSeq(node)) for (const item of node.items) yield* readClip(item, lineOf(item), lineOf);
    else {
      const read = yield* valueOf(node, lineOf);
      if (!read) return;
      const line = lineOf(node);
      if (Array.isArray(read.value)) for (const given of read.value as unknown[]) yield { kind: "clip", line, given };
      else yield wrong(line, `clips must be a list, a dash before each; ${shown(read.value)} was given.`, "clips");
    }
  }

  function* readClip(node: unknown, line: number, lineOf: LineOf): Generator<Reading> {
    const read = yield* valueOf(node, lineOf);
    if (read) yield { kind: "clip", line, given: read.value };
  }

  function* readSection(node: unknown, lineOf: LineOf): Generator<Reading> {
    if (isSeq(node)) {
      yield* takeKey("clips", lineOf(node));
      yield* readClips(node, lineOf);
    } else if (!isMap(node))
      yield end(
        lineOf(node),
        `A YAML manifest is a list of clips, or has the keys defaults and clips; ${shown(String(node))} was given.`,
      );
    else
      for (const { key, value } of node.items) {
        const name = nameOf(key) ?? "";
        yield* takeKey(name, lineOf(key));
        if (name === "clips") yield* readClips(value ?? key, lineOf);
        else {
          const read = yield* valueOf(value, lineOf);
          if (name === "defaults" && read) yield headOf(read.value, lineOf(key));
        }
      }
  }

  return {
    takeKey,
    *read(text, line, isClip) {
      const counter = new LineCounter();
      const lineOf: LineOf = (node) => line - 1 + counter.linePos(isNode(node) ? (node.range?.[0] ?? 0) : 0).line;
      const document = parse(text, counter);
      const errors = document ? syntaxMistakes(document, text, counter) : [];
      for (const { below, message } of errors) yield wrong(line + below, message);
      if (!document) yield wrong(line, tooDeep);
      if (!document || errors.length > 0) {
        broken += 1;
        if (broken === mostBroken)
          yield end(line, `${mostBroken} clips cannot be read as YAML; nothing after this one was read.`);
      } else if (isClip && isSeq(document.contents) && document.contents.items.length === 1)
        yield* readClip(document.contents.items[0], line, lineOf);
      else yield* readSection(document.contents, lineOf);
    },
  };
}

/** Undefined where it nests too deep: the parser goes into lists and maps by calling itself. */
function parse(text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    // Keys that are written twice are found by us: the parser compares each with every other.
    const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false });
    return document.errors.some(({ code }) => code === "RESOURCE_EXHAUSTION") ? undefined : document;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const tooDeep = "This nests too deep, which no clip does.";

interface SyntaxMistake {
  /** How many lines below the first of the piece. */
  readonly below: number;
  readonly message: string;
}

/** The first of each line: others there come of it. */
function syntaxMistakes(document: Document.Parsed, text: string, counter: LineCounter): SyntaxMistake[] {
  const lines = new Map<number, string>();
  for (const error of [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])) {
    if (lines.size === mostSyntaxMistakes) break;
    const { line } = counter.linePos(error.pos[0]);
    const isTabbed = /^ *\t/.test(text.slice(counter.lineStarts[line - 1], error.pos[0] + 1));
    if (!lines.has(line - 1)) lines.set(line - 1, isTabbed ? tabbed : syntaxWords(error));
  }
  return [...lines].map(([below, message]) => ({ below, message }));
}

const tabbed = "This line begins with a tab; YAML is indented with blanks.";

function syntaxWords({ code, message }: YAMLError): string {
  if (code === "TAG_RESOLVE_FAILED") return "Tags are not known here; put a text that begins with ! into quotes.";
  if (code === "MULTIPLE_DOCS") return "The file holds more than one YAML document; keep one.";
  const reason = shown(message.replace(/(?<=\w): .*$/su, "")).slice(1, -1);
  return `This is not YAML (${reason}); put a text with ": " or " #" in it, or with a sign at its beginning, into quotes.`;
}

function unknownKey(name: string): string {
  const meant = nearestName(name.slice(0, 80), keys);
  const hint = meant ? `did you mean "${meant}"?` : "put the clips under clips:, a dash before each.";
  return `A YAML manifest has the keys defaults and clips, and no ${shown(name)}; ${hint}`;
}
