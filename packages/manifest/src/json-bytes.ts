import type { KeptBytes } from "./kept-bytes.ts";
import type { Text } from "./text.ts";

/** Collects the bytes of one JSON value, without judging them, and keeps none of one that is too long. */
export interface JsonBytes {
  /** @returns where the value ended within these bytes; undefined where it goes on after them */
  take(bytes: Uint8Array, from: number): number | undefined;
  /** How many line feeds it holds. */
  readonly lineFeeds: number;
  text(): Text;
}

const code = (character: string): number => character.charCodeAt(0);

export const json = {
  lineFeed: code("\n"),
  quote: code('"'),
  backslash: code("\\"),
  comma: code(","),
  colon: code(":"),
  openList: code("["),
  closeList: code("]"),
  openObject: code("{"),
  closeObject: code("}"),
} as const;

export const isBlank = (byte: number): boolean => byte === 32 || byte === json.lineFeed || byte === 13 || byte === 9;

const endsScalar = (byte: number): boolean =>
  isBlank(byte) || byte === json.comma || byte === json.colon || byte === json.closeList || byte === json.closeObject;

/** @param kept takes them */
export function openJsonBytes(kept: KeptBytes): JsonBytes {
  let lineFeeds = 0;
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  let isScalar = false;

  /** @returns whether the value ends with this byte */
  function endsWith(byte: number): boolean {
    if (byte === json.lineFeed) lineFeeds += 1;
    if (isInString) {
      if (isEscaped) isEscaped = false;
      else if (byte === json.backslash) isEscaped = true;
      // No string goes over a line's end: without its quote, it at least does not take what is behind it.
      else if (byte === json.quote || byte === json.lineFeed) {
        isInString = false;
        return depth === 0;
      }
    } else if (byte === json.quote) isInString = true;
    else if (byte === json.openList || byte === json.openObject) depth += 1;
    else if (byte === json.closeList || byte === json.closeObject) {
      depth -= 1;
      return depth === 0;
    } else if (depth === 0) isScalar = true;
    return false;
  }

  return {
    take(bytes, from) {
      for (let at = from; at < bytes.length; at += 1) {
        const byte = bytes[at] ?? 0;
        const isBefore = isScalar && endsScalar(byte);
        if (!isBefore && !endsWith(byte)) continue;
        const to = isBefore ? at : at + 1;
        kept.add(bytes.subarray(from, to));
        return to;
      }
      kept.add(bytes.subarray(from));
      return undefined;
    },
    get lineFeeds() {
      return lineFeeds;
    },
    text: kept.take,
  };
}
