import { type AddressInfo, createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { openedUpstream, says, type Script, speaking } from "../support/scripted-upstream.ts";

const key = "sk-very-secret";
const page = "<!doctype html><title>Welcome</title>";
const noSuchVideo = { error: { message: "Video not found", code: "not_found" } };

/** Answers the list, and then the query of a task. */
const saysInTurn =
  (list: Script, task: Script): Script =>
  (seen, response, socket) =>
    (seen.path.endsWith("/videos?limit=1") ? list : task)(seen, response, socket);

describe("a probe", () => {
  test("of a server that lists is one GET", async () => {
    const { upstream, seen } = await speaking(says(200, { object: "list", data: [], has_more: false }), { key });
    expect(await upstream.probe()).toMatchObject({ kind: "ok", list: true, detail: expect.any(String) });
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /v1/videos?limit=1"]);
    expect(seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
  });

  test("of one without a list asks for a task that cannot exist, and never posts", async () => {
    const { upstream, seen } = await speaking(saysInTurn(says(405, ""), says(404, noSuchVideo)));
    expect(await upstream.probe()).toMatchObject({
      kind: "ok",
      list: false,
      detail: "No list (HTTP 405); an unknown task is answered with HTTP 404 Not Found: not_found: Video not found",
    });
    expect(seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /v1/videos?limit=1",
      expect.stringMatching(/^GET \/v1\/videos\/\w+$/),
    ]);
  });

  test("says how long it took and how far the clocks are apart", async () => {
    let now = Date.UTC(2026, 10, 22, 12);
    const theirs = new Date(now + 90_000).toUTCString();
    const { upstream } = await speaking(
      (seen, response, socket) => {
        now += 2000;
        says(200, [], { date: theirs })(seen, response, socket);
      },
      { now: () => now },
    );
    expect(await upstream.probe()).toMatchObject({ kind: "ok", ms: 2000, clockSkewMs: 89_000 });
  });

  test.each(["yesterday", "Sun, 99 Nov 2026", "0"])("says nothing of clocks after the date %j", async (date) => {
    const { upstream } = await speaking(says(200, [], { date }));
    expect(await upstream.probe()).not.toHaveProperty("clockSkewMs");
  });

  const lists: [string, unknown][] = [
    ["the contract's", { object: "list", data: [{ id: "v", status: "queued" }] }],
    ["a bare one", []],
    ["one called videos", { videos: [] }],
    ["one in an envelope", { data: { items: [] } }],
  ];
  test.each(lists)("finds the list: %s", async (_name, body) => {
    const { upstream } = await speaking(says(200, body));
    expect(await upstream.probe()).toMatchObject({ kind: "ok", list: true });
  });

  // What the list call brings, what the query of an unknown task brings, and what the server is.
  const servers: [string, Script, Script, Record<string, unknown>][] = [
    [
      "no list, FastAPI",
      says(405, { detail: "Method Not Allowed" }),
      says(404, { detail: "Not Found" }),
      { kind: "ok" },
    ],
    [
      "no list, vLLM-Omni",
      says(404, { detail: "Not Found" }),
      says(404, { detail: "Video x not found" }),
      { kind: "ok" },
    ],
    ["no list, new-api", says(404, {}), says(400, { code: "task_not_exist", message: "no" }), { kind: "ok" }],
    ["an id that is malformed", says(404, {}), says(422, { detail: [{ loc: ["path"], msg: "no" }] }), { kind: "ok" }],
    ["an error with HTTP 200", says(404, {}), says(200, noSuchVideo), { kind: "ok", list: false }],
    ["a task for any id", says(404, {}), says(200, { id: "v", status: "unknown" }), { kind: "ok", list: false }],
    ["a throttle", says(429, {}), says(429, { error: { message: "Slow" } }), { kind: "ok", list: false }],
    ["a throttle with 503", says(404, {}), says(503, { error: { code: "slow_down" } }), { kind: "ok" }],
    ["a list that is forbidden", says(403, {}), says(404, noSuchVideo), { kind: "ok", list: false }],
    ["401", says(401, {}), says(401, { error: { code: "invalid_api_key", message: "no" } }), { kind: "account" }],
    ["402", says(402, ""), says(402, ""), { kind: "account", code: "http_402" }],
    ["403", says(403, page), says(403, page), { kind: "account", code: "http_403" }],
    ["a spent quota", says(404, {}), says(429, { error: { type: "insufficient_quota" } }), { kind: "account" }],
    ["500", says(500, {}), says(500, { error: { message: "boom" } }), { kind: "unreachable" }],
    ["a gateway without its server", says(502, page), says(502, page), { kind: "unreachable" }],
    ["a web site", says(200, page), says(200, page), { kind: "strange" }],
    ["a web site's 404", says(404, page), says(404, page), { kind: "strange" }],
    ["Go's 404", says(404, "404 page not found"), says(404, "404 page not found"), { kind: "strange" }],
    [
      "FastAPI, wrong path",
      says(404, { detail: "Not Found" }),
      says(404, { detail: "Not Found" }),
      { kind: "strange" },
    ],
    [
      "new-api, wrong path",
      says(404, {}),
      says(404, { error: { message: "Invalid URL (GET /x)" } }),
      { kind: "strange" },
    ],
    ["Express, wrong path", says(404, {}), says(404, { message: "Cannot GET /v2/videos/x" }), { kind: "strange" }],
    ["an empty 404 to everything", says(404, ""), says(404, ""), { kind: "strange" }],
    ["405 to everything", says(405, {}), says(405, {}), { kind: "strange" }],
    ["a redirect to a login", says(302, ""), says(302, ""), { kind: "strange" }],
    ["another API", says(200, { models: [] }), says(200, { hello: "world" }), { kind: "strange" }],
    ["another API's null", says(200, {}), says(200, { error: null }), { kind: "strange" }],
    ["silence with 200", says(200, ""), says(200, ""), { kind: "strange" }],
  ];
  test.each(servers)("tells what a server is: %s", async (_name, list, task, expected) => {
    const { upstream, seen } = await speaking(saysInTurn(list, task));
    expect(await upstream.probe()).toMatchObject(expected);
    expect(seen.map(({ method }) => method)).toEqual(["GET", "GET"]);
  });

  test("finds nothing where nothing answers", async () => {
    const nowhere = openedUpstream({ url: `http://127.0.0.1:${await aFreePort()}/v1` });
    expect(await nowhere.probe()).toMatchObject({
      kind: "unreachable",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
    const resets = await speaking((_seen, _response, socket) => socket.resetAndDestroy());
    expect(await resets.upstream.probe()).toMatchObject({ kind: "unreachable" });
    const hangs = await speaking(() => undefined, { timeouts: { lookMs: 100 } });
    expect(await hangs.upstream.probe()).toMatchObject({ kind: "unreachable" });
  });

  test("finds the first call but loses the second", async () => {
    const { upstream } = await speaking(saysInTurn(says(404, {}), (_seen, _response, socket) => socket.destroy()));
    expect(await upstream.probe()).toMatchObject({ kind: "unreachable" });
  });

  test("never repeats the key, and says one short line", async () => {
    for (const status of [200, 400, 401, 404, 429, 500]) {
      for (const body of [`<title>${key}</title>`, { error: { code: key, message: `${key}\n`.repeat(100) } }]) {
        const { upstream } = await speaking(says(status, body), { key });
        const found = await upstream.probe();
        expect(JSON.stringify(found)).not.toContain("very");
        for (const words of Object.values(found))
          if (typeof words === "string") expect(words).toMatch(/^[^\n]{0,300}$/);
      }
    }
  });
});

async function aFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
