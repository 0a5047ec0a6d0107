import type { Holder, Keyring } from "@reelq/engine";
import cookieParser from "cookie-parser";
import type { Request, RequestHandler, Response } from "express";

/** The browser of somebody who showed an admin's key: a signed cookie that says which key, and until when it is good. */
export interface Sessions {
  /** Reads the cookies of a request; before everything that asks who calls. */
  readonly reads: RequestHandler;
  begin(holder: Holder, request: Request, response: Response): void;
  end(response: Response): void;
  /** Undefined: nobody is logged in, the time is up, or the key was revoked or replaced. */
  holderOf(request: Request): Promise<Holder | undefined>;
}

const cookieName = "reelq_session";
const sessionMs = 12 * 60 * 60 * 1000;

/** @param secret shared by all API processes */
export function openSessions(secret: () => Promise<string>, keyring: Keyring): Sessions {
  const { clock } = keyring;
  let parser: Promise<RequestHandler> | undefined;
  return {
    async reads(request, response, next) {
      // Most calls bring none, and need no Redis to know it.
      if (request.headers.cookie === undefined) return next();
      parser ??= secret().then(
        (text) => cookieParser(text),
        (error: unknown) => {
          parser = undefined;
          throw error;
        },
      );
      const read = await parser;
      await read(request, response, next);
    },

    begin(holder, request, response) {
      response.cookie(cookieName, `${holder.key}.${holder.seal}.${clock.now() + sessionMs}`, {
        signed: true,
        httpOnly: true,
        sameSite: "strict",
        secure: isSecure(request),
        maxAge: sessionMs,
        path: "/",
      });
    },

    end(response) {
      response.clearCookie(cookieName, { httpOnly: true, sameSite: "strict", path: "/" });
    },

    async holderOf(request) {
      const cookie = (request.signedCookies as Record<string, unknown> | undefined)?.[cookieName];
      if (typeof cookie !== "string") return undefined;
      const [, key, seal, until] = /^(.+)\.([0-9a-f]+)\.(\d+)$/.exec(cookie) ?? [];
      if (key === undefined || Number(until) <= clock.now()) return undefined;
      const holder = await keyring.holder(key);
      return holder?.seal === seal ? holder : undefined;
    },
  };
}

/** Behind a proxy that ends TLS, only what it says tells that the browser's side is encrypted. */
export const isSecure = ({ secure, headers }: Request): boolean =>
  secure || /^\s*https\s*(,|$)/i.test(String(headers["x-forwarded-proto"] ?? ""));
