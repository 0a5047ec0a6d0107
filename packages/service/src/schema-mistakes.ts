import { z } from "zod";
import type { Mistake } from "./config-mistake.ts";
import { nearestName } from "./nearest.ts";
import { type Path, placeName } from "./place.ts";
import { notKnown } from "./schema-words.ts";

type Issue = z.core.$ZodIssue;

/** What a schema found, each with its line, its place and what to do. */
export function schemaMistakes(
  issues: readonly Issue[],
  schema: z.ZodType,
  lineOf: (place: Path) => number,
): (Mistake & { readonly place: Path; readonly line: number })[] {
  const keysAt = keysAllowedBy(schema);
  return issues.flatMap(likeliest).flatMap((issue) => {
    if (issue.code !== "unrecognized_keys" || issue.message !== notKnown)
      return {
        place: issue.path,
        line: lineOf(issue.path),
        say: () => (issue.path.length === 0 ? issue.message : `${placeName(issue.path)}: ${issue.message}`),
      };
    return issue.keys.map((key) => {
      const place = [...issue.path, key];
      return { place, line: lineOf(place), say: () => unknownKey(placeName(place), key, keysAt(issue.path)) };
    });
  });
}

/** Of the ways in which a union did not fit, the one that came closest: it says what to mend. */
export function likeliest(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const ways = issue.errors.filter((way) => way.some(({ path, code }) => path.length > 0 || code !== "invalid_type"));
  const [closest] = ways.toSorted((a, b) => a.length - b.length);
  if (closest === undefined) return [issue];
  return closest.flatMap((inner) => likeliest({ ...inner, path: [...issue.path, ...inner.path] }));
}

function unknownKey(place: string, key: string, known: readonly string[]): string {
  const nearest = nearestName(key, known);
  if (nearest !== undefined) return `${place} ${notKnown}; did you mean ${nearest}?`;
  return `${place} ${notKnown}${known.length > 0 ? `; known here: ${known.join(", ")}` : ""}`;
}

/** Tells the keys that a schema allows at a place; none where it allows any. */
function keysAllowedBy(schema: z.ZodType): (place: Path) => string[] {
  let whole: JsonSchema | undefined;
  return (place) => {
    whole ??= z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" });
    let here = [whole];
    for (const key of place) here = here.flatMap(branches).flatMap((one) => stepInto(one, key));
    return here.flatMap(branches).flatMap(({ properties }) => Object.keys(properties ?? {}));
  };
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

const branches = (schema: JsonSchema): JsonSchema[] =>
  [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter((one) => typeof one === "object");

function stepInto({ properties, additionalProperties, items }: JsonSchema, key: PropertyKey): JsonSchema[] {
  const next = typeof key === "number" ? items : (properties?.[String(key)] ?? additionalProperties);
  return typeof next === "object" && !Array.isArray(next) ? [next] : [];
}
