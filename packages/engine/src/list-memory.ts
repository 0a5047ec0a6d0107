import type { TaskPage, Upstream } from "@reelq/upstream";
import { type Clock, MINUTE } from "./clock.ts";

/** A server that has no list is asked again after this time: it may have been upgraded. */
const rememberMs = 10 * MINUTE;

/** The same upstream, which is not asked for a list again and again once it said that it has none. */
export function rememberingNoList(upstream: Upstream, clock: Clock): Upstream {
  let known: { readonly page: TaskPage; readonly until: number } | undefined;
  return {
    ...upstream,
    async list(options) {
      if (known && clock.now() < known.until) return known.page;
      const page = await upstream.list(options);
      known = page.kind === "no_list" ? { page, until: clock.now() + rememberMs } : undefined;
      return page;
    },
  };
}
