import {
  deliveryStatuses,
  type DeliveryStatus,
  judgeBody,
  problem,
  type WebhookDeliveryBody,
  type WebhookDeliveryListBody,
  type WebhookEndpointBody,
  webhookEndpointCreateSchema,
  type WebhookEndpointListBody,
  webhookEndpointUpdateSchema,
  webhookRotationSchema,
  type WebhookSecretBody,
} from "@reelq/contract";
import { type LoggedDelivery, type Signing, stillSigning, type WebhookEndpoint, type Webhooks } from "@reelq/engine";
import { type Request, Router } from "express";
import { callerOf } from "../caller.ts";
import { listBody } from "../list-body.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";
import { queryOf } from "../query.ts";
import { readJsonCommand } from "../whole-body.ts";

const maxBodyBytes = 64 * 1024;
const longestPage = 100;

/** `/v1/webhook_endpoints`: where a project's events are sent, with a log of what was sent there. */
export function webhookEndpointsRouter(webhooks: Webhooks): Router {
  const router = Router();

  router
    .route("/")
    .post(async (request, response) => {
      const given = judgeBody(webhookEndpointCreateSchema, await readBody(request));
      const endpoint = await webhooks.create(given, callerOf(request));
      response.json(endpointBody(endpoint, { withSecret: true }));
    })
    .get(async (request, response) => {
      const { endpoints, hasMore } = await webhooks.list(readPage(request, longestPage), callerOf(request));
      response.json(
        listBody(
          endpoints.map((one) => endpointBody(one)),
          hasMore,
        ) satisfies WebhookEndpointListBody,
      );
    })
    .all(methodNotAllowed("GET", "POST"));

  router
    .route("/signing_secret")
    .get(async (request, response) => {
      response.json(secretBody(await webhooks.signing(callerOf(request))));
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/signing_secret/rotate")
    .post(async (request, response) => {
      response.json(secretBody(await webhooks.rotateSigning(await readOverlap(request), callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id")
    .get(async (request, response) => {
      response.json(endpointBody(await webhooks.read(request.params.id, callerOf(request))));
    })
    .post(async (request, response) => {
      const given = judgeBody(webhookEndpointUpdateSchema, await readBody(request));
      response.json(endpointBody(await webhooks.update(request.params.id, given, callerOf(request))));
    })
    .delete(async (request, response) => {
      const { id } = request.params;
      await webhooks.remove(id, callerOf(request));
      response.json({ id, object: "webhook_endpoint.deleted", deleted: true });
    })
    .all(methodNotAllowed("GET", "POST", "DELETE"));

  router
    .route("/:id/secret")
    .get(async (request, response) => {
      response.json(secretBody((await webhooks.read(request.params.id, callerOf(request))).signing));
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/:id/rotate_secret")
    .post(async (request, response) => {
      const overlapMs = await readOverlap(request);
      const endpoint = await webhooks.rotate(request.params.id, overlapMs, callerOf(request));
      response.json(endpointBody(endpoint, { withSecret: true }));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/test")
    .post(async (request, response) => {
      response.json(deliveryBody(await webhooks.test(request.params.id, callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/deliveries")
    .get(async (request, response) => {
      const { deliveries, hasMore } = await webhooks.deliveries(
        request.params.id,
        { ...readPage(request, 20), status: readStatus(request) },
        callerOf(request),
      );
      response.json(listBody(deliveries.map(deliveryBody), hasMore) satisfies WebhookDeliveryListBody);
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/:id/deliveries/:delivery/redeliver")
    .post(async (request, response) => {
      const { id, delivery } = request.params;
      response.json(deliveryBody(await webhooks.redeliver(id, delivery, callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  return router;
}

const readBody = (request: Request): Promise<Record<string, unknown>> => readJsonCommand(request, maxBodyBytes);

const readOverlap = async (request: Request): Promise<number> =>
  judgeBody(webhookRotationSchema, await readBody(request)).overlap_seconds * 1000;

/** Newest first: both lists know no other order. */
function readPage(request: Request, byDefault: number): { readonly after?: string; readonly limit: number } {
  const after = queryOf(request, "after");
  const limit = queryOf(request, "limit") ?? String(byDefault);
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > longestPage)
    throw problem(
      "invalid_value",
      `limit ${JSON.stringify(limit)} must be a whole number from 1 to ${longestPage}.`,
      "limit",
    );
  return { ...(after === undefined ? {} : { after }), limit: Number(limit) };
}

function readStatus(request: Request): DeliveryStatus | undefined {
  const status = queryOf(request, "status");
  const known = deliveryStatuses.find((one) => one === status);
  if (status === undefined || known) return known;
  throw problem(
    "invalid_value",
    `status ${JSON.stringify(status)} is not known; allowed: ${deliveryStatuses.join(", ")}.`,
    "status",
  );
}

const unixSeconds = (ms: number): number => Math.floor(ms / 1000);

const secondsOrNull = (ms: number | null | undefined): number | null =>
  ms === undefined || ms === null ? null : unixSeconds(ms);

const endpointBody = (endpoint: WebhookEndpoint, { withSecret = false } = {}): WebhookEndpointBody => ({
  id: endpoint.id,
  object: "webhook_endpoint",
  url: endpoint.url,
  events: [...endpoint.events],
  description: endpoint.description,
  enabled: endpoint.enabled,
  disabled_reason: endpoint.disabledReason,
  disabled_at: secondsOrNull(endpoint.disabledAt),
  created_at: unixSeconds(endpoint.createdAt),
  project: endpoint.project,
  created_by: endpoint.key,
  ...(withSecret ? { secret: endpoint.signing.secret } : {}),
});

const secretBody = (signing: Signing): WebhookSecretBody => ({
  object: "webhook_secret",
  secret: signing.secret,
  previous_secret_until: secondsOrNull(stillSigning(signing, Date.now())?.until),
});

const deliveryBody = (delivery: LoggedDelivery): WebhookDeliveryBody => ({
  id: delivery.id,
  object: "webhook_delivery",
  endpoint: delivery.target,
  event: delivery.event,
  type: delivery.type,
  status: delivery.status,
  created_at: unixSeconds(delivery.createdAt),
  ended_at: secondsOrNull(delivery.endedAt),
  next_at: secondsOrNull(delivery.nextAt),
  tries: delivery.tries.map(({ at, status, ms, error }) => ({ at: unixSeconds(at), status, ms, error })),
  payload: JSON.parse(delivery.payload) as unknown,
});
