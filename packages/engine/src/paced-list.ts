import { setTimeout as delay } from "node:timers/promises";
import type { Upstream } from "@reelq/upstream";

/**
 * The same upstream, whose list is read no faster than its looks a second allow: each page waits for leave.
 * @param ask leave for one page: 0 for now, else the ms to wait
 */
export const pacedList = (upstream: Upstream, ask: () => Promise<number>, signal: AbortSignal): Upstream => ({
  ...upstream,
  async list(options) {
    for (;;) {
      const waitMs = await ask();
      if (waitMs === 0) return upstream.list(options);
      await delay(waitMs, undefined, { signal });
    }
  },
});
