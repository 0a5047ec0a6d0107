import { type Document, type Scalar, visit } from "yaml";
import type { Mistake } from "./config-mistake.ts";
import type { Environment } from "./environment.ts";
import { nearestName } from "./nearest.ts";

/** A value of the file that a variable is part of. */
export interface Filled {
  /** With the placeholder still in it. */
  readonly written: string;
  /** With what the variable holds, which may be a secret. */
  readonly text: string;
}

const PLACEHOLDER = /\$?\$\{([^}]*)(\}?)/g;

const advice = "write $${ where the text itself has ${";

/**
 * Replaces `${NAME}` in every value by that variable, and `$${NAME}` by `${NAME}`. Says which values were filled in,
 * and which placeholders could not be.
 */
export function fillIn(document: Document, lineAt: (node: Scalar) => number, env: Environment) {
  const mistakes: (Mistake & { readonly line: number })[] = [];
  const filled = new Map<unknown, Filled>();
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${")) return;
      const written = node.value;
      const text = written.replace(PLACEHOLDER, (whole, name: string, end: string) => {
        if (whole.startsWith("$$")) return whole.slice(1);
        const value = end === "" ? undefined : env[name];
        if (value !== undefined && !isBlank(value)) return value;
        mistakes.push({ line: lineAt(node), say: () => (end === "" ? notClosed : whyUnset(name, env)) });
        return whole;
      });
      node.value = text;
      filled.set(node, { written, text });
    },
  });
  return { filled, mistakes };
}

const isBlank = (value: string | undefined): boolean => value === undefined || value.trim() === "";

/** What follows is not shown: it may be a secret with a brace in it. */
const notClosed = `a placeholder has no } at its end; write \${NAME} for a variable, or ${advice}`;

function whyUnset(name: string, env: Environment): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `what stands in \${...} is no variable's name; ${advice}`;
  if (env[name] !== undefined) return `the variable ${name} is empty`;
  const isSet = (other: string): boolean => !isBlank(env[other]);
  const nearest = nearestName(name, Object.keys(env).filter(isSet));
  return `the variable ${name} is not set${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
}
