/** Waits no longer than the signal says; what comes later is let go. */
export async function within<T>(signal: AbortSignal, coming: Promise<T>): Promise<T> {
  const cut = Promise.withResolvers<never>();
  const stop = () => cut.reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([cut.promise, coming]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
