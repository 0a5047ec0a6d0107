/** A signal that ends a call after a time, unless the call cleared it first. */
export interface Deadline {
  readonly signal: AbortSignal;
  clear(): void;
}

export function deadlineIn(ms: number): Deadline {
  const controller = new AbortController();
  // After the turn in which sockets are read: a process that was frozen or busy finds its timers due before it has
  // looked at the reply that came meanwhile, and a reply thrown away is a video in doubt.
  const timer = setTimeout(() => setImmediate(() => controller.abort(new Error(`no end after ${ms} ms`))), ms);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
