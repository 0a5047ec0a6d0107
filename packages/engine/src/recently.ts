import type { Clock } from "./clock.ts";

/**
 * Remembers what was read for a while, so that what changes slowly is not read again for each video. A reading
 * that failed is not remembered.
 */
export function recently<Value>(
  clock: Clock,
  forMs: (value: Value) => number,
): (key: string, read: () => Promise<Value>) => Promise<Value> {
  const known = new Map<string, { readonly value: Promise<Value>; until: number }>();
  return (key, read) => {
    const now = clock.now();
    const entry = known.get(key);
    if (entry && now < entry.until) return entry.value;
    const value = read();
    const fresh = { value, until: Infinity };
    known.set(key, fresh);
    value.then(
      (held) => (fresh.until = clock.now() + forMs(held)),
      () => known.get(key) === fresh && known.delete(key),
    );
    return value;
  };
}
