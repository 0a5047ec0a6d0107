import { manifestFields } from "@reelq/contract";

/** Other names that people and tools give to our fields. */
export const synonyms: Readonly<Record<string, string>> = {
  custom_id: "id",
  input_reference: "reference",
  ref: "reference",
  image: "reference",
  remix: "remix_of",
};

const known = new Set<string>(manifestFields);

/** Our name for a field; one that nobody knows stays as it was written. */
export const fieldNamed = (written: string): string =>
  Object.hasOwn(synonyms, written) ? (synonyms[written] ?? written) : written;

export const isFieldName = (name: string): boolean => known.has(fieldNamed(name));

/** As people write names over columns: `Remix of`, `PROMPT`. */
export function columnNamed(written: string): string {
  const plain = written
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_");
  return isFieldName(plain) ? plain : written.trim();
}
