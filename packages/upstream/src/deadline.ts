/** A signal that ends a call after a time, unless the call cleared it first. */
export interface Deadline {
  readonly signal: AbortSignal;
  clear(): void;
}

export function deadlineIn(ms: number): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`no end after ${ms} ms`)), ms);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
