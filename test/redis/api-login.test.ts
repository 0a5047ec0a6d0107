import { createHash, createHmac } from "node:crypto";
import { cookieSecretOf, openApiKeys, openKeyring, openPerson, producerOn } from "@reelq/engine";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startApi } from "../../apps/api/src/server.ts";
import { startTestApi, type TestApi } from "../support/api.ts";
import { type MovableClock, movableClock } from "../support/engine.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const studio = { name: "studio", key: "studio-key-1" };
const admin = { name: "admin", key: "admin-key-333" };

let redis: TestRedis;
/** Holds the ledger; nothing is asked of it here. */
let open: TestApi;
let locked: Awaited<ReturnType<typeof lockedApi>>;

beforeAll(async () => {
  redis = await startRedis();
  open = await startTestApi({ redisUrl: redis.url });
  locked = await lockedApi([studio, admin]);
});
afterAll(async () => {
  await locked.close();
  await open.close();
  await redis.stop();
});

/** An API that asks for keys, with a clock of its own. */
async function lockedApi(given: readonly { readonly name: string; readonly key: string }[]) {
  const { engine } = open;
  const clock: MovableClock = movableClock();
  const producer = producerOn(engine);
  const api = await startApi({
    engine,
    producer,
    person: openPerson(engine, producer),
    keyring: openKeyring({ apiKeys: openApiKeys(engine), clock, given, mayBeOpen: false }),
    cookieSecret: () => cookieSecretOf(engine),
    rateLimit: 0,
    corsOrigins: [],
    health: () => Promise.resolve({ ok: true, checks: {} }),
    host: "127.0.0.1",
    port: 0,
    onError: (error) => surprises.push(error),
  });
  return { url: api.url, clock, close: () => api.close(0) };
}

/** What an API could not put down to its caller. */
const surprises: unknown[] = [];

const asPage = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

/** As much of a browser as cookies and forms need. */
function aBrowser(url = locked.url) {
  const cookies = new Map<string, string>();
  const ask = async (path: string, options: RequestInit = {}): Promise<Response> => {
    const response = await fetch(`${url}${path}`, {
      redirect: "manual",
      ...options,
      headers: {
        ...asPage,
        ...(cookies.size === 0 ? {} : { Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") }),
        ...(options.headers as Record<string, string> | undefined),
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  };
  const submit = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    ask(path, {
      method: "POST",
      body: new URLSearchParams(fields).toString(),
      headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
    });
  /** The hidden fields of a page's form. */
  const formAt = async (path: string): Promise<Record<string, string>> => {
    const text = await (await ask(path)).text();
    return Object.fromEntries(
      [...text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [
        name,
        value!.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code))),
      ]),
    );
  };
  return {
    cookies,
    ask,
    submit,
    formAt,
    async logIn(key: string, path = "/login"): Promise<Response> {
      return submit("/login", { ...(await formAt(path)), key });
    },
  };
}

const session = "reelq_session";
const decoded = (cookie: string | undefined): string => decodeURIComponent(cookie ?? "").replace(/^s:/, "");

/** A value as an API with this secret would sign it. */
const signed = (value: string, secret: string): string => {
  const signature = createHmac("sha256", secret).update(value).digest("base64").replace(/=+$/, "");
  return encodeURIComponent(`s:${value}.${signature}`);
};

const whereTo = (response: Response) => [response.status, response.headers.get("location")];

describe("a browser without a key", () => {
  test.each(["/board", "/board/queue/poll?status=delayed", "/metrics"])(
    "is led from %s to the log-in",
    async (path) => {
      const response = await aBrowser().ask(path);
      expect(whereTo(response)).toEqual([302, `/login?to=${encodeURIComponent(path)}`]);
    },
  );

  test("is not led anywhere where it asks for data, or changes something", async () => {
    const browser = aBrowser();
    const data = await browser.ask("/board/api/queues", { headers: { Accept: "application/json" } });
    const change = await browser.ask("/board/api/queues/poll/pause", { method: "PUT" });
    expect([data.status, change.status]).toEqual([401, 401]);
  });

  test("finds a page that runs nothing, is kept by nobody and shown in nobody's frame", async () => {
    const { status, headers } = await aBrowser().ask("/login");
    expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
      200,
      "text/html; charset=utf-8",
      "no-store",
    ]);
    expect(headers.get("content-security-policy")).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  });

  test("needs none where everyone may come in", async () => {
    const browser = aBrowser(open.url);
    expect(whereTo(await browser.ask("/login?to=/board/queue/poll"))).toEqual([302, "/board/queue/poll"]);
    expect(whereTo(await browser.ask("/logout"))).toEqual([302, "/board"]);
  });
});

describe("an admin's key", () => {
  test("opens board, figures and records to its browser, for twelve hours, and orders nothing", async () => {
    const browser = aBrowser();
    const response = await browser.logIn(` ${admin.key} `);
    expect(whereTo(response)).toEqual([303, "/board"]);
    const [line = "", ...others] = response.headers.getSetCookie();
    expect(others).toEqual([]);
    const [, ...attributes] = line.split("; ");
    expect(attributes.filter((one) => !one.startsWith("Expires="))).toEqual([
      "Max-Age=43200",
      "Path=/",
      "HttpOnly",
      "SameSite=Strict",
    ]);
    expect(decodeURIComponent(line)).not.toContain(admin.key);
    for (const path of ["/board", "/metrics", "/v1/videos"]) expect((await browser.ask(path)).status).toBe(200);
    const order = { method: "POST", body: '{"prompt": "a cat"}', headers: { "Content-Type": "application/json" } };
    expect((await browser.ask("/v1/videos", order)).status).toBe(401);
    // Who is in already is not asked again.
    expect(whereTo(await browser.ask("/login?to=/metrics"))).toEqual([302, "/metrics"]);
  });

  test("is kept to encrypted connections where a proxy says that this is one", async () => {
    const browser = aBrowser();
    const fields = { ...(await browser.formAt("/login")), key: admin.key };
    for (const said of ["https", "https, http"]) {
      const response = await browser.submit("/login", fields, { "X-Forwarded-Proto": said });
      expect(response.headers.getSetCookie()[0]).toMatch(/; Secure(;|$)/);
    }
  });

  test.each([
    ["wrong-key-1", 401, "Nobody gave out this key."],
    ["", 401, "Nobody gave out this key."],
    [studio.key, 403, "This key is not an admin&#39;s."],
  ])("is needed: %j does not do", async (key, status, complaint) => {
    const browser = aBrowser();
    const response = await browser.logIn(key, "/login?to=/board/queue/poll");
    expect(response.status).toBe(status);
    const page = await response.text();
    expect(page).toContain(complaint);
    // It may be tried again, and leads where it should have.
    expect(page).toContain('value="/board/queue/poll"');
    expect(browser.cookies.has(session)).toBe(false);
    expect((await browser.ask("/board")).status).toBe(302);
  });
});

describe("a session", () => {
  let value: string;
  beforeAll(async () => {
    const browser = aBrowser();
    await browser.logIn(admin.key);
    value = decoded(browser.cookies.get(session));
  });

  const statusWith = async (cookie: string, { url } = locked): Promise<number> => {
    const browser = aBrowser(url);
    browser.cookies.set(session, cookie);
    return (await browser.ask("/board")).status;
  };
  const contentOf = (text: string): string => text.slice(0, text.lastIndexOf("."));

  test("is not let in once it was tampered with, signed with another secret, or not signed", async () => {
    const { engine } = open;
    const secret = await cookieSecretOf(engine);
    expect(await statusWith(signed(contentOf(value), secret))).toBe(200);
    const later = contentOf(value).replace(/\d+$/, (until) => String(Number(until) + 1_000));
    const wrong = [
      signed(contentOf(value), `${secret}x`),
      signed(contentOf(value), ""),
      encodeURIComponent(`s:${value.replace(/\.\d+\./, ".99999999999999.")}`),
      encodeURIComponent(`s:${later}${value.slice(value.lastIndexOf("."))}`),
      encodeURIComponent(`s:${value.slice(0, -1)}${value.endsWith("A") ? "B" : "A"}`),
      encodeURIComponent(`s:${value.replace("given_admin", "given_studio")}`),
      encodeURIComponent(contentOf(value)),
      encodeURIComponent(`s:${contentOf(value)}`),
      encodeURIComponent(`j:${JSON.stringify(contentOf(value))}`),
      "%",
      "s%3A",
      "",
    ];
    for (const cookie of wrong) expect([cookie, await statusWith(cookie)]).toEqual([cookie, 302]);
    // Signed rightly, and worth nothing all the same.
    for (const content of [
      "given_admin",
      "given_nobody.00.99999999999999",
      "open.00.99999999999999",
      "open..99999999999999",
    ])
      expect([content, await statusWith(signed(content, secret))]).toEqual([content, 302]);
  });

  test("is over after twelve hours, whatever the browser does", async () => {
    const api = await lockedApi([admin]);
    onTestFinished(() => api.close());
    const browser = aBrowser(api.url);
    await browser.logIn(admin.key);
    api.clock.skip(12 * 60 * 60_000 - 60_000);
    expect((await browser.ask("/board")).status).toBe(200);
    api.clock.skip(60_000);
    expect((await browser.ask("/board")).status).toBe(302);
  });

  test("is over once its key was revoked", async () => {
    const api = await lockedApi([studio]);
    onTestFinished(() => api.close());
    const apiKeys = openApiKeys(open.engine);
    const { key, record } = await apiKeys.create({ name: "ops", project: "default", isAdmin: true });
    // Later tests find the API open again.
    onTestFinished(async () => void (await open.engine.redis.del(open.engine.keys.apiKeys)));
    const browser = aBrowser(api.url);
    await browser.logIn(key);
    for (const path of ["/board", "/v1/videos"]) expect((await browser.ask(path)).status).toBe(200);
    await apiKeys.revoke(record.id);
    api.clock.skip(1_000);
    expect((await browser.ask("/board")).status).toBe(302);
    expect((await browser.ask("/v1/videos")).status).toBe(401);
  });

  test("is over once the settings give its key another text, or no longer", async () => {
    const content = signed(contentOf(value), await cookieSecretOf(open.engine));
    for (const [given, status] of [
      [[admin], 200],
      [[{ name: "admin", key: "another-key-4" }], 302],
      [[studio], 302],
    ] as const) {
      const api = await lockedApi(given);
      onTestFinished(() => api.close());
      expect(await statusWith(content, api)).toBe(status);
    }
  });

  test("of a key that is no admin's does not open the board", async () => {
    // No log-in gives one; this is what would be left of it.
    const seal = createHash("sha256").update(studio.key).digest("hex").slice(0, 16);
    const cookie = signed(`given_studio.${seal}.99999999999999`, await cookieSecretOf(open.engine));
    expect(await statusWith(cookie)).toBe(403);
  });

  test("is ended by logging out", async () => {
    const browser = aBrowser();
    await browser.logIn(admin.key);
    const form = await browser.formAt("/logout");
    expect(whereTo(await browser.submit("/logout", form))).toEqual([303, "/login"]);
    expect(browser.cookies.has(session)).toBe(false);
    expect((await browser.ask("/board")).status).toBe(302);
  });
});

describe("a form that is not ours", () => {
  /** Of the same length as a token: in characters, and in bytes. */
  const forged = ["x".repeat(32), "ä".repeat(32), "ä".repeat(16)];

  const wrongTokens = async (): Promise<(string | undefined)[]> => [
    undefined,
    "",
    ...forged,
    (await aBrowser().formAt("/login"))["token"],
  ];

  test("lets nobody in", async () => {
    for (const token of await wrongTokens()) {
      const browser = aBrowser();
      await browser.formAt("/login");
      const fields = { ...(token === undefined ? {} : { token }), key: admin.key };
      expect((await browser.submit("/login", fields)).status).toBe(403);
      expect(browser.cookies.has(session)).toBe(false);
    }
    // Nor does one of ours whose cookie is gone.
    const browser = aBrowser();
    const form = await browser.formAt("/login");
    browser.cookies.clear();
    expect((await browser.submit("/login", { ...form, key: admin.key })).status).toBe(403);
    browser.cookies.set("reelq_form", "");
    expect((await browser.submit("/login", { token: "", key: admin.key })).status).toBe(403);
    expect(surprises).toEqual([]);
  });

  test("logs nobody out", async () => {
    const browser = aBrowser();
    await browser.logIn(admin.key);
    for (const token of await wrongTokens()) {
      const response = await browser.submit("/logout", token === undefined ? {} : { token });
      expect(response.status).toBe(403);
      expect((await browser.ask("/board")).status).toBe(200);
    }
  });

  test("is refused where a browser says that another site's page sent it", async () => {
    for (const headers of [{ "Sec-Fetch-Site": "cross-site" }, { Origin: "https://evil.example" }]) {
      const browser = aBrowser();
      const form = await browser.formAt("/login");
      expect((await browser.submit("/login", { ...form, key: admin.key }, headers)).status).toBe(403);
      expect(browser.cookies.has(session)).toBe(false);
    }
  });

  test("is refused where it is no form", async () => {
    const body = JSON.stringify({ key: admin.key });
    const response = await aBrowser().ask("/login", {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
    });
    expect(response.status).toBe(415);
    const long = await aBrowser().submit("/login", { key: "x".repeat(10_000) });
    expect(long.status).toBe(413);
  });

  test("does not make that of another tab too old", async () => {
    const browser = aBrowser();
    const first = await browser.formAt("/login?to=/metrics");
    await browser.formAt("/login");
    expect(whereTo(await browser.submit("/login", { ...first, key: admin.key }))).toEqual([303, "/metrics"]);
  });
});

describe("after the log-in", () => {
  const strangers = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "/\n/evil.example",
    " //evil.example",
    "javascript:alert(1)",
    "evil.example",
    "http:evil.example",
    "/board\r\nSet-Cookie: a=b",
    "/bö",
    "",
    "/login",
    "/logout?x",
  ];

  test.each(strangers)("%j is nowhere to go", async (to) => {
    const browser = aBrowser();
    expect((await browser.formAt(`/login?to=${encodeURIComponent(to)}`))["to"]).toBe("/board");
    const form = { ...(await browser.formAt("/login")), to, key: admin.key };
    expect(whereTo(await browser.submit("/login", form))).toEqual([303, "/board"]);
    expect(whereTo(await browser.ask(`/login?to=${encodeURIComponent(to)}`))).toEqual([302, "/board"]);
  });

  test.each(["/", "/metrics", "/board/queue/submit%20main?status=delayed&page=2", "/v1/videos/video_1"])(
    "%j is where it leads",
    async (to) => {
      const browser = aBrowser();
      const response = await browser.logIn(admin.key, `/login?to=${encodeURIComponent(to)}`);
      expect(whereTo(response)).toEqual([303, to]);
    },
  );

  test("what a place is called cannot break out of the page", async () => {
    const to = `/board?"><script>alert(1)</script>'&lt;`;
    const page = await (await aBrowser().ask(`/login?to=${encodeURIComponent(to)}`)).text();
    expect(page).not.toContain("<script");
    expect((await aBrowser().formAt(`/login?to=${encodeURIComponent(to)}`))["to"]).toBe(to);
  });
});
