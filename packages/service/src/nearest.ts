/** Anything is near to a name of two letters. */
const SHORTEST_MEANT = 3;

/**
 * The known name nearest to one that nobody knows, if one is near enough to be meant: at most one slip of the
 * fingers in every four letters. Two neighbours swapped (`ULR`) are one slip.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(name.length / 4));
  let nearest: { name: string; slips: number } | undefined;
  for (const candidate of known) {
    if (candidate.length < SHORTEST_MEANT || Math.abs(candidate.length - name.length) > limit) continue;
    const slips = slipsBetween(name.toUpperCase(), candidate.toUpperCase());
    if (slips <= limit && slips < (nearest?.slips ?? Infinity)) nearest = { name: candidate, slips };
  }
  return nearest?.name;
}

/** The optimal string alignment distance: Levenshtein's, with swapped neighbours as one edit. */
function slipsBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j += 1) {
      const changed = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] && i > 1 && j > 1 ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(changed, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(a.length, b.length);
}
