import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FaultInput } from "../../apps/simulator/src/faults.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";

const models = { tiny: { seconds: [1, 2], sizes: ["64x64", "480x854"] as ["64x64", "480x854"] } };

async function aSimulator(options: SimulatorOptions = {}) {
  const clock = { ms: 1_800_000_000_000 };
  const simulator = await startSimulator({ renderMs: 1000, now: () => clock.ms, models, ...options });
  onTestFinished(() => simulator.close());
  return Object.assign(simulator, { clock });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** Whether the body came to its end. */
  readonly whole: boolean;
}

/** A client that hides nothing: says what came, and throws where no answer did. */
function call(simulator: Simulator, method: string, path: string, fields?: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: "Bearer k1", ...(fields && { "content-type": "application/json" }) };
    const request = httpRequest(`${simulator.url}${path}`, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => undefined);
      response.on("close", () => {
        const { statusCode: status = 0, headers: said, complete: whole } = response;
        resolve({ status, headers: said, bytes: Buffer.concat(chunks), whole });
      });
    });
    request.on("error", reject);
    request.end(fields && JSON.stringify(fields));
  });
}

const json = ({ bytes }: Answer) => JSON.parse(bytes.toString()) as Record<string, unknown>;

const create = (simulator: Simulator, prompt = "A cat") =>
  call(simulator, "POST", "/videos", { prompt, model: "tiny", seconds: 1, size: "64x64" });

async function aFinishedTask(simulator: Simulator, prompt = "A cat"): Promise<string> {
  const id = String(json(await create(simulator, prompt))["id"]);
  simulator.complete({ task: id });
  return id;
}

const content = (simulator: Simulator, id: string) => call(simulator, "GET", `/videos/${id}/content`);
const retrieve = (simulator: Simulator, id: string) => call(simulator, "GET", `/videos/${id}`);

describe("which calls a rule strikes", () => {
  const pattern = async (rule: Partial<FaultInput>, calls: number) => {
    const simulator = await aSimulator({ seed: "dice" });
    simulator.addFault({ on: "list", do: "status", ...rule });
    const struck = [];
    for (let number = 0; number < calls; number += 1)
      struck.push((await call(simulator, "GET", "/videos")).status === 500);
    return { struck: struck.map((yes) => (yes ? "x" : ".")).join(""), rules: simulator.faults() };
  };

  test("once, unless it says how often", async () => {
    expect((await pattern({}, 4)).struck).toBe("x...");
    expect((await pattern({ times: 2 }, 4)).struck).toBe("xx..");
    expect((await pattern({ times: 0 }, 4)).struck).toBe("xxxx");
    expect((await pattern({ after: 2, times: 1 }, 5)).struck).toBe("..x..");
  });

  test("by chance where a rate is given, and it counts", async () => {
    const { struck, rules } = await pattern({ rate: 0.5, times: 0 }, 60);
    const strikes = struck.split("x").length - 1;
    expect(strikes).toBeGreaterThan(12);
    expect(strikes).toBeLessThan(48);
    expect(rules).toMatchObject([{ id: "fault_1", seen: 60, struck: strikes }]);
  });

  test("only for the prompt, task, model, key and status that it names", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "status", prompt: "dog", model: "tiny", key: "k1", times: 0 });
    simulator.addFault({ on: "create", do: "status", key: "k2", times: 0 });
    expect((await create(simulator, "A cat")).status).toBe(200);
    expect((await create(simulator, "A dog")).status).toBe(500);
    const [one, two] = [await aFinishedTask(simulator), await aFinishedTask(simulator)];
    simulator.addFault({ on: "retrieve", do: "status", task: one, status: "completed", times: 0 });
    expect((await retrieve(simulator, one)).status).toBe(500);
    expect((await retrieve(simulator, two)).status).toBe(200);
    simulator.fail({ task: one });
    expect((await retrieve(simulator, one)).status).toBe(200);
  });

  test("the first that fits", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "list", do: "status", with: { status: 501 } });
    simulator.addFault({ on: "list", do: "status", with: { status: 502 } });
    const statuses = [];
    for (let number = 0; number < 3; number += 1) statuses.push((await call(simulator, "GET", "/videos")).status);
    expect(statuses).toEqual([501, 502, 200]);
  });
});

describe("answers", () => {
  const struckBy = async (rule: FaultInput) => {
    const simulator = await aSimulator();
    simulator.addFault(rule);
    return create(simulator);
  };

  test("a throttle says how long to wait, in seconds or as a date", async () => {
    const seconds = await struckBy({ on: "create", do: "throttle", with: { retryAfterSeconds: 7 } });
    expect(seconds).toMatchObject({ status: 429, headers: { "retry-after": "7" } });
    expect(json(seconds)).toMatchObject({ error: { type: "rate_limit_error", code: "rate_limit_exceeded" } });
    const more = { retryAfterSeconds: 60, retryAfterDate: true, headers: { "retry-after-ms": "60000" } };
    const date = await struckBy({ on: "create", do: "throttle", with: more });
    expect(date.headers).toMatchObject({ "retry-after": "Fri, 15 Jan 2027 08:01:00 GMT", "retry-after-ms": "60000" });
  });

  test("an empty account is a 429 of its own", async () => {
    const answer = await struckBy({ on: "create", do: "no_quota" });
    expect([answer.status, json(answer)["error"]]).toMatchObject([429, { code: "insufficient_quota" }]);
    expect(answer.headers["retry-after"]).toBeUndefined();
  });

  test.each([
    [401, "invalid_api_key"],
    [402, "payment_required"],
    [403, "forbidden"],
    [404, "video_not_found"],
    [500, "server_error"],
    [503, "server_error"],
  ])("a status %i comes with the error that goes with it", async (status, code) => {
    const answer = await struckBy({ on: "create", do: "status", with: { status } });
    expect([answer.status, json(answer)["error"]]).toMatchObject([status, { code }]);
  });

  test("a status can have any body", async () => {
    const body = { detail: "no such thing" };
    expect(json(await struckBy({ on: "create", do: "status", with: { status: 422, body } }))).toEqual(body);
    const text = await struckBy({ on: "create", do: "status", with: { status: 503, body: "upstream down" } });
    expect(text.bytes.toString()).toBe("upstream down");
  });

  test("a gateway's page, an error with HTTP 200, half a JSON text", async () => {
    const page = await struckBy({ on: "create", do: "html" });
    expect([page.status, page.headers["content-type"]]).toEqual([502, "text/html; charset=utf-8"]);
    const error = await struckBy({ on: "create", do: "json_error", with: { message: "no luck" } });
    expect([error.status, json(error)["error"]]).toMatchObject([200, { message: "no luck" }]);
    const garbage = await struckBy({ on: "create", do: "garbage" });
    expect([garbage.status, garbage.bytes.toString()]).toEqual([200, '{"id": "video_6']);
  });

  test("a slow answer is an answer", async () => {
    expect((await struckBy({ on: "create", do: "slow", with: { ms: 20 } })).status).toBe(200);
  });
});

describe("what becomes of a create", () => {
  test.each(["lose_reply", "reset"] as const)("%s after the task was made: no answer, one task", async (kind) => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: kind, late: true });
    await expect(create(simulator)).rejects.toMatchObject({ code: "ECONNRESET" });
    const [task] = simulator.tasks();
    expect(simulator.posts()).toMatchObject([{ answered: { status: null, fault: kind }, task: task?.["id"] }]);
  });

  test("a reset before: no answer, no task, but the POST is on record", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "reset" });
    await expect(create(simulator)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(simulator.tasks()).toEqual([]);
    expect(simulator.posts()).toMatchObject([{ prompt: "A cat", answered: { fault: "reset" }, task: null }]);
  });

  test.each([
    [false, 0],
    [true, 1],
  ])("a hang, late %s, leaves %i tasks behind", async (late, count) => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "hang", late });
    const heard = once(simulator, "post");
    const answer = create(simulator);
    const unanswered = expect(answer).rejects.toThrow("socket hang up");
    expect((await heard)[0]).toMatchObject({ answered: { status: null, fault: "hang" } });
    expect(simulator.tasks().length).toBe(count);
    await simulator.close();
    await unanswered;
  });

  test("a gateway can give up on a task that was made", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "status", late: true, with: { status: 504 } });
    expect((await create(simulator)).status).toBe(504);
    expect(simulator.posts()).toMatchObject([{ answered: { status: 504, fault: "status" } }]);
    expect(simulator.posts()[0]?.task).toBe(simulator.tasks()[0]?.["id"]);
  });

  test("a refused request is not struck late", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "lose_reply" });
    expect((await call(simulator, "POST", "/videos", { prompt: "x", model: "no" })).status).toBe(400);
    expect(simulator.faults()).toMatchObject([{ struck: 0 }]);
  });

  test("a task can be made to fail at its end", async () => {
    const simulator = await aSimulator();
    const said = { code: "moderation_blocked", message: "Blocked by our content policy." };
    simulator.addFault({ on: "create", do: "fail_task", with: said });
    const { id, status } = json(await create(simulator));
    expect(status).toBe("queued");
    simulator.clock.ms += 1000;
    expect(json(await retrieve(simulator, String(id)))).toMatchObject({
      status: "failed",
      error: said,
      completed_at: null,
      expires_at: null,
    });
    expect((await content(simulator, String(id))).status).toBe(404);
  });

  test("the answer can be sparse, or odd", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "create", do: "sparse", with: { status: 202 } });
    const sparse = await create(simulator);
    expect([sparse.status, Object.keys(json(sparse))]).toEqual([202, ["id", "status"]]);
    simulator.addFault({ on: "create", do: "patch", with: { body: { created_at: "2026-01-01", seconds: null } } });
    expect(json(await create(simulator))).toMatchObject({ created_at: "2026-01-01", seconds: null, model: "tiny" });
  });

  test("a remix can lose its reply, and a delete", async () => {
    const simulator = await aSimulator();
    const id = await aFinishedTask(simulator);
    simulator.addFault({ on: "remix", do: "lose_reply" });
    simulator.addFault({ on: "delete", do: "lose_reply" });
    await expect(call(simulator, "POST", `/videos/${id}/remix`, { prompt: "again" })).rejects.toThrow("hang up");
    expect(simulator.tasks()[1]).toMatchObject({ remixed_from_video_id: id });
    await expect(call(simulator, "DELETE", `/videos/${id}`)).rejects.toThrow("hang up");
    expect((await retrieve(simulator, id)).status).toBe(404);
  });
});

describe("looks", () => {
  test("a lost reply, an unknown word, a failed task in the body of a 500, a failure at once, an expiry", async () => {
    const simulator = await aSimulator();
    const id = await aFinishedTask(simulator);
    simulator.addFault({ on: "retrieve", do: "lose_reply" });
    await expect(retrieve(simulator, id)).rejects.toThrow("hang up");
    simulator.addFault({ on: "retrieve", do: "word" });
    expect(json(await retrieve(simulator, id))).toMatchObject({ status: "marinating", id });
    simulator.addFault({ on: "retrieve", do: "patch", with: { status: 500, body: { status: "failed" } } });
    const failed = await retrieve(simulator, id);
    expect([failed.status, json(failed)]).toMatchObject([500, { id, status: "failed" }]);
    simulator.addFault({ on: "retrieve", do: "expire" });
    expect(json(await retrieve(simulator, id))).toMatchObject({ status: "completed" });
    expect((await content(simulator, id)).status).toBe(410);
    simulator.addFault({ on: "retrieve", do: "fail_task" });
    expect(json(await retrieve(simulator, id))).toMatchObject({ status: "failed", error: { code: "render_failed" } });
    expect(json(await retrieve(simulator, id))).toMatchObject({ status: "failed" });
  });

  test("a list can hide what is there", async () => {
    const simulator = await aSimulator();
    await create(simulator);
    simulator.addFault({ on: "list", do: "hide" });
    expect(json(await call(simulator, "GET", "/videos"))).toMatchObject({ data: [], has_more: false });
    expect(json(await call(simulator, "GET", "/videos"))).toMatchObject({ data: [{ prompt: "A cat" }] });
  });
});

describe("content", () => {
  const struckBy = async (rule: Omit<FaultInput, "on">) => {
    const simulator = await aSimulator();
    const id = await aFinishedTask(simulator);
    const good = await content(simulator, id);
    simulator.addFault({ on: "content", ...rule });
    return { simulator, id, good, bad: await content(simulator, id) };
  };

  test("can be late: for the first calls, or for a while", async () => {
    const { simulator, id, bad } = await struckBy({ do: "not_ready" });
    expect([bad.status, json(bad)]).toMatchObject([404, { error: { code: "video_not_ready" } }]);
    expect((await content(simulator, id)).status).toBe(200);
    simulator.addFault({ on: "content", do: "not_ready", times: 0, with: { ms: 5000, status: 403 } });
    expect((await content(simulator, id)).status).toBe(403);
    simulator.clock.ms += 4999;
    expect((await content(simulator, id)).status).toBe(403);
    simulator.clock.ms += 1;
    expect((await content(simulator, id)).status).toBe(200);
  });

  test("of a picture is struck by no rule, nor counted by one", async () => {
    const simulator = await aSimulator();
    const id = await aFinishedTask(simulator);
    simulator.addFault({ on: "content", do: "status" });
    expect((await call(simulator, "GET", `/videos/${id}/content?variant=thumbnail`)).status).toBe(200);
    expect((await content(simulator, id)).status).toBe(500);
    expect(simulator.faults()).toMatchObject([{ seen: 1, struck: 1 }]);
  });

  test("can be cut while the length says more", async () => {
    const { good, bad } = await struckBy({ do: "truncate", with: { bytes: 1234 } });
    expect(bad).toMatchObject({ status: 200, whole: false, headers: { "content-length": String(good.bytes.length) } });
    expect(bad.bytes.equals(good.bytes.subarray(0, 1234))).toBe(true);
  });

  test("can be cut so that it looks whole", async () => {
    const { good, bad } = await struckBy({ do: "truncate", with: { silent: true } });
    expect(bad).toMatchObject({ status: 200, whole: true, headers: { "transfer-encoding": "chunked" } });
    expect(bad.headers["content-length"]).toBeUndefined();
    expect(bad.bytes.equals(good.bytes.subarray(0, Math.floor(good.bytes.length / 2)))).toBe(true);
  });

  test("can be cut at the very start", async () => {
    const { bad } = await struckBy({ do: "truncate", with: { bytes: 0 } });
    expect(bad).toMatchObject({ status: 200, whole: false });
    expect(bad.bytes.length).toBe(0);
  });

  test("can stop half-way and never go on", async () => {
    const simulator = await aSimulator();
    const id = await aFinishedTask(simulator);
    simulator.addFault({ on: "content", do: "stall", with: { bytes: 100 } });
    const response = await fetch(`${simulator.url}/videos/${id}/content`);
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value?.length).toBe(100);
    const ended = once(simulator, "content");
    await reader?.cancel();
    expect((await ended)[0]).toEqual({ task: id, variant: "video", bytes: 100, whole: false });
    expect(simulator.looks()).toMatchObject({ contents: 1, wholeContents: 0, contentsOpen: 0, contentsOpenPeak: 1 });
  });

  test("can be slow, and is whole in the end", async () => {
    const { good, bad } = await struckBy({ do: "slow", with: { bytesPerSecond: 50_000 } });
    expect(bad.bytes.equals(good.bytes)).toBe(true);
  });

  test("can come without a length", async () => {
    const { good, bad } = await struckBy({ do: "no_length" });
    expect(bad.headers["content-length"]).toBeUndefined();
    expect(bad.bytes.equals(good.bytes)).toBe(true);
  });

  test("can be something else: an error with HTTP 200, a page, noise", async () => {
    expect(json((await struckBy({ do: "json_error" })).bad)).toHaveProperty("error");
    expect((await struckBy({ do: "html", with: { status: 200 } })).bad).toMatchObject({ status: 200 });
    const { bad } = await struckBy({ do: "garbage", with: { bytes: 99 } });
    expect(bad).toMatchObject({ status: 200, headers: { "content-type": "video/mp4" } });
    expect(bad.bytes.length).toBe(99);
    expect(bad.bytes.includes("ftyp")).toBe(false);
  });

  test("can be another video than was paid for", async () => {
    const { good, bad } = await struckBy({ do: "wrong_video", with: { seconds: 2, size: "480x854" } });
    expect(bad.bytes.length).toBeGreaterThan(good.bytes.length * 4);
    expect(bad.bytes.includes("ftyp")).toBe(true);
  });

  test("can expire early", async () => {
    const { simulator, id, bad } = await struckBy({ do: "expire" });
    expect([bad.status, json(bad)]).toMatchObject([410, { error: { code: "expired" } }]);
    expect((await content(simulator, id)).status).toBe(410);
  });

  test.each(["redirect", "json_url"] as const)("can be elsewhere (%s), where a key is not wanted", async (kind) => {
    const { simulator, id, good, bad } = await struckBy({ do: kind });
    const url = kind === "redirect" ? bad.headers["location"] : json(bad)["url"];
    expect(bad.status).toBe(kind === "redirect" ? 302 : 200);
    expect(url).toBe(`http://localhost:${simulator.port}/_sim/files/${id}`);
    const there = `${simulator.origin}/_sim/files/${id}`;
    expect(Buffer.from(await (await fetch(there)).arrayBuffer()).equals(good.bytes)).toBe(true);
    expect(simulator.looks().keysLeaked).toBe(0);
    await fetch(there, { headers: { authorization: "Bearer k1" } });
    expect(simulator.looks().keysLeaked).toBe(1);
  });

  test("a redirect can lead anywhere", async () => {
    const location = "http://127.0.0.1:1/x";
    const { bad } = await struckBy({ do: "redirect", with: { location, status: 307 } });
    expect(bad).toMatchObject({ status: 307, headers: { location } });
  });
});
