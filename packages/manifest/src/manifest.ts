import { type ManifestItem, mostLines } from "@reelq/contract";
import { readClip } from "./clip.ts";
import { openCsv } from "./csv.ts";
import { readDefaults } from "./defaults.ts";
import { extensionOf, formatOf, type ManifestFormat, notTextWords, unknownFormat } from "./format.ts";
import { openJson } from "./jsonl.ts";
import { end, type FormatReader, type Reading, type Wrong } from "./reading.ts";
import { openYaml } from "./yaml.ts";

export interface ManifestOptions {
  /** Left out: by the file's name, else by how the file begins. */
  readonly format?: ManifestFormat | undefined;
  /** Only its extension counts: .jsonl .ndjson .json .csv .tsv .yaml .yml. */
  readonly filename?: string | undefined;
  /** For every clip that does not say it itself; before those in the file. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Reads a manifest in UTF-8 while it comes, and holds no more of it than one clip of at most 1 MiB. Yields an entry
 * for each clip, or all that is wrong with it, in the file's order, and goes on after a mistake wherever it can. The
 * values of fields are not judged.
 *
 * JSONL: an object a line, ours or the OpenAI batch shape; or a list of them, or `{"defaults": {...}, "clips": [...]}`.
 * CSV: a header row, and lines like `# model: sora-2` above it; tags are separated by semicolons.
 * YAML: a list of clips, or `defaults:` and `clips:`; a clip, and a list in brackets, may have 256 KiB.
 *
 * Ends after 50,000 clips or as many mistakes, with a mistake that says so. Mistakes in `options.defaults`, and those
 * of the file as a whole, are on line 1. Throws only what the source throws.
 */
export async function* readManifest(
  source: AsyncIterable<Uint8Array>,
  options: ManifestOptions = {},
): AsyncGenerator<ManifestItem> {
  const sorter = openSorter(options.defaults ?? {});
  yield* sorter.first();
  const reader = openFile(options);
  for await (const bytes of source) {
    yield* sorter.items(reader.push(bytes));
    if (sorter.isOver) return;
  }
  yield* sorter.items(reader.end());
  yield* sorter.last();
}

/** As much as it takes to tell what a file is. */
const startBytes = 4_096;

/** Waits for the first bytes, then reads on in the format that they are in. */
function openFile(options: ManifestOptions): FormatReader {
  let start = Buffer.alloc(0);
  let reader: FormatReader | undefined;

  function* open(): Generator<Reading> {
    const notText = notTextWords(start);
    if (notText !== undefined) return yield end(1, notText);
    const bytes = start.subarray(0, 3).equals(mark) ? start.subarray(3) : start;
    const text = bytes.toString("utf8");
    const format = options.format ?? formatOf(options.filename ?? "", text);
    if (format === undefined) return yield end(1, unknownFormat(text));
    reader = readerOf(format, text, options.filename ?? "");
    yield* reader.push(bytes);
  }

  return {
    *push(bytes) {
      if (reader) return yield* reader.push(bytes);
      start = Buffer.concat([start, bytes]);
      if (start.length >= startBytes) yield* open();
    },
    *end() {
      if (!reader) yield* open();
      if (reader) yield* reader.end();
    },
  };
}

/** The byte order mark of UTF-8. */
const mark = Buffer.from([0xef, 0xbb, 0xbf]);

function readerOf(format: ManifestFormat, start: string, filename: string): FormatReader {
  if (format === "csv") return openCsv(extensionOf(filename) === "tsv" ? "\t" : ",");
  return format === "yaml" ? openYaml() : openJson(start);
}

interface Sorter {
  /** What is wrong with the defaults that stand beside the file. */
  first(): Generator<ManifestItem>;
  items(readings: Iterable<Reading>): Generator<ManifestItem>;
  /** What is wrong with the file as a whole. */
  last(): Generator<ManifestItem>;
  /** Nothing more is to be read. */
  readonly isOver: boolean;
}

/** Makes entries of what a reader finds: fills in defaults, counts, and knows when to stop. */
function openSorter(given: Readonly<Record<string, unknown>>): Sorter {
  const beside = readDefaults(given, 1);
  let head: Readonly<Record<string, unknown>> = {};
  let clips = 0;
  let mistakes = 0;
  let isOver = false;

  function* tell(found: Iterable<Wrong>): Generator<ManifestItem> {
    for (const { line, field, message, isEnd } of found) {
      if (isOver) return;
      mistakes += 1;
      yield field === undefined ? { kind: "mistake", line, message } : { kind: "mistake", line, field, message };
      if (isEnd) isOver = true;
      else if (mistakes >= mostLines)
        yield* tell([end(line, `The manifest has ${said} mistakes; nothing after this line was read.`)]);
    }
  }

  function* take(reading: Reading): Generator<ManifestItem> {
    if (reading.kind === "wrong") return yield* tell([reading]);
    if (reading.kind === "head") {
      const read = readDefaults(reading.given, reading.line);
      head = { ...head, ...read.fields };
      return yield* tell(read.mistakes);
    }
    clips += 1;
    if (clips > mostLines)
      return yield* tell([end(reading.line, `The manifest has more than ${said} clips; split it into several.`)]);
    const { fields, mistakes: found } = readClip(reading);
    if (found.length > 0) yield* tell(found);
    else yield { kind: "entry", line: reading.line, fields: { ...head, ...beside.fields, ...fields } };
  }

  return {
    first: () => tell(beside.mistakes),
    *items(readings) {
      for (const reading of readings) {
        if (!isOver) yield* take(reading);
        if (isOver) return;
      }
    },
    *last() {
      if (clips === 0 && mistakes === 0) yield* tell([end(1, "The manifest has no clips; write at least one.")]);
    },
    get isOver() {
      return isOver;
    },
  };
}

const said = mostLines.toLocaleString("en");
