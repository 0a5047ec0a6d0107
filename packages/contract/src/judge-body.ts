import { z } from "zod";
import { nearestName } from "./nearest.ts";
import { type Problem, ProblemError } from "./problem.ts";

/**
 * Reads the JSON body of a call.
 * @throws ProblemError with everything that is wrong with it: the field, what was given, and what is allowed
 */
export function judgeBody<Schema extends z.ZodObject>(schema: Schema, given: unknown): z.infer<Schema> {
  const judged = schema.safeParse(given, { reportInput: true });
  if (judged.success) return judged.data;
  const allowed = z.toJSONSchema(schema, { io: "input" });
  const problems = judged.error.issues.flatMap((issue) => problemsOf(issue, partAt(allowed, issue.path)));
  throw new ProblemError(problems as [Problem, ...Problem[]]);
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What is allowed at a place in a body; undefined where the schema does not reach it. */
function partAt(schema: JsonSchema, path: readonly PropertyKey[]): JsonSchema | undefined {
  let part: JsonSchema | undefined = schema;
  for (const step of path) {
    part = (part ? optionsOf(part) : []).map((one) => stepInto(one, step)).find((one) => one !== undefined);
  }
  return part;
}

/** What may stand in one place, one type each. */
function optionsOf(schema: JsonSchema): readonly JsonSchema[] {
  if (schema.anyOf) return schema.anyOf.flatMap((one) => optionsOf(one));
  const { type } = schema;
  return Array.isArray(type) ? Array.from(type as JsonType[], (one) => ({ ...schema, type: one })) : [schema];
}

type JsonType = Exclude<JsonSchema["type"], undefined>;

function stepInto({ properties, items, additionalProperties: others }: JsonSchema, step: PropertyKey) {
  const inside = typeof step === "number" ? items : (properties?.[String(step)] ?? others);
  return typeof inside === "object" && !Array.isArray(inside) ? inside : undefined;
}

function problemsOf(issue: z.core.$ZodIssue, allowed: JsonSchema | undefined): Problem[] {
  const param = fieldOf(issue.path);
  const place = nameOf(issue.path);
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((name) => unknownField(param, name, allowed?.properties ?? {}));
  if (issue.code === "invalid_type" && issue.input === undefined)
    return [{ code: "missing_value", message: `${place} is required.`, param }];
  const message =
    issue.code === "custom" || !allowed
      ? `${place}: ${issue.message}${/[.?]$/.test(issue.message) ? "" : "."}`
      : `${place} ${sayGiven(issue.input)} must be ${sayAllowed(allowed)}.${hintOf(issue.input, allowed)}`;
  return [{ code: "invalid_value", message, param }];
}

/** The field at fault: `reelq.priority`; of an entry in a list, the list. */
const fieldOf = (path: readonly PropertyKey[]): string => path.filter((step) => typeof step === "string").join(".");

/** `reelq.priority`, `custom_ids[3]`. */
const nameOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((name, step) => (typeof step === "number" ? `${name}[${step}]` : under(name, String(step))), "");

const under = (name: string, field: string): string => (name === "" ? field : `${name}.${field}`);

function unknownField(inside: string, name: string, properties: object): Problem {
  const known = Object.keys(properties);
  const meant = nearestName(name.slice(0, longestGiven), known);
  const hint = meant ? `did you mean "${meant}"?` : `known fields: ${known.join(", ")}.`;
  const place = inside === "" ? "" : ` in ${inside}`;
  const shown = name.slice(0, longestGiven);
  return {
    code: "unknown_field",
    message: `Unknown field ${JSON.stringify(shown)}${place}; ${hint}`,
    param: under(inside, shown),
  };
}

const longestGiven = 80;

const sayGiven = (given: unknown): string => {
  const text = JSON.stringify(given) ?? String(given);
  return text.length > longestGiven ? `${text.slice(0, longestGiven)}…` : text;
};

/** Part of a sentence: `a whole number from 0 to 1000`, `one of finish, cancel`. */
const sayAllowed = (schema: JsonSchema): string => [...new Set(optionsOf(schema).map(sayOne))].join(" or ");

function sayOne({ type, enum: words, const: only, ...limits }: JsonSchema): string {
  if (only !== undefined) return JSON.stringify(only);
  if (words) return `one of ${words.join(", ")}`;
  switch (type) {
    case "integer":
      return `a whole number${sayRange(limits.minimum, limits.maximum)}`;
    case "number":
      return `a number${sayRange(limits.minimum, limits.maximum)}`;
    case "boolean":
      return "true or false";
    case "string":
      return `a text${sayLength(limits.minLength, limits.maxLength, "characters")}`;
    case "array":
      return `a list${sayLength(limits.minItems, limits.maxItems, "entries")}`;
    case "null":
      return "null";
    default:
      return "an object";
  }
}

const sayRange = (least?: number, most?: number): string =>
  [
    least === undefined || least === Number.MIN_SAFE_INTEGER ? "" : ` from ${least}`,
    most === undefined || most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`,
  ].join("");

function sayLength(least: number | undefined, most: number | undefined, of: string): string {
  if (most !== undefined) return ` of ${least ?? 0} to ${most} ${of}`;
  return least === undefined
    ? ""
    : ` of at least ${least} ${least === 1 ? of.replace(/ies$/, "y").replace(/s$/, "") : of}`;
}

function hintOf(given: unknown, schema: JsonSchema): string {
  const words = optionsOf(schema).flatMap((one) => one.enum ?? []);
  const meant = typeof given === "string" ? nearestName(given.slice(0, longestGiven), words.map(String)) : undefined;
  return meant === undefined ? "" : ` Did you mean "${meant}"?`;
}
