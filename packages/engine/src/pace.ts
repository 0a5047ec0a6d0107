import { MINUTE, SECOND } from "./clock.ts";

/** Far more than any clip has; a stream that goes on for longer has no end. */
const mostBytes = 8 * 1024 ** 3;

/** A file that comes slower than this, after a while, only holds a place that others need. */
const leastBytesPerSecond = 4 * 1024;
const graceMs = MINUTE;

/** A stream that another connection would not mend: it is not gone on with. */
export class PaceError extends Error {
  override readonly name = "PaceError";
}

/** Counts a stream's bytes against its time; throws once it is without end, or hardly moves. */
export function openPace(now: () => number): (bytes: number) => void {
  const startedAt = now();
  let total = 0;
  return (bytes) => {
    total += bytes;
    if (total > mostBytes) throw new PaceError(`The file has more than ${mostBytes} bytes and no end.`);
    const ms = now() - startedAt;
    if (ms > graceMs && total < (ms / SECOND) * leastBytesPerSecond)
      throw new PaceError(`The file comes at ${Math.round((total / ms) * SECOND)} bytes a second.`);
  };
}
