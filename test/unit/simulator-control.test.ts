import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { SettingsError } from "@reelq/service";
import { describe, expect, onTestFinished, test } from "vitest";
import { readSimulatorEnvironment } from "../../apps/simulator/src/env.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";

const main = fileURLToPath(new URL("../../apps/simulator/src/main.ts", import.meta.url));

async function aSimulator(options: SimulatorOptions = {}) {
  const simulator = await startSimulator({ renderMs: 3_600_000, ...options });
  onTestFinished(() => simulator.close());
  return simulator;
}

type Body = Record<string, unknown>;

async function sim(simulator: Simulator, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${simulator.origin}/_sim${path}`, sent);
  return { status: response.status, body: (await response.json()) as Body };
}

async function create(simulator: Simulator, prompt = "A cat"): Promise<string> {
  const request = { method: "POST", body: JSON.stringify({ prompt }), headers: { "content-type": "application/json" } };
  const response = await fetch(`${simulator.url}/videos`, request);
  return ((await response.json()) as { id: string }).id;
}

const statusOf = async (simulator: Simulator, id: string): Promise<number> =>
  (await fetch(`${simulator.url}/videos/${id}`)).status;

describe("/_sim", () => {
  test("says what there is", async () => {
    const simulator = await aSimulator();
    expect((await sim(simulator, "")).body).toMatchObject({
      routes: { "POST /_sim/faults": expect.any(String) },
      faults: { lose_reply: { on: expect.arrayContaining(["create"]) } },
    });
    expect(await (await fetch(simulator.origin)).text()).toContain("/_sim");
  });

  test("adds rules, one or several, shows how often they struck, and removes them", async () => {
    const simulator = await aSimulator();
    expect(await sim(simulator, "/faults", { on: "retrieve", do: "status" })).toMatchObject({
      status: 201,
      body: { id: "fault_1", times: 1, struck: 0 },
    });
    const two = [
      { on: "list", do: "hide" },
      { on: "create", do: "hang" },
    ];
    expect(await sim(simulator, "/faults", two)).toMatchObject({ status: 201, body: { data: [{}, {}] } });
    expect(await statusOf(simulator, "video_0")).toBe(500);
    expect((await sim(simulator, "/faults")).body).toMatchObject({ data: [{ struck: 1 }, { struck: 0 }, {}] });
    await fetch(`${simulator.origin}/_sim/faults/fault_2`, { method: "DELETE" });
    expect(simulator.faults().map(({ id }) => id)).toEqual(["fault_1", "fault_3"]);
    await fetch(`${simulator.origin}/_sim/faults`, { method: "DELETE" });
    expect(simulator.faults()).toEqual([]);
  });

  test.each([
    ["an unknown call", { on: "crate", do: "hang" }, "create"],
    ["an unknown kind", { on: "create", do: "explode" }, "lose_reply"],
    ["a kind that the call does not have", { on: "create", do: "truncate" }, "strikes on content"],
    ["a detail that the kind does not take", { on: "create", do: "throttle", with: { bytes: 1 } }, "retryAfterSeconds"],
    ["an unknown detail", { on: "create", do: "hang", with: { loud: true } }, "loud"],
    ["an unknown field", { on: "create", do: "hang", whenever: 1 }, "whenever"],
    ["late, where nothing takes effect", { on: "list", do: "hang", late: true }, "late: is for create"],
    ["a rate above 1", { on: "create", do: "hang", rate: 2 }, "rate"],
    ["nothing", undefined, "on"],
  ])("refuses a rule with %s, and says what is allowed", async (_what, rule, hint) => {
    const simulator = await aSimulator();
    const { status, body } = await sim(simulator, "/faults", rule ?? {});
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { message: expect.stringContaining(hint) }, allowed: { do: { hang: {} } } });
    expect(simulator.faults()).toEqual([]);
  });

  test("refuses what is no JSON", async () => {
    const simulator = await aSimulator();
    const response = await fetch(`${simulator.origin}/_sim/faults`, { method: "POST", body: "{on:" });
    expect(response.status).toBe(400);
  });

  test("changes settings, and refuses wrong ones as a whole", async () => {
    const simulator = await aSimulator();
    const patch = { timeScale: 0.02, keys: ["k1"], capabilities: { list: false }, models: { m: { seconds: [3] } } };
    expect((await sim(simulator, "/config", patch)).body).toMatchObject({
      seed: simulator.seed,
      timeScale: 0.02,
      capabilities: { list: false, delete: true },
      models: { "sora-2": {}, m: { seconds: [3], sizes: expect.arrayContaining(["64x64"]) } },
    });
    const { status, body } = await sim(simulator, "/config", {
      timeScale: -1,
      models: { n: { seconds: [1], sizes: ["1x1"] } },
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { message: expect.stringMatching(/timeScale.*models\.n\.sizes/) } });
    expect((await sim(simulator, "/config")).body).toMatchObject({ timeScale: 0.02, keys: ["k1"] });
  });

  test("ends, fails and expires the tasks that are named", async () => {
    const simulator = await aSimulator();
    const [cat, dog, cow] = [await create(simulator), await create(simulator, "A dog"), await create(simulator, "cow")];
    expect((await sim(simulator, "/complete", { prompt: "A " })).body).toEqual({ tasks: [cat, dog] });
    await sim(simulator, "/expire", { task: cat });
    await sim(simulator, "/fail", { task: cow, code: "moderation_blocked" });
    const contents = [];
    for (const id of [cat, dog, cow]) {
      const response = await fetch(`${simulator.url}/videos/${id}/content`);
      contents.push(response.status);
      await response.arrayBuffer();
    }
    expect(contents).toEqual([410, 200, 404]);
    expect((await sim(simulator, "/tasks?after=2")).body).toMatchObject({
      data: [{ number: 3, status: "failed", error: { code: "moderation_blocked" }, contents: 1 }],
    });
  });

  test("shows every POST, page by page", async () => {
    const simulator = await aSimulator();
    for (const prompt of ["one", "two", "three"]) await create(simulator, prompt);
    const { body } = await sim(simulator, "/posts?after=1&limit=1");
    expect(body).toMatchObject({ data: [{ number: 2, fields: { prompt: "two" }, answered: { status: 200 } }] });
  });

  test("counts looks by task and in all", async () => {
    const simulator = await aSimulator();
    const id = await create(simulator);
    await statusOf(simulator, id);
    await statusOf(simulator, "video_0");
    await fetch(`${simulator.url}/videos`);
    expect((await sim(simulator, "/looks")).body).toMatchObject({
      retrieves: 2,
      unknown: 1,
      lists: 1,
      renders: { now: 1 },
    });
    expect((await sim(simulator, "/tasks")).body).toMatchObject({ data: [{ looks: 1 }] });
  });

  test("waits until enough was seen, or says that it was not", async () => {
    const simulator = await aSimulator();
    const waiting = sim(simulator, "/wait?posts=2&completed=1");
    await create(simulator);
    await create(simulator);
    simulator.complete();
    expect((await waiting).body).toEqual({ posts: 2, tasks: 2, completed: 2, contents: 0, reached: true });
    expect((await sim(simulator, "/wait?contents=1&timeoutMs=0")).body).toMatchObject({ reached: false });
    expect((await sim(simulator, "/wait?posts=x")).status).toBe(400);
  });

  test("a restart forgets every task, and ids do not come back", async () => {
    const simulator = await aSimulator();
    const id = await create(simulator);
    await sim(simulator, "/restart", { forget: true });
    expect(await statusOf(simulator, id)).toBe(404);
    expect(await (await fetch(`${simulator.url}/videos`)).json()).toMatchObject({ data: [] });
    expect((await fetch(`${simulator.url}/videos?after=${id}`)).status).toBe(400);
    const next = await create(simulator);
    expect(await statusOf(simulator, next)).toBe(200);
    expect(simulator.posts().length).toBe(2);
    expect(simulator.looks().renders).toMatchObject({ now: 1 });
  });

  test("a restart drops the connections, and refuses new ones while it is away", async () => {
    const simulator = await aSimulator();
    simulator.addFault({ on: "list", do: "hang" });
    const looked = once(simulator, "look");
    const hanging = fetch(`${simulator.url}/videos`);
    const dropped = expect(hanging).rejects.toThrow("fetch failed");
    await looked;
    const id = await create(simulator);
    const back = once(simulator, "back");
    await sim(simulator, "/restart", { downMs: 300 });
    await dropped;
    await expect(fetch(`${simulator.url}/videos/${id}`)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
    await back;
    expect(await statusOf(simulator, id)).toBe(200);
  });

  test("a reset brings back the start", async () => {
    const simulator = await aSimulator({ timeScale: 0.5 });
    simulator.configure({ timeScale: 2 });
    simulator.addFault({ on: "list", do: "hide" });
    await create(simulator);
    expect((await sim(simulator, "/reset", {})).status).toBe(200);
    expect([simulator.posts(), simulator.tasks(), simulator.faults()]).toEqual([[], [], []]);
    expect((await sim(simulator, "/config")).body).toMatchObject({ timeScale: 0.5 });
  });
});

describe("the process", () => {
  test("says one line and a message when ready, and ends at once on SIGTERM", async () => {
    const child = fork(main, { env: { PATH: process.env["PATH"], PORT: "0", SIM_RENDER_MS: "0" }, silent: true });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const [message] = (await once(child, "message")) as [{ ready: boolean; url: string }];
    expect(message).toEqual({ ready: true, url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/) });
    expect((await fetch(`${message.url}/videos`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(output).toBe(`simulator listening on ${message.url}\n`);
  });

  test("ends when its parent is gone", async () => {
    const child = fork(main, { env: { PATH: process.env["PATH"], PORT: "0" }, silent: true });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child, "message");
    child.disconnect();
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("a port that is taken is said in a line, not in a stack", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void taken.close());
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const child = spawn(process.execPath, [main], { env: { PORT: String(port) } });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    expect(await once(child, "close")).toEqual([2, null]);
    expect(errors).toMatch(/^listen EADDRINUSE.*\n$/);
  });

  test("reads its settings from the environment", () => {
    expect(
      readSimulatorEnvironment({
        SIM_SEED: "one",
        SIM_TIME_SCALE: "0.02",
        SIM_KEYS: "k1, k2,",
        SIM_MAX_RUNNING: "3",
        SIM_MODELS: '{"fast-1":{"seconds":[2],"sizes":["64x64"]}}',
      }),
    ).toMatchObject({
      port: 8788,
      host: "127.0.0.1",
      seed: "one",
      timeScale: 0.02,
      keys: ["k1", "k2"],
      maxRunning: 3,
      models: { "fast-1": { seconds: [2], sizes: ["64x64"] } },
    });
  });

  test("tells every mistake in the environment at once", () => {
    const env = { PORT: "-1", SIM_TIME_SCALE: "0", SIM_RENDER_MS: "soon", SIM_MAX_RUNING: "3", SIM_MODELS: "{" };
    expect(() => readSimulatorEnvironment(env)).toThrow(SettingsError);
    expect(() => readSimulatorEnvironment(env)).toThrow(
      /5 mistakes[^]*PORT[^]*SIM_TIME_SCALE[^]*SIM_RENDER_MS[^]*SIM_MODELS[^]*did you mean SIM_MAX_RUNNING/,
    );
  });
});
