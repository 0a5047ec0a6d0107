import { createHash } from "node:crypto";
import type { DeliveryStatus } from "@reelq/contract";

/** One answer, or the lack of one. */
export interface Try {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The HTTP status; null where no answer came. */
  readonly status: number | null;
  readonly ms: number;
  /** In a sentence. */
  readonly error: string | null;
}

/** An event that is to be told to a target. */
export interface DeliveryDraft {
  readonly id: string;
  /** An endpoint's id, or `origin_…`: the addresses at one origin that a project named with single videos. */
  readonly target: string;
  /** What the event is about: of one subject, a target hears in order. */
  readonly subject: string;
  /** The id that the payload and `webhook-id` have. */
  readonly event: string;
  readonly type: string;
  readonly project: string;
  /** Where it goes and which API key's secret signs it, where the target is no endpoint. */
  readonly address?: { readonly url: string; readonly key: string };
  /** JSON, written once: each try sends the same bytes. */
  readonly payload: string;
}

/** One event on its way to one target. */
export interface Delivery extends DeliveryDraft {
  readonly status: DeliveryStatus;
  /** Counts the settlements: what compare-and-set compares. */
  readonly tried: number;
  readonly tries: readonly Try[];
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Since when it is tried, not counting what was before a redelivery. */
  readonly firstTryAt?: number;
  readonly endedAt?: number;
}

/** What the engine announces of a try. */
export interface WebhookTried {
  readonly delivery: string;
  readonly target: string;
  readonly subject: string;
  readonly event: string;
  readonly type: string;
  /** After it. */
  readonly status: DeliveryStatus;
  /** Of the answer; null where none came or nothing was sent. */
  readonly answer: number | null;
  readonly ms: number;
  readonly error: string | null;
  /** Of the next try, ms since 1970. */
  readonly nextAt: number | null;
}

const prefix = "wd_";

/** The first part of the ids of all that happened at a time, ms since 1970: ids sort by it. */
export const deliveryIdAt = (ms: number): string => `${prefix}${ms.toString(16).padStart(12, "0")}`;

/** The same event to the same place has the same id, whoever dispatches it. */
export function deliveryId(place: string, event: string, streamId: string): string {
  const [ms = 0, sequence = 0] = streamId.split("-").map(Number);
  return `${deliveryIdAt(ms)}${sequence.toString(16).padStart(5, "0")}${digest(`${place} ${event}`, 15)}`;
}

export const isDeliveryId = (text: string): boolean => /^wd_[0-9a-f]{32}$/.test(text);

/** @throws where the URL is none */
export const originTarget = (project: string, url: string): string =>
  `origin_${digest(`${project} ${new URL(url).origin}`, 24)}`;

export const digest = (text: string, length: number): string =>
  createHash("sha256").update(text).digest("hex").slice(0, length);

/** The fields of a delivery's hash that the scripts do not write themselves. */
export const fieldsOf = ({ subject, event, type, project, address }: DeliveryDraft): Record<string, string> => ({
  subject,
  event,
  type,
  project,
  ...(address ? { url: address.url, key: address.key } : {}),
});

/** Reads the hash of a delivery; undefined where there is none. */
export function deliveryOf(id: string, fields: Readonly<Record<string, string>>): Delivery | undefined {
  const { target, status, payload, url, key, firstTryAt, endedAt } = fields;
  if (target === undefined || payload === undefined) return undefined;
  return {
    id,
    target,
    subject: fields["subject"] ?? "",
    event: fields["event"] ?? "",
    type: fields["type"] ?? "",
    project: fields["project"] ?? "",
    ...(url === undefined || key === undefined ? {} : { address: { url, key } }),
    payload,
    status: status as DeliveryStatus,
    tried: Number(fields["tried"]),
    tries: JSON.parse(fields["tries"] ?? "[]") as Try[],
    createdAt: Number(fields["createdAt"]),
    ...(firstTryAt === undefined ? {} : { firstTryAt: Number(firstTryAt) }),
    ...(endedAt === undefined ? {} : { endedAt: Number(endedAt) }),
  };
}
