import { isIP } from "node:net";
import { problem } from "@reelq/contract";
import type { Request, RequestHandler } from "express";

/**
 * Keeps other people's web pages from spending money through a visitor's browser: a form may be sent anywhere
 * without asking, and a name may be made to point at this machine (DNS rebinding).
 * @param isKeyed without keys the API only answers to names of this machine itself
 */
export function refuseOtherSites(isKeyed: boolean): RequestHandler {
  return (request, _response, next) => {
    if (!isKeyed && !isThisMachine(request.hostname))
      throw problem(
        "forbidden",
        `This API answers to this machine's own names only, not to ${JSON.stringify(request.hostname)}; set REELQ_API_KEYS to serve others.`,
        "Host",
      );
    if (request.method !== "GET" && request.method !== "HEAD" && comesFromAnotherSite(request)) {
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
