import type { Upstream } from "@reelq/upstream";
import type { Engine } from "./engine.ts";
import { noLimits } from "./lane.ts";
import { rememberingNoList } from "./list-memory.ts";
import { type LookDesk, openLookDesk } from "./look-desk.ts";
import { pacedList } from "./paced-list.ts";

/** One upstream as a worker's stages use it: within its looks a second, and without asking what it has said it cannot do. */
export interface Account {
  readonly upstream: Upstream;
  readonly look: LookDesk;
}

/** @param signal ends those who wait for leave */
export function openAccount(
  upstream: Upstream,
  { ledger, fleet, clock }: Pick<Engine, "ledger" | "fleet" | "clock">,
  signal: AbortSignal,
): Account {
  const { name } = upstream;
  const remembering = rememberingNoList(upstream, clock, fleet.capability(name, "list"));
  // A page of the list counts as one look at the account, and belongs to none of its lanes.
  const noLane = { upstream: name, model: "" };
  const askToList = () => ledger.askToLook(noLane, { ...fleet.limitsOf(noLane), lane: noLimits });
  return {
    upstream: pacedList(remembering, askToList, signal),
    look: openLookDesk({
      upstream: remembering,
      clock,
      askToLook: ({ lane }) => ledger.askToLook(lane, fleet.limitsOf(lane)),
      askToList,
    }),
  };
}
