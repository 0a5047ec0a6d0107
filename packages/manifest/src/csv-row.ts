import { shown } from "./shown.ts";

export type Separator = "," | ";" | "\t";

/** Takes a row line by line: a cell in quotes may go over several. */
export interface RowReader {
  /**
   * @param end of the line, which belongs to a cell in quotes that goes on after it
   * @returns whether the row is complete
   */
  take(line: string, end: string): boolean;
  readonly cells: readonly string[];
  /** What is wrong with its quotes, a whole sentence. */
  readonly mistake: string | undefined;
}

/**
 * Cells as RFC 4180 has them, and as people write them: blanks around a cell do not count, and a quote within a cell
 * that is not in quotes is a quote.
 */
export function openRow(separator: Separator): RowReader {
  const cells: string[] = [];
  const blanks = separator === "\t" ? / */y : /[ \t]*/y;
  /** The parts of a cell in quotes that is still open. */
  let open: string[] | undefined;
  let mistake: string | undefined;

  const skipBlanks = (line: string, from: number): number => {
    blanks.lastIndex = from;
    blanks.test(line);
    return blanks.lastIndex;
  };

  /** @returns where the quotes end; undefined where they do not on this line */
  function takeQuoted(line: string, from: number, end: string, parts: string[]): number | undefined {
    for (let at = from; ;) {
      const quote = line.indexOf('"', at);
      if (quote === -1) {
        parts.push(line.slice(at), end);
        return undefined;
      }
      parts.push(line.slice(at, quote));
      if (line[quote + 1] !== '"') return quote + 1;
      parts.push('"');
      at = quote + 2;
    }
  }

  return {
    take(line, end) {
      for (let at = 0; ;) {
        const start = open ? at : skipBlanks(line, at);
        if (!open && line[start] !== '"') {
          const next = line.indexOf(separator, start);
          cells.push(trimmed(line.slice(start, next === -1 ? undefined : next)));
          if (next === -1) return true;
          at = next + 1;
          continue;
        }
        const parts = open ?? [];
        const closed = takeQuoted(line, open ? start : start + 1, end, parts);
        open = closed === undefined ? parts : undefined;
        if (closed === undefined) return false;
        cells.push(parts.join(""));
        const after = skipBlanks(line, closed);
        const next = line.indexOf(separator, after);
        if (after < line.length && next !== after)
          mistake ??= `After the quotes of a cell comes ${shown(line.slice(after))}; write a quote that belongs to the text twice ("").`;
        if (next === -1) return true;
        at = next + 1;
      }
    },
    get cells() {
      return cells;
    },
    get mistake() {
      return mistake;
    },
  };
}

const trimmed = (cell: string): string => withoutEnd(cell, " \t");

/** Without those characters at its end; a pattern would try at each of them. */
export function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1] ?? "")) end -= 1;
  return text.slice(0, end);
}
