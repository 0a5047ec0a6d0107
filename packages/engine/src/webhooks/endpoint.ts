import { type DisabledReason, everyEvent, newUuid } from "@reelq/contract";
import { type Signing, signingOf } from "./signature.ts";

/** Where a project's events are sent. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly project: string;
  /** The id of the API key that made it. */
  readonly key: string;
  readonly url: string;
  /** Types of events, or `*`. */
  readonly events: readonly string[];
  readonly description: string | null;
  readonly enabled: boolean;
  readonly disabledReason: DisabledReason | null;
  /** Milliseconds since 1970. */
  readonly disabledAt: number | null;
  readonly createdAt: number;
  /** It hears of what came into the event stream after this entry. */
  readonly after: string;
  readonly signing: Signing;
}

const prefix = "we_";

export const newEndpointId = (now: number): string => `${prefix}${newUuid(now)}`;

/** Whether a target is an endpoint; others are the addresses that were named with single videos. */
export const isEndpointId = (text: string): boolean => text.startsWith(prefix);

/** Reads the hash of an endpoint; undefined where there is none. */
export function endpointOf(id: string, fields: Readonly<Record<string, string>>): WebhookEndpoint | undefined {
  const signing = signingOf(fields);
  if (fields["url"] === undefined || !signing) return undefined;
  return {
    id,
    project: fields["project"] ?? "",
    key: fields["key"] ?? "",
    url: fields["url"],
    events: JSON.parse(fields["events"] ?? "[]") as string[],
    description: fields["description"] ?? null,
    enabled: fields["enabled"] === "1",
    disabledReason: (fields["disabledReason"] as DisabledReason | undefined) ?? null,
    disabledAt: fields["disabledAt"] === undefined ? null : Number(fields["disabledAt"]),
    createdAt: Number(fields["createdAt"]),
    after: fields["after"] ?? "0-0",
    signing,
  };
}

export const hearsOf = (
  { enabled, events, after }: WebhookEndpoint,
  event: { readonly id: string; readonly type: string },
) => enabled && (events.includes(everyEvent) || events.includes(event.type)) && isAfter(event.id, after);

/** Whether an id of the event stream comes after another one. */
function isAfter(id: string, other: string): boolean {
  const [ms = 0, sequence = 0] = id.split("-").map(Number);
  const [otherMs = 0, otherSequence = 0] = other.split("-").map(Number);
  return ms > otherMs || (ms === otherMs && sequence > otherSequence);
}
