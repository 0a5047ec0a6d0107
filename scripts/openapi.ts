// Writes docs/openapi.json from the contract: node scripts/openapi.ts [--check] [file]
// With --check it writes nothing, and ends with 1 where the file says something else, however it is laid out.
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openApiDocument } from "../packages/contract/src/index.ts";

const document = new URL("../docs/openapi.json", import.meta.url);

/** The whole file. */
export const openApiText = (): string => `${JSON.stringify(openApiDocument(), null, 2)}\n`;

function main(args: readonly string[]): number {
  const file = args.find((arg) => !arg.startsWith("-")) ?? fileURLToPath(document);
  if (!args.includes("--check")) {
    writeFileSync(file, openApiText());
    return 0;
  }
  if (readOrNothing(file) === plain(openApiText())) return 0;
  process.stderr.write(`${file} is not what the contract says; run \`npm run openapi\` to write it anew.\n`);
  return 1;
}

const plain = (json: string): string => JSON.stringify(JSON.parse(json));

function readOrNothing(file: string): string | undefined {
  try {
    return plain(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = main(process.argv.slice(2));
