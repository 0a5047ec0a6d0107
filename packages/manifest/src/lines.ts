import { openBytes } from "./kept-bytes.ts";
import type { Text } from "./text.ts";

export interface Line extends Text {
  /** From 1. */
  readonly number: number;
  readonly end: "\n" | "\r\n" | "\r" | "";
}

/** Takes a file in pieces, cut anywhere, and holds at most one line of it. */
export interface LineReader {
  /** The lines that these bytes complete. */
  push(bytes: Uint8Array): Generator<Line>;
  /** The last line, where nothing ends it. */
  end(): Generator<Line>;
}

const LF = 10;
const CR = 13;

/** @param first the number of the first line */
export function openLines(first = 1): LineReader {
  let number = first - 1;
  /** The beginning of a line whose end has not come. */
  const kept = openBytes();
  /** A return came last: a line feed after it belongs to the same line's end. */
  let endsInReturn = false;

  const finish = (end: Line["end"]): Line => {
    number += 1;
    return { ...kept.take(), number, end };
  };

  return {
    *push(bytes) {
      let from = 0;
      for (let at = 0; at < bytes.length; at += 1) {
        const byte = bytes[at];
        if (endsInReturn) {
          endsInReturn = false;
          yield finish(byte === LF ? "\r\n" : "\r");
          if (byte === LF) {
            from = at + 1;
            continue;
          }
        }
        if (byte !== LF && byte !== CR) continue;
        kept.add(bytes.subarray(from, at));
        from = at + 1;
        if (byte === LF) yield finish("\n");
        else endsInReturn = true;
      }
      kept.add(bytes.subarray(from));
    },
    *end() {
      if (endsInReturn) yield finish("\r");
      else if (!kept.isEmpty) yield finish("");
      endsInReturn = false;
    },
  };
}
