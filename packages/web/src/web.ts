import type { Connect } from "./connect.ts";
import type { Resolve } from "./targets.ts";

export interface WebOptions {
  /**
   * Addresses and CIDRs that may be reached though they are not public, also with plain http: `127.0.0.1`,
   * `10.0.0.0/8`, `::1`. A name is reached only where each of its addresses is public or in here. Default: none.
   */
  readonly allow?: readonly string[];
  /** Default: the system's, with its hosts file. */
  readonly resolve?: Resolve;
  /** Default: TCP. TLS is spoken on top of it here. */
  readonly connect?: Connect;
  /** The certificates (PEM) that are trusted instead of Node's own. */
  readonly ca?: string;
  /** Unix milliseconds, for a Retry-After that is a date. */
  readonly now?: () => number;
}

export interface GetOptions {
  /** Of the body. */
  readonly maxBytes: number;
  /** For everything together: DNS, connections, redirects and the last byte. */
  readonly timeoutMs: number;
  /** The `accept` header; default: any type. */
  readonly accept?: string;
  /** Ends the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Default 3. */
  readonly maxRedirects?: number;
}

export interface Got {
  readonly bytes: Uint8Array;
  /** As the server says it. */
  readonly contentType: string | undefined;
  /** Where the bytes came from, after redirects. */
  readonly url: string;
}

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** For everything together: DNS, the connection and the reply. */
  readonly timeoutMs: number;
  /** Ends the call, which rejects with the signal's reason if no status has come yet. */
  readonly signal?: AbortSignal;
}

export interface Posted {
  /** Any; a redirect is not followed. */
  readonly status: number;
  /** What the reply's Retry-After asks for, at most 24 hours. */
  readonly retryAfterMs?: number;
  /** What came of the reply's first 1024 bytes, for a log; empty where it is compressed. */
  readonly body: string;
}

/**
 * Fetches addresses that strangers name, and none of ours: https to public addresses only, judged when its name is
 * resolved and connected to as they were judged, each call and each redirect on a connection of its own. It sends no
 * credentials, cookies or referrer. What is refused rejects with a WebError.
 */
export interface Web {
  /** Follows redirects, each judged as the first address was; never from https to http. */
  get(url: string, options: GetOptions): Promise<Got>;
  /** Sends it once. */
  post(url: string, options: PostOptions): Promise<Posted>;
}
