import { problem } from "@reelq/contract";
import type { Holder, Keyring } from "@reelq/engine";
import type { Request, RequestHandler } from "express";
import type { Sessions } from "./session.ts";

const holders = new WeakMap<Request, Holder>();

/** Who sent a request that was let in. */
export function callerOf(request: Request): Holder {
  const holder = holders.get(request);
  if (!holder) throw new Error(`${request.method} ${request.path} was let in without asking who calls.`);
  return holder;
}

/** Who may come in where. */
export interface Doors {
  /** Holders of a key; who is logged in with a browser may read. */
  readonly anyKey: RequestHandler;
  /** Holders of an admin key, and who is logged in with one. */
  readonly admin: RequestHandler;
}

export function openDoors(keyring: Keyring, sessions: Sessions): Doors {
  const bearer = async (request: Request): Promise<Holder | undefined> => {
    const key = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    return key === undefined ? undefined : keyring.holderOf(key);
  };
  const admit = async (request: Request, reads: boolean): Promise<Holder | undefined> => {
    // The key first: its project is its own also while everyone is still let in.
    const holder =
      (await bearer(request)) ?? (await keyring.everyone()) ?? (reads ? await sessions.holderOf(request) : undefined);
    if (holder) holders.set(request, holder);
    return holder;
  };
  return {
    async anyKey(request, response, next) {
      // A cookie also goes with what a stranger's page makes a browser send: it orders nothing.
      if (await admit(request, isRead(request))) return next();
      response.setHeader("WWW-Authenticate", "Bearer");
      throw problem(
        "unauthorized",
        request.headers.authorization === undefined
          ? "An API key is needed: send it as `Authorization: Bearer KEY`."
          : "This API key is not known, or was revoked. Keys are sent as `Authorization: Bearer KEY`.",
      );
    },

    async admin(request, response, next) {
      const holder = await admit(request, true);
      if (holder?.isAdmin) return next();
      if (holder)
        throw problem(
          "forbidden",
          `The API key ${holder.name} is not an admin's: make one with \`reelq keys create NAME --admin\`, or name one admin in REELQ_API_KEYS.`,
        );
      if (isRead(request) && request.accepts(["json", "html"]) === "html") {
        response.redirect(302, `/login?to=${encodeURIComponent(request.originalUrl)}`);
        return;
      }
      response.setHeader("WWW-Authenticate", "Bearer");
      throw problem(
        "unauthorized",
        "An admin's API key is needed: send it as `Authorization: Bearer KEY`, or log in at /login.",
      );
    },
  };
}

const isRead = ({ method }: Request): boolean => method === "GET" || method === "HEAD";
