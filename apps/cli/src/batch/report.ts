import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { BatchBody, Reelq } from "@reelq/sdk";
import { type Command, Option } from "commander";
import type { BatchTools } from "./tools.ts";
import { CommandFailure, exitCodes, wrongUsage } from "../exit.ts";
import { standardOutput } from "../terminal.ts";
import { requireClean } from "./summary.ts";
import { findBatch, whichBatch } from "./which.ts";

const formats = ["html", "csv", "json"] as const;
type Format = (typeof formats)[number];

interface ReportOptions {
  readonly format: Format | "all";
  readonly out?: string;
  readonly base?: string;
}

/** `reelq batch report ID`: what came of a batch, as files. */
export function addReport(batch: Command, { client }: BatchTools): void {
  batch
    .command("report")
    .description("Write what came of a batch: a page to look at, and tables. While it runs, as it is now.")
    .argument("<id>", whichBatch)
    .addOption(new Option("--format <format>", "what to write").choices([...formats, "all"]).default("all"))
    .option("--out <path>", "the folder of all three, or the file of one; - prints one (default: reelq-report-NAME)")
    .option("--base <prefix>", "what goes before a file's place in storage in every link (default: the API's address)")
    .addHelpText(
      "after",
      `
Exit code 1: a clip failed, or something waits for a person. The report is written all the same.

Examples:
  reelq batch report last
  reelq batch report last --format html --out ~/morning.html
  reelq batch report last --format csv --out - | head
  reelq batch report last --base https://clips.example/`,
    )
    .action(async (which: string, options: ReportOptions) => {
      const { format, out, base } = options;
      if (out === "-" && format === "all")
        throw wrongUsage(`--out - prints one of them: add --format ${formats.join(", --format ")}.`);
      const reelq = client();
      const about = await reelq.batches.retrieve(await findBatch(reelq, which));
      if (out === "-" && format !== "all") await print(reelq, about.id, format, base);
      else await writeAll(reelq, about, options);
      requireClean(about);
    });
}

async function print({ batches }: Reelq, id: string, format: Format, base: string | undefined): Promise<void> {
  const response = await batches.report(id, { format, base });
  await pipeline(bytesOf(response), process.stdout, { end: false }).catch(brokenOff);
}

async function writeAll(reelq: Reelq, batch: BatchBody, { format, out, base }: ReportOptions): Promise<void> {
  const plain = `reelq-report-${fileNameOf(batch)}`;
  // The same manifest of another night is not written over.
  const name =
    out === undefined && (await isAnothers(join(plain, `${plain}.json`), batch.id))
      ? `${plain}-${batch.id.slice(-6)}`
      : plain;
  const places = await placesOf(name, format, out);
  for (const [one, path] of places) {
    await write(await reelq.batches.report(batch.id, { format: one, base }), path);
    standardOutput.write(`${path}\n`);
  }
}

/** Whether a report that lies there already is another batch's. */
async function isAnothers(path: string, id: string): Promise<boolean> {
  const head = await readFile(path, "utf8").then(
    (text) => text.slice(0, 2_000),
    () => undefined,
  );
  return head !== undefined && !head.includes(id);
}

/** Where each one goes. */
async function placesOf(name: string, format: Format | "all", out: string | undefined): Promise<[Format, string][]> {
  if (format !== "all" && out !== undefined && !(await isFolder(out))) return [[format, out]];
  const folder = out ?? name;
  await mkdir(folder, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailure(exitCodes.workFailed, `${folder} cannot be made: ${error.message}.`);
  });
  const wanted = format === "all" ? formats : [format];
  return wanted.map((one) => [one, join(folder, `${name}.${one}`)]);
}

/** Under another name until it is whole: a report that broke off is none. */
async function write(response: Response, path: string): Promise<void> {
  const draft = `${path}.${process.pid}.part`;
  try {
    await pipeline(bytesOf(response), createWriteStream(draft));
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    if ((error as NodeJS.ErrnoException).path === undefined) brokenOff();
    throw new CommandFailure(exitCodes.workFailed, `${path} cannot be written: ${(error as Error).message}.`);
  }
}

function brokenOff(): never {
  throw new CommandFailure(exitCodes.workFailed, "The report broke off before its end; ask for it again.");
}

const bytesOf = ({ body }: Response): Readable => Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Its name as far as any file system takes it, without the manifest's extension. */
function fileNameOf({ id, reelq: { name } }: BatchBody): string {
  const plain = name
    .replace(/\.(csv|tsv|jsonl|ndjson|json|ya?ml)$/i, "")
    .replaceAll(/[^\p{Letter}\p{Number}._-]+/gu, "-")
    .replaceAll(/^[.-]+|[.-]+$/g, "");
  return plain.slice(0, 80) || id;
}
