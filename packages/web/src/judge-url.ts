import { isIP } from "node:net";
import { isPublic } from "./address.ts";
import { type Allow, readAllow } from "./allow.ts";
import { WebError } from "./web-error.ts";

// Web servers themselves take no longer request line; addresses that are signed have some 2 KiB.
const longestUrl = 8 * 1024;

/**
 * Judges what can be judged without the network, when an address is registered: the scheme, credentials, the port, an
 * address in place of a name in each of its spellings, and names that mean something in a private network only.
 *
 * Where `allow` is not empty, what a name resolves to decides later whether it may be used, also with plain http.
 * @param allow addresses and CIDRs that may be reached though they are not public
 * @returns the URL in its normal form, without a fragment and without the dot that may end a name
 * @throws WebError `invalid_url`, `not_https`, `has_credentials`, `bad_port` or `private_address`
 * @throws AllowError where `allow` cannot be read
 */
export const judgeUrl = (url: string, allow: readonly string[] = []): URL => judgeAddress(url, readAllow(allow));

export function judgeAddress(given: string, allow: Allow): URL {
  const url = given.length > longestUrl ? null : URL.parse(given);
  // Percent signs make it longer.
  if (given.length > longestUrl || (url && url.href.length > longestUrl)) {
    throw new WebError("invalid_url", `The URL is longer than ${longestUrl} characters; give a shorter one.`);
  }
  if (!url) {
    throw new WebError("invalid_url", "The address is not a URL; write it like https://example.com/path.");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new WebError("not_https", `The URL begins with ${few(url.protocol)}; give one that begins with https.`);
  }
  url.hash = "";
  url.hostname = url.hostname.replace(/\.$/, "");
  const { hostname, host } = url;
  if (!isHostname(hostname)) {
    throw new WebError("invalid_url", "The URL's host is neither a name that DNS can hold nor an address.");
  }
  if (url.username !== "" || url.password !== "") {
    throw new WebError("has_credentials", `The URL holds a user name or password before ${host}; leave them out.`, {
      host,
    });
  }
  if (url.port === "0") throw new WebError("bad_port", `${host} names port 0, where nothing can listen.`, { host });

  const literal = literalOf(url);
  const isAllowed = literal === undefined ? !allow.isEmpty : allow.has(literal);
  if (!isAllowed && !(literal === undefined ? isPublicName(hostname) : isPublic(literal))) {
    throw privateAddress(host, "is not a public address");
  }
  if (!isAllowed && url.protocol === "http:") throw notHttps(host);
  return url;
}

/** The address that a URL has in place of a name. */
export function literalOf({ hostname }: URL): string | undefined {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return isIP(bare) === 0 ? undefined : bare;
}

export const privateAddress = (host: string, finding: string): WebError =>
  new WebError(
    "private_address",
    `${host} ${finding}; use one that is, or let the operator allow it with REELQ_ALLOW_ADDRESSES.`,
    { host },
  );

export const notHttps = (host: string): WebError =>
  new WebError(
    "not_https",
    `${host} must be named with https; plain http is for addresses that the operator allows with REELQ_ALLOW_ADDRESSES.`,
    { host },
  );

const isHostname = (hostname: string): boolean =>
  hostname.startsWith("[") ||
  (hostname.length <= 253 && hostname.split(".").every((label) => /^[a-z\d_-]{1,63}$/.test(label)));

// Reserved by RFC 6761, 6762, 8375 and ICANN, or in so wide private use that nobody may own them.
const privateZones = /(^|\.)(localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa)$/;

const isPublicName = (hostname: string): boolean => hostname.includes(".") && !privateZones.test(hostname);

const few = (text: string): string => (text.length > 20 ? `${text.slice(0, 20)}…` : text);
