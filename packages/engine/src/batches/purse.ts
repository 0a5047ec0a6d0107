import { type MicroUsd, type Money, spentOf, type VideoIn } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { dayOf } from "../day.ts";
import { type Cap, capsOn, readMoney, scopes } from "../money.ts";
import type { HeldBack } from "../obstacle.ts";
import type { BatchRecord } from "./record.ts";

/** What is spent, read once for a round of the keeper's. The scripts judge for certain; this saves vain trips to a lane. */
export interface Purse {
  balance(scope: string): Promise<Money>;
  /** What keeps a clip from being paid in a lane; undefined: nothing. */
  refusal(
    video: Pick<VideoIn<"queued">, "project" | "request">,
    upstream: string,
    price: MicroUsd | undefined,
    batch: BatchRecord,
  ): Promise<(HeldBack & { readonly kind: "budget" }) | undefined>;
}

export function openPurse({ redis, keys, clock, fleet }: Pick<Engine, "redis" | "keys" | "clock" | "fleet">): Purse {
  const read = new Map<string, Promise<Money>>();
  const balance = (scope: string): Promise<Money> => {
    const known = read.get(scope) ?? redis.hgetall(keys.money(scope)).then(readMoney);
    read.set(scope, known);
    return known;
  };
  return {
    balance,

    async refusal({ project }, upstream, price, { id, budget }) {
      if (price === undefined) return undefined;
      const own: Cap[] =
        budget === undefined ? [] : [{ scope: scopes.batch(id), name: "the batch's budget", micros: budget }];
      const day = dayOf(clock.now(), fleet.budgets.timeZone);
      for (const cap of [...own, ...capsOn(project, upstream, day, fleet)]) {
        const spent = spentOf(await balance(cap.scope));
        if (spent + price > cap.micros)
          return { kind: "budget", whose: cap.name, spent, cap: cap.micros, needed: price };
      }
      return undefined;
    },
  };
}
