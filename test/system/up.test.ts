import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import type { VideoBody } from "@reelq/contract";
import { openReelq } from "@reelq/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { startSimulator } from "../../apps/simulator/src/simulator.ts";
import { quickTimings, tinyModel, tinyModels, tinyRenders } from "../support/engine.ts";
import { descendantsOf, isAlive } from "../support/family.ts";
import { type App, startApp, temporaryFolder } from "../support/processes.ts";
import { redisServerProgram } from "../support/redis.ts";

/** A Redis of its own is the point of `up`, so there must be a program to start. */
const path = [...(redisServerProgram === undefined ? [] : [dirname(redisServerProgram)]), process.env["PATH"]];
const env = { PATH: path.join(delimiter), PORT: "0" };

async function inFolder(): Promise<string> {
  const { path: folder, remove } = await temporaryFolder();
  onTestFinished(remove);
  return folder;
}

/** Starts `reelq up`; says where its API is. */
async function up(cwd: string, settings: Readonly<Record<string, string>>): Promise<{ app: App; url: string }> {
  const app = startApp("cli", { args: ["up"], cwd, env: { ...env, ...settings } });
  const family: number[] = [];
  onTestFinished(async () => {
    await app.kill("SIGKILL");
    for (const pid of family) if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  await app.said("Ctrl-C stops everything");
  family.push(...descendantsOf(app.pid).map(({ pid }) => pid));
  return { app, url: /^api +(\S+)\/v1$/m.exec(app.output())?.[1] ?? "" };
}

async function reelq(url: string, ...args: readonly string[]): Promise<{ code: number | string; output: string }> {
  const command = startApp("cli", { args, env: { REELQ_URL: url } });
  const code = await command.exited;
  return { code, output: command.output() };
}

describe.skipIf(redisServerProgram === undefined)("reelq up", () => {
  test("says where everything is, starts what died again, renders, and ends all of it in order", async () => {
    const cwd = await inFolder();
    const { app, url } = await up(cwd, { SIM_RENDER_MS: "500" });
    for (const line of [
      /^redis +redis:\/\/127\.0\.0\.1:\d+/m,
      /^upstream +http:.*simulated/m,
      /^board +http/m,
      /^docs +http:\S+\/docs$/m,
      /^storage +file:/m,
    ])
      expect(app.output()).toMatch(line);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    const worker = descendantsOf(app.pid).find(({ command }) => /worker\/src\/main\.ts/.test(command));
    process.kill(worker?.pid ?? 0, "SIGKILL");
    await app.said("the worker ended (SIGKILL); starting it again");
    const created = await reelq(url, "create", "A cat", "--model", "veo-3.1", "--seconds", "4", "--wait", "--json");

    expect(created.code, created.output).toBe(0);
    const video = JSON.parse(created.output) as VideoBody;
    expect(video).toMatchObject({ status: "completed", model: "veo-3.1", seconds: "4" });
    const file = await readFile(join(cwd, "videos", video.reelq.file?.key ?? ""));
    expect(file).toHaveLength(video.reelq.file?.bytes ?? 0);
    expect((await reelq(url, "list")).output).toContain(video.id);

    // A second one beside it is told which one is in its way.
    const second = startApp("cli", { args: ["up"], cwd, env });
    expect([await second.exited, second.output()]).toEqual([
      2,
      `reelq already runs in this folder (pid ${app.pid}, ${url}); stop it first.\n`,
    ]);
    const list = startApp("cli", { args: ["list"], cwd });
    expect([await list.exited, list.output()]).toEqual([0, expect.stringContaining(video.id)]);

    // Beside it, in its folder, commands that look at Redis find what it started, as the client commands did.
    const doctor = startApp("cli", { args: ["doctor"], cwd, env });
    expect([await doctor.exited, doctor.output()]).toEqual([
      0,
      expect.stringMatching(/workers +\d (is|are) alive[^]*all is well/),
    ]);
    const audit = startApp("cli", { args: ["audit"], cwd, env });
    expect([await audit.exited, audit.output()]).toEqual([0, expect.stringMatching(/^1 videos: 1 stored\nevery/)]);

    const family = descendantsOf(app.pid);
    expect(family.length).toBeGreaterThanOrEqual(4);
    expect(await app.kill("SIGTERM")).toBe(0);
    await expect.poll(() => family.filter(({ pid }) => isAlive(pid)), { timeout: 5_000 }).toEqual([]);
    expect(app.output()).not.toMatch(/a step of the shutdown failed|took too long/);
  });

  test("leaves nothing running when it is killed, and goes on where it was at the next start", async () => {
    const cwd = await inFolder();
    const simulator = await startSimulator({ ...tinyRenders, renderMs: 600_000 });
    onTestFinished(() => simulator.close());
    const upstreams = { main: { url: simulator.url, models: [tinyModel] } };
    await writeFile(join(cwd, "reelq.yaml"), JSON.stringify({ upstreams, models: tinyModels, timings: quickTimings }));
    const first = await up(cwd, { REELQ_CONFIG: "reelq.yaml" });
    const posted = once(simulator, "post");
    const created = await openReelq({ url: first.url }).videos.create({ model: tinyModel, prompt: "a cat" });
    await posted;
    const family = descendantsOf(first.app.pid);
    expect(family.length).toBeGreaterThanOrEqual(3);

    await first.app.kill("SIGKILL");

    await expect.poll(() => family.filter(({ pid }) => isAlive(pid)), { timeout: 30_000 }).toEqual([]);
    simulator.complete();
    const second = await up(cwd, { REELQ_CONFIG: "reelq.yaml" });
    const video = await openReelq({ url: second.url }).videos.from(created.id).result();
    expect(video.reelq.status).toBe("stored");
    expect(simulator.tasks()).toHaveLength(1);
    expect(await second.app.kill("SIGTERM")).toBe(0);
  });

  test("says every mistake in the settings, starts nothing, and exits with 2", async () => {
    const cwd = await inFolder();
    const app = startApp("cli", {
      args: ["up"],
      cwd,
      env: { ...env, UPSTREAM_URL: "nowhere", REELQ_CONCURRENCY: "-1" },
    });

    expect(await app.exited).toBe(2);

    expect(app.output()).toMatch(/UPSTREAM_URL/);
    expect(app.output()).toMatch(/REELQ_CONCURRENCY/);
    expect(descendantsOf(app.pid)).toEqual([]);
  });

  test("ends with the part that cannot start, though another would wait for ever", async () => {
    const cwd = await inFolder();
    const app = startApp("cli", {
      args: ["up"],
      cwd,
      env: { ...env, HOST: "0.0.0.0", REDIS_URL: "redis://127.0.0.1:1", UPSTREAM_URL: "http://127.0.0.1:9/v1" },
    });
    onTestFinished(async () => void (await app.kill("SIGKILL")));

    expect(await app.exited).toBe(3);

    expect(app.output()).toContain("Redis does not answer");
    expect(app.output()).toContain("The api ended before it was ready (3).");
    expect(descendantsOf(app.pid)).toEqual([]);
  });
});
