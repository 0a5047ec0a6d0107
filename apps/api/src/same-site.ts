import { isIP } from "node:net";
import { problem } from "@reelq/contract";
import type { Keyring } from "@reelq/engine";
import type { Request, RequestHandler } from "express";

/**
 * Keeps other people's web pages from spending money through a visitor's browser: a form may be sent anywhere
 * without asking, and a name may be made to point at this machine (DNS rebinding).
 * Without keys the API only answers to names of this machine itself.
 * @param trusted origins whose pages may call
 */
export function refuseOtherSites(keyring: Pick<Keyring, "everyone">, trusted: readonly string[]): RequestHandler {
  return async (request, _response, next) => {
    const { hostname } = request;
    if (!isThisMachine(hostname) && (await keyring.everyone()))
      throw problem(
        "forbidden",
        `This API answers to this machine's own names only, not to ${JSON.stringify(hostname)}; set REELQ_API_KEYS to serve others.`,
        "Host",
      );
    const isTrusted = trusted.includes(request.headers.origin ?? "");
    if (request.method !== "GET" && request.method !== "HEAD" && !isTrusted && comesFromAnotherSite(request)) {
      throw problem(
        "forbidden",
        "A page of another site sent this; only pages of this one may change anything.",
        "Origin",
      );
    }
    next();
  };
}

const isThisMachine = (name: string | undefined): boolean => {
  const plain = (name ?? "localhost").replace(/^\[|\]$/g, "");
  return (
    plain === "localhost" ||
    plain.endsWith(".localhost") ||
    plain === "::1" ||
    (isIP(plain) === 4 && plain.startsWith("127."))
  );
};

function comesFromAnotherSite({ headers }: Request): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "cross-site" || site === "same-site";
  const { origin, host } = headers;
  return origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host);
}
