import { WebError } from "./web-error.ts";

/** Ends a call after a time, or when its caller says so. */
export interface Deadline {
  /** Its reason is what the call rejects with: a WebError `timeout`, or the reason of the caller's own signal. */
  readonly signal: AbortSignal;
  clear(): void;
}

// What a Node timer can wait; a longer one would go off at once.
const longestMs = 2_147_483_647;

export function deadlineIn(timeoutMs: number, host: string, signal?: AbortSignal): Deadline {
  const controller = new AbortController();
  const message = `${host} did not answer in full within ${timeoutMs} ms; try again later, or name a faster one.`;
  const timer = setTimeout(
    () => controller.abort(new WebError("timeout", message, { host })),
    Math.min(timeoutMs, longestMs),
  );
  const stop = () => controller.abort(signal?.reason);
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}
