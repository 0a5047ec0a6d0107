import { nearestName, problem, type ProblemError } from "@reelq/contract";
import { Temporal } from "temporal-polyfill";

/*
 * When a batch may send, told by the clock on a wall: stretches of the week, each on the days on which it opens.
 *
 * Where the clock leaps forward, a time that it skips means the moment of the leap, for opening and for closing; a
 * stretch that lies in the skipped hour alone does not open that night.
 * Where it goes back, some times come twice. A stretch closes at the first of the two, and does not open again; it
 * opens at the first from which the clock shows nothing but its own times until it closes. So nothing is ever sent while
 * the clock shows another time. When 02:00 to 03:00 comes twice, `22:00-02:30` closes at the first half past two,
 * `02:00-06:00` lasts five hours, and `02:30-06:00` opens at the second half past two.
 */
export interface SendWindow {
  /** As it was understood, like `Mon-Fri 22:00-06:30; Sat,Sun 00:00-24:00 Europe/Berlin`; reads back as the same window. */
  readonly text: string;
  /** An IANA name, or `UTC`. */
  readonly zone: string;
  /** In the order of the week, apart from each other; one of a whole week is always open. */
  readonly spans: readonly Span[];
}

/** Minutes since Monday 00:00 on the wall; `to` lies in the week after where a span goes on into it. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** Ms since 1970. It is open from `opensAt` on, and no longer at `closesAt`. */
export interface Stretch {
  readonly isOpen: boolean;
  readonly opensAt: number;
  readonly closesAt: number;
}

/** When a window closes that is always open. */
export const neverCloses = Date.UTC(9999, 11, 31);

const dayMinutes = 24 * 60;
const weekMinutes = 7 * dayMinutes;
const dayNames = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const longestText = 500;
const example = "Mon-Fri 22:00-06:30 Europe/Berlin";

/**
 * Reads `[days ]from-to[; [days ]from-to]… zone`. Times are `22:00`, `22` or `10pm`, with `24:00` for the end of a day;
 * an end that is not after its beginning lies on the next day. Without days: every day.
 * @throws ProblemError that says what was given, and shows what would be right
 */
export function readWindow(text: string, param: string): SendWindow {
  const refuse: Refuse = (why) => problem("invalid_value", `${param} ${shown(text)} ${why}`, param);
  const parts = partsOf(tidy(text), refuse);
  const zones = new Set(parts.flatMap(({ zone }) => (zone === undefined ? [] : [zoneNamed(zone, refuse)])));
  const [zone] = zones;
  if (zone === undefined) throw refuse(`names no time zone; add one, like "${example}" or "22:00-06:30 UTC".`);
  if (zones.size > 1) throw refuse(`names several time zones; give one, at the end, like "${example}".`);
  const bare = parts.find(({ days }) => days === undefined);
  if (bare && parts.some(({ days }) => days !== undefined))
    throw refuse(
      `says no days for ${bare.from}-${bare.to}, as it does for other times; give each its own, Mon-Sun for every day.`,
    );
  const read = parts.map((part) => ({ days: daysOf(part.days, refuse), hours: hoursOf(part, refuse) }));
  const said = read.map(({ days, hours }) => `${days.said}${clock(hours.from)}-${clock(hours.to)}`);
  return { text: `${said.join("; ")} ${zone}`, zone, spans: spansOf(read) };
}

type Refuse = (why: string) => ProblemError;

const shown = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);

/** One space, one kind of dash, and none where they only please the eye. */
const tidy = (text: string): string =>
  text
    .slice(0, longestText + 1)
    .normalize("NFKC")
    .replace(/[\u2010-\u2015\u2212]/g, "-")
    .replace(/\s+/g, " ")
    .trim()
    .replace(/ ?([-;,]) ?/g, "$1")
    .replace(/(?<=\d) ?([ap])\.?m\b\.?/gi, "$1m");

interface Part {
  readonly days: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly zone: string | undefined;
}

const aPart =
  /(?:([a-z]+(?:-[a-z]+)?(?:,[a-z]+(?:-[a-z]+)?)*)[ ,])?(\d[\d:.]*(?:[ap]m)?)-(\d[\d:.]*(?:[ap]m)?)(?: ([^\d ;,][^ ;,]*))?(?:[;,]|$)/iy;

function partsOf(text: string, refuse: Refuse): readonly Part[] {
  if (text.length > longestText) throw refuse(`has more than ${longestText} characters; write it like "${example}".`);
  const parts: Part[] = [];
  for (aPart.lastIndex = 0; aPart.lastIndex < text.length || parts.length === 0;) {
    const [, days, from, to, zone] = aPart.exec(text) ?? [];
    if (from === undefined || to === undefined)
      throw refuse(`cannot be read; write days, times and a time zone, like "${example}".`);
    parts.push({ days, from, to, zone });
  }
  return parts;
}

/** Only names of places, and UTC: `EST` and `CST` mean other times to other people, and `+02:00` is wrong in winter. */
function zoneNamed(name: string, refuse: Refuse): string {
  try {
    const { timeZoneId } = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    if (timeZoneId.includes("/") || timeZoneId === "UTC" || timeZoneId === "GMT") return timeZoneId;
  } catch {
    // Nobody knows it; said below.
  }
  const known = Intl.supportedValuesOf("timeZone");
  const meant = known.find((zone) => zone.toLowerCase().endsWith(`/${name.toLowerCase()}`)) ?? nearestName(name, known);
  throw refuse(
    `names the time zone ${shown(name)}; ${meant ? `did you mean "${meant}"?` : 'give a place, like "Europe/Berlin", or "UTC".'}`,
  );
}

interface Days {
  /** 0 is Monday. */
  readonly indices: readonly number[];
  /** With a space behind it; empty for every day. */
  readonly said: string;
}

function daysOf(text: string | undefined, refuse: Refuse): Days {
  if (text === undefined) return { indices: dayNames.map((_, day) => day), said: "" };
  const groups = text.split(",").map((group) => group.split("-").map((name) => dayNamed(name, refuse)));
  const indices = groups.flatMap(([first = 0, last = first]) => {
    const length = ((last - first + 7) % 7) + 1;
    return Array.from({ length }, (_, at) => (first + at) % 7);
  });
  const short = (day: number): string => dayNames[day]!.slice(0, 3);
  return { indices, said: `${groups.map((group) => [...new Set(group)].map(short).join("-")).join(",")} ` };
}

function dayNamed(name: string, refuse: Refuse): number {
  const day = dayNames.findIndex((known) => known.toLowerCase().startsWith(name.toLowerCase()));
  if (day < 0 || name.length < 3)
    throw refuse(`names the day ${shown(name)}; days are Mon, Tue, Wed, Thu, Fri, Sat and Sun, like "${example}".`);
  return day;
}

/** Minutes since 00:00 of the day on which it opens; `to` is after `from`, by a day at most. */
interface Hours {
  readonly from: number;
  readonly to: number;
}

function hoursOf(part: Part, refuse: Refuse): Hours {
  const [given, from, to] = [`${part.from}-${part.to}`, timeOf(part.from), timeOf(part.to)];
  if (from === undefined || to === undefined)
    throw refuse(`says ${given}; times go from 00:00 to 24:00, like "${example}".`);
  if (from.form !== to.form && (from.form === "half" || to.form === "half"))
    throw refuse(`says ${given}; give both times with am or pm, or neither, like "${example}".`);
  if (from.form === "hour" && to.form === "hour")
    throw refuse(`says ${given}, which may be morning or evening; give minutes, or am and pm, like "${example}".`);
  if (from.minutes === dayMinutes)
    throw refuse(`says ${given}, and no day begins at 24:00; say 00:00 of the next day, like "Sat 00:00-06:30 UTC".`);
  if (from.minutes === to.minutes)
    throw refuse(`says ${given}, which is no time at all; say 00:00-24:00 for whole days.`);
  return { from: from.minutes, to: to.minutes > from.minutes ? to.minutes : to.minutes + dayMinutes };
}

interface Time {
  readonly minutes: number;
  /** An `hour` alone may be one of either half of the day, unless it is 0, begins with it, or is above 12. */
  readonly form: "half" | "hour" | "whole";
}

function timeOf(text: string): Time | undefined {
  const [, digits = "", minute, half] = /^(\d{1,2})(?:[:.]([0-5]\d))?([ap]m)?$/i.exec(text) ?? [];
  const hour = Number(digits);
  if (digits === "" || hour > 24 || (half && (hour < 1 || hour > 12))) return undefined;
  const hours = half ? (hour % 12) + (half.toLowerCase() === "pm" ? 12 : 0) : hour;
  const minutes = hours * 60 + Number(minute ?? 0);
  if (minutes > dayMinutes) return undefined;
  const isPlain = minute !== undefined || digits.startsWith("0") || hour > 12;
  return { minutes, form: half ? "half" : isPlain ? "whole" : "hour" };
}

/** `06:30`; the end of a day is 24:00. */
function clock(minutes: number): string {
  const today = minutes > dayMinutes ? minutes - dayMinutes : minutes;
  return [Math.floor(today / 60), today % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

/** What overlaps or touches is one span. */
function spansOf(read: readonly { readonly days: Days; readonly hours: Hours }[]): readonly Span[] {
  const open = new Uint8Array(weekMinutes);
  for (const { days, hours } of read)
    for (const day of days.indices)
      for (let at = hours.from; at < hours.to; at += 1) open[(day * dayMinutes + at) % weekMinutes] = 1;
  const minutes = [...open.keys()];
  const begins = minutes.filter((at) => open[at] && !open[(at + weekMinutes - 1) % weekMinutes]);
  if (begins.length === 0) return [{ from: 0, to: weekMinutes }];
  const ends = minutes.filter((at) => open[(at + weekMinutes - 1) % weekMinutes] && !open[at]);
  return begins.map((from) => ({ from, to: ends.find((end) => end > from) ?? ends[0]! + weekMinutes }));
}

type Times = Omit<Stretch, "isOpen">;

/** The stretch found last: the answer until it closes, as long as time goes forward. */
const found = new WeakMap<SendWindow, Times & { readonly askedAt: number }>();

/** The open stretch that holds `now`, or the next one. A window that is always open has been so since 1970, until `neverCloses`. */
export function stretchAt(window: SendWindow, now: number): Stretch {
  const last = found.get(window);
  const stretch = last && last.askedAt <= now && now < last.closesAt ? last : { ...search(window, now), askedAt: now };
  found.set(window, stretch);
  return { isOpen: stretch.opensAt <= now, opensAt: stretch.opensAt, closesAt: stretch.closesAt };
}

function search(window: SendWindow, now: number): Times {
  const [first] = window.spans;
  if (first && first.to - first.from === weekMinutes) return { opensAt: 0, closesAt: neverCloses };
  let [opensAt, closesAt] = [Number.NaN, Number.NaN];
  for (const next of stretches(window, now)) {
    if (next.opensAt > closesAt && closesAt > now) return { opensAt, closesAt };
    if (!(next.opensAt <= closesAt)) ({ opensAt } = next);
    ({ closesAt } = next);
  }
  throw new RangeError(`${window.text} never opens.`);
}

/** From two weeks before the week of `now`, so that it begins with one that closed before; touching ones apart. */
function* stretches({ zone, spans }: SendWindow, now: number): Generator<Times> {
  const today = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(zone).toPlainDate();
  const monday = today.subtract({ days: today.dayOfWeek - 1 }).toPlainDateTime();
  for (let week = -2; ; week += 1)
    for (const { from, to } of spans) {
      const wall = monday.add({ weeks: week });
      const times = timesOf(wall.add({ minutes: from }), wall.add({ minutes: to }), zone);
      if (times.opensAt < times.closesAt) yield times;
    }
}

function timesOf(from: Temporal.PlainDateTime, to: Temporal.PlainDateTime, zone: string): Times {
  const { first: closesAt } = momentsOf(to, zone);
  const { first, last } = momentsOf(from, zone);
  // The clock shows the beginning twice: at the first, all that it shows again must be after the beginning too.
  const isTold = first === last || closesAt <= last || goesBackAt(last, zone);
  return { opensAt: isTold ? first : last, closesAt };
}

/** When the clock shows it, for the first time and for the last; a time that it skips is the moment of the leap. */
function momentsOf(wall: Temporal.PlainDateTime, zone: string): { readonly first: number; readonly last: number } {
  const earlier = wall.toZonedDateTime(zone, { disambiguation: "earlier" });
  const later = wall.toZonedDateTime(zone, { disambiguation: "later" });
  if (earlier.toPlainDateTime().equals(wall))
    return { first: earlier.epochMilliseconds, last: later.epochMilliseconds };
  const leap = earlier.getTimeZoneTransition("next")?.epochMilliseconds ?? later.epochMilliseconds;
  return { first: leap, last: leap };
}

const goesBackAt = (moment: number, zone: string): boolean => offsetAt(moment, zone) < offsetAt(moment - 1, zone);

const offsetAt = (moment: number, zone: string): number =>
  Temporal.Instant.fromEpochMilliseconds(moment).toZonedDateTimeISO(zone).offsetNanoseconds;
