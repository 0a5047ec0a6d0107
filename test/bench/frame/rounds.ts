/** What each side did in its rounds, in their order. */
export type Rounds<Sides extends Record<string, () => Promise<unknown>>> = {
  readonly [Side in keyof Sides]: Awaited<ReturnType<Sides[Side]>>[];
};

/**
 * Runs all sides in turn, again and again: whatever else the machine does meets them alike. Who begins changes with
 * each round, and one round before them is thrown away.
 */
export async function interleaved<Sides extends Record<string, () => Promise<unknown>>>(
  count: number,
  sides: Sides,
  warmUp = 1,
): Promise<Rounds<Sides>> {
  const names = Object.keys(sides);
  const results: Record<string, unknown[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warmUp; round < count; round += 1) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const result = await sides[name]!();
      if (round >= 0) results[name]!.push(result);
    }
  }
  return results as Rounds<Sides>;
}

/** @throws RangeError where there is none */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new RangeError("There is no quantile of nothing.");
  return value;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? quantile(values, 0.5) : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of one figure of many rounds. */
export const medianOf = <Result>(rounds: readonly Result[], figure: (round: Result) => number): number =>
  median(rounds.map(figure));
