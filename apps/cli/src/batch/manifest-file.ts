import { createReadStream, createWriteStream, openAsBlob, rmSync } from "node:fs";
import { access, constants, mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { wrongUsage } from "../exit.ts";
import { interruptedCode } from "./interruption.ts";

/** A manifest as it lies on this machine; it can be read more than once. */
export interface ManifestFile {
  /** What mistakes call it. */
  readonly title: string;
  /** What the API is told that it is called; its extension says the format. */
  readonly filename: string;
  /** Where the paths in it start. */
  readonly folder: string;
  read(): AsyncIterable<Uint8Array>;
  /** For an upload; its bytes are read as they are sent. */
  blob(): Promise<Blob>;
  /** Takes away what was kept of it beside the file itself. */
  letGo(): void;
}

/**
 * @param given a path, or `-` for standard input: what can be read once only is kept in a file until it is let go
 * @throws CommandFailure
 */
export async function openManifest(given: string): Promise<ManifestFile> {
  if (given === "-") return keep(process.stdin, { title: "stdin", filename: "stdin", folder: resolve() });
  const why = await whyUnreadable(given);
  if (why !== undefined) throw wrongUsage(`${given} cannot be read: ${why}.`);
  const names = { title: given, filename: basename(given), folder: dirname(resolve(given)) };
  if ((await stat(given)).isFile()) return { ...names, ...readerOf(given), letGo: () => undefined };
  return keep(createReadStream(given), names);
}

const readerOf = (path: string): Pick<ManifestFile, "read" | "blob"> => ({
  read: () => createReadStream(path),
  blob: () => openAsBlob(path),
});

async function keep(
  source: NodeJS.ReadableStream,
  names: Pick<ManifestFile, "title" | "filename" | "folder">,
): Promise<ManifestFile> {
  const folder = await mkdtemp(join(tmpdir(), "reelq-batch-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const leave = () => process.exit(interruptedCode);
  const letGo = () => {
    process.off("exit", remove);
    process.off("SIGINT", leave);
    remove();
  };
  process.once("exit", remove);
  process.once("SIGINT", leave);
  const path = join(folder, "manifest");
  try {
    await pipeline(source, createWriteStream(path));
  } catch (error) {
    letGo();
    throw error;
  }
  return { ...names, ...readerOf(path), letGo };
}

/** Undefined: it is no folder, and may be read. */
export async function whyUnreadable(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).isDirectory()) return "it is a folder";
    await access(path, constants.R_OK);
    return undefined;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return reasons[code] ?? code;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "you may not read it",
  ENAMETOOLONG: "its name is too long",
};
