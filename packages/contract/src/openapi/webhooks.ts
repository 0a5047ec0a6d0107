import { eventTypes } from "../event.ts";
import { refTo } from "./components.ts";
import { eventExample, webhookTestExample } from "./examples.ts";
import type { Operation } from "./operation.ts";
import { defaultWebhookEvents } from "../webhook.ts";

const judged = [
  "malformed_body",
  "body_too_large",
  "unsupported_media_type",
  "invalid_value",
  "missing_value",
  "unknown_field",
] as const;

/** `/v1/webhook_endpoints` and what is below it. */
export const webhookOperations = [
  {
    method: "post",
    path: "/v1/webhook_endpoints",
    id: "createWebhookEndpoint",
    tag: "webhooks",
    summary: "Have events sent to an address",
    description: `The reply has the secret that signs what is sent. Without \`events\` it is told ${defaultWebhookEvents.map((type) => `\`${type}\``).join(", ")}. The types are those of the document's webhooks.`,
    body: { json: "WebhookEndpointCreate" },
    replies: { 200: { description: "The endpoint, with its secret.", json: "WebhookEndpoint" } },
    errors: [...judged, "conflict"],
  },
  {
    method: "get",
    path: "/v1/webhook_endpoints",
    id: "listWebhookEndpoints",
    tag: "webhooks",
    summary: "List webhook endpoints",
    description: "The project's, the newest first; everyone's for an admin's key.",
    parameters: ["After", "EndpointLimit"],
    replies: { 200: { description: "A page.", json: "WebhookEndpointList" } },
    errors: ["invalid_value"],
  },
  {
    method: "get",
    path: "/v1/webhook_endpoints/signing_secret",
    id: "retrieveSigningSecret",
    tag: "webhooks",
    summary: "Get the secret that signs for a video's own address",
    description: "Each API key has one, made when it is first needed: it signs what goes to `reelq.webhook_url`.",
    replies: { 200: { description: "The secret.", json: "WebhookSecret" } },
  },
  {
    method: "post",
    path: "/v1/webhook_endpoints/signing_secret/rotate",
    id: "rotateSigningSecret",
    tag: "webhooks",
    summary: "Replace the secret that signs for a video's own address",
    body: { json: "WebhookRotation", isOptional: true },
    replies: { 200: { description: "The new secret.", json: "WebhookSecret" } },
    errors: judged,
  },
  {
    method: "get",
    path: "/v1/webhook_endpoints/{id}",
    id: "retrieveWebhookEndpoint",
    tag: "webhooks",
    summary: "Look at a webhook endpoint",
    replies: { 200: { description: "The endpoint.", json: "WebhookEndpoint" } },
    errors: ["not_found"],
  },
  {
    method: "post",
    path: "/v1/webhook_endpoints/{id}",
    id: "updateWebhookEndpoint",
    tag: "webhooks",
    summary: "Change, disable or enable a webhook endpoint",
    description: "What was pending when it was disabled is not sent after it is enabled again.",
    body: { json: "WebhookEndpointUpdate" },
    replies: { 200: { description: "The endpoint as it is now.", json: "WebhookEndpoint" } },
    errors: [...judged, "not_found"],
  },
  {
    method: "delete",
    path: "/v1/webhook_endpoints/{id}",
    id: "deleteWebhookEndpoint",
    tag: "webhooks",
    summary: "Delete a webhook endpoint, its secret and its log",
    replies: { 200: { description: "It is gone.", json: "WebhookEndpointDeleted" } },
    errors: ["not_found"],
  },
  {
    method: "get",
    path: "/v1/webhook_endpoints/{id}/secret",
    id: "retrieveWebhookEndpointSecret",
    tag: "webhooks",
    summary: "Get a webhook endpoint's secret",
    replies: { 200: { description: "The secret.", json: "WebhookSecret" } },
    errors: ["not_found"],
  },
  {
    method: "post",
    path: "/v1/webhook_endpoints/{id}/rotate_secret",
    id: "rotateWebhookEndpointSecret",
    tag: "webhooks",
    summary: "Replace a webhook endpoint's secret",
    description: "Both secrets sign until the overlap is over.",
    body: { json: "WebhookRotation", isOptional: true },
    replies: { 200: { description: "The endpoint, with its new secret.", json: "WebhookEndpoint" } },
    errors: [...judged, "not_found"],
  },
  {
    method: "post",
    path: "/v1/webhook_endpoints/{id}/test",
    id: "testWebhookEndpoint",
    tag: "webhooks",
    summary: "Send a test event",
    description: "A `webhook.test`, through the same way as every other event.",
    replies: { 200: { description: "The delivery, pending.", json: "WebhookDelivery" } },
    errors: ["not_found", "conflict"],
  },
  {
    method: "get",
    path: "/v1/webhook_endpoints/{id}/deliveries",
    id: "listWebhookDeliveries",
    tag: "webhooks",
    summary: "See what was sent and how that went",
    description: "The newest first. Each is kept for 7 days after it ended.",
    parameters: ["After", "DeliveryLimit", "DeliveryStatus"],
    replies: { 200: { description: "A page.", json: "WebhookDeliveryList" } },
    errors: ["invalid_value", "not_found"],
  },
  {
    method: "post",
    path: "/v1/webhook_endpoints/{id}/deliveries/{delivery}/redeliver",
    id: "redeliverWebhook",
    tag: "webhooks",
    summary: "Send a delivery again",
    description: "At once, with the same `webhook-id`; one that was delivered too.",
    replies: { 200: { description: "The delivery, pending.", json: "WebhookDelivery" } },
    errors: ["not_found", "conflict"],
  },
] as const satisfies readonly Operation[];

/** What is posted to webhook endpoints, by its type: the `webhooks` of the document. */
export function webhookCalls(): Readonly<Record<string, unknown>> {
  const calls = Object.entries(eventTypes).map(([type, meaning]) => [
    type,
    callOf(
      type,
      meaning,
      { allOf: [refTo("schemas", "Event"), typed(type)] },
      eventExample(type as keyof typeof eventTypes),
    ),
  ]);
  const test = callOf(
    "webhook.test",
    "Somebody tries the endpoint; it tells of nothing.",
    refTo("schemas", "WebhookTestEvent"),
    webhookTestExample(),
  );
  return Object.fromEntries([...calls, ["webhook.test", test]]) as Record<string, unknown>;
}

const typed = (type: string) => ({ type: "object", properties: { type: { const: type } } });

const callOf = (type: string, meaning: string, schema: object, example: object) => ({
  post: {
    operationId: `on${type.replaceAll(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase())}`,
    tags: ["webhooks"],
    summary: meaning,
    security: [],
    parameters: [
      refTo("parameters", "WebhookIdHeader"),
      refTo("parameters", "WebhookTimestampHeader"),
      refTo("parameters", "WebhookSignatureHeader"),
    ],
    requestBody: { required: true, content: { "application/json": { schema, example } } },
    responses: {
      "2XX": { description: "Taken. Anything else, a redirect too, is tried again for a day." },
      "410": { description: "The address is gone: nothing is sent to it any more." },
    },
  },
});

/** The headers of what is posted. */
export const webhookHeaders = {
  WebhookIdHeader: {
    name: "webhook-id",
    in: "header",
    required: true,
    description: "The event's id, the same in each try: what was seen before may be left alone.",
    schema: { type: "string" },
  },
  WebhookTimestampHeader: {
    name: "webhook-timestamp",
    in: "header",
    required: true,
    description: "Unix time in seconds, of this try.",
    schema: { type: "string" },
  },
  WebhookSignatureHeader: {
    name: "webhook-signature",
    in: "header",
    required: true,
    description:
      "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` with the secret's bytes; two, separated by a space, while a rotation overlaps.",
    schema: { type: "string" },
  },
} as const;
