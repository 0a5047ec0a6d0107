import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

const program = new URL("../support/shutdown-child.ts", import.meta.url).pathname;

interface Child {
  readonly process: ChildProcess;
  /** Resolves when it has said this. */
  said(word: string): Promise<void>;
  /** Everything it said and what it exited with. */
  end(): Promise<{ words: string[]; code: number | null }>;
}

function start(mode: string, ipc = false): Child {
  const child = spawn(process.execPath, [program, mode], {
    stdio: ["ignore", "pipe", "inherit", ...(ipc ? (["ipc"] as const) : [])],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const words: string[] = [];
  const lines = createInterface({ input: child.stdout! });
  lines.on("line", (word) => words.push(word));
  // Not "close": with an IPC channel that was closed from here, it never comes.
  const ended = Promise.all([once(child, "exit"), once(lines, "close")]);
  return {
    process: child,
    async said(word) {
      while (!words.includes(word)) await once(lines, "line");
    },
    async end() {
      const [[code]] = (await ended) as [[number | null], unknown];
      return { words, code };
    },
  };
}

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "%s runs the steps, the last added first, and exits with 0",
  async (signal) => {
    const child = start("plain");
    await child.said("ready");
    child.process.kill(signal);
    const { words, code } = await child.end();
    expect(words).toEqual(["ready", "begun", "second added", "first added", "exit"]);
    expect(code).toBe(0);
  },
);

test("a signal's own number is the exit code where that is asked for", async () => {
  const child = start("told");
  await child.said("ready");
  child.process.kill("SIGINT");
  expect((await child.end()).code).toBe(130);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("a second %s ends it at once", async (signal, exitCode) => {
  const child = start("impatient");
  await child.said("ready");
  child.process.kill("SIGTERM");
  await child.said("second added");
  child.process.kill(signal);
  const { words, code } = await child.end();
  expect(words).toEqual(["ready", "begun", "second added", "exit"]);
  expect(code).toBe(exitCode);
});

test("the same signal from two senders is one signal", async () => {
  const child = start("stuck");
  await child.said("ready");
  child.process.kill("SIGINT");
  await child.said("second added");
  child.process.kill("SIGINT");
  // The second one would have ended it with 130.
  expect((await child.end()).code).toBe(1);
});

test("a step that does not end is named, and the deadline ends the process with 1", async () => {
  const child = start("stuck");
  await child.said("ready");
  child.process.kill("SIGTERM");
  const { words, code } = await child.end();
  expect(words).toContain('error: the shutdown took too long {"step":"second added","left":1,"limitMs":200}');
  expect(code).toBe(1);
});

test("a step that fails does not keep the others from running", async () => {
  const child = start("broken");
  await child.said("ready");
  child.process.kill("SIGTERM");
  const { words, code } = await child.end();
  expect(words).toEqual(
    expect.arrayContaining([expect.stringContaining("a step of the shutdown failed"), "first added"]),
  );
  expect(code).toBe(1);
});

test("a rejection that nobody handles is logged, runs the steps and exits with 1", async () => {
  const { words, code } = await start("crash").end();
  expect(words).toEqual(
    expect.arrayContaining([expect.stringContaining("a rejection that nobody handled"), "first added"]),
  );
  expect(code).toBe(1);
});

test("a process that is done ends itself the same way, with its own exit code", async () => {
  const { words, code } = await start("finished").end();
  expect(words).toEqual(["ready", "begun", "second added", "first added", "exit"]);
  expect(code).toBe(3);
});

test("the death of the parent counts as SIGTERM", async () => {
  const child = start("plain", true);
  await child.said("ready");
  child.process.disconnect();
  const { words, code } = await child.end();
  expect(words).toContain("first added");
  expect(code).toBe(0);
});

test.each([false, true])("listening keeps nothing alive (IPC channel: %s)", async (ipc) => {
  const { words, code } = await start("idle", ipc).end();
  expect(words).toEqual(["ready", "exit"]);
  expect(code).toBe(0);
});
