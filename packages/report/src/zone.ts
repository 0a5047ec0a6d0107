import type { BatchBody } from "@reelq/contract";

/** The time zone that its people live by: its window's, else UTC. */
export function zoneOf({ reelq }: Pick<BatchBody, "reelq">): string {
  const named = reelq.window?.text.trim().split(/\s+/).at(-1) ?? "UTC";
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: named }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}

/** `22 Nov 2026, 23:04`. @param time ISO 8601, or ms since 1970 */
export function sayTime(time: string | number, zone: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? "" : clockOf(zone).format(at);
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  const known = clocks.get(zone);
  if (known) return known;
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  clocks.set(zone, clock);
  return clock;
}
