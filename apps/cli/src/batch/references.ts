import { createHash } from "node:crypto";
import { createReadStream, openAsBlob } from "node:fs";
import { basename, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { type BatchMistake, isFileId } from "@reelq/contract";
import { type Reelq, ReelqError } from "@reelq/sdk";
import { type ManifestFile, whyUnreadable } from "./manifest-file.ts";

/** A file of this machine that lines name as their reference. */
interface LocalReference {
  readonly path: string;
  /** The first line that names it. */
  readonly line: number;
  /** How many do. */
  lines: number;
}

/** What this machine has to know of a manifest before the API judges it. */
export interface Survey {
  /** By what the manifest says. */
  readonly references: ReadonlyMap<string, LocalReference>;
  /** Lines that name one of them. */
  readonly localLines: ReadonlySet<number>;
  /** Lines that cannot be read: the API will say the same of them. */
  readonly unreadable: number;
}

/** Reads a manifest through, and keeps which files of this machine it needs. Its readers are loaded only here. */
export async function surveyManifest(file: ManifestFile, defaults: Record<string, unknown>): Promise<Survey> {
  const { readManifest } = await import("@reelq/manifest");
  const references = new Map<string, LocalReference>();
  const localLines = new Set<number>();
  let unreadable = 0;
  for await (const item of readManifest(file.read(), { filename: file.filename, defaults })) {
    if (item.kind === "mistake") {
      unreadable += 1;
      continue;
    }
    const { reference } = item.fields;
    if (typeof reference !== "string" || reference.trim() === "" || !isLocal(reference)) continue;
    localLines.add(item.line);
    const known = references.get(reference);
    if (known) known.lines += 1;
    else references.set(reference, { path: resolve(file.folder, reference), line: item.line, lines: 1 });
  }
  return { references, localLines, unreadable };
}

/** Neither an address nor an uploaded file. */
const isLocal = (reference: string): boolean => !/^(https?:|data:)/i.test(reference) && !isFileId(reference);

/** Those that are not there. */
export async function missingReferences({ references }: Survey): Promise<BatchMistake[]> {
  const mistakes: BatchMistake[] = [];
  for (const [given, reference] of references) {
    const why = await whyUnreadable(reference.path);
    if (why !== undefined) mistakes.push(mistakeOf(given, reference, `cannot be read from ${reference.path}: ${why}`));
  }
  return mistakes;
}

export interface UploadedReferences {
  /** For each path as written, the uploaded file's id. */
  readonly ids: Readonly<Record<string, string>>;
  readonly mistakes: readonly BatchMistake[];
}

/** Uploads each distinct file once, whatever names lead to it. */
export async function uploadReferences(
  { files }: Reelq,
  { references }: Survey,
  uploaded: (id: string) => void,
): Promise<UploadedReferences> {
  const ids = new Map<string, string>();
  const byHash = new Map<string, string>();
  const mistakes: BatchMistake[] = [];
  for (const [given, reference] of references) {
    try {
      const hash = await sha256Of(reference.path);
      let id = byHash.get(hash);
      if (id === undefined) {
        const blob = await openAsBlob(reference.path);
        ({ id } = await files.create(blob, { purpose: "vision", filename: basename(reference.path) }));
        uploaded(id);
        byHash.set(hash, id);
      }
      ids.set(given, id);
    } catch (error) {
      if (!(error instanceof ReelqError) || !unfit.has(error.status)) throw error;
      mistakes.push(mistakeOf(given, reference, `was refused: ${error.message.replace(/\.$/, "")}`));
    }
  }
  return { ids: Object.fromEntries(ids), mistakes };
}

/** What the API answers where the file itself is at fault. */
const unfit = new Set([400, 413, 415, 422]);

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function mistakeOf(given: string, { line, lines }: LocalReference, what: string): BatchMistake {
  const others = lines === 1 ? "" : ` ${lines - 1} more ${lines === 2 ? "line names" : "lines name"} it.`;
  return {
    code: "invalid_value",
    line,
    message: `${JSON.stringify(given)} ${what}.${others}`,
    param: "reference",
  };
}
