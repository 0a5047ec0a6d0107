import {
  type DeliveryStatus,
  newUuid,
  problem,
  type ProblemError,
  type WebhookEndpointCreate,
  type WebhookEndpointUpdate,
  type WebhookTestBody,
} from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { readIdPage } from "../id-page.ts";
import { eventStreamLength } from "../event-stream.ts";
import type { Caller } from "../caller.ts";
import { defineScripts } from "../scripts.ts";
import { cancelled } from "./conclude.ts";
import { openDeliveries } from "./deliveries.ts";
import { type Delivery, deliveryId, isDeliveryId } from "./delivery.ts";
import { endpointOf, newEndpointId, type WebhookEndpoint } from "./endpoint.ts";
import { newSecret, type Signing } from "./signature.ts";
import { signingOfKey } from "./signing-of-key.ts";

/** A project with more needs something that fans out behind one of them. */
const mostEndpoints = 100;

/** A delivery, and when it is tried next, ms since 1970. */
export interface LoggedDelivery extends Delivery {
  readonly nextAt: number | undefined;
}

interface EndpointPage {
  readonly endpoints: readonly WebhookEndpoint[];
  readonly hasMore: boolean;
}

/** A page begins after this id, newest first. */
interface PageOptions {
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A producer's side of webhooks. A caller sees its project's endpoints, an admin everyone's. Each throws ProblemError. */
export interface Webhooks {
  create(given: WebhookEndpointCreate, caller: Caller): Promise<WebhookEndpoint>;
  list(options: PageOptions, caller: Caller): Promise<EndpointPage>;
  read(id: string, caller: Caller): Promise<WebhookEndpoint>;
  update(id: string, given: WebhookEndpointUpdate, caller: Caller): Promise<WebhookEndpoint>;
  /** With its secret, its log and what is pending. */
  remove(id: string, caller: Caller): Promise<void>;
  /** A new secret; the one before signs too for so long. */
  rotate(id: string, overlapMs: number, caller: Caller): Promise<WebhookEndpoint>;
  /** What signs the webhooks of addresses that the caller's API key names with single videos. */
  signing(caller: Caller): Promise<Signing>;
  rotateSigning(overlapMs: number, caller: Caller): Promise<Signing>;
  deliveries(
    id: string,
    options: PageOptions & { readonly status?: DeliveryStatus | undefined },
    caller: Caller,
  ): Promise<{ readonly deliveries: readonly LoggedDelivery[]; readonly hasMore: boolean }>;
  /** Sends a delivery at once, also one that was delivered. */
  redeliver(id: string, delivery: string, caller: Caller): Promise<LoggedDelivery>;
  /** Sends an event that tells of nothing. */
  test(id: string, caller: Caller): Promise<LoggedDelivery>;
}

/** @param judgeUrl throws ProblemError for an address that nothing can be sent to */
export function openWebhooks(engine: Engine, judgeUrl: (url: string) => void): Webhooks {
  const { redis, keys, clock } = engine;
  const scripts = defineScripts(redis);
  const store = openDeliveries(engine);

  const readHash = async (id: string) => endpointOf(id, await redis.hgetall(keys.webhookEndpoint(id)));

  async function read(id: string, caller: Caller): Promise<WebhookEndpoint> {
    const endpoint = await readHash(id);
    if (!endpoint || !(caller.isAdmin || endpoint.project === caller.project)) throw noEndpoint(id);
    return endpoint;
  }

  /** Ends whatever waits for an endpoint to which nothing is sent any more. */
  async function drain(target: string): Promise<void> {
    for (;;) {
      const ids = await store.claim(target, drainLeaseMs);
      if (ids.length === 0) return;
      await Promise.all(
        ids.map(async (id) => {
          const delivery = await store.read(id);
          if (delivery) await store.settle(delivery, cancelled(delivery), "");
          else await store.forget(target, id);
        }),
      );
    }
  }

  const withNext = async (delivery: Delivery): Promise<LoggedDelivery> => ({
    ...delivery,
    nextAt: delivery.status === "pending" ? await store.nextAt(delivery) : undefined,
  });

  return {
    async create(given, caller) {
      judgeUrl(given.url);
      const now = Math.floor(clock.now());
      const id = newEndpointId(now);
      const fields = {
        project: caller.project,
        key: caller.key,
        ...hashOf(given),
        enabled: "1",
        createdAt: String(now),
        secret: newSecret(),
      };
      const hasRoom = await scripts.enrol(
        [keys.webhookEndpoint(id), keys.webhookEndpoints, keys.projectWebhookEndpoints(caller.project), keys.events],
        [id, mostEndpoints, ...Object.entries(fields).flat()],
      );
      if (!hasRoom)
        throw problem(
          "conflict",
          `The project ${JSON.stringify(caller.project)} has ${mostEndpoints} webhook endpoints, and no project may have more; delete one first.`,
        );
      return read(id, caller);
    },

    async list({ after, limit }, caller) {
      const index = caller.isAdmin ? keys.webhookEndpoints : keys.projectWebhookEndpoints(caller.project);
      const { ids, hasMore } = await readIdPage(redis, [index], { after, limit, order: "desc" });
      const endpoints = await Promise.all(ids.map(readHash));
      return { endpoints: endpoints.filter((one) => one !== undefined), hasMore };
    },

    read,

    async update(id, { enabled, ...given }, caller) {
      const endpoint = await read(id, caller);
      if (given.url !== undefined) judgeUrl(given.url);
      // What was pending when it was disabled is not sent after all.
      if (enabled === true && !endpoint.enabled) await drain(id);
      const found = await scripts.amend(
        [keys.webhookEndpoint(id), keys.events, keys.webhookTargets],
        [
          id,
          Math.floor(clock.now()),
          eventStreamLength,
          enabled === undefined ? "" : enabled ? "1" : "0",
          ...Object.entries(hashOf(given)).flat(),
        ],
      );
      if (!found) throw noEndpoint(id);
      if (given.description === null) await redis.hdel(keys.webhookEndpoint(id), "description");
      if (enabled === false) await drain(id);
      return read(id, caller);
    },

    async remove(id, caller) {
      const { project } = await read(id, caller);
      await redis
        .multi()
        .del(keys.webhookEndpoint(id))
        .zrem(keys.webhookEndpoints, id)
        .zrem(keys.projectWebhookEndpoints(project), id)
        // Should this process die now, a worker goes on.
        .zadd(keys.webhookTargets, Math.floor(clock.now()), id)
        .exec();
      await drain(id);
      await store.forgetEnded(id);
    },

    async rotate(id, overlapMs, caller) {
      await read(id, caller);
      const found = await scripts.rotate(
        [keys.webhookEndpoint(id)],
        [newSecret(), Math.floor(clock.now()) + overlapMs, "1"],
      );
      if (!found) throw noEndpoint(id);
      return read(id, caller);
    },

    signing: (caller) => signingOfKey(caller.key, engine),

    async rotateSigning(overlapMs, caller) {
      await scripts.rotate([keys.webhookSigning(caller.key)], [newSecret(), Math.floor(clock.now()) + overlapMs, ""]);
      return signingOfKey(caller.key, engine);
    },

    async deliveries(id, { after, limit, status }, caller) {
      await read(id, caller);
      const page = await store.list(id, { after, limit, ...(status === undefined ? {} : { statuses: [status] }) });
      return { deliveries: await Promise.all(page.deliveries.map(withNext)), hasMore: page.hasMore };
    },

    async redeliver(id, deliveryId, caller) {
      await read(id, caller);
      for (;;) {
        const delivery = isDeliveryId(deliveryId) ? await store.read(deliveryId) : undefined;
        if (delivery?.target !== id)
          throw problem(
            "not_found",
            `${id} has no delivery ${JSON.stringify(deliveryId)}; each is kept for 7 days after it ended.`,
            "delivery",
          );
        const reply = await store.redeliver(delivery);
        if (reply === "closed") throw isDisabled(id);
        const now = reply === "done" && (await store.read(deliveryId));
        if (now) return withNext(now);
      }
    },

    async test(id, caller) {
      const { enabled, project } = await read(id, caller);
      if (!enabled) throw isDisabled(id);
      const now = Math.floor(clock.now());
      const event = `evt_test_${newUuid(now)}`;
      const body: WebhookTestBody = {
        id: event,
        object: "event",
        type: "webhook.test",
        created_at: Math.floor(now / 1000),
        project,
        data: { id, object: "webhook_endpoint" },
      };
      const draft = {
        id: deliveryId(id, event, `${now}-0`),
        target: id,
        subject: event,
        event,
        type: body.type,
        project,
        payload: JSON.stringify(body),
      };
      await store.add(draft);
      const delivery = await store.read(draft.id);
      if (!delivery) throw isDisabled(id);
      return withNext(delivery);
    },
  };
}

const drainLeaseMs = 10_000;

/** The fields of its hash that a caller may choose. */
function hashOf({ url, events, description }: Omit<WebhookEndpointUpdate, "enabled">): Record<string, string> {
  return {
    ...(url === undefined ? {} : { url }),
    ...(events === undefined ? {} : { events: JSON.stringify(events) }),
    ...(description === undefined || description === null ? {} : { description }),
  };
}

const noEndpoint = (id: string): ProblemError =>
  problem("not_found", `There is no webhook endpoint ${JSON.stringify(id)}.`, "id");

const isDisabled = (id: string): ProblemError =>
  problem("conflict", `${id} is disabled; enable it first, with {"enabled": true}.`, "id");
