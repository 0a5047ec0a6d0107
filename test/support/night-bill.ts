import { EventEmitter } from "node:events";
import type { MicroUsd } from "@reelq/contract";
import type { Clock } from "@reelq/engine";

/** What an upstream saw, in the order in which it happened. */
export interface NightEntry {
  /**
   * `asked`: a POST arrived. `refused`, `throttled`, `began`: what it was answered with. `charged`, `free`: how its render
   * ended.
   */
  readonly kind: "asked" | "refused" | "throttled" | "began" | "charged" | "free";
  /** By the night's clock, ms since 1970. */
  readonly at: number;
  /** By the machine's, ms since the process began. */
  readonly machineMs: number;
  readonly account: string;
  /** Whose POST it was. */
  readonly worker: string;
  readonly model: string;
  readonly prompt: string;
  /** What the render costs, where it is made. */
  readonly micros: MicroUsd;
}

/** All that the upstreams of a night saw and charged, written apart from what reelq writes. */
export interface NightBill {
  readonly entries: readonly NightEntry[];
  /** Tells each entry. */
  readonly events: EventEmitter<{ entry: [NightEntry] }>;
  write(entry: Omit<NightEntry, "at" | "machineMs">): void;
  count(kind: NightEntry["kind"], of?: (entry: NightEntry) => boolean): number;
  /** What was charged. */
  total(of?: (entry: NightEntry) => boolean): MicroUsd;
  /** Renders that have not ended. */
  running(of?: (entry: NightEntry) => boolean): number;
}

const everything = (): boolean => true;

export function openNightBill(clock: Clock): NightBill {
  const entries: NightEntry[] = [];
  const events = new EventEmitter<{ entry: [NightEntry] }>();
  events.setMaxListeners(0);
  const count: NightBill["count"] = (kind, of = everything) =>
    entries.filter((entry) => entry.kind === kind && of(entry)).length;
  return {
    entries,
    events,
    count,

    write(facts) {
      const entry = { ...facts, at: clock.now(), machineMs: performance.now() };
      entries.push(entry);
      events.emit("entry", entry);
    },

    total: (of = everything) =>
      entries.reduce((sum, entry) => sum + (entry.kind === "charged" && of(entry) ? entry.micros : 0), 0),

    running: (of = everything) => count("began", of) - count("charged", of) - count("free", of),
  };
}

/** What was charged or might still be, each time that a render had begun: what no cap may be below. */
export function* commitments(
  { entries }: NightBill,
  of: (entry: NightEntry) => boolean,
): Generator<{ readonly entry: NightEntry; readonly micros: MicroUsd; readonly running: number }> {
  let [micros, running] = [0, 0];
  for (const entry of entries.filter(of)) {
    if (entry.kind === "began") {
      micros += entry.micros;
      running += 1;
      yield { entry, micros, running };
    }
    if (entry.kind === "free") micros -= entry.micros;
    if (entry.kind === "free" || entry.kind === "charged") running -= 1;
  }
}
