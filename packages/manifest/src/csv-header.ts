import { manifestFields, nearestName } from "@reelq/contract";
import { columnNamed, fieldNamed, isFieldName } from "./field-names.ts";
import { openRow, type Separator } from "./csv-row.ts";
import { end, type Reading, wrong } from "./reading.ts";
import { shown } from "./shown.ts";

const separators: readonly Separator[] = [",", ";", "\t"];

export const separatorNames: Readonly<Record<Separator, string>> = { ",": "comma", ";": "semicolon", "\t": "tab" };

/** The separator by which the first line of a header row names most of our fields. */
export function separatorOf(line: string, otherwise: Separator): Separator {
  const counted = [otherwise, ...separators].map((separator) => ({ separator, count: countFields(line, separator) }));
  return counted.reduce((best, one) => (one.count > best.count ? one : best)).separator;
}

/** How many of our fields a line names as a header row. */
function countFields(line: string, separator: Separator): number {
  const row = openRow(separator);
  row.take(line, "");
  return row.cells.filter((cell) => isFieldName(columnNamed(cell))).length;
}

/** Whether a line can be the header row of a table. */
export const isHeader = (line: string): boolean => separators.some((separator) => countFields(line, separator) > 0);

const mostColumns = 1_000;

export interface Header {
  /** What each column is called; undefined where nothing can be done with it. */
  readonly columns: readonly (string | undefined)[];
  readonly mistakes: readonly Reading[];
}

export function headerOf(cells: readonly string[], line: number): Header {
  const names = cells.map(columnNamed);
  if (!names.some(isFieldName)) {
    const message = `The file has no header row: the first row holds ${shown(cells.join(", "))}, and should name the columns, like: id, prompt, model.`;
    return { columns: [], mistakes: [end(line, message)] };
  }
  if (names.length > mostColumns)
    return {
      columns: [],
      mistakes: [end(line, `The header row names ${names.length} columns; ${mostColumns} are the most.`)],
    };
  const first = new Map<string, string>();
  const mistakes: Reading[] = [];
  if (names.includes("")) mistakes.push(wrong(line, namelessWords(names)));
  const columns = names.map((name) => {
    const before = first.get(fieldNamed(name));
    if (name === "") return undefined;
    if (!isFieldName(name)) mistakes.push(wrong(line, unknownWords(name), name));
    else if (before === name) mistakes.push(wrong(line, `Two columns are called ${shown(name)}; keep one.`, name));
    else if (before !== undefined)
      mistakes.push(wrong(line, `${shown(before)} and ${shown(name)} mean the same; keep one of the columns.`, name));
    else {
      first.set(fieldNamed(name), name);
      return name;
    }
    return undefined;
  });
  return { columns, mistakes };
}

/** Told once, not for each row; and also where no row has anything in it, for it may be one of ours written wrong. */
function unknownWords(name: string): string {
  const meant = nearestName(name.slice(0, 80), manifestFields);
  const hint = meant ? `did you mean "${meant}"?` : `known fields: ${manifestFields.join(", ")}; take the column out.`;
  return `Unknown column ${shown(name)}; ${hint}`;
}

function namelessWords(names: readonly string[]): string {
  const places = names.flatMap((name, index) => (name === "" ? [index + 1] : []));
  if (places.length === 1) return `Column ${places.join()} has no name; give it one, or take it out.`;
  return `Columns ${shown(places.join(", ")).slice(1, -1)} have no name; give them some, or take them out.`;
}
