import { type Header, headerOf, isHeader, separatorNames, separatorOf } from "./csv-header.ts";
import { openRow, type RowReader, type Separator, withoutEnd } from "./csv-row.ts";
import { columnNamed, fieldNamed } from "./field-names.ts";
import { type Line, openLines } from "./lines.ts";
import { type FormatReader, type Reading, wrong } from "./reading.ts";
import { shown } from "./shown.ts";
import { faultWords, mostBytes } from "./text.ts";

/** No prompt has more. */
const mostRowLines = 32_000;

/** A row whose end has not come. */
interface OpenRow {
  readonly row: RowReader;
  readonly lines: Line[];
  /** In UTF-16 code units. */
  length: number;
}

/**
 * Reads a table: a row that names the columns, then a row for each clip, separated by commas, semicolons or tabs.
 * Before the header row may stand `sep=;`, as Excel writes it, and lines like `# model: sora-2`: defaults. Other
 * lines that begin with `#` there are skipped. A cell that is empty says nothing; a row of empty cells is skipped.
 * The values are text as they stand in the cells; tags are split at semicolons: `night; city`.
 * @param separator where the header row does not show it
 */
export function openCsv(separator: Separator): FormatReader {
  const lines = openLines();
  let between = separator;
  let header: Header | undefined;
  let open: OpenRow | undefined;

  function* take(line: Line): Generator<Reading> {
    if (!open) {
      if (line.fault === undefined && line.text.trim() === "") return;
      if (!header && line.fault === undefined && isBeforeHeader(line.text)) {
        between = (excelSeparator.exec(line.text.trim())?.[1] as Separator | undefined) ?? between;
        yield* headOf(line);
        return;
      }
      if (!header) between = separatorOf(line.text, between);
    }
    const current = (open ??= { row: openRow(between), lines: [], length: 0 });
    current.lines.push(line);
    current.length += line.text.length + line.end.length;
    // What is behind the beginning of too long a line may have closed the quotes that it opens.
    if (current.row.take(line.fault === "too long" ? "" : line.text, line.end)) {
      open = undefined;
      yield* rowOf(current);
    } else if (current.length > mostBytes || current.lines.length > mostRowLines) yield* giveUp(current);
  }

  /** Its quote may never close: the lines after its first are read again, as rows of their own. */
  function* giveUp({ lines: [first, ...others] }: OpenRow): Generator<Reading> {
    open = undefined;
    if (first)
      yield wrong(
        first.number,
        `The row that begins here, with ${shown(first.text)}, opens a quote that is not closed; close it, or write a quote that belongs to the text twice ("") within quotes.`,
      );
    // What stood between the quotes has no single quote, so none of these opens another such row.
    for (const line of others) yield* take(line);
  }

  function* rowOf({ row, lines: written }: OpenRow): Generator<Reading> {
    const line = written[0]?.number ?? 1;
    const faulty = written.find(({ fault }) => fault !== undefined);
    const mistake = faulty ? faultWords(faulty, "row") : row.mistake;
    if (mistake !== undefined) yield wrong(faulty?.number ?? line, mistake);
    if (!header) {
      header = headerOf(row.cells, line);
      yield* header.mistakes;
    } else if (mistake === undefined && row.cells.some((cell) => cell !== "")) yield clipOf(row.cells, header, line);
  }

  function clipOf(cells: readonly string[], { columns }: Header, line: number): Reading {
    if (cells.length !== columns.length) return wrong(line, countWords(cells.length, columns));
    const named = columns.flatMap((name, index) => {
      const cell = cells[index] ?? "";
      return name === undefined || cell === "" ? [] : [[name, valueOf(name, cell)] as const];
    });
    return { kind: "clip", line, given: Object.fromEntries(named), isRow: true };
  }

  function countWords(count: number, columns: Header["columns"]): string {
    const names = columns.map((name) => name ?? "").join(", ");
    const hint =
      count > columns.length
        ? `put a cell that holds a ${separatorNames[between]} into double quotes`
        : `leave a cell empty where nothing is to be said, but keep its ${separatorNames[between]}`;
    return `This row has ${cellsIn(count)}, and the header row ${cellsIn(columns.length)} (${shown(names).slice(1, -1)}); ${hint}.`;
  }

  return {
    *push(bytes) {
      for (const line of lines.push(bytes)) yield* take(line);
    },
    *end() {
      for (const line of lines.end()) yield* take(line);
      while (open) yield* giveUp(open);
    },
  };
}

const cellsIn = (count: number): string => `${count} ${count === 1 ? "cell" : "cells"}`;

const valueOf = (name: string, cell: string): unknown => {
  if (fieldNamed(name) !== "tags") return cell;
  return cell
    .split(";")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "");
};

/** A header row may begin with a column that is called `#`. */
const isBeforeHeader = (line: string): boolean =>
  (/^\s*"?#/.test(line) && !(/^\s*"?#"?\s*[,;\t]/.test(line) && isHeader(line))) || excelSeparator.test(line.trim());

const excelSeparator = /^sep=([,;\t])$/i;

/** The default on a line `# name: value`, which a table's program may have put in quotes and followed by empty cells. */
function* headOf({ text, number }: Line): Generator<Reading> {
  const cell = withoutEnd(text.trim(), ",;\t ");
  const plain = cell.startsWith('"') && cell.endsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
  const [, written, value = ""] = /^#\s*([\w-]+)\s*[:=]\s*(.*)$/su.exec(plain) ?? [];
  if (written === undefined || value === "") return;
  const name = columnNamed(written);
  yield { kind: "head", line: number, given: { [name]: valueOf(name, value) } };
}
