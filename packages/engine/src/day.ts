const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * The day that a moment lies in, `YYYY-MM-DD`.
 * @throws RangeError where there is no such time zone
 */
export function dayOf(ms: number, timeZone: string): string {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en-CA", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" });
  formats.set(timeZone, format);
  return format.format(ms);
}
