// Runs benchmarks and prints their tables: node test/bench/bench.ts [name...]
// No name runs all; a name that is not known lists those that are, and ends with 2. Figures are kept in .reelq/bench/<name>.json.
import { mkdir, writeFile } from "node:fs/promises";
import { events } from "./events.ts";
import { lanes } from "./lanes.ts";
import { polling } from "./polling.ts";

/** Prints as it goes; what it gives back is kept as JSON. */
export type Bench = (print: (line: string) => void) => unknown;

const benches: Readonly<Record<string, Bench>> = { polling, lanes, events };

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  process.stderr.write(`No benchmark is called ${unknown.join(", ")}. Known: ${Object.keys(benches).join(", ")}.\n`);
  process.exitCode = 2;
} else {
  for (const [name, bench] of Object.entries(benches))
    if (names.length === 0 || names.includes(name)) await keep(name, await bench(print));
}

async function keep(name: string, figures: unknown): Promise<void> {
  const folder = new URL("../../.reelq/bench/", import.meta.url);
  await mkdir(folder, { recursive: true });
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(figures, undefined, 2)}\n`);
  print(`Kept in .reelq/bench/${name}.json`);
}
