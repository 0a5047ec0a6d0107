import type { z } from "zod";

type RawIssue = z.core.$ZodRawIssue;

/** What a key gets that nobody knows, where the schema has no words of its own for it. */
export const notKnown = "is not known";

/**
 * Says in plain words what a schema found, where it has none of its own. No value is in them: it may be a secret.
 * Undefined where zod's own words have to do.
 */
export function plainWords(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return wrongKind([issue.expected], issue.input);
    case "invalid_union":
      return wrongKind(kindsOfUnion(issue), issue.input);
    case "too_small":
      return tooSmall(issue);
    case "too_big":
      return tooBig(issue);
    case "invalid_value":
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_key":
      return issue.issues[0]?.message;
    case "unrecognized_keys":
      return notKnown;
    default:
      return undefined;
  }
}

/** How people call what zod calls by its types. */
const kinds: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

function wrongKind(expected: readonly string[], input: unknown): string | undefined {
  if (expected.length === 0) return undefined;
  const wanted = expected.map((one) => kinds[one] ?? one).join(" or ");
  if (input === undefined) return `is missing; it must be ${wanted}`;
  if (input === null) return `has no value; it must be ${wanted}`;
  if (typeof input === "number" && !Number.isFinite(input)) return `must be ${wanted}, and a finite one`;
  if (typeof input === "number" && expected.includes("int")) return `must be ${wanted}`;
  const given = typeof input === "boolean" ? String(input) : kindOf(input);
  const canBeQuoted = expected.includes("string") && typeof input !== "object";
  return `must be ${wanted}, not ${given}${canBeQuoted ? "; put it in quotes" : ""}`;
}

const kindOf = (input: unknown): string => kinds[Array.isArray(input) ? "array" : typeof input] ?? typeof input;

/** What a union takes, where nothing but the kind was wrong. */
function kindsOfUnion({ errors }: Extract<RawIssue, { code: "invalid_union" }>): string[] {
  const expected = errors.flatMap(([first, ...others]) =>
    first?.code === "invalid_type" && first.path.length === 0 && others.length === 0 ? first.expected : [],
  );
  return expected.length === errors.length ? expected : [];
}

function tooSmall({ origin, minimum, inclusive }: Extract<RawIssue, { code: "too_small" }>): string {
  if (isAmount(origin)) return `must be ${inclusive === false ? "above" : "at least"} ${minimum}`;
  return minimum <= 1 ? "is empty" : `must have at least ${parts(minimum, origin)}`;
}

function tooBig({ origin, maximum, inclusive }: Extract<RawIssue, { code: "too_big" }>): string {
  if (isAmount(origin)) return `must be ${inclusive === false ? "below" : "at most"} ${maximum}`;
  return `must have at most ${parts(maximum, origin)}`;
}

const isAmount = (origin: string): boolean => ["number", "int", "bigint"].includes(origin);

function parts(count: number | bigint, origin: string): string {
  const [one, many] = origin === "string" ? ["character", "characters"] : ["entry", "entries"];
  return `${count} ${Number(count) === 1 ? one : many}`;
}
