// A process with two steps, started by test/unit/service-shutdown.test.ts. Says what happens, a word a line.
import { setTimeout as delay } from "node:timers/promises";
import { openShutdown } from "@reelq/service";

const say = (word: string) => process.stdout.write(`${word}\n`);
const [mode = "plain"] = process.argv.slice(2);

const shutdown = openShutdown({
  log: { info: () => {}, error: (facts, message) => say(`error: ${message} ${JSON.stringify(facts)}`) },
  deadlineMs: 200,
  crashDeadlineMs: 200,
  sameSignalMs: mode === "impatient" ? 0 : 60_000,
  exitCodeAfterSignal: mode === "told" ? "signal" : "zero",
});
const isStuck = mode === "stuck" || mode === "impatient";
shutdown.signal.addEventListener("abort", () => say("begun"));
shutdown.onShutdown("first added", () => void say("first added"));
shutdown.onShutdown("second added", async () => {
  say("second added");
  // Longer than any deadline here: only an exit ends it.
  if (isStuck) await delay(mode === "impatient" ? 60_000 : 10_000);
  if (mode === "broken") throw new Error("broken");
});
shutdown.onShutdown("taken back", () => void say("taken back"))();
process.on("exit", () => say("exit"));

// Something to live for.
if (mode !== "idle") setInterval(() => {}, 60_000);
say("ready");
if (mode === "crash") void Promise.reject(new Error("nobody caught me"));
if (mode === "finished") await shutdown.begin("finished", 3);
