import { type BatchBody, sayUsd } from "@reelq/contract";
import { standingNames } from "./standing.ts";
import type { Tally } from "./tally.ts";
import { sayBatch } from "./words.ts";
import { isClean, needsOf } from "./needs.ts";

/** What a program wants to know of a whole batch; money in millionths of a US dollar. */
export function summaryOf(batch: BatchBody, tally: Tally): object {
  const words = sayBatch(batch, { usd: sayUsd, clock: (iso) => iso });
  return {
    sentence: `${words.headline}; ${words.money}.`.replaceAll("\u00a0", " "),
    is_clean: isClean(batch),
    clips: tally.clips,
    standings: Object.fromEntries(
      standingNames.flatMap((name) => (tally.standings.has(name) ? [[name, tally.standings.get(name)]] : [])),
    ),
    reused: tally.reused,
    shared: tally.shared,
    money: batch.reelq.money,
    failures: [...tally.reasons.values()].map((reason) => ({
      class: reason.class,
      count: reason.count,
      meaning: reason.meaning,
      example: reason.example,
      charged: reason.charged,
      unknown: reason.unknown,
    })),
    needs: needsOf(batch, tally).map(({ title, steps }) => ({ title, commands: steps.map(({ command }) => command) })),
    stored_bytes: tally.storedBytes,
    first_sent_at: isoOf(tally.firstSentAt),
    last_stored_at: isoOf(tally.lastStoredAt),
  };
}

const isoOf = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
