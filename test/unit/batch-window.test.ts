import { ProblemError } from "@reelq/contract";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { neverCloses, readWindow, stretchAt } from "../../packages/engine/src/batches/window.ts";
import { DAY, HOUR, MINUTE } from "../../packages/engine/src/clock.ts";

const read = (text: string) => readWindow(text, "window");
const at = (iso: string): number => Date.parse(iso);

/** The stretch that a moment sees, as times in UTC. */
function stretch(text: string, iso: string): readonly [boolean, string, string] {
  const { isOpen, opensAt, closesAt } = stretchAt(read(text), at(iso));
  return [isOpen, utc(opensAt), utc(closesAt)];
}
const utc = (ms: number): string => new Date(ms).toISOString().replace(":00.000Z", "Z");

function mistake(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    expect(error.problems).toMatchObject([{ code: "invalid_value", param: "window" }]);
    return error.message;
  }
  throw new Error(`${text} was read.`);
}

describe("a window is read", () => {
  test.each([
    ["22:00-06:30 Europe/Berlin", "22:00-06:30 Europe/Berlin"],
    ["Mon-Fri 22:00-06:30 Europe/Berlin", "Mon-Fri 22:00-06:30 Europe/Berlin"],
    ["Sat,Sun 00:00-24:00 UTC", "Sat,Sun 00:00-24:00 UTC"],
    ["MONDAY – thurs , sat 22:00 — 06:30 europe/berlin", "Mon-Thu,Sat 22:00-06:30 Europe/Berlin"],
    ["Mon-Fri, 22.00-6.30 UTC", "Mon-Fri 22:00-06:30 UTC"],
    ["22-6 UTC", "22:00-06:00 UTC"],
    ["9-06 UTC", "09:00-06:00 UTC"],
    ["10pm-6am UTC", "22:00-06:00 UTC"],
    ["10:30 P.M. - 12 am utc", "22:30-24:00 UTC"],
    ["12am-12pm UTC", "00:00-12:00 UTC"],
    ["22:00-00:00 UTC", "22:00-24:00 UTC"],
    ["22:00-02:00, 04:00-06:00 Asia/Kathmandu", "22:00-02:00; 04:00-06:00 Asia/Kathmandu"],
    [
      "Mon-Fri 22:00-06:30,Sat-Sun 00:00-24:00 America/Port-au-Prince",
      "Mon-Fri 22:00-06:30; Sat-Sun 00:00-24:00 America/Port-au-Prince",
    ],
    ["Mon 22:00-23:00 UTC; Tue 21:00-23:00 utc;", "Mon 22:00-23:00; Tue 21:00-23:00 UTC"],
    ["22:00-06:30\u00a0Etc/GMT+2", "22:00-06:30 Etc/GMT+2"],
  ])("%s", (given, understood) => {
    const window = read(given);
    expect(window.text).toBe(understood);
    expect(read(understood)).toEqual(window);
  });

  test.each([
    ["22:00-06:30", /names no time zone; add one, like "Mon-Fri 22:00-06:30 Europe\/Berlin"/],
    ["Mon-Fri 22:00-06:30", /names no time zone/],
    ["22:00-06:30 Berlin", /did you mean "Europe\/Berlin"\?/],
    ["22:00-06:30 new_york", /did you mean "America\/New_York"\?/],
    ["22:00-06:30 Europe/Berln", /did you mean "Europe\/Berlin"\?/],
    ["22:00-06:30 EST", /"EST"; give a place/],
    ["22:00-06:30 CST", /"CST"; give a place/],
    ["22:00-06:30 +02:00", /"\+02:00"; give a place/],
    ["Mon 22:00-06:30 UTC; Tue 22:00-06:30 Europe/Berlin", /several time zones; give one, at the end/],
    ["22:00-22:00 UTC", /no time at all; say 00:00-24:00/],
    ["00:00-00:00 UTC", /no time at all; say 00:00-24:00/],
    ["24:00-06:00 UTC", /no day begins at 24:00; say 00:00 of the next day/],
    ["24:30-06:00 UTC", /says 24:30-06:00; times go from 00:00 to 24:00/],
    ["22:60-06:00 UTC", /says 22:60-06:00/],
    ["13pm-6am UTC", /says 13pm-6am/],
    ["10-6 UTC", /may be morning or evening; give minutes, or am and pm/],
    ["10pm-6 UTC", /both times with am or pm, or neither/],
    ["Mon-Fry 22:00-06:30 UTC", /the day "Fry"; days are Mon, Tue/],
    ["M 22:00-06:30 UTC", /the day "M"/],
    ["Mon 22:00-02:00, 04:00-06:00 UTC", /no days for 04:00-06:00, as it does for other times/],
    ["22:00-06:30 Mon-Fri Europe/Berlin", /cannot be read; write days, times and a time zone/],
    ["22:00 UTC", /cannot be read/],
    ["", /cannot be read/],
  ])("or refused, and shown a right one: %s", (given, why) => {
    expect(mistake(given)).toMatch(why);
    expect(mistake(given)).toContain(`window ${JSON.stringify(given).slice(0, 79)}`);
  });

  test("one that goes on for ever is not read at all", () => {
    expect(mistake(`${"Mon,".repeat(200)}Tue 22:00-06:30 UTC`)).toMatch(/more than 500 characters/);
  });

  test("whatever else is given is refused in a sentence, never otherwise", () => {
    const pieces = ["Mon", "-", ",", ";", " ", "22:00", "6", "am", "Europe/Berlin", "UTC", "constructor", "\0"];
    const texts = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom(...pieces)).map((all) => all.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(read(read(text).text).text).toBe(read(text).text);
        } catch (error) {
          expect(error).toBeInstanceOf(ProblemError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the stretch that is open, or the next one", () => {
  const nights = "Mon-Fri 22:00-06:30 Europe/Berlin";

  test("opens at its first moment and is closed at its last", () => {
    expect(stretch(nights, "2026-11-16T20:59:59.999Z")).toEqual([false, "2026-11-16T21:00Z", "2026-11-17T05:30Z"]);
    expect(stretch(nights, "2026-11-16T21:00Z")).toEqual([true, "2026-11-16T21:00Z", "2026-11-17T05:30Z"]);
    expect(stretch(nights, "2026-11-17T05:29:59.999Z")).toEqual([true, "2026-11-16T21:00Z", "2026-11-17T05:30Z"]);
    expect(stretch(nights, "2026-11-17T05:30Z")).toEqual([false, "2026-11-17T21:00Z", "2026-11-18T05:30Z"]);
  });

  test("the day is that on which it opens", () => {
    expect(stretch(nights, "2026-11-21T05:00Z")).toEqual([true, "2026-11-20T21:00Z", "2026-11-21T05:30Z"]);
    expect(stretch(nights, "2026-11-21T06:00Z")).toEqual([false, "2026-11-23T21:00Z", "2026-11-24T05:30Z"]);
    expect(stretch("Sun 22:00-06:00 UTC", "2026-11-23T05:00Z")).toEqual([
      true,
      "2026-11-22T22:00Z",
      "2026-11-23T06:00Z",
    ]);
  });

  test.each([
    ["Mon 22:00-24:00; Tue 00:00-06:00 UTC", "2026-11-17T01:00Z", "2026-11-16T22:00Z", "2026-11-17T06:00Z"],
    ["Sun 20:00-24:00; Mon 00:00-06:00 UTC", "2026-11-23T01:00Z", "2026-11-22T20:00Z", "2026-11-23T06:00Z"],
    ["22:00-02:00; 01:00-04:00 UTC", "2026-11-17T03:00Z", "2026-11-16T22:00Z", "2026-11-17T04:00Z"],
    ["Mon-Fri 22:00-06:30; Sat-Sun 00:00-24:00 UTC", "2026-11-22T01:00Z", "2026-11-20T22:00Z", "2026-11-23T00:00Z"],
    ["Tue-Mon 00:00-24:00; Mon 00:00-12:00 UTC", "2026-11-22T01:00Z", "1970-01-01T00:00Z", utc(neverCloses)],
    ["Tue-Mon 00:00-12:00; Mon-Sun 12:00-24:00 UTC", "2026-11-22T01:00Z", "1970-01-01T00:00Z", utc(neverCloses)],
  ])("what overlaps or touches is one: %s", (text, now, opens, closes) => {
    expect(stretch(text, now)).toEqual([true, opens, closes]);
  });

  test("what the clock's leap brings together is one", () => {
    const around = "00:00-02:00; 03:00-06:00 Europe/Berlin";
    expect(stretch(around, "2026-03-28T23:30Z")).toEqual([true, "2026-03-28T23:00Z", "2026-03-29T04:00Z"]);
    expect(stretch(around, "2026-03-29T03:00Z")).toEqual([true, "2026-03-28T23:00Z", "2026-03-29T04:00Z"]);
    const all = "Fri 01:00-24:00; Sat-Thu 00:00-24:00 Africa/Cairo";
    expect(stretch(all, "2026-04-30T12:00Z")).toEqual([true, "2026-04-16T23:00Z", "2026-04-30T21:00Z"]);
  });

  test.each([
    // The clock leaps from 02:00 to 03:00, at 01:00Z.
    ["02:30-06:00 Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T04:00Z"],
    ["22:00-02:30 Europe/Berlin", "2026-03-29T00:00Z", "2026-03-28T21:00Z", "2026-03-29T01:00Z"],
    ["02:10-02:50 Europe/Berlin", "2026-03-29T00:00Z", "2026-03-30T00:10Z", "2026-03-30T00:50Z"],
    ["Sun 02:10-02:50 Europe/Berlin", "2026-03-29T00:00Z", "2026-04-05T00:10Z", "2026-04-05T00:50Z"],
    // It goes back from 03:00 to 02:00, at 01:00Z: 02:30 is at 00:30Z and at 01:30Z.
    ["22:00-02:30 Europe/Berlin", "2026-10-24T23:00Z", "2026-10-24T20:00Z", "2026-10-25T00:30Z"],
    ["22:00-02:30 Europe/Berlin", "2026-10-25T01:10Z", "2026-10-25T21:00Z", "2026-10-26T01:30Z"],
    ["02:30-06:00 Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T01:30Z", "2026-10-25T05:00Z"],
    ["02:00-06:00 Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T00:00Z", "2026-10-25T05:00Z"],
    ["02:10-02:50 Europe/Berlin", "2026-10-24T23:00Z", "2026-10-25T00:10Z", "2026-10-25T00:50Z"],
    ["22:00-06:30 Europe/Berlin", "2026-10-24T23:00Z", "2026-10-24T20:00Z", "2026-10-25T05:30Z"],
    ["01:30-06:00 America/New_York", "2026-11-01T04:00Z", "2026-11-01T06:30Z", "2026-11-01T11:00Z"],
    // Half an hour only: 02:00 to 02:30, and 02:00 to 01:30.
    ["22:00-02:15 Australia/Lord_Howe", "2026-10-03T15:00Z", "2026-10-03T11:30Z", "2026-10-03T15:30Z"],
    ["01:45-06:00 Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T15:15Z", "2026-04-04T19:30Z"],
    // At midnight: 00:00 to 01:00, and 24:00 to 23:00.
    ["00:00-06:00 Africa/Cairo", "2026-04-23T21:30Z", "2026-04-23T22:00Z", "2026-04-24T03:00Z"],
    ["22:00-24:00 Africa/Cairo", "2026-10-29T19:30Z", "2026-10-29T19:00Z", "2026-10-29T22:00Z"],
    ["22:00-23:30 Africa/Cairo", "2026-10-29T19:30Z", "2026-10-29T19:00Z", "2026-10-29T20:30Z"],
    // Never; but three quarters of an hour off.
    ["22:00-06:30 Asia/Kathmandu", "2026-10-25T20:00Z", "2026-10-25T16:15Z", "2026-10-26T00:45Z"],
  ])("%s, seen at %s", (text, now, opens, closes) => {
    expect(stretch(text, now).slice(1)).toEqual([opens, closes]);
  });

  test("the answer does not depend on what was asked before", () => {
    const window = read(nights);
    const moments = fc.array(fc.integer({ min: at("2026-03-20T00:00Z"), max: at("2026-11-10T00:00Z") }));
    fc.assert(
      fc.property(moments, (all) => {
        for (const now of all) expect(stretchAt(window, now)).toEqual(stretchAt(read(nights), now));
      }),
      { numRuns: 30 },
    );
  });
});

describe("at every minute it agrees with the clock on the wall", () => {
  const nights = [
    ["Europe/Berlin", "2026-03-29"],
    ["Europe/Berlin", "2026-10-25"],
    ["America/New_York", "2026-03-08"],
    ["America/New_York", "2026-11-01"],
    ["America/Havana", "2026-11-01"],
    ["Australia/Lord_Howe", "2026-04-05"],
    ["Australia/Lord_Howe", "2026-10-04"],
    ["Africa/Cairo", "2026-04-24"],
    ["Africa/Cairo", "2026-10-30"],
    ["Asia/Kathmandu", "2026-10-25"],
  ] as const;

  test.each(nights)("%s around %s", (zone, day) => {
    const walls = wallsAround(zone, day);
    fc.assert(
      fc.property(fc.array(spans, { minLength: 1, maxLength: 3 }), (spans) => {
        const window = read(`${spans.map(said).join("; ")} ${zone}`);
        const wrong = openMinutes(walls, spans).flatMap((isOpen, minute) =>
          stretchAt(window, walls[minute]!.moment).isOpen === isOpen ? [] : [utc(walls[minute]!.moment)],
        );
        expect(wrong, window.text).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  interface Wall {
    readonly moment: number;
    /** Minutes since Monday 00:00. */
    readonly minute: number;
    readonly text: string;
  }

  /** What the clock showed, by Intl, at each minute of a day and of the two and a half beside it. */
  function wallsAround(zone: string, day: string): readonly Wall[] {
    const format = new Intl.DateTimeFormat("en-GB", {
      timeZone: zone,
      weekday: "short",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    const start = at(`${day}T00:00Z`) - 2.5 * DAY;
    return Array.from({ length: (6 * DAY) / MINUTE }, (_, step) => {
      const moment = start + step * MINUTE;
      const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
      const { weekday = "", month = "", day = "", hour = "", minute = "" } = parts;
      const since = (names.indexOf(weekday) * 24 + Number(hour)) * 60 + Number(minute);
      return { moment, minute: since, text: `${month}-${day} ${hour}:${minute}` };
    });
  }

  /**
   * Open is a run of minutes whose wall times are the window's, but for those that the clock's going back cut in two:
   * the part that did not end by itself is not open, nor is the second that ends at the same time as one before.
   */
  function openMinutes(walls: readonly Wall[], spans: readonly Spans[]): readonly boolean[] {
    const inside = walls.map(({ minute }) => spans.some((span) => holds(span, minute)));
    const open = walls.map(() => false);
    const ends = new Set<string>();
    for (let from = inside.indexOf(true); from >= 0;) {
      const end = inside.indexOf(false, from);
      const to = end < 0 ? walls.length : end;
      const wentBack = end >= 0 && walls[to]!.text < walls[to - 1]!.text;
      const last = walls[to - 1]!.text;
      if (!wentBack && !ends.has(last)) open.fill(true, from, to);
      if (!wentBack) ends.add(last);
      from = inside.indexOf(true, to);
    }
    return open;
  }

  interface Spans {
    readonly days: readonly number[];
    readonly from: number;
    readonly to: number;
  }
  const names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

  /** Times lie thick where clocks change. */
  const times = fc.oneof(
    fc.integer({ min: 0, max: 24 * 60 - 1 }),
    fc.integer({ min: 0, max: 24 }).map((part) => part * 10),
    fc.constantFrom(0, 30, 60, 90, 105, 120, 135, 150, 180, 1_380, 1_410),
  );
  const spans: fc.Arbitrary<Spans> = fc
    .record({ days: fc.subarray([0, 1, 2, 3, 4, 5, 6], { minLength: 1 }), from: times, to: times })
    .filter(({ from, to }) => from !== to);

  const holds = ({ days, from, to }: Spans, minute: number): boolean => {
    const [day, time] = [Math.floor(minute / 1_440), minute % 1_440];
    if (from < to) return days.includes(day) && from <= time && time < to;
    return (days.includes(day) && time >= from) || (days.includes((day + 6) % 7) && time < to);
  };
  const said = ({ days, from, to }: Spans): string =>
    `${days.map((day) => names[day]).join(",")} ${clock(from)}-${clock(to)}`;
  const clock = (minutes: number): string =>
    [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");
});

test("a year of nights is as long as its nights are", () => {
  const window = read("22:00-06:30 Europe/Berlin");
  const lengths = new Map<number, number>();
  for (let now = at("2026-01-01T12:00Z"); now < at("2027-01-01T00:00Z");) {
    const { isOpen, opensAt, closesAt } = stretchAt(window, now);
    expect(isOpen).toBe(false);
    lengths.set((closesAt - opensAt) / HOUR, (lengths.get((closesAt - opensAt) / HOUR) ?? 0) + 1);
    now = closesAt;
  }
  expect(Object.fromEntries(lengths)).toEqual({ 7.5: 1, 8.5: 363, 9.5: 1 });
});
