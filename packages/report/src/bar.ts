import { escaped } from "./escape.ts";

/**
 * Shares of a whole, side by side. What it shows also stands beside it in words.
 * @param shares in percent, in their order
 */
export function bar(
  name: string,
  label: string,
  shares: readonly (readonly [name: string, percent: number])[],
): string {
  let x = 0;
  const parts = shares.map(([share, percent]) => {
    const part = `<rect class="s-${share}" x="${x}" y="0" width="${percent}" height="1"/>`;
    x = Math.round((x + percent) * 100) / 100;
    return part;
  });
  return `<svg class="bar" data-bar="${name}" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="${escaped(label)}">${parts.join("")}</svg>`;
}
