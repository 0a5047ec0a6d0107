import { createHmac, randomBytes } from "node:crypto";

/** What signs an endpoint's webhooks, by the Standard Webhooks specification. */
export interface Signing {
  readonly secret: string;
  /** Signs too until then, ms since 1970. */
  readonly old?: { readonly secret: string; readonly until: number };
}

const prefix = "whsec_";

export const newSecret = (): string => `${prefix}${randomBytes(32).toString("base64")}`;

/** The three fields of a hash in Redis. */
export function signingOf({ secret, oldSecret, oldUntil }: Readonly<Record<string, string>>): Signing | undefined {
  if (secret === undefined) return undefined;
  if (oldSecret === undefined) return { secret };
  return { secret, old: { secret: oldSecret, until: Number(oldUntil) } };
}

/** The secret before, where it still signs. */
export const stillSigning = ({ old }: Signing, now: number) => (old && old.until > now ? old : undefined);

/**
 * The headers of one try.
 * @param id the same in each try
 * @param now ms since 1970
 */
export function signedHeaders(id: string, payload: string, signing: Signing, now: number): Record<string, string> {
  const timestamp = Math.floor(now / 1000);
  const old = stillSigning(signing, now);
  const sign = (secret: string): string => {
    const key = Buffer.from(secret.slice(prefix.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${payload}`).digest("base64")}`;
  };
  return {
    "content-type": "application/json",
    "user-agent": "reelq",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": [signing.secret, ...(old ? [old.secret] : [])].map(sign).join(" "),
  };
}
