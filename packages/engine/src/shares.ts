/** Keeps one hung upstream from taking every slot of a stage while others could be served. */
export interface Shares {
  /** Undefined: the upstream has its share at work already. Else what gives the place back. */
  take(stage: string, upstream: string): (() => void) | undefined;
}

/** With one upstream there is nobody to be kept waiting. */
const largestShare = 0.75;

export function openShares(slotsOf: (stage: string) => number, upstreams: number): Shares {
  const taken = new Map<string, number>();
  return {
    take(stage, upstream) {
      const key = `${stage} ${upstream}`;
      const now = taken.get(key) ?? 0;
      const most = upstreams > 1 ? Math.max(1, Math.floor(slotsOf(stage) * largestShare)) : Number.POSITIVE_INFINITY;
      if (now >= most) return undefined;
      taken.set(key, now + 1);
      return () => void taken.set(key, (taken.get(key) ?? 1) - 1);
    },
  };
}
