/** At most so many in any window of time: strict, where a token bucket would let a burst through after a rest. */
export class SlidingWindow {
  readonly #windowMs: number;
  readonly #now: () => number;
  readonly #times = new Map<string, number[]>();

  constructor(windowMs: number, now: () => number) {
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Takes a place if there is one, and says when the first one comes back; else says how long until there is one. */
  take(name: string, limit: number): { remaining: number; resetMs: number } | { waitMs: number } {
    const now = this.#now();
    const times = (this.#times.get(name) ?? []).filter((time) => time > now - this.#windowMs);
    this.#times.set(name, times);
    const oldest = times.at(-limit);
    if (times.length >= limit && oldest !== undefined) return { waitMs: oldest + this.#windowMs - now };
    times.push(now);
    return { remaining: limit - times.length, resetMs: (times[0] ?? now) + this.#windowMs - now };
  }

  clear(): void {
    this.#times.clear();
  }
}
