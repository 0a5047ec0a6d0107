import type { Looks } from "@reelq/contract";
import type { Reading } from "./learned.ts";

/** Of each render so many reports of progress are kept, to learn from when it is done. */
const mostReadings = 8;

/** The render's age in ms and what it reported then, as the record keeps them. */
type Kept = NonNullable<Looks["readings"]>;

/** The first ones say most of how far ahead progress can be trusted, the last ones of how it ends. */
export function withReading(kept: Kept, { ageMs, progress }: Reading): Kept {
  const all: Kept = [...kept, [Math.round(ageMs), progress]];
  return all.length > mostReadings ? all.toSpliced(mostReadings / 2, 1) : all;
}

/** «Almost done» promises nothing once it was said so often in a row. */
const almostDone = 95;
const stuckTimes = 3;

/** What the next look may be planned by; undefined: the report is stuck near its end, and the age alone counts. */
export function believable(reading: Reading, kept: Kept): Reading | undefined {
  const last = kept.slice(-stuckTimes);
  const isStuck =
    reading.progress >= almostDone &&
    last.length === stuckTimes &&
    last.every(([, progress]) => progress >= reading.progress);
  return isStuck ? undefined : reading;
}
