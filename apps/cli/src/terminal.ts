import { stripVTControlCharacters } from "node:util";

export interface Output {
  readonly isTerminal: boolean;
  /** Characters in a line; unlimited where nobody looks. */
  readonly columns: number;
  /** Lines on the screen; unlimited where nobody looks. */
  readonly rows: number;
  write(text: string): void;
}

export const standardOutput: Output = {
  isTerminal: process.stdout.isTTY,
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
  },
  get rows() {
    return process.stdout.isTTY ? process.stdout.rows : Number.POSITIVE_INFINITY;
  },
  write: (text) => void process.stdout.write(text),
};

/** One line of it, without anything that could steer the terminal, at most so long. */
export function shorten(text: string, length: number): string {
  const plain = stripVTControlCharacters(text)
    .replaceAll(/\p{Cc}+/gu, " ")
    .replaceAll(/\s+/g, " ")
    .trim();
  const characters = [...plain];
  return characters.length > length ? `${characters.slice(0, Math.max(0, length - 1)).join("")}…` : plain;
}

/** Columns that line up; numbers to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  rightAligned: ReadonlySet<string> = new Set(),
): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => [...(row[column] ?? "")].length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const gap = " ".repeat((widths[column] ?? 0) - [...cell].length);
        return rightAligned.has(head[column] ?? "") ? gap + cell : cell + gap;
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [line(head), rule, ...rows.map(line)].join("\n");
}
