import type { z } from "zod";

/** One setting: the variable that holds it, and what it may be. */
export interface Setting<Schema extends z.ZodType = z.ZodType> {
  readonly variable: string;
  /** What it is for: a sentence for people. */
  readonly description: string;
  /** Ends the sentence "it must be ...". */
  readonly allowed: string;
  /** Reads the trimmed text, or `undefined` where the variable is unset or empty. */
  readonly schema: Schema;
  /** A secret's value is in no message. */
  readonly secret?: boolean;
}
