import { HOUR, MINUTE } from "./clock.ts";

/** So many misses in a row are taken for the rule. */
const missesToRest = 2;

/** How long nothing is asked then: `none`, the server's own answer, holds longer than `missed`, which may pass. */
const restMs = { none: HOUR, missed: 5 * MINUTE } as const;

export type Miss = keyof typeof restMs;

/** Which pictures an upstream has proved not to have, so that it is not asked for them with each video. */
export interface VariantMemory {
  mayAsk(what: string, now: number): boolean;
  had(what: string): void;
  hadNot(what: string, miss: Miss, now: number): void;
}

export function openVariantMemory(): VariantMemory {
  const misses = new Map<string, { readonly inARow: number; readonly restsUntil: number }>();
  return {
    mayAsk: (what, now) => now >= (misses.get(what)?.restsUntil ?? 0),
    had: (what) => void misses.delete(what),
    hadNot(what, miss, now) {
      const inARow = (misses.get(what)?.inARow ?? 0) + 1;
      misses.set(what, { inARow, restsUntil: inARow >= missesToRest ? now + restMs[miss] : 0 });
    },
  };
}
