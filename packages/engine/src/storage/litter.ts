import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Far enough below the 64 MiB at which V8 begins to walk the whole heap. */
const mostLitterBytes = 16 * 1024 * 1024;

let litterBytes = 0;
let collectYoung: (() => void) | undefined;

/**
 * Hears of chunks that were read from somewhere and are of no use any more. They die young, but they are few and
 * large: V8 comes to look for them only when memory outside of its heap has grown, and then it walks the whole heap,
 * dozens of times for each GB, which takes longer than to fetch, hash and write it. A look at the youngest objects
 * now and then finds them in a hundredth of the time.
 */
export function dropped(bytes: number): void {
  litterBytes += bytes;
  if (litterBytes < mostLitterBytes) return;
  litterBytes = 0;
  collectYoung ??= youngCollector();
  collectYoung();
}

/** V8 shows its collector only to contexts that are made while the flag is set. */
function youngCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  setFlagsFromString("--no-expose-gc");
  return typeof collect === "function" ? () => void collect({ type: "minor" }) : () => undefined;
}
