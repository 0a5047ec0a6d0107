/** A place in the data: `["upstreams", "wisgate", "url"]`. */
export type Path = readonly PropertyKey[];

/** The place as people write it: `upstreams.wisgate.models[1]`. */
export const placeName = (place: Path): string =>
  place.length === 0
    ? "the file"
    : place
        .map((part) => (typeof part === "number" ? `[${part}]` : String(part)))
        .join(".")
        .replaceAll(".[", "[");
