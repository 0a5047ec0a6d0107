import { expect, onTestFinished, test } from "vitest";
import { type SimulatorOptions, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { drawRenderMs } from "../../apps/simulator/src/tasks.ts";

async function aSimulator(options: SimulatorOptions = {}) {
  const clock = { ms: 1_800_000_000_000 };
  const simulator = await startSimulator({ now: () => clock.ms, ...options });
  onTestFinished(() => simulator.close());
  const create = (prompt = "A cat", { key = "k1", model = "sora-2" } = {}) =>
    fetch(`${simulator.url}/videos`, {
      method: "POST",
      body: JSON.stringify({ prompt, model, seconds: model === "veo-3.1" ? "8" : "10" }),
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    });
  return Object.assign(simulator, { clock, create });
}

test("render times are log-normal: median 105 s, sigma 0.45", () => {
  const draws = Array.from({ length: 2000 }, (_, index) => drawRenderMs("a seed", index + 1)).sort((a, b) => a - b);
  const median = draws[1000] ?? 0;
  expect(median / 105_000).toBeGreaterThan(0.96);
  expect(median / 105_000).toBeLessThan(1.04);
  const logs = draws.map((ms) => Math.log(ms / 105_000));
  const sigma = Math.sqrt(logs.reduce((sum, log) => sum + log * log, 0) / logs.length);
  expect(sigma).toBeGreaterThan(0.42);
  expect(sigma).toBeLessThan(0.48);
});

test("the same seed draws the same times and the same dice, another seed others", async () => {
  const run = async (seed: string) => {
    const simulator = await aSimulator({ seed });
    simulator.addFault({ on: "create", do: "status", rate: 0.5, times: 0 });
    const statuses = [];
    for (let number = 0; number < 12; number += 1) statuses.push((await simulator.create()).status);
    return { statuses, times: simulator.tasks().map(({ renderMs }) => renderMs) };
  };
  const [one, again, other] = [await run("one"), await run("one"), await run("other")];
  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
  expect(new Set(one.statuses)).toEqual(new Set([200, 500]));
});

test("a fault's dice do not shift the render times", async () => {
  const times = async (faulty: boolean) => {
    const simulator = await aSimulator({ seed: "one" });
    if (faulty) simulator.addFault({ on: "create", do: "sparse", rate: 0.5, times: 0 });
    for (let number = 0; number < 5; number += 1) await simulator.create();
    return simulator.tasks().map(({ renderMs }) => renderMs);
  };
  expect(await times(true)).toEqual(await times(false));
});

test("render times follow the scale", async () => {
  const renderMs = async (timeScale: number) => {
    const simulator = await aSimulator({ seed: "one", timeScale });
    await simulator.create();
    return Number(simulator.tasks()[0]?.["renderMs"]);
  };
  expect((await renderMs(0.02)) / (await renderMs(1))).toBeCloseTo(0.02);
});

test("ids never come twice, even with the same seed", async () => {
  const id = async () => {
    const simulator = await aSimulator({ seed: "one" });
    return ((await (await simulator.create()).json()) as { id: string }).id;
  };
  expect(await id()).not.toBe(await id());
});

test("no more tasks of one key run than may", async () => {
  const simulator = await aSimulator({ renderMs: 1000, maxRunning: 2 });
  const statuses = async (key: string) => [(await simulator.create("x", { key })).status];
  expect([...(await statuses("k1")), ...(await statuses("k1"))]).toEqual([200, 200]);
  const refused = await simulator.create();
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining("Too many running tasks") } });
  expect(await statuses("k2")).toEqual([200]);
  simulator.clock.ms += 1000;
  expect(await statuses("k1")).toEqual([200]);
  expect(simulator.looks().renders).toMatchObject({ now: 1, peak: 3 });
});

test("the requests of a minute are counted by key and model, and the wait is said", async () => {
  const simulator = await aSimulator({ requestsPerMinute: 2 });
  expect((await simulator.create()).headers.get("x-ratelimit-remaining-requests")).toBe("1");
  simulator.clock.ms += 20_000;
  expect((await simulator.create()).status).toBe(200);
  const refused = await simulator.create();
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "40"]);
  expect((await simulator.create("x", { model: "veo-3.1" })).status).toBe(200);
  expect((await simulator.create("x", { key: "k2" })).status).toBe(200);
  simulator.clock.ms += 39_999;
  expect((await simulator.create()).status).toBe(429);
  simulator.clock.ms += 1;
  expect((await simulator.create()).status).toBe(200);
  expect((await simulator.create()).status).toBe(429);
});

test("looks have a limit of their own", async () => {
  const simulator = await aSimulator({ looksPerSecond: 2 });
  const look = async () => (await fetch(`${simulator.url}/videos`)).status;
  expect([await look(), await look(), await look()]).toEqual([200, 200, 429]);
  simulator.clock.ms += 1000;
  expect(await look()).toBe(200);
});

test("the most renders at once are known, in all and by model", async () => {
  const simulator = await aSimulator({ renderMs: 1000 });
  await simulator.create();
  await simulator.create("x", { model: "veo-3.1" });
  simulator.clock.ms += 1000;
  await simulator.create();
  simulator.clock.ms += 500;
  await simulator.create();
  expect(simulator.looks().renders).toEqual({
    now: 2,
    peak: 2,
    byModel: { "sora-2": { now: 2, peak: 2 }, "veo-3.1": { now: 0, peak: 1 } },
  });
});
