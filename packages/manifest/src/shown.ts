const mostShown = 80;

/** What would move the cursor, end the line or turn the writing round in somebody's terminal. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu;

/** What was given, fit to stand in a sentence: text in quotes, at most 80 characters, nothing in it that a terminal obeys. */
export function shown(given: unknown): string {
  if (typeof given !== "string") return cut(printable(JSON.stringify(given) ?? String(given)), mostShown);
  return `"${cut(printable(given.slice(0, mostShown + 1)), mostShown)}"`;
}

const printable = (text: string): string =>
  text
    .toWellFormed()
    .replaceAll(unprintable, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);

function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
