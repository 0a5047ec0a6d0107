/** A command as a shell takes it; undefined where a word of it cannot be typed in one line. */
export function shellCommand(...words: readonly string[]): string | undefined {
  if (words.some((word) => word === "" || /[\p{Cc}\p{Cs}\p{Bidi_Control}]/u.test(word))) return undefined;
  return words.map(quoted).join(" ");
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
