/** `1,204`. */
export const sayNumber = (count: number): string => count.toLocaleString("en-US");

/** `1 clip`, `1,204 clips`. */
export const several = (count: number, noun: string): string => `${sayNumber(count)} ${noun}${count === 1 ? "" : "s"}`;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** `42 s`, `12 min`, `7 h 05 min`, `3 d 2 h`. */
export function saySpan(ms: number): string {
  if (ms < 100 * SECOND) return `${Math.max(0, Math.round(ms / SECOND))} s`;
  const minutes = Math.round(ms / MINUTE);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (ms < 48 * HOUR) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${sayNumber(Math.floor(hours / 24))} d ${hours % 24} h`;
}

/** `812 B`, `4.2 MB`. */
export function sayBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [amount, unit] = [bytes, 0];
  while (amount >= 999.5 && unit < units.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${unit > 0 && amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${units[unit] ?? ""}`;
}
