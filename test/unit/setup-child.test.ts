import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";

const childModule = new URL("../../scripts/child.mjs", import.meta.url).href;

/** Runs a command in the foreground of a script, under something that stands for npm. */
const script = `
import { runInForeground } from ${JSON.stringify(childModule)};
process.exitCode = await runInForeground(
  [process.execPath, "-e", "process.on('SIGTERM', () => { console.log('told'); process.exit() }); setInterval(() => {}, 1000); console.log('running')"],
  {},
);`;
const npm = `require("node:child_process").spawn(process.execPath, ["--input-type=module", "-e", ${JSON.stringify(script)}], { stdio: "inherit" })`;

test("a command that npm runs is told to end when npm is gone", async () => {
  const starter = spawn(process.execPath, ["-e", npm], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, npm_lifecycle_event: "start" },
  });
  onTestFinished(() => void starter.kill("SIGKILL"));
  let said = "";
  const isRunning = new Promise<void>((resolve) => {
    starter.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("running")) resolve();
    });
  });
  await isRunning;
  starter.kill("SIGKILL");
  // The pipe ends when the last process that holds it does.
  await once(starter.stdout, "close");
  expect(said).toBe("running\ntold\n");
});
