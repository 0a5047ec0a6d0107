import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

/** One line of the sample batch. */
const lineSchema = z.strictObject({
  id: z.string(),
  prompt: z.string(),
  model: z.string().optional(),
  seconds: z.number().optional(),
  size: z.string().optional(),
  /** A file beside the manifest. */
  reference: z.string().optional(),
  /** Another line's id: this one waits until that one is stored. */
  remix_of: z.string().optional(),
});
export type ManifestLine = z.infer<typeof lineSchema>;

const folder = new URL("../../demo/", import.meta.url);

export const readManifest = (): readonly ManifestLine[] =>
  z.array(lineSchema).parse(parse(readFileSync(new URL("batch.yaml", folder), "utf8")));

export const readReference = (name: string): Blob => new Blob([readFileSync(new URL(name, folder))]);
