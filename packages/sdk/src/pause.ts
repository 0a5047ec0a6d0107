/** The longest time that a timer can be set to; a longer one would fire at once. */
const longestMs = 2 ** 31 - 1;

/** Runs `ring` after so long, unless it is called off; never where the time has no end. */
export function setAlarm(ms: number, ring: () => void): () => void {
  if (ms > longestMs) return () => undefined;
  const timer = setTimeout(ring, ms);
  return () => clearTimeout(timer);
}

/** Resolves after so many milliseconds, or rejects with the signal's reason once that is aborted. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const stop = () => {
      callOff();
      reject(reasonOf(signal!));
    };
    const callOff = setAlarm(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** What a call is given up with: the reason that its caller gave, whatever that is. */
export const reasonOf = (signal: AbortSignal): Error => signal.reason as Error;

/** A signal of its own that follows another one until it is let go. */
export interface Follower {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Follows no more: a signal that lives as long as its program must not gather listeners. */
  letGo(): void;
}

export function follow(leader: AbortSignal | undefined): Follower {
  const controller = new AbortController();
  const pass = () => controller.abort(leader?.reason);
  if (leader?.aborted) pass();
  else leader?.addEventListener("abort", pass, { once: true });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    letGo: () => leader?.removeEventListener("abort", pass),
  };
}
