// Where things are in this checkout, and on the path. Runs on Node 20.
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
/** Everything that set-up and running leave behind. */
export const own = join(root, ".reelq");
export const tools = join(own, "tools");
export const setUpLog = join(own, "setup.log");
export const binaries = join(root, "node_modules", ".bin");

/** @param {string} file */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * The first of the names that is a program on the path, or in one of the folders beside it.
 * @param {string[]} names
 * @param {string[]} [alsoIn]
 * @returns {string | undefined}
 */
export function findProgram(names, alsoIn = []) {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== ""), ...alsoIn];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}
