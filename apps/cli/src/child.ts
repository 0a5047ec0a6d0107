import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Environment } from "@reelq/service";

export type AppName = "api" | "worker" | "simulator";

/** What an app says over IPC once it is ready. */
interface Ready {
  readonly ready: true;
  readonly url?: string;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  readonly env: Environment;
  /** Where its lines go; `inherit`: to ours. */
  readonly output: "inherit" | number;
}

export interface Child {
  readonly process: ChildProcess;
  /** Where it listens, once it is ready. Rejects if it ends before. */
  readonly ready: Promise<string | undefined>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  stop(): Promise<void>;
}

const mainOf = (app: AppName): string => fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));

/** What an app's Node is told. */
interface NodeSettings {
  readonly options: readonly string[];
  /** Where nobody says otherwise. */
  readonly environment: Readonly<Record<string, string>>;
}

const asItIs: NodeSettings = { options: [], environment: {} };

export const nodeOf: Readonly<Record<AppName, NodeSettings>> = {
  api: asItIs,
  // A worker's young objects are few: with the 32 MiB that V8 lets them grow to, three times over, a worker with 64
  // downloads takes 60 MB more. glibc gives each of its dozen threads memory of its own to allocate from: 25 MB.
  worker: { options: ["--max-semi-space-size=8"], environment: { MALLOC_ARENA_MAX: "1" } },
  simulator: asItIs,
};

type Where = "ignore" | "inherit" | number;

/** Should this process be killed, the IPC channel's end tells the app. */
const spawnApp = (
  app: AppName,
  args: readonly string[],
  env: Environment,
  { input, output }: { readonly input: Where; readonly output: Where },
): ChildProcess =>
  spawn(process.execPath, [...nodeOf[app].options, mainOf(app), ...args], {
    stdio: [input, output, output, "ipc"],
    env: { ...nodeOf[app].environment, ...env },
  });

/** Starts one of the apps beside this process. */
export function startApp(app: AppName, { args = [], env, output }: ChildOptions): Child {
  const child = spawnApp(app, args, env, { input: "ignore", output });
  const exited = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const ready = new Promise<string | undefined>((resolve, reject) => {
    child.on("message", (message) => {
      if ((message as Partial<Ready>).ready) resolve((message as Ready).url);
    });
    void exited.then((how) => reject(new AppEndedError(app, how)));
  });
  // Whoever waits for it hears of it; nobody else has to.
  ready.catch(() => undefined);
  return {
    process: child,
    ready,
    exited,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      await exited;
    },
  };
}

/** An app ended before it was ready: it has said why itself. */
export class AppEndedError extends Error {
  readonly app: AppName;
  readonly how: number | NodeJS.Signals;

  constructor(app: AppName, how: number | NodeJS.Signals) {
    super(`The ${app} ended before it was ready (${how}).`);
    this.name = "AppEndedError";
    this.app = app;
    this.how = how;
  }
}

/** Runs an app in the place of this command: its output, its signals and its exit code are the command's. */
export async function runApp(app: AppName, args: readonly string[], env: Environment): Promise<number> {
  const child = spawnApp(app, args, env, { input: "inherit", output: "inherit" });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? (signal === "SIGINT" ? 130 : 143);
}
