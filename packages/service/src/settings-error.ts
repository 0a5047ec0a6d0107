/**
 * Thrown at start where settings cannot be used. Carries the mistakes found, a whole sentence each, with no
 * secret's value in any of them.
 */
export class SettingsError extends Error {
  readonly code = "settings";
  /** What the process ends with. */
  readonly exitCode = 2;
  readonly mistakes: readonly string[];
  /** How many more there are than those that are told. */
  readonly untold: number;

  /** @param where what was read: `the environment`, or a file's path */
  constructor(where: string, mistakes: readonly string[], untold = 0) {
    const all = mistakes.length + untold;
    const head = `There ${all === 1 ? "is 1 mistake" : `are ${all} mistakes`} in ${where}:`;
    super([head, ...mistakes, ...(untold > 0 ? [`and ${untold} more.`] : [])].join("\n  - "));
    this.name = "SettingsError";
    this.mistakes = mistakes;
    this.untold = untold;
  }
}
