// Runs benchmarks and prints their tables: node test/bench/bench.ts [name...] [--record]
// No name runs all; a name that is not known lists those that are, and ends with 2. Figures are kept in .reelq/bench/<name>.json;
// --record also puts them into docs/performance.md.
import { mkdir, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { downloadsBench } from "./downloads/bench.ts";
import { enqueueBench } from "./enqueue/bench.ts";
import { events } from "./events.ts";
import { type Bench, CannotRunError, type Figures, type Print } from "./frame/bench.ts";
import { thisMachine } from "./frame/machine.ts";
import { type Kept, keptFolder, recordPage } from "./frame/page.ts";
import { isMet, ratioOf, terminalTable } from "./frame/table.ts";
import { inFlightBench } from "./in-flight/bench.ts";
import { lanes } from "./lanes.ts";
import { livesBench } from "./lives/bench.ts";
import { polling } from "./polling.ts";
import { scaleOutBench } from "./scale-out/bench.ts";
import { startBench } from "./start/bench.ts";

/** In the order in which they run. */
const benches: Readonly<Record<string, Bench>> = {
  lives: livesBench,
  "in-flight": inFlightBench,
  enqueue: enqueueBench,
  downloads: downloadsBench,
  polling,
  start: startBench,
  "scale-out": scaleOutBench,
  lanes,
  events,
};

const print: Print = (line) => {
  process.stdout.write(`${line}\n`);
};

const { values, positionals: names } = parseArgs({
  allowPositionals: true,
  strict: true,
  options: { record: { type: "boolean", default: false } },
});
const unknown = names.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  process.stderr.write(`No benchmark is called ${unknown.join(", ")}. Known: ${Object.keys(benches).join(", ")}.\n`);
  process.exitCode = 2;
} else {
  print(thisMachine());
  for (const [name, bench] of Object.entries(benches))
    if (names.length === 0 || names.includes(name)) await run(name, bench);
  if (values.record) await recordPage(Object.keys(benches));
}

async function run(name: string, bench: Bench): Promise<void> {
  print(`\n${name}: ${bench.question}`);
  try {
    await keep(name, bench, await bench.run(print));
  } catch (error) {
    if (!(error instanceof CannotRunError)) throw error;
    print(`${name} cannot run here: ${error.message}`);
  }
}

async function keep(name: string, { question }: Bench, { lines, notes, raw }: Figures): Promise<void> {
  for (const line of terminalTable(lines)) print(line);
  for (const note of notes) print(`- ${note}`);
  const judged = lines.map((line) => ({ ...line, ratio: ratioOf(line) ?? null, met: isMet(line) ?? null }));
  const takenAt = new Date().toISOString();
  const kept: Kept = { name, question, takenAt, machine: thisMachine(), lines: judged, notes, raw };
  await mkdir(keptFolder, { recursive: true });
  await writeFile(new URL(`${name}.json`, keptFolder), `${JSON.stringify(kept, undefined, 2)}\n`);
  print(`Kept in .reelq/bench/${name}.json`);
}
