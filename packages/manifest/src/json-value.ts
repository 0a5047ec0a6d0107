import { shown } from "./shown.ts";

export type JsonValue =
  | { readonly kind: "value"; readonly value: unknown }
  /** `line`: how many lines below the text's first. */
  | { readonly kind: "wrong"; readonly line: number; readonly field?: string; readonly message: string };

/** No clip goes so deep; whoever goes through one may call itself for each level. */
const deepest = 32;

/** Reads one JSON value, in which no key may be written twice. */
export function readJson(text: string, hint: string): JsonValue {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return syntaxMistake(text, error.message, hint);
  }
  return keyMistake(text) ?? { kind: "value", value };
}

function syntaxMistake(text: string, words: string, hint: string): JsonValue {
  if (/\},\s*$/.test(text.slice(-100)) && isJson(text.trimEnd().slice(0, -1)))
    return { kind: "wrong", line: 0, message: "A comma follows this object; leave it out." };
  const position = Number(/ at position (\d+)/.exec(words)?.[1] ?? "0");
  const lines = text.slice(0, position).split("\n");
  const column = (lines.at(-1)?.length ?? 0) + 1;
  // What the engine quotes of the text is neither short nor fit for a terminal.
  const reason = words
    .replace(/, (?:\.\.\.)?".*$/su, "")
    .replace(/ (?:in|after) JSON at position .*$/s, ` at column ${column}`);
  const message = `${shown(text.trim())} cannot be read as JSON (${shown(reason).slice(1, -1)}). ${hint}`;
  return { kind: "wrong", line: lines.length - 1, message };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with the keys of a text that is JSON: of two values under one name only the last would count. */
function keyMistake(text: string): JsonValue | undefined {
  /** For each object that is open, its keys; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "{" || character === "[") {
      if (open.push(character === "{" ? new Set() : undefined) > deepest)
        return { kind: "wrong", line: 0, message: `This nests more than ${deepest} levels deep, which no clip does.` };
    } else if (character === "}" || character === "]") open.pop();
    else if (character === '"') {
      const end = endOfString(text, at);
      const keys = isBeforeColon(text, end) ? open.at(-1) : undefined;
      if (keys) {
        const name = String(JSON.parse(text.slice(at, end)));
        if (keys.has(name)) {
          const line = text.slice(0, at).split("\n").length - 1;
          return { kind: "wrong", line, field: name, message: `${shown(name)} is written twice; keep one.` };
        }
        keys.add(name);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The place after the quote that closes the string at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function isBeforeColon(text: string, end: number): boolean {
  let at = end;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at += 1;
  return text[at] === ":";
}
