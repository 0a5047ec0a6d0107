import { isUtf8 } from "node:buffer";
import { shown } from "./shown.ts";

/** A line, row or clip that is longer is not kept. */
export const mostBytes = 1024 * 1024;

/** Why text is not what was written. */
type Fault = "too long" | "not UTF-8" | "NUL";

export interface Text {
  /** Only its beginning where it was too long; with U+FFFD where it is not UTF-8. */
  readonly text: string;
  readonly fault: Fault | undefined;
}

export function textOf(bytes: Buffer): Text {
  const fault = !isUtf8(bytes) ? "not UTF-8" : bytes.includes(0) ? "NUL" : undefined;
  return { text: bytes.toString("utf8"), fault };
}

/** @param what that is at fault: `line`, `row`, `clip` */
export function faultWords({ text, fault }: Text, what: string): string {
  if (fault === "too long")
    return `This ${what} is longer than 1 MiB, and a prompt may have 32,000 characters; look for a quote or a bracket that is never closed.`;
  if (fault === "NUL")
    return `This ${what} holds a NUL byte, at ${shown(around(text, "\0"))}; take it out, or save the file as UTF-8.`;
  return `This ${what} is not UTF-8, at ${shown(around(text, "\uFFFD"))}; save the file as UTF-8 (Excel calls it "CSV UTF-8").`;
}

/** How many lines below its first the fault is. */
export const faultLine = ({ text, fault }: Text): number => {
  if (fault === undefined || fault === "too long") return 0;
  return text.slice(0, text.indexOf(fault === "NUL" ? "\0" : "\uFFFD")).split("\n").length - 1;
};

/** The place, with enough before it that a person finds it. */
const around = (text: string, mark: string): string => {
  const at = text.indexOf(mark);
  return text.slice(Math.max(0, at - 20), at + 20);
};
