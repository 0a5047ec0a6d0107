import { on } from "node:events";
import type { FactMap, Facts } from "@reelq/engine";

export type Fact<Name extends keyof FactMap> = FactMap[Name][0];

/** Waits for a fact that fits. Listens from the call on: ask before doing what brings the fact about. */
export async function until<Name extends keyof FactMap>(
  facts: Facts,
  name: Name,
  fits: (fact: Fact<Name>) => boolean,
  awaited: string,
  withinMs = 20_000,
): Promise<Fact<Name>> {
  try {
    for await (const [fact] of on(facts, name, { signal: AbortSignal.timeout(withinMs) }) as AsyncIterable<
      FactMap[Name]
    >)
      if (fits(fact)) return fact;
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error;
  }
  throw new Error(`Waited ${withinMs / 1000} s in vain for "${name}": ${awaited}.`);
}

/** Keeps every fact of a name from now on. */
export function recorded<Name extends keyof FactMap>(facts: Facts, name: Name): readonly Fact<Name>[] {
  const kept: Fact<Name>[] = [];
  const keep = (fact: Fact<Name>) => void kept.push(fact);
  facts.on(name, keep as never);
  return kept;
}
