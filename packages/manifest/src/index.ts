export type { ManifestFormat } from "./format.ts";
export { type ManifestOptions, readManifest } from "./manifest.ts";
export { manifestSchema } from "./schema.ts";
