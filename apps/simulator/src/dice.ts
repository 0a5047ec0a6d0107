/** Numbers from 0 to 1, the same ones for the same seed. */
export type Dice = () => number;

/** Dice of their own for each name: one more roll of one never shifts the rolls of another. */
export function diceFor(seed: string, name: string): Dice {
  let state = hash32(`${seed}/${name}`);
  // mulberry32: 32 bits of state are plenty for faults and render times.
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One draw of a log-normal distribution: `median` in the middle, `sigma` the spread of its logarithm. */
export function logNormal(dice: Dice, median: number, sigma: number): number {
  // Box-Muller; 1 - x because the logarithm of 0 has no value.
  const normal = Math.sqrt(-2 * Math.log(1 - dice())) * Math.cos(2 * Math.PI * dice());
  return median * Math.exp(sigma * normal);
}

/** FNV-1a. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
