import type { Environment } from "@reelq/service";
import type { Command } from "commander";
import { type AppName, runApp } from "../child.ts";
import { besideRunning } from "../running.ts";

const apps: readonly { readonly name: AppName; readonly description: string; readonly example: string }[] = [
  {
    name: "api",
    description: "Run the HTTP API alone.",
    example: "REDIS_URL=redis://10.0.0.5:6379 PORT=8080 reelq api",
  },
  {
    name: "worker",
    description: "Run a worker alone; as many as you like, anywhere that reaches Redis and the storage.",
    example: "reelq worker --stages poll,download",
  },
  {
    name: "simulator",
    description: "Run the simulated upstream alone; point UPSTREAM_URL at it.",
    example: "SIM_RENDER_MS=2000 reelq simulator",
  },
];

/** `reelq api|worker|simulator`: one app alone, with whatever arguments it takes. */
export function addAppCommands(program: Command, env: Environment): void {
  for (const { name, description, example } of apps) {
    program
      .command(name)
      .description(description)
      .argument("[args...]", `what the ${name} itself takes`)
      .allowUnknownOption()
      .passThroughOptions(false)
      .addHelpText("after", `\nExample:\n  ${example}`)
      .action(async (args: string[]) => {
        process.exitCode = await runApp(name, args, env);
      });
  }
}

/** `reelq audit`: a worker that looks at everything once, instead of working. */
export function addAudit(program: Command, env: Environment): void {
  program
    .command("audit")
    .description("Prove that records, indexes, tasks and files agree; exit code 1 if something needs a person.")
    .option("--mend", "mend what follows from the records themselves")
    .addHelpText(
      "after",
      "\nIt reads Redis and the storage directly, so it takes the worker's settings: REDIS_URL, UPSTREAM_URL, STORAGE_URL ...\nWithout REDIS_URL it looks at what reelq up runs in this folder.",
    )
    .action(async ({ mend }: { mend?: boolean }) => {
      const beside = besideRunning(env);
      const args = ["--audit", mend ? "mend" : "look", ...beside.args];
      process.exitCode = await runApp("worker", args, { ...beside.env, LOG_LEVEL: "silent" });
    });
}

/** `reelq doctor`: a worker that examines what it would work with, instead of working. */
export function addDoctor(program: Command, env: Environment): void {
  program
    .command("doctor")
    .description(
      "Show the settings as they are understood, and try Redis, the storage and every upstream; exit code 1 if something fails.",
    )
    .option("--json", "print settings and checks as JSON")
    .addHelpText(
      "after",
      "\nIt takes the worker's settings: REDIS_URL, UPSTREAM_URL, STORAGE_URL ... No secret is shown, and nothing is rendered.\nWithout REDIS_URL it looks at what reelq up runs in this folder.",
    )
    .action(async ({ json }: { json?: boolean }) => {
      const beside = besideRunning(env);
      process.exitCode = await runApp("worker", ["--doctor", json ? "json" : "page", ...beside.args], beside.env);
    });
}
