import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Environment,
  openLogger,
  openShutdown,
  type RedisServer,
  RedisServerError,
  type Shutdown,
  startRedisServer,
} from "@reelq/service";
import type { Command } from "commander";
import { AppEndedError, type AppName, type Child, startApp } from "../child.ts";
import { CommandFailure, endWith, exitCodes, wrongUsage } from "../exit.ts";
import { noteRunning, readRunning } from "../running.ts";
import { standardOutput } from "../terminal.ts";

/** A worker's own shutdown takes up to 20 s; the apps are given more, so that none is cut off. */
const stopWithinMs = 40_000;

/** After one part could not start, the others have so long to say what they find wrong. */
const hearOutMs = 3_000;

/** A part that ends by itself is started again: at once, then ever more slowly. */
const restartMs = [0, 1_000, 2_000, 5_000, 10_000, 30_000];

/** A part that ran for so long before it ended was well. */
const steadyAfterMs = 60_000;

/** How the simulated upstream scales its render times, where no other upstream is set: about ten seconds a clip. */
const tryoutTimeScale = "0.1";

/** Before the keys of videos that the simulated upstream renders. */
const tryoutPrefix = "{reelq-tryout}";

/** `reelq up`: everything on this machine, until it is told to stop. */
export function addUp(program: Command, env: Environment): void {
  program
    .command("up")
    .description(
      "Start everything on this machine and keep it running: Redis unless REDIS_URL is set, the API, a worker.",
    )
    .addHelpText(
      "after",
      "\nWithout UPSTREAM_URL or REELQ_CONFIG, a simulated upstream is started too, for trying things out.\nCtrl-C stops it in order; what is on its way goes on at the next start.",
    )
    .action(() => up(env));
}

async function up(given: Environment): Promise<void> {
  const log = openLogger({ name: "up" });
  const shutdown = openShutdown({ log, deadlineMs: stopWithinMs });
  const say = (line: string) => standardOutput.write(`${line}\n`);
  let env: Environment = given;
  if (!env["REDIS_URL"]) {
    const redis = await startRedis(env);
    shutdown.onShutdown("redis", () => redis.stop());
    void redis.exited.then(() => shutdown.signal.aborted || shutdown.begin("Redis ended", 1));
    env = { ...env, REDIS_URL: redis.url };
    say(`redis      ${redis.url} (data in .reelq/redis)`);
  }
  // A key without its URL is a mistake that the API will tell, not a wish to play.
  const isTryout = !env["UPSTREAM_URL"] && !env["REELQ_CONFIG"] && !env["UPSTREAM_API_KEY"];
  if (isTryout) {
    const simulated = { SIM_TIME_SCALE: tryoutTimeScale, ...env, HOST: "127.0.0.1", PORT: "0" };
    const [url = ""] = await keepRunning(["simulator"], { env: simulated }, shutdown);
    env = { ...env, UPSTREAM_URL: url };
    say(`upstream   ${url} (simulated; set UPSTREAM_URL for a real one)`);
  }
  // What was asked for in play must never reach an upstream that is paid.
  const args = isTryout ? [`--prefix=${tryoutPrefix}`] : [];
  const played = isTryout ? { upstreamUrl: env["UPSTREAM_URL"] ?? "", prefix: tryoutPrefix } : {};
  const running = { pid: process.pid, redisUrl: env["REDIS_URL"] ?? "", ...played };
  shutdown.onShutdown("note", noteRunning(running));
  const [api = ""] = await keepRunning(["api", "worker"], { env, args }, shutdown);
  noteRunning({ ...running, apiUrl: hereFrom(api) });
  say(`api        ${api}/v1`);
  say(`board      ${api}/board`);
  say(`docs       ${api}/docs`);
  say(`storage    ${env["STORAGE_URL"] ?? "file:./videos"}`);
  await warnUnready(api, say);
  say(`\nTry:  npm run reelq -- create "A cat walks on the street" --wait\nCtrl-C stops everything in order.\n`);
}

async function startRedis(env: Environment): Promise<RedisServer> {
  try {
    return await startRedisServer({ dir: resolve(".reelq/redis"), searchPath: env["PATH"] });
  } catch (error) {
    const other = error instanceof RedisServerError && error.code === "in_use" ? readRunning() : undefined;
    if (!other) throw error;
    const where = [`pid ${other.pid}`, ...(other.apiUrl === undefined ? [] : [other.apiUrl])].join(", ");
    throw wrongUsage(`reelq already runs in this folder (${where}); stop it first.`);
  }
}

/** An address to listen at for everyone is none to ask at everywhere. */
const hereFrom = (url: string): string =>
  url.replace("//0.0.0.0:", "//127.0.0.1:").replace(/\/\/(\[::\]|::):/, "//[::1]:");

/** What is not well at the start is better heard of before the first video. */
async function warnUnready(api: string, say: (line: string) => void): Promise<void> {
  const response = await fetch(`${api}/readyz`).catch(() => undefined);
  const report = (await response?.json().catch(() => undefined)) as
    | { checks?: Record<string, { ok: boolean; detail?: string }> }
    | undefined;
  for (const [name, { ok, detail }] of Object.entries(report?.checks ?? {}))
    if (!ok) say(`WARNING    ${name}: ${detail ?? "not well"}`);
}

interface RunOptions {
  readonly env: Environment;
  readonly args?: readonly string[];
}

/**
 * Starts apps together, waits until they are ready, and starts each again should it ever end by itself.
 * @returns where they listen
 */
async function keepRunning(apps: readonly AppName[], options: RunOptions, shutdown: Shutdown): Promise<string[]> {
  const { env, args = [] } = options;
  const children = apps.map((app) => startApp(app, { env, args, output: "inherit" }));
  const supervised = children.map((child, index) => keepStoppable(apps[index]!, child, shutdown));
  const failures = await failuresOf(children);
  if (failures.length > 0) {
    const exitCode = exitCodeOf(failures);
    endWith(new CommandFailure(exitCode, failures.map(({ message }) => message).join("\n")));
    return shutdown.begin("not everything started", exitCode);
  }
  const urls = await Promise.all(children.map(({ ready }) => ready));
  return urls.map((url = "", index) => {
    // A restarted part listens where it did before.
    const again = url === "" ? env : { ...env, PORT: new URL(url).port };
    void supervise(supervised[index]!, { env: again, args }, shutdown);
    return url;
  });
}

/**
 * Waits until all are ready, or one has ended. Then the others are heard for a moment more: each reads settings of
 * its own, and says itself what is wrong with them. One that waits, for Redis say, may never be ready.
 */
async function failuresOf(children: readonly Child[]): Promise<AppEndedError[]> {
  const failures: AppEndedError[] = [];
  const outcomes = children.map(({ ready }) => ready.catch((error: AppEndedError) => void failures.push(error)));
  const all = Promise.all(outcomes);
  await Promise.all(children.map(({ ready }) => ready)).catch(() => Promise.race([all, delay(hearOutMs)]));
  return failures;
}

/** Wrong settings and a silent Redis are told apart, as the part that ended did; settings can be mended first. */
function exitCodeOf(failures: readonly AppEndedError[]): number {
  const { wrongUsage: settings, nothingAnswered, workFailed } = exitCodes;
  return [settings, nothingAnswered].find((code) => failures.some(({ how }) => how === code)) ?? workFailed;
}

/** An app as it runs now: its child changes when it is started again. */
interface Supervised {
  readonly app: AppName;
  child: Child;
}

function keepStoppable(app: AppName, child: Child, shutdown: Shutdown): Supervised {
  const running: Supervised = { app, child };
  shutdown.onShutdown(app, () => running.child.stop());
  return running;
}

async function supervise(running: Supervised, { env, args = [] }: RunOptions, shutdown: Shutdown): Promise<void> {
  for (let failures = 0; ;) {
    const startedAt = performance.now();
    const how = await running.child.exited;
    if (shutdown.signal.aborted) return;
    failures = performance.now() - startedAt > steadyAfterMs ? 0 : failures + 1;
    const delayMs = restartMs[Math.min(failures, restartMs.length) - 1] ?? 0;
    standardOutput.write(`the ${running.app} ended (${how}); starting it again in ${delayMs / 1000} s\n`);
    await delay(delayMs);
    if (shutdown.signal.aborted) return;
    running.child = startApp(running.app, { env, args, output: "inherit" });
  }
}
