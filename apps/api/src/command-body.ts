import { problem } from "@reelq/contract";
import type { Request } from "express";
import { readJsonCommand } from "./whole-body.ts";

const maxCommandBytes = 16 * 1024;

interface FieldTypes {
  boolean: boolean;
  string: string;
}

/**
 * Reads the small JSON body of a command on a video; each field may be left out.
 * @throws ProblemError
 */
export async function readCommand<const Shape extends Readonly<Record<string, keyof FieldTypes>>>(
  request: Request,
  shape: Shape,
): Promise<{ [Name in keyof Shape]?: FieldTypes[Shape[Name]] }> {
  const body = await readJsonCommand(request, maxCommandBytes);
  for (const [name, value] of Object.entries(body)) {
    const type = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (type === undefined)
      throw problem(
        "unknown_field",
        `Unknown field ${JSON.stringify(name)}; known fields: ${Object.keys(shape).join(", ")}.`,
        name,
      );
    if (typeof value !== type || value === "")
      throw problem("invalid_value", `${name} must be ${type === "boolean" ? "true or false" : "a text"}.`, name);
  }
  return body as { [Name in keyof Shape]?: FieldTypes[Shape[Name]] };
}
