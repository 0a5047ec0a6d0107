import { openJsonDocument } from "./json-document.ts";
import { readJson } from "./json-value.ts";
import { type Line, type LineReader, openLines } from "./lines.ts";
import { type FormatReader, type Reading, wrong } from "./reading.ts";
import { faultWords } from "./text.ts";

const hint = 'Each line must be one JSON object, like {"id": "shot-1", "prompt": "A fox crosses a lake"}.';

/** A list, an object over several lines, or the head: `{"defaults": ...}`, `{"clips": ...}`. */
const documentStart = /^\s*(?:\[|\{[ \t]*(?:[\r\n]|"(?:defaults|clips|\$schema)"))/;

/**
 * Reads JSON: an object on each line, after a head `{"defaults": {...}}` or without one; or one document for the
 * whole file, a list of clips or `{"defaults": {...}, "clips": [...]}`.
 * @param start the first bytes of the file, which are pushed again
 */
export function openJson(start: string): FormatReader {
  const document = documentStart.test(start) ? openJsonDocument() : undefined;
  let lines: LineReader | undefined = document ? undefined : openLines();
  return {
    *push(bytes) {
      if (document && !lines) {
        const rest = yield* document.push(bytes);
        // It was only a head: what follows are lines.
        if (rest === undefined) return;
        lines = openLines(document.line);
        yield* clipsOf(lines.push(bytes.subarray(rest)));
      } else if (lines) yield* clipsOf(lines.push(bytes));
    },
    *end() {
      if (lines) yield* clipsOf(lines.end());
      else if (document) yield* document.end();
    },
  };
}

function* clipsOf(lines: Iterable<Line>): Generator<Reading> {
  for (const line of lines) if (line.fault !== undefined || line.text.trim() !== "") yield clipOf(line);
}

function clipOf(line: Line): Reading {
  if (line.fault) return wrong(line.number, faultWords(line, "line"));
  const read = readJson(line.text, hint);
  if (read.kind === "wrong") return wrong(line.number, read.message, read.field);
  return { kind: "clip", line: line.number, given: read.value };
}
