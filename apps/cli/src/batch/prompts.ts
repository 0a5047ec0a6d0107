import type { BatchMistake } from "@reelq/contract";
import { buffer } from "node:stream/consumers";
import type { ManifestFile } from "./manifest-file.ts";
import { refusedManifest } from "./mistakes.ts";

/**
 * Prompts by custom id: from a manifest in any format, or from a JSON object whose names are the ids.
 * @throws CommandFailure that tells every mistake
 */
export async function readPrompts(file: ManifestFile): Promise<ReadonlyMap<string, string>> {
  const map = await readMap(file);
  if (map) return map;
  const { readManifest } = await import("@reelq/manifest");
  const prompts = new Map<string, string>();
  const mistakes: BatchMistake[] = [];
  let count = 0;
  const wrong = (line: number, param: string | null, message: string): void => {
    count += 1;
    if (mistakes.length < 1_000) mistakes.push({ code: "invalid_value", line, param, message });
  };
  for await (const item of readManifest(file.read(), { filename: file.filename })) {
    if (item.kind === "mistake") {
      wrong(item.line, item.field ?? null, item.message);
      continue;
    }
    const { id, prompt } = item.fields;
    if (typeof id !== "string" || id === "") wrong(item.line, "id", "There is none; say which clip the prompt is for.");
    else if (typeof prompt !== "string" || prompt.trim() === "") wrong(item.line, "prompt", `There is none for ${id}.`);
    else if (prompts.has(id)) wrong(item.line, "id", `${JSON.stringify(id)} has a prompt above already.`);
    else prompts.set(id, prompt);
  }
  if (count > 0) throw refusedManifest(file.title, mistakes, { count });
  return prompts;
}

/** A JSON object of prompts is read whole; a larger one is none. */
const mostMapBytes = 64 * 1024 * 1024;

/** Undefined: it is no such object. */
async function readMap(file: ManifestFile): Promise<ReadonlyMap<string, string> | undefined> {
  const blob = await file.blob();
  if (blob.size > mostMapBytes || !/^\s*\{/.test(await blob.slice(0, 100).text())) return undefined;
  let value: unknown;
  try {
    value = JSON.parse((await buffer(blob.stream())).toString("utf8"));
  } catch {
    return undefined;
  }
  const entries = Object.entries(value as object);
  const isLine = ["id", "custom_id"].some((name) => entries.some(([given]) => given === name));
  if (isLine || !entries.every((entry): entry is [string, string] => typeof entry[1] === "string")) return undefined;
  return new Map(entries);
}
