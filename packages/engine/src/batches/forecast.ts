import { Temporal } from "temporal-polyfill";
import { DAY, HOUR, MINUTE } from "../clock.ts";
import { rateWindowMs } from "../lane.ts";
import { neverCloses, type Stretch } from "./window.ts";

/** What is known of clips that wait for a lane. Several may wait for the same one, where their lengths differ: they share its places. */
export interface ForecastLane {
  readonly lane: string;
  /** Clips of the batch that wait for it. */
  readonly waiting: number;
  /** Ages in ms of what runs in it already, whoever's: all of them hold its places. */
  readonly running: readonly number[];
  /** How many of those, or on their way into it or out of it, are the batch's own. */
  readonly own?: number;
  /** Renders at once; Infinity: as many as there are, 0: none. */
  readonly places: number;
  /** POSTs in a minute; Infinity: as many as there are, 0: none. */
  readonly perMinute: number;
  /** How long a render takes; not known where it is no number, or not above 0. */
  readonly medianMs: number;
  /** What 95 of 100 renders stay under; a number too, where it is known how long they take. */
  readonly p95Ms: number;
  /** Others' clips that wait for the same places: they are taken in turn with the batch's, one for one. */
  readonly foreignAhead: number;
}

/** Times in ms since 1970. */
export interface Forecast {
  /** When the last clip should be stored, were no window to close before; null where nobody can say. */
  readonly endsAt: number | null;
  /** Whether all can be sent early enough; null without a window, or where nobody can say. */
  readonly fits: boolean | null;
  /** Clips that cannot be sent before the last moment at which that makes sense. */
  readonly unfit: number;
  /** Clips that wait. */
  readonly of: number;
  readonly sentence: string;
}

/** A clip sent after this would most likely not be rendered when the window closes. */
export const lastStart = (closesAt: number, p95Ms: number): number => closesAt - p95Ms;

/**
 * Whether what waits fits the window, and when it ends; by sending each clip in thought. At most 50,000 of them take some tens of ms.
 * @param given the stretch that is open, or the next one; undefined, or one that never closes: it may send at any time
 * @param downloadMs from a render's end until its file is stored
 * @param zone in which the sentence tells times
 */
export function forecast(
  lanes: readonly ForecastLane[],
  now: number,
  given: Pick<Stretch, "opensAt" | "closesAt"> | undefined,
  downloadMs: number,
  zone = "UTC",
): Forecast {
  const stretch = given && given.closesAt < neverCloses ? given : undefined;
  const startsAt = Math.max(now, stretch?.opensAt ?? now);
  const closesAt = stretch?.closesAt ?? Number.POSITIVE_INFINITY;
  const known = lanes.filter((lane) => !whyStuck(lane));
  const stuck = lanes.filter((lane) => whyStuck(lane));
  const nights = known.map((lane) => sendAll(beside(lane, known), now, startsAt, closesAt));
  const of = sum(lanes.map(({ waiting, own = 0 }) => waiting + own));
  const unfit = sum(nights.map((night) => night.unfit));
  const renderedAt = Math.max(0, ...nights.map((night) => night.endsAt));
  const endsAt = stuck.length > 0 || renderedAt === 0 ? null : Math.round(renderedAt + downloadMs);
  const fits = stretch === undefined || (stuck.length > 0 && unfit === 0) ? null : unfit === 0;
  const facts = { endsAt, fits, unfit, of };
  const slowestMs = Math.max(0, ...known.flatMap(({ p95Ms }, at) => (nights[at]!.unfit > 0 ? [p95Ms] : [])));
  return { ...facts, sentence: sentenceOf(facts, stuck, slowestMs, tellerOf(now, stretch?.closesAt, zone)) };
}

/** Why nobody can say when a lane is done, a part of a sentence. */
function whyStuck({ lane, waiting, running, places, perMinute, medianMs, p95Ms }: ForecastLane): string | undefined {
  if (waiting === 0 && running.length === 0) return undefined;
  if (waiting > 0 && !(places >= 1)) return `${lane} has no places`;
  if (waiting > 0 && !(perMinute >= 1)) return `${lane} may send nothing`;
  if (!(medianMs > 0 && Number.isFinite(medianMs + p95Ms))) return `nobody knows how long ${lane} renders`;
  return undefined;
}

/** To clips of one length, those of the others are foreign. */
function beside(lane: ForecastLane, all: readonly ForecastLane[]): ForecastLane {
  const others = all.filter((other) => other !== lane && other.lane === lane.lane);
  return { ...lane, foreignAhead: lane.foreignAhead + sum(others.map(({ waiting }) => waiting)) };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

interface Night {
  /** When the last render ends; 0: there is none. */
  readonly endsAt: number;
  readonly unfit: number;
}

/** Sends a lane's clips one after the other, each as soon as it finds a place and the rate allows. */
function sendAll(lane: ForecastLane, now: number, startsAt: number, closesAt: number): Night {
  const { waiting, places, perMinute, p95Ms } = lane;
  const lengths = lengthsOf(lane);
  const ends = lane.running.map((ageMs, at) => now + lengths.rest(Math.max(0, ageMs), at));
  const foreign = Math.min(lane.foreignAhead, waiting);
  const turns = waiting + foreign;
  const free = placesFrom(ends, Math.min(places, turns + ends.length));
  const sent = new Float64Array(Math.min(perMinute, turns));
  const last = lastStart(closesAt, p95Ms);
  let [endsAt, unfit] = [ends.reduce((latest, end) => Math.max(latest, end), 0), 0];
  for (let turn = 0; turn < turns; turn += 1) {
    const at = Math.max(startsAt, free[0]!, sent[turn % sent.length]!);
    const end = at + lengths.whole(turn);
    sent[turn % sent.length] = at + rateWindowMs;
    occupy(free, end);
    // While both have some left, the others go first.
    if (turn < foreign * 2 && turn % 2 === 0) continue;
    endsAt = Math.max(endsAt, end);
    if (at > last) unfit += 1;
  }
  return { endsAt, unfit };
}

/**
 * How long renders take: log-logistic, because that has a median, a longest twentieth, and a simple inverse. Each
 * length is drawn at another share, evenly spread (by the golden ratio) from 1 to 99 in 100, so that the same facts give the same forecast.
 */
function lengthsOf({ medianMs, p95Ms }: ForecastLane) {
  const spread = Math.log(Math.max(p95Ms / medianMs, 1)) / Math.log(19);
  const drawn = (at: number): number => 0.01 + 0.98 * ((0.5 + at * 0.618_033_988_749_895) % 1);
  const longerThan = (share: number): number => medianMs * (1 / share - 1) ** spread;
  return {
    whole: (at: number): number => longerThan(drawn(at)),
    /** Of one that has run for so long. */
    rest(ageMs: number, at: number): number {
      const left = spread > 0 ? Math.max(1 / (1 + (ageMs / medianMs) ** (1 / spread)), 1e-12) : 1;
      return Math.max(0, longerThan(left * drawn(at)) - ageMs);
    },
  };
}

/** When each place is free, the earliest first: a heap. Where more run than there are places, only the last ends free one. */
function placesFrom(ends: readonly number[], places: number): Float64Array {
  const free = new Float64Array(places);
  free.set(ends.toSorted((a, b) => b - a).slice(0, places));
  return free.sort();
}

/** Takes the place that is free first, until then. */
function occupy(free: Float64Array, until: number): void {
  let hole = 0;
  for (let child = 1; child < free.length; child = 2 * hole + 1) {
    if (child + 1 < free.length && free[child + 1]! < free[child]!) child += 1;
    if (free[child]! >= until) break;
    free[hole] = free[child]!;
    hole = child;
  }
  free[hole] = until;
}

/** How times are told. */
interface Teller {
  readonly now: number;
  readonly closesAt: number | undefined;
  readonly time: (moment: number) => string;
}

function sentenceOf(
  { endsAt, unfit, of }: Omit<Forecast, "sentence">,
  stuck: readonly ForecastLane[],
  slowestMs: number,
  { now, closesAt, time }: Teller,
): string {
  const closing = closesAt === undefined ? "" : `the window closes at ${time(closesAt)} (in ${long(closesAt - now)})`;
  const late = `${sayUnfit(unfit, of)}: ${closing}`;
  if (stuck.length > 0) {
    const unknown = `obody can say when ${sayHeld(stuck, of)} will be stored: ${stuck.map(whyStuck).join(", ")}.`;
    return unfit > 0 ? `${late}; and n${unknown}` : `N${unknown}`;
  }
  if (endsAt === null) return "Nothing is left to be done.";
  if (unfit > 0 && closesAt !== undefined && endsAt <= closesAt)
    return `${late}, and what is sent in the last ${long(slowestMs)} may not be done by then.`;
  if (unfit > 0) return `${late}, and ${of === 1 ? "it needs" : "they need"} until about ${time(endsAt)}.`;
  const what = of === 0 ? "Nothing waits; what renders" : of === 1 ? "The one that waits" : `All ${number(of)}`;
  if (closesAt === undefined) return `${what} should be stored in about ${long(endsAt - now)}, at ${time(endsAt)}.`;
  const spareMs = closesAt - endsAt;
  const spare = spareMs >= 0 ? `${long(spareMs)} before` : `sent in time and stored ${long(-spareMs)} after`;
  return `${what} should be stored by ${time(endsAt)}, ${spare} the window closes.`;
}

function sayUnfit(unfit: number, of: number): string {
  if (unfit < of) return `${number(unfit)} of ${number(of)} will not fit`;
  return of === 1 ? "The one that waits will not fit" : `None of ${number(of)} will fit`;
}

function sayHeld(stuck: readonly ForecastLane[], of: number): string {
  const held = sum(stuck.map(({ waiting }) => waiting));
  if (held === 0) return "what renders";
  return held < of ? `${number(held)} of ${number(of)}` : `all ${number(of)}`;
}

const number = (count: number): string => count.toLocaleString("en");

/** `5 h`, `2 h 50 min`, `3 d 4 h`; less than a minute is one. */
function long(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / MINUTE));
  if (minutes * MINUTE < 2 * DAY) return parts([Math.floor(minutes / 60), "h"], [minutes % 60, "min"]);
  const hours = Math.round(ms / HOUR);
  return parts([Math.floor(hours / 24), "d"], [hours % 24, "h"]);
}

const parts = (...all: readonly (readonly [number, string])[]): string =>
  all
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");

/** Times of today and tonight are told without their day; those of UTC with its name, because few live there. */
function tellerOf(now: number, closesAt: number | undefined, zone: string): Teller {
  const wall = (moment: number) => Temporal.Instant.fromEpochMilliseconds(moment).toZonedDateTimeISO(zone);
  const time = (moment: number): string => {
    const then = wall(moment);
    const clock = `${then.toPlainTime().toString({ smallestUnit: "minute" })}${zone === "UTC" ? " UTC" : ""}`;
    const day =
      moment - now < DAY ? "" : ` on ${then.toLocaleString("en-GB", moment - now < 6 * DAY ? weekday : date)}`;
    return clock + day;
  };
  return { now, closesAt, time };
}

const weekday = { weekday: "long" } as const;
const date = { day: "numeric", month: "long", year: "numeric" } as const;
