import { SettingsError } from "./settings-error.ts";

export interface Mistake {
  /** From 1; left out where it is the whole file's. */
  readonly line?: number;
  readonly column?: number;
  /** Says it in words, which are worked out only for those that are told. */
  readonly say: () => string;
}

/** Of a file that is wrong throughout, nobody reads more. */
const MOST_TOLD = 50;

/**
 * The first mistakes by line, each beginning with the file's path as it was given, and the number of the others.
 */
export function mistakesOf(path: string, mistakes: readonly Mistake[]): SettingsError {
  const told = mistakes.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)).slice(0, MOST_TOLD);
  return new SettingsError(
    path,
    told.map((mistake) => `${placed(path, mistake)}: ${sentence(mistake.say())}`),
    mistakes.length - told.length,
  );
}

function placed(path: string, { line, column }: Mistake): string {
  if (line === undefined) return path;
  return `${path}, line ${line}${column === undefined ? "" : `:${column}`}`;
}

const sentence = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
