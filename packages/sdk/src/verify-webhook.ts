import type { ReelqEvent } from "./event.ts";
import { WebhookVerificationError } from "./webhook-verification-error.ts";

/** Headers as any server has them: names in any case, a value that came twice as an array. */
export type WebhookHeaders =
  | Headers
  | ReadonlyMap<string, string | readonly string[] | undefined>
  | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyWebhookOptions {
  /** How far the message's time may lie from now, in seconds. @default 300 */
  readonly toleranceSeconds?: number | undefined;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/**
 * Reads a webhook message of reelq's, after making sure that it is one and that it is not an old one sent again.
 * Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
 * @param body as it was received: a body that was parsed and written again has another signature
 * @param secret `whsec_…`; several while a rotation overlaps
 * @returns the event; its `id` is the same each time it is sent, so keep it to notice a repeat
 * @throws WebhookVerificationError
 */
export async function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | readonly string[],
  { toleranceSeconds = 300, now = Date.now }: VerifyWebhookOptions = {},
): Promise<ReelqEvent> {
  const secrets = (typeof secret === "string" ? [secret] : secret).map(secretBytes);
  if (secrets.length === 0) throw new WebhookVerificationError("bad_secret", "No secret was given.");
  const [id, timestamp, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    requiredHeader(headers, name),
  ) as [string, string, string];
  judgeTimestamp(timestamp, toleranceSeconds, now());
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  if (!(await isSignedByOne(signed, signaturesOf(signature), secrets)))
    throw new WebhookVerificationError(
      "bad_signature",
      "No signature fits the body and the secret: it is another endpoint's secret, or the body was changed on its way.",
    );
  return readEvent(bytes);
}

function requiredHeader(headers: WebhookHeaders, name: string): string {
  const value = headerOf(headers, name);
  if (value) return value;
  throw new WebhookVerificationError("missing_header", `The header ${name} is missing.`);
}

function headerOf(headers: WebhookHeaders, name: string): string | undefined {
  const entries = (Symbol.iterator in headers ? headers : Object.entries(headers)) as Iterable<
    [string, string | readonly string[] | undefined]
  >;
  const values = [...entries].flatMap(([key, value]) => (key.toLowerCase() === name ? (value ?? []) : []));
  return values.join(" ").trim();
}

function judgeTimestamp(timestamp: string, toleranceSeconds: number, now: number): void {
  if (!/^\d{1,15}$/.test(timestamp))
    throw new WebhookVerificationError("bad_timestamp", "The header webhook-timestamp is not a time in Unix seconds.");
  const age = Math.floor(now / 1000) - Number(timestamp);
  if (age > toleranceSeconds)
    throw new WebhookVerificationError(
      "too_old",
      `The message was sent ${age} s ago; at most ${toleranceSeconds} s are allowed.`,
    );
  if (-age > toleranceSeconds)
    throw new WebhookVerificationError(
      "too_new",
      `The message is dated ${-age} s ahead; at most ${toleranceSeconds} s are allowed. One of the two clocks is wrong.`,
    );
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOfBase64(secret.replace(/^whsec_/, ""));
  if (bytes && bytes.length > 0) return bytes;
  throw new WebhookVerificationError("bad_secret", "The secret is not one of reelq's: whsec_ and base64.");
}

/** Those of version 1; others are left to those who know them. A comma at the end comes from joining headers. */
const signaturesOf = (header: string): Uint8Array[] =>
  header.split(/[\s,]+(?=v\d+a?,|$)/).flatMap((one) => {
    const [, encoded] = /^v1,(.+)$/.exec(one) ?? [];
    return (encoded && bytesOfBase64(encoded)) || [];
  });

async function isSignedByOne(
  signed: Uint8Array<ArrayBuffer>,
  signatures: readonly Uint8Array[],
  secrets: readonly Uint8Array<ArrayBuffer>[],
): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  let isSigned = false;
  for (const secret of secrets) {
    const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
    const right = new Uint8Array(await crypto.subtle.sign(algorithm, key, signed));
    // Each is compared to its end, so the time taken tells nothing.
    for (const signature of signatures) isSigned = isSame(right, signature) || isSigned;
  }
  return isSigned;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) difference |= (one[at] ?? 0) ^ (other[at] ?? 0);
  return difference === 0;
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function readEvent(bytes: Uint8Array): ReelqEvent {
  const bad = () =>
    new WebhookVerificationError("bad_body", "The message is signed, and is not one of reelq's events.");
  let event: Partial<ReelqEvent> | null;
  try {
    event = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Partial<ReelqEvent> | null;
  } catch {
    throw bad();
  }
  const isEvent = event !== null && typeof event === "object" && typeof event.id === "string";
  if (!isEvent || typeof event?.type !== "string") throw bad();
  return event as ReelqEvent;
}
