import { isHeader } from "./csv-header.ts";
import { shown } from "./shown.ts";

export type ManifestFormat = "jsonl" | "csv" | "yaml";

const byExtension: Readonly<Record<string, ManifestFormat>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "jsonl",
  csv: "csv",
  tsv: "csv",
  yaml: "yaml",
  yml: "yaml",
};

export const extensionOf = (filename: string): string => /\.([^./\\]*)$/.exec(filename)?.[1]?.toLowerCase() ?? "";

/** By the file's name; else by how the file begins. Undefined: it begins like none of them. */
export function formatOf(filename: string, start: string): ManifestFormat | undefined {
  const extension = extensionOf(filename);
  return Object.hasOwn(byExtension, extension) ? byExtension[extension] : formatOfStart(start);
}

function formatOfStart(start: string): ManifestFormat | undefined {
  const lines = start.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
  const line = lines.find((one) => !/^\s*"?#/.test(one) && !/^sep=.$/i.test(one.trim()));
  // Notes and defaults above a table, or nothing at all.
  if (line === undefined) return lines.length > 0 ? "csv" : "jsonl";
  if (/^\s*[{[]/.test(line)) return "jsonl";
  if (/^(?:---|%YAML|\s*-\s|-$|(?:defaults|clips)\s*:)/.test(line)) return "yaml";
  if (isHeader(line)) return "csv";
  return /^[\w-]+\s*:(?:\s|$)/.test(line) ? "yaml" : undefined;
}

export const unknownFormat = (start: string): string =>
  `The file begins with ${shown(start.trimStart())}, by which its format cannot be told; name it .jsonl, .csv or .yaml, or say which format it has.`;

/** Why bytes that begin like this are no text that can be read; undefined where they may be. */
export function notTextWords([first, second, third, fourth]: Uint8Array): string | undefined {
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const isUnmarkedUtf16 = fourth !== undefined && ((second === 0 && fourth === 0) || (first === 0 && third === 0));
  if (isUtf16 || isUnmarkedUtf16) return 'The file is UTF-16; save it as UTF-8 (Excel calls it "CSV UTF-8").';
  if (first === 0x50 && second === 0x4b && third === 3)
    return "The file is an Excel workbook or another archive; save the table as CSV.";
  if (first === 0x1f && second === 0x8b) return "The file is compressed; unpack it first.";
  return undefined;
}
