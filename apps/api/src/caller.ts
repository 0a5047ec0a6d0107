import { createHash, timingSafeEqual } from "node:crypto";
import { problem } from "@reelq/contract";
import type { RequestHandler } from "express";

interface ApiKey {
  readonly name: string;
  readonly key: string;
}

/** Everything belongs to this project until keys have projects of their own. */
export const defaultProject = "default";

/** Lets only holders of a key pass; without keys, everyone. */
export function requireKey(keys: readonly ApiKey[]): {
  readonly bearer: RequestHandler;
  readonly browser: RequestHandler;
} {
  const known = keys.map(({ key }) => digest(key));
  // Digests have one length, and every key is compared, so the time taken tells nothing about a key.
  const isKnown = (given: string): boolean => known.map((key) => timingSafeEqual(key, digest(given))).includes(true);
  return {
    bearer(request, response, next) {
      const { method, headers } = request;
      if (keys.length === 0 || isKnown(bearerOf(headers.authorization) ?? "")) return next();
      // The board links to records: a browser may read them with the password it was given for the board, and no
      // more than read, because it adds that password also to what a stranger's page makes it send.
      const isRead = method === "GET" || method === "HEAD";
      if (isRead && isKnown(passwordOf(headers.authorization) ?? "")) return next();
      response.setHeader("WWW-Authenticate", isRead ? ["Bearer", boardChallenge] : "Bearer");
      throw problem("unauthorized", "An API key is needed: send it as `Authorization: Bearer KEY`.");
    },
    browser(request, response, next) {
      if (keys.length === 0 || isKnown(passwordOf(request.headers.authorization) ?? "")) return next();
      response.setHeader("WWW-Authenticate", boardChallenge);
      throw problem("unauthorized", "The board needs an API key: give it as the password.");
    },
  };
}

const boardChallenge = 'Basic realm="reelq board", charset="UTF-8"';

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const bearerOf = (header: string | undefined): string | undefined => /^bearer +(\S+)$/i.exec(header ?? "")?.[1];

function passwordOf(header: string | undefined): string | undefined {
  const encoded = /^basic +(\S+)$/i.exec(header ?? "")?.[1];
  return encoded === undefined
    ? undefined
    : Buffer.from(encoded, "base64")
        .toString("utf8")
        .replace(/^[^:]*:/, "");
}
