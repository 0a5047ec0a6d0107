import { z } from "zod";
import { type EventBody, type EventType, eventTypes, isEventType } from "./event.ts";
import { nearestName } from "./nearest.ts";

/** What an endpoint is told that did not say what it wants to hear. Addresses named with one video hear the same. */
export const defaultWebhookEvents: readonly EventType[] = [
  "video.completed",
  "video.failed",
  "video.cancelled",
  "video.in_doubt",
  "video.at_risk",
];

/** Instead of types: every event, those that are yet to be invented too. */
export const everyEvent = "*";

/** Why nothing is sent to an endpoint: it answered 410, it failed for days, or somebody asked for it. */
const disabledReasons = ["gone", "failing", "asked"] as const;
export type DisabledReason = (typeof disabledReasons)[number];

/**
 * - `pending`: being sent, or waiting for its next try or for the event before it
 * - `delivered`: answered with 2xx
 * - `failed`: given up after a day of tries, or by a 410
 * - `cancelled`: its endpoint was disabled, or its address is gone
 */
export const deliveryStatuses = ["pending", "delivered", "failed", "cancelled"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

const maxOverlapSeconds = 7 * 24 * 3600;
const defaultOverlapSeconds = 24 * 3600;

const url = z.string().min(1).max(2_048).describe("Where events are posted to: https, at a public address.");
const description = z.string().max(500).nullable().describe("For people.");
const eventType = z.string().superRefine((name, context) => {
  if (name === everyEvent || isEventType(name)) return;
  const known = [...Object.keys(eventTypes), everyEvent];
  const meant = nearestName(name, known);
  const hint = meant ? `did you mean "${meant}"?` : `known types: ${known.join(", ")}.`;
  context.addIssue({
    code: "custom",
    message: `the event type ${JSON.stringify(name.slice(0, 80))} is not known; ${hint}`,
  });
});
const events = z
  .array(eventType)
  .min(1)
  .max(100)
  .transform((types) => [...new Set(types)])
  .describe(`Types of events to be told of, or ["${everyEvent}"].`);

/** The body of `POST /v1/webhook_endpoints`. */
export const webhookEndpointCreateSchema = z.strictObject({
  url,
  events: events.default([...defaultWebhookEvents]),
  description: description.default(null),
});
export type WebhookEndpointCreate = z.infer<typeof webhookEndpointCreateSchema>;

/** The body of `POST /v1/webhook_endpoints/{id}`: what is left out stays as it is. */
export const webhookEndpointUpdateSchema = z.strictObject({
  url: url.exactOptional(),
  events: events.exactOptional(),
  description: description.exactOptional(),
  enabled: z.boolean().exactOptional().describe("true sends again what happens from now on; false stops it."),
});
export type WebhookEndpointUpdate = z.infer<typeof webhookEndpointUpdateSchema>;

/** The body of a call that makes a new secret. */
export const webhookRotationSchema = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(maxOverlapSeconds)
    .default(defaultOverlapSeconds)
    .describe("For so long the secret before it signs too."),
});

const unixSeconds = z.int().nonnegative();

/** `GET /v1/webhook_endpoints/{id}`. */
export const webhookEndpointBodySchema = z.strictObject({
  id: z.string().regex(/^we_/),
  object: z.literal("webhook_endpoint"),
  url: z.string(),
  events: z.array(z.string()),
  description: z.string().nullable(),
  enabled: z.boolean(),
  disabled_reason: z.enum(disabledReasons).nullable(),
  disabled_at: unixSeconds.nullable(),
  created_at: unixSeconds,
  project: z.string(),
  created_by: z.string().describe("The id of the API key that made it."),
  secret: z.string().exactOptional().describe("Where it was just made."),
});
export type WebhookEndpointBody = z.infer<typeof webhookEndpointBodySchema>;

export const webhookEndpointListBodySchema = z.strictObject({
  object: z.literal("list"),
  data: z.array(webhookEndpointBodySchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
export type WebhookEndpointListBody = z.infer<typeof webhookEndpointListBodySchema>;

export const webhookEndpointDeletedBodySchema = z.strictObject({
  id: z.string(),
  object: z.literal("webhook_endpoint.deleted"),
  deleted: z.literal(true),
});

/** A secret by the Standard Webhooks specification: `whsec_` and the base64 of what signs. */
export const webhookSecretBodySchema = z.strictObject({
  object: z.literal("webhook_secret"),
  secret: z.string().regex(/^whsec_/),
  previous_secret_until: unixSeconds.nullable().describe("Until when the secret before it signs too."),
});
export type WebhookSecretBody = z.infer<typeof webhookSecretBodySchema>;

const webhookTryBodySchema = z.strictObject({
  at: unixSeconds,
  status: z.int().nullable().describe("The HTTP status of the answer, where there was one."),
  ms: z.int().nonnegative(),
  error: z.string().nullable().describe("What went wrong, in a sentence."),
});

/** One event on its way to one endpoint. */
export const webhookDeliveryBodySchema = z.strictObject({
  id: z.string().regex(/^wd_/),
  object: z.literal("webhook_delivery"),
  endpoint: z.string(),
  event: z.string().describe("The event's id: what `webhook-id` says in each try."),
  type: z.string(),
  status: z.enum(deliveryStatuses),
  created_at: unixSeconds,
  ended_at: unixSeconds.nullable(),
  next_at: unixSeconds
    .nullable()
    .describe("When it is tried next; null also while it waits for the event of the same video before it."),
  tries: z.array(webhookTryBodySchema),
  payload: z.unknown().describe("What is sent."),
});
export type WebhookDeliveryBody = z.infer<typeof webhookDeliveryBodySchema>;

export const webhookDeliveryListBodySchema = z.strictObject({
  object: z.literal("list"),
  data: z.array(webhookDeliveryBodySchema),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
export type WebhookDeliveryListBody = z.infer<typeof webhookDeliveryListBodySchema>;

/** What `POST /v1/webhook_endpoints/{id}/test` sends: an event that is in no stream. */
export interface WebhookTestBody extends Omit<EventBody, "type" | "data"> {
  type: "webhook.test";
  data: { id: string; object: "webhook_endpoint" };
}
