import type { Output } from "../terminal.ts";

/** A part of a terminal that is drawn over again and again. */
export interface Screen {
  draw(lines: readonly string[]): void;
}

export function openScreen(output: Output): Screen {
  let drawn: readonly string[] = [];
  let drawnColumns = 0;
  return {
    draw(lines) {
      const { columns, rows } = output;
      // A terminal that was made narrower has broken what was drawn into more rows.
      const rowsOf = (line: string) => Math.max(1, Math.ceil(Math.min([...line].length, drawnColumns) / columns));
      const up = Math.min(
        drawn.reduce((sum, line) => sum + rowsOf(line), 0),
        rows - 1,
      );
      // Cleared before and not after: behind a line that is as wide as the screen, its last character would go too.
      const text = lines.map((line) => `\x1b[K${line}\n`).join("");
      // What is too wide all the same is cut by the terminal, so that no line becomes two while it is drawn.
      output.write(`\x1b[?7l${up > 0 ? `\x1b[${up}A` : ""}\r${text}\x1b[J\x1b[?7h`);
      drawn = lines;
      drawnColumns = columns;
    },
  };
}
