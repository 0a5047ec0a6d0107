import { defaultTimeouts, openUpstream, type UpstreamSettings, UpstreamSettingsError } from "@reelq/upstream";
import { describe, expect, test } from "vitest";
import { openedUpstream, says, scriptedUpstream, speaking } from "../support/scripted-upstream.ts";

const one = { id: "video_1", status: "queued", prompt: "a", created_at: 1759938772 };
const two = { id: "video_2", status: "completed" };

describe("the upstream's own list", () => {
  test("is asked for with what was given, and read as a page", async () => {
    const { upstream, seen } = await speaking(
      says(200, { object: "list", data: [one, two], first_id: "video_1", last_id: "video_2", has_more: true }),
      { key: "sk-1234" },
    );
    const page = await upstream.list({ after: "a:b/c", limit: 50, order: "desc" });
    expect(page).toMatchObject({
      kind: "page",
      tasks: [
        { id: "video_1", prompt: "a", createdAt: 1759938772000 },
        { id: "video_2", state: "completed" },
      ],
      hasMore: true,
      lastId: "video_2",
    });
    expect(seen[0]).toMatchObject({ method: "GET", path: "/v1/videos?after=a%3Ab%2Fc&limit=50&order=desc" });
    expect(seen[0]?.headers.authorization).toBe("Bearer sk-1234");
  });

  test.each([[[one, two]], [{ videos: [one, two] }], [{ items: [one, two] }], [{ data: { items: [one, two] } }]])(
    "in the shape %j",
    async (body) => {
      const { upstream } = await speaking(says(200, body));
      expect(await upstream.list()).toMatchObject({ kind: "page", hasMore: false, lastId: "video_2" });
    },
  );

  test("may have more after a full page, where the server does not say", async () => {
    const { upstream } = await speaking(says(200, { data: [one, two] }));
    expect(await upstream.list({ limit: 2 })).toMatchObject({ hasMore: true, lastId: "video_2" });
    expect(await upstream.list({ limit: 3 })).toMatchObject({ hasMore: false });
  });

  test.each([
    [true, true],
    ["True ", true],
    ["false", false],
    [1, false],
    [null, false],
  ])("has more where it says %j: %j", async (said, hasMore) => {
    const { upstream } = await speaking(says(200, { data: [one, two], has_more: said }));
    expect(await upstream.list({ limit: 50 })).toMatchObject({ hasMore });
  });

  test.each([null, {}, "", ".."])("goes on after its last task where last_id is %j", async (last_id) => {
    const { upstream } = await speaking(says(200, { data: [one, two], last_id }));
    expect(await upstream.list()).toMatchObject({ lastId: "video_2" });
  });

  test("after a byte order mark", async () => {
    const { upstream } = await speaking(says(200, `\uFEFF${JSON.stringify({ data: [one] })}`));
    expect(await upstream.list()).toMatchObject({ kind: "page", tasks: [{ id: "video_1" }] });
  });

  test("may be empty", async () => {
    const { upstream } = await speaking(says(200, { data: [], has_more: false }));
    expect(await upstream.list()).toEqual({ kind: "page", tasks: [], hasMore: false });
  });

  const others: [string, number, unknown, string][] = [
    ["404", 404, {}, "no_list"],
    ["405", 405, "", "no_list"],
    ["501", 501, "", "no_list"],
    ["400", 400, {}, "no_list"],
    ["422", 422, { detail: [] }, "no_list"],
    ["410", 410, {}, "no_list"],
    ["HTML", 200, "<h1>Hi</h1>", "no_list"],
    ["HTML with a 404", 404, "<h1>Hi</h1>", "no_list"],
    ["nothing", 200, "", "no_list"],
    ["an entry whose id no path can hold", 200, { data: [{ ...one, id: ".." }] }, "no_list"],
    ["another shape", 200, { models: [] }, "no_list"],
    ["an entry without an id, which might be any task", 200, { data: [one, { status: "queued" }] }, "no_list"],
    ["entries that are no objects", 200, { data: [one, null] }, "no_list"],
    ["401", 401, {}, "missed"],
    ["429", 429, {}, "missed"],
    ["500", 500, {}, "missed"],
    ["502", 502, "", "missed"],
  ];
  test.each(others)("%s", async (_name, status, body, kind) => {
    const { upstream } = await speaking(says(status, body));
    expect(await upstream.list()).toMatchObject({ kind });
  });

  test("is missed, not missing, where the reply broke off", async () => {
    const { upstream } = await speaking((_seen, response, socket) => {
      response.writeHead(200, { "content-length": 999 });
      response.write('{"data":[', () => socket.destroy());
    });
    expect(await upstream.list()).toMatchObject({ kind: "missed" });
  });
});

describe("a delete", () => {
  test("is true where the server did it", async () => {
    const { upstream, seen } = await speaking(says(200, { id: "a:b", deleted: true }));
    expect(await upstream.remove("a:b")).toBe(true);
    expect(seen[0]).toMatchObject({ method: "DELETE", path: "/v1/videos/a%3Ab" });
  });

  test.each([
    [200, { id: "v" }],
    [200, { deleted: true, error: null }],
    [202, {}],
    [204, ""],
  ])("is true after %j %j", async (status, body) => {
    const { upstream } = await speaking(says(status, body));
    expect(await upstream.remove("v")).toBe(true);
  });

  test("is false where the reply broke off", async () => {
    const { upstream } = await speaking((_seen, response, socket) => {
      response.writeHead(200, { "content-length": 99 });
      response.write(" ", () => socket.destroy());
    });
    expect(await upstream.remove("v")).toBe(false);
  });

  test.each([
    [200, { deleted: false }],
    [200, { error: "no" }],
    [200, "<h1>Hello</h1>"],
    [302, ""],
    [404, {}],
    [405, ""],
    [500, {}],
  ])("is false after %j %j", async (status, body) => {
    const { upstream } = await speaking(says(status, body));
    expect(await upstream.remove("v")).toBe(false);
  });
});

describe("settings", () => {
  const refused = (settings: Partial<UpstreamSettings>): UpstreamSettingsError => {
    try {
      openUpstream({ name: "a", url: "http://127.0.0.1/v1", ...settings });
    } catch (error) {
      if (error instanceof UpstreamSettingsError) return error;
    }
    throw new Error("the settings were taken");
  };

  test.each([
    ["url", { url: "gateway.example/v1" }],
    ["url", { url: "ftp://gateway.example" }],
    ["credentials", { url: "https://me:secret@gateway.example/v1" }],
    ["takes no ?", { url: "https://gateway.example/v1?a=b" }],
    ["key", { key: "two\nlines" }],
    ["timeouts.totalMs", { timeouts: { totalMs: 0 } }],
    ["timeouts.connectMs", { timeouts: { connectMs: 1.5 } }],
    ["createFormat", { createFormat: "xml" as never }],
  ])("a mistake in %s is said", (word, settings) => {
    expect(refused(settings).message).toContain(word);
  });

  test("every mistake is in one message, and no secret is", () => {
    const error = refused({ url: "https://me:secret@x/v1", key: "sk secret", timeouts: { totalMs: -1 } });
    expect(error.problems).toHaveLength(3);
    expect(error.message).not.toContain("secret");
    expect(error.code).toBe("invalid_upstream_settings");
  });

  test("time-outs are those given, over the defaults", () => {
    const upstream = openedUpstream({ url: "http://127.0.0.1/v1", timeouts: { totalMs: 5 } });
    expect(upstream.timeouts).toEqual({ ...defaultTimeouts, totalMs: 5 });
  });

  test.each(["/v1", "/v1/", "/proxy/openai/v1//"])("the address may end in %s", async (path) => {
    const server = await scriptedUpstream(says(200, one));
    const upstream = openedUpstream({ url: server.origin + path });
    await upstream.retrieve("v");
    expect(server.seen[0]?.path).toBe(`${path.replace(/\/+$/, "")}/videos/v`);
    expect(server.seen[0]?.headers.authorization).toBeUndefined();
  });
});
