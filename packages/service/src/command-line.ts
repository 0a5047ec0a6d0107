import { parseArgs } from "node:util";
import { SettingsError } from "./settings-error.ts";

/** An option that takes a text; `judge` answers with what is wrong with it. */
export interface Option {
  readonly name: string;
  /** How the value is written in the help: `a,b,c`. */
  readonly value: string;
  readonly help: string;
  readonly judge?: (value: string) => string | undefined;
}

/**
 * Reads `--name value` options. `--help` is printed and ends the process.
 * @param about one sentence: what the program does
 * @throws {SettingsError} with every mistake
 */
export function readCommandLine(
  about: string,
  options: readonly Option[],
): Readonly<Record<string, string | undefined>> {
  const config = {
    help: { type: "boolean", short: "h" },
    ...Object.fromEntries(options.map(({ name }) => [name, { type: "string" }])),
  } as const;
  let values: Record<string, unknown>;
  try {
    ({ values } = parseArgs({ options: config }));
  } catch (error) {
    throw new SettingsError("the command line", [(error as Error).message]);
  }
  if (values["help"]) {
    process.stdout.write(helpText(about, options));
    process.exit(0);
  }
  const read = values as Record<string, string | undefined>;
  const mistakes = options.flatMap(({ name, judge }) => (read[name] === undefined ? [] : (judge?.(read[name]) ?? [])));
  if (mistakes.length > 0) throw new SettingsError("the command line", mistakes);
  return read;
}

function helpText(about: string, options: readonly Option[]): string {
  const lines = [
    ...options.map(({ name, value, help }) => [`--${name} ${value}`, help] as const),
    ["--help", "this text"] as const,
  ];
  const width = Math.max(...lines.map(([left]) => left.length));
  return `${about}\n\n${lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n")}\n`;
}
