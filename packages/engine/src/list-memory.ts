import type { TaskPage, Upstream } from "@reelq/upstream";
import { type Clock, MINUTE } from "./clock.ts";
import type { Capability } from "./fleet-config.ts";

/** A server that has no list is asked again after this time: it may have been upgraded. */
const rememberMs = 10 * MINUTE;

/**
 * The same upstream, which is not asked for a list again and again once it said that it has none.
 * @param said what the operator says of its list; `auto`: it shows
 */
export function rememberingNoList(upstream: Upstream, clock: Clock, said: Capability): Upstream {
  let known: { readonly page: TaskPage; readonly until: number } | undefined;
  if (said === false)
    known = { page: { kind: "no_list", reason: "the configuration says that it has none" }, until: Infinity };
  return {
    ...upstream,
    async list(options) {
      if (known && clock.now() < known.until) return known.page;
      const page = await upstream.list(options);
      if (page.kind !== "no_list") {
        known = undefined;
        return page;
      }
      if (said === true) return { kind: "missed", reason: page.reason };
      known = { page, until: clock.now() + rememberMs };
      return page;
    },
  };
}
