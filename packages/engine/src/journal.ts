import type { Engine } from "./engine.ts";
import { defineScripts } from "./scripts.ts";

/** So many postings are kept one by one: about 30 MB, a night of 30,000 clips. */
const keptPostings = 100_000;

/** Others wait for the script meanwhile. */
const foldedAtOnce = 500;

/** Draws old postings together, so that the journal does not grow for ever. @param kept postings that stay */
export async function foldJournal({ redis, keys }: Pick<Engine, "redis" | "keys">, kept = keptPostings): Promise<void> {
  const scripts = defineScripts(redis);
  for (let left = (await redis.xlen(keys.moneyJournal)) - kept; left > 0; left -= foldedAtOnce)
    await scripts.fold([keys.moneyJournal, keys.moneyOpening], [Math.min(left, foldedAtOnce)]);
}
