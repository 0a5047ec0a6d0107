import { problem } from "@reelq/contract";

/** Nothing that a call takes is nested as deeply; what goes on for thousands of levels overflows the stack of whoever walks it. */
const maxDepth = 8;

/** No call has so many values, but those that name many lines of a batch. */
const usualMaxValues = 2_000;

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

/**
 * Refuses a JSON text that is nested too deeply or has too many values, before it is parsed: millions of empty lists
 * take a hundred bytes of memory for each of their own. Whether it is JSON at all is not judged here.
 * @throws ProblemError
 */
export function judgeJsonShape(text: Uint8Array, maxValues = usualMaxValues): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at] ?? 0;
    if (byte === quote) at = endOfString(text, at + 1);
    else if (byte === comma) values += 1;
    else if (opening.has(byte)) {
      depth += 1;
      values += 1;
    } else if (closing.has(byte)) depth -= 1;
    if (depth > maxDepth) throw problem("malformed_body", `The body is nested more than ${maxDepth} levels deep.`);
    if (values > maxValues) throw problem("malformed_body", `The body has more than ${maxValues} values.`);
  }
}

/** Where the string ends that begins here. */
function endOfString(text: Uint8Array, from: number): number {
  for (let end = text.indexOf(quote, from); end >= 0; end = text.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === backslash && end - 1 - escapes >= from) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
