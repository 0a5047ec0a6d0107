import { nearestName } from "@reelq/contract";
import { headOf } from "./head.ts";
import { isBlank, json, type JsonBytes, openJsonBytes } from "./json-bytes.ts";
import { openBytes } from "./kept-bytes.ts";
import { readJson } from "./json-value.ts";
import { type Clip, end, type Reading, type Wrong, wrong } from "./reading.ts";
import { shown } from "./shown.ts";
import { faultLine, faultWords } from "./text.ts";

/** Takes one JSON document in pieces, cut anywhere, and holds at most one clip of it. */
export interface JsonDocumentReader {
  /** @returns where something follows the document within these bytes, if all that it had was a head */
  push(bytes: Uint8Array): Generator<Reading, number | undefined>;
  end(): Generator<Reading>;
  /** The line that it has come to, from 1. */
  readonly line: number;
}

/** What may come next. */
type Expected = "start" | "clip" | "after clip" | "key" | "colon" | "value" | "after value" | "nothing";

const keys = ["defaults", "clips", "$schema"];

/** Of `[clip, ...]` or `{"defaults": {...}, "clips": [clip, ...]}`. */
export function openJsonDocument(): JsonDocumentReader {
  let line = 1;
  let expected: Expected = "start";
  let isObject = false;
  let key = "";
  const seen = new Set<string>();
  let value: JsonBytes | undefined;
  const kept = openBytes();

  /** @returns whether a value begins with this byte, which is no blank */
  function* step(byte: number): Generator<Reading, boolean> {
    if (expected === "start") {
      isObject = byte === json.openObject;
      expected = isObject ? "key" : "clip";
    } else if (expected === "clip" || expected === "after clip") return yield* stepInList(byte);
    else if (expected !== "nothing") return yield* stepInObject(byte);
    else yield end(line, `The manifest is one JSON ${isObject ? "object" : "list"}, and something follows its end.`);
    return false;
  }

  function* stepInList(byte: number): Generator<Reading, boolean> {
    const isFirst = expected === "clip";
    if (byte === json.closeList) expected = isObject ? "after value" : "nothing";
    else if (byte === json.comma) {
      if (isFirst) yield wrong(line, "A comma stands where a clip should; leave it out.");
      expected = "clip";
    } else if (isPunctuation(byte)) yield misplaced(byte, isFirst ? "a clip or ]" : ", or ]");
    else {
      if (!isFirst) yield wrong(line, "A comma is missing before this clip.");
      expected = "clip";
      return true;
    }
    return false;
  }

  function* stepInObject(byte: number): Generator<Reading, boolean> {
    if (expected === "key" && byte === json.quote) return true;
    if (expected === "colon" && byte === json.colon) expected = "value";
    else if (expected === "value" && key === "clips" && byte === json.openList) expected = "clip";
    else if (expected === "value" && !isPunctuation(byte)) return true;
    else if (expected === "after value" && byte === json.comma) expected = "key";
    else if ((expected === "after value" || expected === "key") && byte === json.closeObject) expected = "nothing";
    else yield misplaced(byte, wanted[expected] ?? "a value");
    return false;
  }

  const misplaced = (byte: number, instead: string): Wrong =>
    end(line, `${shown(String.fromCharCode(byte))} stands where ${instead} should; nothing after it can be read.`);

  /** What has come to its end: a clip, a key or a key's value. */
  function* finish(bytes: JsonBytes): Generator<Reading> {
    const started = line;
    line += bytes.lineFeeds;
    value = undefined;
    const read = valueOf(bytes, started, expected === "clip" ? "clip" : "value");
    if (expected === "clip") {
      expected = "after clip";
      yield read;
    } else if (expected === "key") {
      expected = "colon";
      if (read.kind === "wrong") yield { ...read, isEnd: true };
      else yield* takeKey(String(read.given), started);
    } else {
      expected = "after value";
      if (read.kind === "wrong") yield read;
      else yield* takeValue(read.given, started);
    }
  }

  function* takeKey(name: string, at: number): Generator<Reading> {
    key = name;
    if (seen.has(name)) yield wrong(at, `${shown(name)} is written twice; keep one.`, name);
    else if (!keys.includes(name)) yield wrong(at, unknownKey(name), name);
    seen.add(name);
  }

  function* takeValue(given: unknown, at: number): Generator<Reading> {
    if (key === "clips")
      yield wrong(at, `clips must be a list, like [{"id": "shot-1", ...}]; ${shown(given)} was given.`, key);
    if (key === "defaults" && seen.has("clips")) yield wrong(at, "defaults must stand above clips.", key);
    else if (key === "defaults") yield headOf(given, at);
  }

  const isHead = (): boolean => expected === "nothing" && isObject && !seen.has("clips");

  return {
    *push(bytes) {
      for (let at = 0; at < bytes.length;) {
        if (value) {
          const to = value.take(bytes, at);
          if (to === undefined) return undefined;
          at = to;
          yield* finish(value);
          continue;
        }
        const byte = bytes[at] ?? 0;
        if (!isBlank(byte)) {
          if (isHead()) return at;
          if (yield* step(byte)) {
            value = openJsonBytes(kept);
            continue;
          }
        } else if (byte === json.lineFeed) line += 1;
        at += 1;
      }
      return undefined;
    },
    *end() {
      if (expected === "nothing") return;
      // A value that no bracket or quote ends goes on to the end of the file.
      const what = value ? `What begins on this line is never closed` : `The manifest ends too early`;
      yield wrong(line, `${what}: a bracket or a quote is missing.`);
    },
    get line() {
      return line;
    },
  };
}

const wanted: Partial<Record<Expected, string>> = {
  key: "a name in double quotes",
  colon: "a colon",
  "after value": ", or }",
};

const isPunctuation = (byte: number): boolean =>
  byte === json.comma || byte === json.colon || byte === json.closeList || byte === json.closeObject;

function valueOf(bytes: JsonBytes, line: number, what: string): Clip | Wrong {
  const text = bytes.text();
  if (text.fault) return wrong(line + faultLine(text), faultWords(text, what));
  const read = readJson(text.text, `Each clip is an object, like {"id": "shot-1", "prompt": "A fox crosses a lake"}.`);
  if (read.kind === "wrong") return wrong(line + read.line, read.message, read.field);
  return { kind: "clip", line, given: read.value };
}

function unknownKey(name: string): string {
  const meant = nearestName(name.slice(0, 80), keys);
  const hint = meant
    ? `did you mean "${meant}"?`
    : 'write each clip on one line of its own, or all of them into "clips": [...].';
  return `A manifest that is one object has "defaults" and "clips", and no ${shown(name)}; ${hint}`;
}
