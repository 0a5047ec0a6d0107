import type {
  DeliveryStatus,
  EventType,
  WebhookDeliveryBody,
  WebhookDeliveryListBody,
  WebhookEndpointBody,
  WebhookEndpointListBody,
  WebhookSecretBody,
} from "@reelq/contract";
import type { CallOptions, Transport } from "./transport.ts";

/** An endpoint whose secret was made just now. */
export type WebhookEndpointWithSecret = WebhookEndpointBody & { readonly secret: string };

export interface WebhookEndpointInput {
  readonly url: string;
  /** Types of events, or `["*"]` for all. @default completed, failed, cancelled, in_doubt and at_risk */
  readonly events?: readonly (EventType | "*")[] | undefined;
  readonly description?: string | null | undefined;
}

export interface WebhookListQuery {
  readonly after?: string | undefined;
  /** At most 100. */
  readonly limit?: number | undefined;
}

export interface DeliveriesQuery extends WebhookListQuery {
  readonly status?: DeliveryStatus | undefined;
}

export interface RotateOptions extends CallOptions {
  /** How long the old secret signs beside the new one. @default 86400 */
  readonly overlapSeconds?: number | undefined;
}

/** Where events are sent to. A call that got no answer is not sent again where that would do something twice. */
export interface WebhookEndpoints {
  /** The reply has the secret. */
  create(input: WebhookEndpointInput, options?: CallOptions): Promise<WebhookEndpointWithSecret>;
  list(query?: WebhookListQuery, options?: CallOptions): Promise<WebhookEndpointListBody>;
  retrieve(id: string, options?: CallOptions): Promise<WebhookEndpointBody>;
  update(
    id: string,
    change: Partial<WebhookEndpointInput> & { readonly enabled?: boolean | undefined },
    options?: CallOptions,
  ): Promise<WebhookEndpointBody>;
  delete(id: string, options?: CallOptions): Promise<{ readonly id: string; readonly deleted: true }>;
  secret(id: string, options?: CallOptions): Promise<WebhookSecretBody>;
  /** The reply has the new secret. */
  rotateSecret(id: string, options?: RotateOptions): Promise<WebhookEndpointWithSecret>;
  /** What was sent to it and how that went, the newest first, one page. */
  deliveries(id: string, query?: DeliveriesQuery, options?: CallOptions): Promise<WebhookDeliveryListBody>;
  redeliver(id: string, delivery: string, options?: CallOptions): Promise<WebhookDeliveryBody>;
  /** Sends it a `webhook.test`. */
  test(id: string, options?: CallOptions): Promise<WebhookDeliveryBody>;
  /** The secret of this API key, which signs what is sent to a video's own `webhookUrl`. */
  signingSecret(options?: CallOptions): Promise<WebhookSecretBody>;
  rotateSigningSecret(options?: RotateOptions): Promise<WebhookSecretBody>;
}

export function openWebhookEndpoints(transport: Transport): WebhookEndpoints {
  const root = "/webhook_endpoints";
  const pathOf = (id: string): string => `${root}/${encodeURIComponent(id)}`;
  const post = <Body>(path: string, json: object, { signal }: CallOptions, repeatable = false) =>
    transport.ask<Body>({ method: "POST", path, json, signal, repeatable });
  return {
    create: (input, options = {}) => post(root, input, options),
    list: (query = {}, { signal } = {}) => transport.ask({ path: root, query, signal }),
    retrieve: (id, { signal } = {}) => transport.ask({ path: pathOf(id), signal }),
    update: (id, change, options = {}) => post(pathOf(id), change, options, true),
    delete: (id, { signal } = {}) => transport.ask({ method: "DELETE", path: pathOf(id), signal }),
    secret: (id, { signal } = {}) => transport.ask({ path: `${pathOf(id)}/secret`, signal }),
    rotateSecret: (id, { overlapSeconds, ...options } = {}) =>
      post(`${pathOf(id)}/rotate_secret`, { overlap_seconds: overlapSeconds }, options),
    deliveries: (id, query = {}, { signal } = {}) => transport.ask({ path: `${pathOf(id)}/deliveries`, query, signal }),
    redeliver: (id, delivery, options = {}) =>
      post(`${pathOf(id)}/deliveries/${encodeURIComponent(delivery)}/redeliver`, {}, options),
    test: (id, options = {}) => post(`${pathOf(id)}/test`, {}, options),
    signingSecret: ({ signal } = {}) => transport.ask({ path: `${root}/signing_secret`, signal }),
    rotateSigningSecret: ({ overlapSeconds, ...options } = {}) =>
      post(`${root}/signing_secret/rotate`, { overlap_seconds: overlapSeconds }, options),
  };
}
