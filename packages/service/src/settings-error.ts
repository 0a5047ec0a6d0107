/**
 * Thrown at start where settings cannot be used. Carries every mistake found, a whole sentence each, with no
 * secret's value in any of them.
 */
export class SettingsError extends Error {
  readonly code = "settings";
  /** What the process ends with. */
  readonly exitCode = 2;
  readonly mistakes: readonly string[];

  /** @param where what was read: `the environment`, or a file's path */
  constructor(where: string, mistakes: readonly string[]) {
    const count = mistakes.length === 1 ? "1 mistake" : `${mistakes.length} mistakes`;
    super([`There ${mistakes.length === 1 ? "is" : "are"} ${count} in ${where}:`, ...mistakes].join("\n  - "));
    this.name = "SettingsError";
    this.mistakes = mistakes;
  }
}
