import type { Goal, Line } from "./bench.ts";

export const ratioOf = ({ reelq, beside }: Line): number | undefined => beside && reelq / beside.figure;

/** Undefined: it has no goal. */
export function isMet(line: Line): boolean | undefined {
  const { goal } = line;
  const figure = goal?.of === "ratio" ? ratioOf(line) : line.reelq;
  if (goal === undefined || figure === undefined) return undefined;
  return figure >= (goal.atLeast ?? -Infinity) && figure <= (goal.atMost ?? Infinity);
}

const columns = ["what", "reelq", "beside it", "ratio", "goal"] as const;

/** Rows of words, the heads first; fit for a terminal and for Markdown alike. */
function rowsOf(lines: readonly Line[]): readonly (readonly string[])[] {
  return [
    columns,
    ...lines.map((line) => {
      const ratio = ratioOf(line);
      return [
        line.what,
        `${say(line.reelq)} ${line.unit}`.trim(),
        line.beside ? `${say(line.beside.figure)} ${line.beside.name}` : "",
        ratio === undefined ? "" : ratio.toFixed(2),
        line.goal ? `${sayGoal(line.goal)}: ${isMet(line) === true ? "met" : "missed"}` : "",
      ];
    }),
  ];
}

export function terminalTable(lines: readonly Line[]): string[] {
  const rows = rowsOf(lines);
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("  ")
      .trimEnd(),
  );
}

export function markdownTable(lines: readonly Line[]): string[] {
  const [heads, ...rows] = rowsOf(lines).map((row) => `| ${row.join(" | ")} |`);
  return [heads!, `|${columns.map((_, at) => (at === 0 ? " --- " : " ---: ")).join("|")}|`, ...rows];
}

/** Three digits that count, thousands parted. */
function say(figure: number): string {
  const size = Math.abs(figure);
  const digits = size >= 100 || Number.isInteger(figure) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return figure.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function sayGoal({ of, atLeast, atMost }: Goal): string {
  const bound = [
    ...(atLeast === undefined ? [] : [`at least ${atLeast.toLocaleString("en-US")}`]),
    ...(atMost === undefined ? [] : [`at most ${atMost.toLocaleString("en-US")}`]),
  ];
  return `${of === "ratio" ? "ratio " : ""}${bound.join(", ")}`;
}
