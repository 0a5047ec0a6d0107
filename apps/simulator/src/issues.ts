import type { z } from "zod";

/** Everything that is wrong with a value, in one line: where, and what is allowed there. */
export const issuesOf = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : message)).join("; ");
