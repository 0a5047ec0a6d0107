import { readFile, writeFile } from "node:fs/promises";
import type { Line } from "./bench.ts";
import { markdownTable } from "./table.ts";

/** Where each benchmark's last figures lie. */
export const keptFolder = new URL("../../../.reelq/bench/", import.meta.url);
const page = new URL("../../../docs/performance.md", import.meta.url);

/** What is kept of a benchmark's run, as JSON. */
export interface Kept {
  readonly name: string;
  readonly question: string;
  /** ISO 8601. */
  readonly takenAt: string;
  readonly machine: string;
  readonly lines: readonly Line[];
  readonly notes: readonly string[];
  readonly raw: unknown;
}

const begin = "<!-- figures -->";
const end = "<!-- end of figures -->";

/** Puts the last figures of every benchmark between the marks of docs/performance.md. */
export async function recordPage(names: readonly string[]): Promise<void> {
  const text = await readFile(page, "utf8");
  const [before, rest = ""] = text.split(begin);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined)
    throw new Error(`docs/performance.md has lost its marks ${begin} and ${end}.`);
  const sections = await Promise.all(names.map(sectionOf));
  await writeFile(page, [before, begin, "\n\n", sections.flat().join("\n"), "\n", end, after].join(""));
}

async function sectionOf(name: string): Promise<string[]> {
  const kept = await readKept(name);
  const heading = `## ${name}\n`;
  if (!kept) return [heading, "Not taken here yet.\n"];
  return [
    heading,
    `${kept.question}\n`,
    ...markdownTable(kept.lines),
    "",
    `Taken ${kept.takenAt.slice(0, 10)} on ${kept.machine}.\n`,
    ...kept.notes.map((note) => `- ${note}`),
    "",
  ];
}

async function readKept(name: string): Promise<Kept | undefined> {
  try {
    const kept = JSON.parse(await readFile(new URL(`${name}.json`, keptFolder), "utf8")) as Partial<Kept>;
    // What an older version kept is as good as nothing.
    return Array.isArray(kept.lines) ? (kept as Kept) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
