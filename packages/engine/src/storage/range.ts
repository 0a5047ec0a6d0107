import type { ByteRange } from "./storage.ts";
import { StorageError } from "./storage-error.ts";

/** Throws unless the range is at least one byte and, where the object's length is known, lies inside of it. */
export function requireInside({ start, end }: ByteRange, bytes?: number): void {
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (whole && 0 <= start && start <= end && end < (bytes ?? Infinity)) return;
  throw new StorageError(
    "invalid_range",
    `The range ${start}-${end} does not lie inside ${bytes === undefined ? "any object" : `an object of ${bytes} bytes`}.`,
  );
}
