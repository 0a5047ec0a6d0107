// Children of the scripts. Runs on Node 20.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter } from "node:path";

/**
 * The leash: `read` ends when we do, however we end, and a line on it means that the child ended by itself.
 * After `exec` the shell's own pid is the child's; `$0` is what to end: that pid, or its whole group.
 */
const LEASHED = `
( trap '' TERM; read -r _ <&3 || kill -s TERM -- "$0$$" ) >/dev/null 2>&1 &
exec 3<&-
exec "$@"`;

/**
 * Runs a command with its output at the end of a log file. It ends with this process, unless `mayOutlive`:
 * a system's package manager is better not stopped half-way.
 * @param {string[]} command
 * @param {{ log: string, cwd?: string, env?: NodeJS.ProcessEnv, mayOutlive?: boolean }} options
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export async function runLogged(command, { log, cwd, env, mayOutlive = false }) {
  const out = openSync(log, "a");
  const before = statSync(log).size;
  // A group of its own, so that the grandchildren go as well.
  const options = { cwd, env, detached: true };
  try {
    const child = mayOutlive
      ? spawn(command[0], command.slice(1), { ...options, stdio: ["ignore", out, out] })
      : spawn("/bin/sh", ["-c", LEASHED, "-", ...command], { ...options, stdio: ["ignore", out, out, "pipe"] });
    const code = await endOf(child);
    return { ok: code === 0, output: readFileSync(log).subarray(before).toString("utf8") };
  } finally {
    closeSync(out);
  }
}

/**
 * Runs a command in the foreground, as if it stood in this process's place: same terminal, our signals passed
 * on. It ends with this process.
 * @param {string[]} command
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>} what to exit with
 */
export async function runInForeground(command, { cwd, env }) {
  const child = spawn("/bin/sh", ["-c", LEASHED, "", ...command], {
    cwd,
    env,
    stdio: ["inherit", "inherit", "inherit", "pipe"],
  });
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  const passOn = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, passOn);
  const unwatch = watchPackageManager(() => passOn("SIGTERM"));
  const code = await endOf(child);
  unwatch();
  for (const signal of signals) process.off(signal, passOn);
  return code;
}

/**
 * npm that is told to end ends alone and leaves its script behind: whoever stops `npm start` by its pid would stop
 * nothing. A script that was started by hand may well outlive its shell.
 */
function watchPackageManager(onEnd) {
  const parent = process.ppid;
  if (!process.env.npm_lifecycle_event) return () => {};
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onEnd();
  }, 250);
  return () => clearInterval(timer);
}

/** Resolves with the exit code, as a shell would say it. */
function endOf(child) {
  return new Promise((settle) => {
    child.once("error", () => settle(127));
    child.once("exit", (code, signal) => {
      const leash = child.stdio[3];
      leash?.on("error", () => {});
      leash?.end("\n");
      settle(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** The environment for programs of this checkout: its own Node and tools come first. */
export function withFolderFirst(folder, env = process.env) {
  return { ...env, PATH: [folder, ...(env.PATH ? [env.PATH] : [])].join(delimiter) };
}
