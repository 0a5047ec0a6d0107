import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isPublic } from "./address.ts";
import type { Allow } from "./allow.ts";
import type { Target } from "./connect.ts";
import { literalOf, notHttps, privateAddress } from "./judge-url.ts";
import { WebError } from "./web-error.ts";
import { within } from "./within.ts";

/** All addresses of a name; rejects, or gives none, where there are none. */
export type Resolve = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const resolveByDns: Resolve = (hostname) => lookup(hostname, { all: true });

/**
 * Resolves a judged URL's name, once, and judges every address: one that may not be reached refuses the name, since
 * whoever answers for a name chooses which of its addresses is tried first.
 * @returns the only addresses that may be connected to
 */
export async function targetsOf(url: URL, resolve: Resolve, allow: Allow, signal: AbortSignal): Promise<Target[]> {
  const { hostname, host } = url;
  const literal = literalOf(url);
  const addresses = literal === undefined ? await addressesOf(url, resolve, signal) : [literal];
  if (addresses.length === 0) throw unresolvable(hostname);
  if (!addresses.every((address) => isPublic(address) || allow.has(address))) {
    throw privateAddress(host, `${literal === undefined ? "resolves to" : "is"} an address that is not public`);
  }
  if (url.protocol === "http:" && !addresses.every((address) => allow.has(address))) throw notHttps(host);
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  return addresses.map((address) => ({ address, family: isIP(address), port }));
}

async function addressesOf({ hostname }: URL, resolve: Resolve, signal: AbortSignal): Promise<string[]> {
  try {
    return (await within(signal, resolve(hostname))).map(({ address }) => address);
  } catch (error) {
    signal.throwIfAborted();
    throw unresolvable(hostname, error);
  }
}

const unresolvable = (hostname: string, cause?: unknown): WebError =>
  new WebError("unresolvable", `${hostname} has no address in DNS; check how it is spelled.`, {
    host: hostname,
    cause,
  });
