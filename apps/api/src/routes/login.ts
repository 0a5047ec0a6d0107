import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Keyring } from "@reelq/engine";
import { type Request, type Response, Router } from "express";
import { methodNotAllowed } from "../method-not-allowed.ts";
import { readForm } from "../whole-body.ts";
import { isSecure, type Sessions } from "../session.ts";

const tokenCookie = "reelq_form";

/** `/login` and `/logout`: how a person with a browser shows an admin's key. */
export function loginRouter(keyring: Keyring, sessions: Sessions): Router {
  const router = Router();
  const isIn = async (request: Request): Promise<boolean> =>
    ((await keyring.everyone()) ?? (await sessions.holderOf(request)))?.isAdmin ?? false;

  router
    .route("/login")
    .get(async (request, response) => {
      const to = placeIn(request.query["to"]);
      if (await isIn(request)) response.redirect(302, to);
      else sendPage(response, 200, loginForm(giveToken(request, response), to));
    })
    .post(async (request, response) => {
      const form = await readForm(request);
      const to = placeIn(form.get("to"));
      const again = (status: number, complaint: string) =>
        sendPage(response, status, loginForm(giveToken(request, response), to, complaint));
      if (!isOurForm(request, form)) return again(403, tooOld);
      const holder = await keyring.holderOf((form.get("key") ?? "").trim());
      if (!holder) return again(401, "Nobody gave out this key.");
      if (!holder.isAdmin) return again(403, "This key is not an admin's.");
      sessions.begin(holder, request, response);
      response.redirect(303, to);
    })
    .all(methodNotAllowed("GET", "POST"));

  router
    .route("/logout")
    .get(async (request, response) => {
      if (await keyring.everyone()) response.redirect(302, board);
      else sendPage(response, 200, logoutForm(giveToken(request, response)));
    })
    .post(async (request, response) => {
      if (isOurForm(request, await readForm(request))) {
        sessions.end(response);
        response.redirect(303, "/login");
      } else sendPage(response, 403, logoutForm(giveToken(request, response), tooOld));
    })
    .all(methodNotAllowed("GET", "POST"));

  return router;
}

const board = "/board";

const tooOld = "This form was too old, or not ours. Try again.";

/** Only a page of ours can send back in the form what the cookie holds. */
function giveToken(request: Request, response: Response): string {
  // The same for all its tabs: a form in one of them is not made old by another.
  const token = tokenOf(request) ?? randomBytes(24).toString("base64url");
  response.cookie(tokenCookie, token, { httpOnly: true, sameSite: "strict", secure: isSecure(request), path: "/" });
  return token;
}

const tokenOf = ({ headers }: Request): string | undefined =>
  new RegExp(`(?:^|; *)${tokenCookie}=([A-Za-z0-9_-]{32})(?:;|$)`).exec(headers.cookie ?? "")?.[1];

function isOurForm(request: Request, form: URLSearchParams): boolean {
  const [kept, sent] = [tokenOf(request) ?? "", form.get("token") ?? ""].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
  ];
  return kept.length > 0 && kept.length === sent.length && timingSafeEqual(kept, sent);
}

/** A place on this server; a stranger's link must not lead through the login to a stranger's page. */
function placeIn(to: unknown): string {
  const isPlace = typeof to === "string" && /^\/(?![/\\])[\x21-\x7e]*$/.test(to);
  return isPlace && !/^\/log(in|out)\b/.test(to) ? to : board;
}

function sendPage(response: Response, status: number, body: string): void {
  response
    .status(status)
    .set({
      "Content-Security-Policy":
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      "Cache-Control": "no-store",
      // With none at all a browser would not say whose form it sends, and it would be taken for a stranger's.
      "Referrer-Policy": "same-origin",
    })
    .type("html")
    .send(page(body));
}

const page = (body: string): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>reelq</title>
<style>
:root {
  color-scheme: light dark;
  font: 1rem/1.5 system-ui, sans-serif;
  --ground: light-dark(#f3f4f6, #14161a);
  --sheet: light-dark(#fff, #1e2127);
  --ink: light-dark(#1b1e24, #e8eaed);
  --faint: light-dark(#5b6370, #a3abb8);
  --line: light-dark(#c3c9d2, #4a515d);
  --alarm: light-dark(#b3261e, #ff9b92);
}
* { box-sizing: border-box }
body { display: grid; place-items: center; min-height: 100vh; min-height: 100dvh; margin: 0; padding: 1rem; background: var(--ground); color: var(--ink) }
form { display: grid; gap: .5rem; width: min(24rem, 100%); padding: 2rem; background: var(--sheet); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.2 }
p { margin: 0 }
label { font-weight: 600 }
input, button { width: 100%; padding: .6rem .75rem; font: inherit; border-radius: .4rem }
input { border: 1px solid var(--line); background: var(--ground); color: inherit }
button { margin: .5rem 0; border: 0; background: var(--ink); color: var(--sheet); font-weight: 600; cursor: pointer }
:focus-visible { outline: 2px solid light-dark(#2563eb, #8ab4ff); outline-offset: 2px }
small { color: var(--faint) }
code { white-space: nowrap }
[role=alert] { margin-bottom: .5rem; color: var(--alarm) }
</style>
<body>${body}</body>
</html>
`;

const loginForm = (token: string, to: string, complaint?: string): string => `<form method="post" action="/login">
<h1>reelq</h1>
${alertOf(complaint)}
<label for="key">An admin's API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<input type="hidden" name="token" value="${token}">
<input type="hidden" name="to" value="${escaped(to)}">
<button>Log in</button>
<p><small>Made with <code>reelq keys create NAME</code> <code>--admin</code>, or the one named <code>admin</code> in <code>REELQ_API_KEYS</code>.</small></p>
</form>`;

const logoutForm = (token: string, complaint?: string): string => `<form method="post" action="/logout">
<h1>reelq</h1>
${alertOf(complaint)}
<p>This browser then needs a key again.</p>
<input type="hidden" name="token" value="${token}">
<button>Log out</button>
</form>`;

const alertOf = (complaint: string | undefined): string =>
  complaint === undefined ? "" : `<p role="alert">${escaped(complaint)}</p>`;

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 0};`);
