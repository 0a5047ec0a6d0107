import { type DeliveryStatus, deliveryStatuses, type DisabledReason } from "@reelq/contract";
import { DAY, SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { eventStreamLength } from "../event-stream.ts";
import type { Keys } from "../keys.ts";
import { defineScripts } from "../scripts.ts";
import type { Conclusion } from "./conclude.ts";
import { type Delivery, deliveryIdAt, deliveryOf, type DeliveryDraft, fieldsOf } from "./delivery.ts";
import { isEndpointId } from "./endpoint.ts";

/** A target is sent so many at once: enough for a quick one to keep up, and no flood for a slow one. */
const places = 8;

/** How long what became of a delivery can be read. */
const keepMs = 7 * DAY;

/** An endpoint that failed for so long without a success in between is disabled. */
const failingMs = 3 * DAY;

/** Failures that lie further apart say nothing of the time between them. */
const longestGapMs = DAY;

/** Nor do a few failures that happen to lie far apart. */
const fewestFailures = 10;

/** What `settle.lua` is told. Times in ms since 1970. */
interface Settlement extends Omit<Conclusion, "tries"> {
  readonly id: string;
  readonly target: string;
  /** Settlements that there must have been. */
  readonly tried: number;
  readonly at: number;
  /** Where it was sent. */
  readonly url: string;
  readonly places: number;
  readonly keepMs: number;
  readonly failingMs: number;
  readonly longestGapMs: number;
  readonly fewestFailures: number;
  /** Ids before this one are forgotten. */
  readonly oldest: string;
  /** Longest length of the event stream. */
  readonly events: number;
}

interface DeliveryPage {
  readonly deliveries: readonly Delivery[];
  readonly hasMore: boolean;
}

/** The deliveries in Redis. */
export interface Deliveries {
  /** Writes those of a page of events, and moves the cursor past it; undefined where somebody else has moved it. */
  dispatch(drafts: readonly DeliveryDraft[], from: string, to: string): Promise<number | undefined>;
  /** Writes one that is in no stream, and wakes whoever delivers. */
  add(draft: DeliveryDraft): Promise<void>;
  /** When somebody must look at each target, the first ones first. */
  schedule(limit: number): Promise<{ readonly target: string; readonly at: number }[]>;
  /** Takes what is to be sent to a target now; ours for so long. */
  claim(target: string, leaseMs: number): Promise<string[]>;
  /** Holds claims for longer; 0 gives them back. */
  renew(target: string, ids: readonly string[], leaseMs: number): Promise<void>;
  /**
   * @param url where it was sent
   * @returns why it disabled its endpoint; false where somebody else settled it, or it is gone
   */
  settle(delivery: Delivery, conclusion: Conclusion, url: string): Promise<DisabledReason | undefined | false>;
  /** Gives up one that is claimed and no longer there. */
  forget(target: string, id: string): Promise<void>;
  read(id: string): Promise<Delivery | undefined>;
  /** When it is tried next, ms since 1970; of one that waits for another one, or is being sent, undefined. */
  nextAt(delivery: Delivery): Promise<number | undefined>;
  /** Newest first. */
  list(
    target: string,
    options: {
      readonly after?: string | undefined;
      readonly limit: number;
      readonly statuses?: readonly DeliveryStatus[];
    },
  ): Promise<DeliveryPage>;
  redeliver(delivery: Delivery): Promise<"done" | "changed" | "closed">;
  /** Forgets all that has ended. */
  forgetEnded(target: string): Promise<void>;
}

const pageLength = 200;

export function openDeliveries({ redis, keys, clock }: Engine): Deliveries {
  const scripts = defineScripts(redis);

  const write = (drafts: readonly DeliveryDraft[], from: string, to: string): Promise<number> => {
    const payloads = [...new Set(drafts.map(({ payload }) => payload))];
    const numbers = new Map(payloads.map((payload, index) => [payload, index + 1]));
    return scripts.dispatch(
      [
        keys.webhookCursor,
        keys.webhookTargets,
        keys.counters,
        keys.webhookWakes,
        ...drafts.flatMap(({ id, target, subject }) => [
          keys.webhookDelivery(id),
          keys.webhookOrder(target, subject),
          keys.webhookDue(target),
          keys.webhookClaims(target),
          keys.webhookLog(target, "pending"),
          endpointKey(target, keys),
        ]),
      ],
      [
        from,
        to,
        now(),
        places,
        payloads.length,
        ...payloads,
        ...drafts.flatMap((draft) => [
          draft.id,
          draft.target,
          numbers.get(draft.payload) ?? 0,
          JSON.stringify(fieldsOf(draft)),
        ]),
      ],
    );
  };

  const now = (): number => Math.floor(clock.now());

  return {
    async dispatch(drafts, from, to) {
      const written = await write(drafts, from, to);
      return written === -1 ? undefined : written;
    },

    async add(draft) {
      await write([draft], "", "");
    },

    async schedule(limit) {
      const found = await redis.zrange(keys.webhookTargets, "0", String(limit - 1), "WITHSCORES");
      return Array.from({ length: found.length / 2 }, (_, index) => ({
        target: found[index * 2] ?? "",
        at: Number(found[index * 2 + 1]),
      }));
    },

    claim: (target, leaseMs) =>
      scripts.claim(
        [keys.webhookTargets, keys.webhookDue(target), keys.webhookClaims(target), endpointKey(target, keys)],
        [target, now(), now() + leaseMs, places],
      ),

    async renew(target, ids, leaseMs) {
      await scripts.renew(
        [keys.webhookTargets, keys.webhookDue(target), keys.webhookClaims(target), endpointKey(target, keys)],
        [target, now() + leaseMs, places, ...ids],
      );
    },

    async settle(delivery, { tries, ...conclusion }, url) {
      const { id, target, subject, tried } = delivery;
      const at = now();
      const settlement: Settlement = {
        ...conclusion,
        id,
        target,
        tried,
        at,
        url,
        places,
        keepMs,
        failingMs,
        longestGapMs,
        fewestFailures,
        oldest: deliveryIdAt(at - keepMs - 2 * DAY),
        events: eventStreamLength,
      };
      const [kind, disabled] = await scripts.settle(
        [
          keys.webhookDelivery(id),
          keys.webhookTargets,
          keys.webhookDue(target),
          keys.webhookClaims(target),
          keys.webhookOrder(target, subject),
          keys.webhookLog(target, "pending"),
          keys.webhookLog(target, conclusion.status),
          endpointKey(target, keys),
          keys.events,
          keys.counters,
        ],
        [JSON.stringify(settlement), JSON.stringify(tries)],
      );
      if (kind !== "settled") return false;
      return disabled ? (disabled as DisabledReason) : undefined;
    },

    async forget(target, id) {
      await redis.zrem(keys.webhookDue(target), id);
      await redis.zrem(keys.webhookClaims(target), id);
      await redis.zadd(keys.webhookTargets, now() + SECOND, target);
    },

    read: async (id) => deliveryOf(id, await redis.hgetall(keys.webhookDelivery(id))),

    async nextAt({ id, target }) {
      const at = await redis.zscore(keys.webhookDue(target), id);
      return at === null ? undefined : Number(at);
    },

    async list(target, { after, limit, statuses = deliveryStatuses }) {
      const logs = statuses.map((status) => keys.webhookLog(target, status));
      for (;;) {
        const found = await Promise.all(
          logs.map((log) => redis.zrange(log, after ? `(${after}` : "+", "-", "BYLEX", "REV", "LIMIT", 0, limit + 1)),
        );
        // Each log is in order, so the first of them all are among the first of each.
        const ids = [...new Set(found.flat())].sort().reverse();
        const page = await Promise.all(
          ids
            .slice(0, limit)
            .map(async (id) => [id, deliveryOf(id, await redis.hgetall(keys.webhookDelivery(id)))] as const),
        );
        const expired = page.flatMap(([id, delivery]) => (delivery ? [] : [id]));
        if (expired.length === 0)
          return { deliveries: page.flatMap(([, delivery]) => delivery ?? []), hasMore: ids.length > limit };
        await Promise.all(logs.map((log) => redis.zrem(log, ...expired)));
      }
    },

    async redeliver({ id, target, subject, status }) {
      const reply = await scripts.redeliver(
        [
          keys.webhookDelivery(id),
          keys.webhookTargets,
          keys.webhookDue(target),
          keys.webhookClaims(target),
          keys.webhookOrder(target, subject),
          keys.webhookLog(target, "pending"),
          keys.webhookLog(target, status),
          endpointKey(target, keys),
          keys.webhookWakes,
          keys.counters,
        ],
        [id, target, now(), places, status],
      );
      return reply as "done" | "changed" | "closed";
    },

    async forgetEnded(target) {
      for (const status of deliveryStatuses.filter((one) => one !== "pending")) {
        const log = keys.webhookLog(target, status);
        for (;;) {
          const ids = await redis.zrange(log, "0", String(pageLength - 1));
          if (ids.length === 0) break;
          await redis.unlink(...ids.map(keys.webhookDelivery));
          await redis.zrem(log, ...ids);
        }
      }
    },
  };
}

/** What a script takes for no endpoint where the target is none. */
const endpointKey = (target: string, keys: Keys): string =>
  isEndpointId(target) ? keys.webhookEndpoint(target) : keys.webhookDue(target);
