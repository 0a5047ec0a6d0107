import { type Line, openLines } from "./lines.ts";
import { end, type FormatReader, type Reading, wrong } from "./reading.ts";
import { shown } from "./shown.ts";
import { faultWords, type Text } from "./text.ts";
import { openYamlPieces } from "./yaml-pieces.ts";

/** In UTF-16 code units. The parser holds the process while it is at a piece, and takes 10 s for 1 MiB of commas. */
const mostPiece = 256 * 1024;

/** Lines that are parsed together: a clip of the list, or a key of the document with what belongs to it. */
interface Piece {
  readonly line: number;
  readonly isClip: boolean;
  /** Whether it is a whole document in brackets. */
  readonly isInBrackets: boolean;
  /** Empty once something is wrong with it. */
  readonly texts: string[];
  /** In UTF-16 code units. */
  length: number;
  /** Its first fault, and where. */
  fault?: { readonly line: number; readonly text: Text };
}

/**
 * Reads YAML: a list of clips, or a document of `defaults` and `clips`. The list is cut before each of its dashes and
 * each clip is parsed by itself: whatever belongs to a clip stands further in than its dash. A list in brackets is
 * parsed as a whole. Anchors are known to all that follows them; keys that begin with `x-` may hold some.
 */
export function openYaml(): FormatReader {
  const lines = openLines();
  const pieces = openYamlPieces();
  let piece: Piece | undefined;
  /** The indentation of the list's dashes while it is read; "next": it may begin on the next line. */
  let list: number | "next" | undefined;
  let stage: "start" | "document" | "content" | "end" = "start";

  function* take(line: Line): Generator<Reading> {
    const { text } = line;
    const indent = text.search(/[^ ]/);
    // Nothing, a comment, or what only the parser can judge.
    if (text.trim() === "" || text[indent] === "#") return add(line);
    if (text[indent] === "\t") return piece ? add(line) : yield* begin(line, false);
    if (stage === "end") return yield end(line.number, "The file holds more than one YAML document; keep one.");
    const isItem = /^-(?:\s|$)/.test(text.slice(indent, indent + 2));
    if (isItem && (list === "next" || stage !== "content")) return yield* beginList(line, indent);
    if (list === indent && isItem) return yield* begin(line, true);
    if (typeof list === "number" && indent > list) return add(line);
    list = undefined;
    if (indent === 0 && !isItem && !isInBrackets(text)) return yield* takeTop(line);
    return piece && !piece.isClip ? add(line) : yield* begin(line, false);
  }

  /** A line of the document that is not indented. */
  function* takeTop(line: Line): Generator<Reading> {
    const { text, number } = line;
    if (text.startsWith("%")) return yield wrong(number, `A manifest has no directives; take out ${shown(text)}.`);
    const isStart = /^---\s*(?:\s#.*)?$/.test(text);
    if (isStart && stage === "start") stage = "document";
    else if (isStart || /^\.\.\.(?:\s|$)/.test(text)) {
      yield* finish();
      stage = "end";
      if (isStart) yield* take(line);
    } else {
      yield* begin(line, false);
      if (/^(["']?)clips\1\s*:\s*(?:#.*)?$/.test(text)) list = "next";
    }
  }

  function* beginList(line: Line, indent: number): Generator<Reading> {
    // The key of the list is no piece of its own.
    if (list === "next") piece = undefined;
    yield* finish();
    list = indent;
    yield* pieces.takeKey("clips", line.number);
    yield* begin(line, true);
  }

  function* begin(line: Line, isClip: boolean): Generator<Reading> {
    yield* finish();
    stage = "content";
    piece = { line: line.number, isClip, isInBrackets: /^[[{]/.test(line.text), texts: [], length: 0 };
    add(line);
  }

  function add({ text, fault, number }: Line): void {
    if (!piece) return;
    piece.texts.push(text);
    piece.length += text.length + 1;
    if (fault) piece.fault ??= { line: number, text: { text, fault } };
    if (piece.length > mostPiece) piece.fault ??= { line: piece.line, text: { text: "", fault: "too long" } };
    if (piece.fault) piece.texts.length = 0;
  }

  function* finish(): Generator<Reading> {
    if (!piece) return;
    const { line, isClip, texts, fault } = piece;
    piece = undefined;
    if (!fault) yield* pieces.read(texts.join("\n"), line, isClip);
    else if (fault.text.fault === "too long") yield wrong(line, tooLong);
    else yield wrong(fault.line, faultWords(fault.text, "line"));
  }

  /** A closing bracket belongs to what was opened, and so does everything after a document's opening bracket. */
  const isInBrackets = (text: string): boolean => /^[\]}]/.test(text) || piece?.isInBrackets === true;

  return {
    *push(bytes) {
      for (const line of lines.push(bytes)) yield* take(line);
    },
    *end() {
      for (const line of lines.end()) yield* take(line);
      yield* finish();
    },
  };
}

const tooLong =
  "What begins on this line is longer than 256 KiB, and a prompt may have 32,000 characters; begin each clip with a dash on a line of its own, or use JSONL.";
