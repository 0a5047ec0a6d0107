import { createHash } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";

const noon = 1_800_000_000_000;

/** A simulator whose clock stands until a test moves it. */
async function aSimulator(options: SimulatorOptions = {}) {
  const clock = { ms: noon };
  const simulator = await startSimulator({ renderMs: 100_000, now: () => clock.ms, ...options });
  onTestFinished(() => simulator.close());
  return Object.assign(simulator, { clock });
}

function aForm(fields: Record<string, string | Blob>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

const post = (simulator: Simulator, fields: Record<string, string | Blob>, path = "/videos") =>
  fetch(`${simulator.url}${path}`, { method: "POST", body: aForm(fields), headers: { authorization: "Bearer k1" } });

const bodyOf = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>;

const get = async (simulator: Simulator, path: string) => bodyOf(await fetch(`${simulator.url}${path}`));

async function aTask(simulator: Simulator, fields: Record<string, string> = {}): Promise<string> {
  return String((await bodyOf(await post(simulator, { prompt: "A cat", ...fields })))["id"]);
}

async function aFinishedTask(simulator: Simulator, fields: Record<string, string> = {}): Promise<string> {
  const id = await aTask(simulator, fields);
  simulator.complete({ task: id });
  return id;
}

const tiny = { model: "tiny", seconds: "1", size: "64x64" };
const models = { tiny: { seconds: [1, 2.5], sizes: ["64x64"] } };

describe("create", () => {
  test("answers with the seed's task object and its defaults", async () => {
    const simulator = await aSimulator();
    const response = await post(simulator, { prompt: "A cat walking on the street" });
    expect(response.status).toBe(200);
    expect(await bodyOf(response)).toEqual({
      id: expect.stringMatching(/^video_[0-9a-f]{48}$/),
      object: "video",
      created_at: noon / 1000,
      status: "queued",
      completed_at: null,
      error: null,
      expires_at: null,
      model: "sora-2",
      progress: 0,
      remixed_from_video_id: null,
      seconds: "15",
      size: "720x1280",
      prompt: "A cat walking on the street",
    });
  });

  test("takes JSON, with the length as a number too", async () => {
    const simulator = await aSimulator();
    const body = JSON.stringify({ prompt: "A dog", model: "veo-3.1", seconds: 8, size: "1280x720" });
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${simulator.url}/videos`, { method: "POST", body, headers });
    expect(await bodyOf(response)).toMatchObject({ model: "veo-3.1", seconds: "8", size: "1280x720" });
  });

  test.each([
    ["no prompt", {}, "prompt"],
    ["an empty prompt", { prompt: "  " }, "prompt"],
    ["a prompt that is too long", { prompt: "x".repeat(32_001) }, "prompt"],
    ["an unknown model", { prompt: "x", model: "sora-3" }, "model"],
    ["a length that the model lacks", { prompt: "x", seconds: "12" }, "seconds"],
    ["the default length where the model lacks it", { prompt: "x", model: "veo-3.1" }, "seconds"],
    ["a size without a picture", { prompt: "x", size: "100x100" }, "size"],
    ["a reference that is no image", { prompt: "x", input_reference: new Blob(["x"]) }, "input_reference"],
    ["an empty image", { prompt: "x", input_reference: new Blob([], { type: "image/png" }) }, "input_reference"],
    ["a file of another name", { prompt: "x", image: new Blob(["x"], { type: "image/png" }) }, "image"],
  ])("refuses %s with 400 and the name of the field", async (_what, fields, param) => {
    const simulator = await aSimulator();
    const response = await post(simulator, fields);
    expect(response.status).toBe(400);
    expect(await bodyOf(response)).toMatchObject({ error: { type: "invalid_request_error", param } });
    expect(simulator.tasks()).toEqual([]);
  });

  test.each([
    ["a multipart body without a boundary", "multipart/form-data", "x", 400],
    ["a multipart body that ends early", "multipart/form-data; boundary=b", "--b\r\nContent-Disp", 400],
    ["a file that ends early", "multipart/form-data; boundary=b", `--b\r\n${disposition("f", "a.png")}\r\n\r\nxx`, 400],
    ["half a JSON text", "application/json", '{"prompt": ', 400],
    ["a JSON array", "application/json", "[]", 400],
    ["no type that it knows", "text/plain", "A cat", 415],
  ])("refuses %s without falling over", async (_what, type, body, status) => {
    const simulator = await aSimulator();
    const request = { method: "POST", body, headers: { "content-type": type } };
    const response = await fetch(`${simulator.url}/videos`, request);
    expect(response.status).toBe(status);
    expect(await bodyOf(response)).toMatchObject({ error: { message: expect.any(String) } });
    expect((await post(simulator, { prompt: "and goes on" })).status).toBe(200);
  });

  test("writes down the fields, the file and the key", async () => {
    const simulator = await aSimulator();
    const image = Buffer.from("a picture, more or less");
    const file = new File([image], "cät.png", { type: "image/png" });
    const task = await bodyOf(await post(simulator, { prompt: "A cat", seconds: "10", input_reference: file }));
    expect(simulator.posts()).toEqual([
      {
        number: 1,
        at: new Date(noon).toISOString(),
        path: "/v1/videos",
        key: "k1",
        contentType: expect.stringContaining("multipart/form-data"),
        headers: expect.not.objectContaining({ authorization: expect.anything() }),
        prompt: "A cat",
        fields: { prompt: "A cat", seconds: "10" },
        file: {
          field: "input_reference",
          name: "cät.png",
          contentType: "image/png",
          bytes: image.length,
          sha256: createHash("sha256").update(image).digest("hex"),
        },
        answered: { status: 200, fault: null },
        task: task["id"],
      },
    ]);
  });

  test("knows the models that an operator adds", async () => {
    const simulator = await aSimulator({ models });
    expect(await bodyOf(await post(simulator, { prompt: "x", ...tiny, seconds: "2.5" }))).toMatchObject({
      seconds: "2.5",
    });
    expect((await post(simulator, { prompt: "x" })).status).toBe(200);
  });
});

describe("retrieve", () => {
  test("goes from queued over processing to completed as the clock does", async () => {
    const simulator = await aSimulator({ expiresAfterMs: 60_000 });
    const id = await aTask(simulator);
    const seen = [];
    for (const ms of [0, 9_999, 10_000, 55_000, 99_999, 100_000]) {
      simulator.clock.ms = noon + ms;
      const { status, progress, completed_at, expires_at } = await get(simulator, `/videos/${id}`);
      seen.push([status, progress, completed_at, expires_at]);
    }
    expect(seen).toEqual([
      ["queued", 0, null, null],
      ["queued", 0, null, null],
      ["processing", 0, null, null],
      ["processing", 50, null, null],
      ["processing", 99, null, null],
      ["completed", 100, noon / 1000 + 100, noon / 1000 + 160],
    ]);
  });

  test.each(["colons", "base64"] as const)("finds ids made of %s", async (ids) => {
    const simulator = await aSimulator({ ids });
    const id = await aTask(simulator);
    expect(await get(simulator, `/videos/${encodeURIComponent(id)}`)).toMatchObject({ id });
  });

  test("answers 404 for an id that it does not know, and for any other address", async () => {
    const simulator = await aSimulator();
    for (const path of ["/videos/video_0", "/videos/video_0/content", "/images", "/videos/%ff"]) {
      const response = await fetch(`${simulator.url}${path}`);
      expect(response.status).toBe(path.endsWith("%ff") ? 400 : 404);
      expect(await bodyOf(response)).toHaveProperty("error.message");
    }
  });
});

describe("keys", () => {
  test("are asked for once there are some, and see only their own tasks", async () => {
    const simulator = await aSimulator({ keys: ["k1", "k2"] });
    const id = await aTask(simulator);
    const as = (key: string, path: string) =>
      fetch(`${simulator.url}${path}`, { headers: { authorization: `Bearer ${key}` } });
    expect((await fetch(`${simulator.url}/videos/${id}`)).status).toBe(401);
    expect((await as("k3", `/videos/${id}`)).status).toBe(401);
    expect((await as("k2", `/videos/${id}`)).status).toBe(404);
    expect((await as("k1", `/videos/${id}`)).status).toBe(200);
    expect(await bodyOf(await as("k2", "/videos"))).toMatchObject({ data: [] });
    const refused = await fetch(`${simulator.url}/videos`, { method: "POST", body: aForm({ prompt: "free?" }) });
    expect(refused.status).toBe(401);
    expect(simulator.posts().at(-1)).toMatchObject({ prompt: "free?", key: "", answered: { status: 401 }, task: null });
  });
});

describe("content", () => {
  test("is there from completion to expiry", async () => {
    const simulator = await aSimulator({ models, expiresAfterMs: 1000 });
    const id = await aTask(simulator, tiny);
    const content = async () => {
      const response = await fetch(`${simulator.url}/videos/${id}/content`);
      const isVideo = response.headers.get("content-type") === "video/mp4";
      return [response.status, isVideo || ((await bodyOf(response))["error"] as { code: string }).code];
    };
    expect(await content()).toEqual([404, "video_not_ready"]);
    simulator.clock.ms += 100_000;
    expect(await content()).toEqual([200, true]);
    simulator.clock.ms += 999;
    expect(await content()).toEqual([200, true]);
    simulator.clock.ms += 1;
    expect(await content()).toEqual([410, "expired"]);
  });

  test("has a type, a length and an ETag, and differs from task to task", async () => {
    const simulator = await aSimulator({ models });
    const hashes = new Set<string>();
    for (const prompt of ["one", "two"]) {
      const id = await aFinishedTask(simulator, { ...tiny, prompt });
      const response = await fetch(`${simulator.url}/videos/${id}/content`);
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(response.headers.get("content-length")).toBe(String(bytes.length));
      expect(response.headers.get("etag")).toMatch(/^".+"$/);
      expect(bytes.subarray(4, 8).toString()).toBe("ftyp");
      hashes.add(createHash("sha256").update(bytes).digest("hex"));
    }
    expect(hashes.size).toBe(2);
  });

  test.each([
    ["thumbnail", "image/webp", "WEBP", 8],
    ["spritesheet", "image/jpeg", "\u00ff\u00d8\u00ff", 0],
    ["video", "video/mp4", "ftyp", 4],
  ])("comes as a %s", async (variant, type, magic, at) => {
    const simulator = await aSimulator({ models });
    const id = await aFinishedTask(simulator, tiny);
    const response = await fetch(`${simulator.url}/videos/${id}/content?variant=${variant}`);
    expect(response.headers.get("content-type")).toBe(type);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.subarray(at, at + magic.length).toString("latin1")).toBe(magic);
  });

  test("refuses a variant that is none, and ignores all of them where it cannot", async () => {
    const simulator = await aSimulator({ models });
    const id = await aFinishedTask(simulator, tiny);
    const content = `${simulator.url}/videos/${id}/content`;
    expect((await fetch(`${content}?variant=hologram`)).status).toBe(400);
    simulator.configure({ capabilities: { variants: false } });
    const response = await fetch(`${content}?variant=thumbnail`);
    expect(response.headers.get("content-type")).toBe("video/mp4");
  });

  test("has the video alone where it is told to have no pictures", async () => {
    const simulator = await aSimulator({ models, capabilities: { variants: "none" } });
    const id = await aFinishedTask(simulator, tiny);
    const content = `${simulator.url}/videos/${id}/content`;
    for (const variant of ["thumbnail", "spritesheet"]) {
      const response = await fetch(`${content}?variant=${variant}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: "variant_not_found", param: "variant" } });
    }
    expect((await fetch(`${content}?variant=video`)).headers.get("content-type")).toBe("video/mp4");
  });

  test("answers ranges, and a range that does not fit with 416", async () => {
    const simulator = await aSimulator({ models });
    const id = await aFinishedTask(simulator, tiny);
    const content = `${simulator.url}/videos/${id}/content`;
    const whole = Buffer.from(await (await fetch(content)).arrayBuffer());
    const ranged = async (range: string, more: Record<string, string> = {}) => {
      const response = await fetch(content, { headers: { range, ...more } });
      const bytes = Buffer.from(await response.arrayBuffer());
      return { status: response.status, says: response.headers.get("content-range"), bytes };
    };
    const total = whole.length;
    expect(await ranged("bytes=10-19")).toEqual({
      status: 206,
      says: `bytes 10-19/${total}`,
      bytes: whole.subarray(10, 20),
    });
    expect(await ranged("bytes=100-")).toMatchObject({ status: 206, bytes: whole.subarray(100) });
    expect(await ranged("bytes=-7")).toMatchObject({ status: 206, bytes: whole.subarray(-7) });
    expect(await ranged(`bytes=${total}-`)).toMatchObject({ status: 416, says: `bytes */${total}` });
    expect(await ranged("bytes=5-6", { "if-range": '"another"' })).toMatchObject({ status: 200, bytes: whole });
    simulator.configure({ capabilities: { range: false } });
    expect(await ranged("bytes=10-19")).toMatchObject({ status: 200, bytes: whole });
  });

  test("answers HEAD with the head only, and a known ETag with 304", async () => {
    const simulator = await aSimulator({ models });
    const id = await aFinishedTask(simulator, tiny);
    const content = `${simulator.url}/videos/${id}/content`;
    const head = await fetch(content, { method: "HEAD" });
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(1000);
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    const again = await fetch(content, { headers: { "if-none-match": head.headers.get("etag") ?? "" } });
    expect(again.status).toBe(304);
  });

  test("can be padded to a weight", async () => {
    const simulator = await aSimulator({ models, minimumBytes: 3_000_000 });
    const id = await aFinishedTask(simulator, tiny);
    const response = await fetch(`${simulator.url}/videos/${id}/content`);
    expect((await response.arrayBuffer()).byteLength).toBe(3_000_000);
  });
});

describe("remix", () => {
  test("makes a task of the same model, length and size, that says where it comes from", async () => {
    const simulator = await aSimulator({ models });
    const source = await aFinishedTask(simulator, { ...tiny, seconds: "2.5" });
    const response = await post(simulator, { prompt: "and now a dog" }, `/videos/${source}/remix`);
    expect(await bodyOf(response)).toMatchObject({
      status: "queued",
      prompt: "and now a dog",
      model: "tiny",
      seconds: "2.5",
      size: "64x64",
      remixed_from_video_id: source,
    });
  });

  test("needs a prompt, and a source that is there and completed", async () => {
    const simulator = await aSimulator();
    const source = await aTask(simulator);
    const again = (id: string, fields: Record<string, string>) => post(simulator, fields, `/videos/${id}/remix`);
    expect((await again(source, { prompt: "x" })).status).toBe(400);
    simulator.complete();
    expect((await again(source, {})).status).toBe(400);
    expect((await again("video_0", { prompt: "x" })).status).toBe(404);
    expect((await again(source, { prompt: "x" })).status).toBe(200);
  });
});

describe("list and delete", () => {
  test("pages both ways, and steps over what was deleted", async () => {
    const simulator = await aSimulator();
    const ids: string[] = [];
    for (let number = 0; number < 5; number += 1) ids.push(await aTask(simulator));
    const [first, second, third, fourth, fifth] = ids;
    const page = async (query: string) => {
      const { data, ...rest } = await get(simulator, `/videos?${query}`);
      return { ...rest, ids: (data as { id: string }[]).map(({ id }) => id) };
    };
    expect(await page("limit=2")).toEqual({
      object: "list",
      ids: [fifth, fourth],
      first_id: fifth,
      last_id: fourth,
      has_more: true,
    });
    const deleted = await fetch(`${simulator.url}/videos/${third}`, { method: "DELETE" });
    expect(await bodyOf(deleted)).toEqual({ id: third, object: "video.deleted", deleted: true });
    expect(await page(`limit=2&after=${fourth}`)).toMatchObject({ ids: [second, first], has_more: false });
    expect(await page(`limit=2&after=${third}`)).toMatchObject({ ids: [second, first], has_more: false });
    expect(await page("order=asc&limit=3")).toMatchObject({ ids: [first, second, fourth], has_more: true });
    expect(await page(`order=asc&after=${fourth}`)).toMatchObject({ ids: [fifth], has_more: false });
    expect(await page(`order=asc&after=${fifth}`)).toMatchObject({ ids: [], first_id: null, last_id: null });
    expect((await fetch(`${simulator.url}/videos/${third}`)).status).toBe(404);
  });

  test.each(["limit=0", "limit=101", "limit=x", "order=up", "after=video_0"])("refuses ?%s", async (query) => {
    const simulator = await aSimulator();
    expect((await fetch(`${simulator.url}/videos?${query}`)).status).toBe(400);
  });

  test.each([
    ["list", "GET", "/videos"],
    ["delete", "DELETE", "/videos/ID"],
    ["remix", "POST", "/videos/ID/remix"],
  ] as const)("a server that lacks %s does not know the address", async (capability, method, path) => {
    const simulator = await aSimulator({ capabilities: { [capability]: false } });
    const id = await aTask(simulator);
    const response = await fetch(`${simulator.url}${path.replace("ID", id)}`, { method });
    expect(response.status).toBe(404);
    expect(await bodyOf(response)).toMatchObject({ error: { code: "unknown_url" } });
    expect(await get(simulator, `/videos/${id}`)).toMatchObject({ id });
  });
});

function disposition(name: string, file: string): string {
  return `Content-Disposition: form-data; name="${name}"; filename="${file}"`;
}
