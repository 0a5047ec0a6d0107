import type { Environment } from "@reelq/service";
import type { Command } from "commander";
import { runApp } from "../child.ts";
import { besideRunning } from "../running.ts";

interface CreateOptions {
  readonly project?: string;
  readonly admin?: boolean;
  readonly callsPerMinute?: string;
  readonly json?: boolean;
}

/** `reelq keys`: an API that looks after its keys, instead of serving: there may be none yet that opens it. */
export function addKeys(program: Command, env: Environment): void {
  const run = async (verb: string, args: readonly string[], json: boolean | undefined): Promise<void> => {
    const beside = besideRunning(env);
    const all = [`--keys=${verb}`, ...args, `--as=${json ? "json" : "page"}`, ...beside.args];
    process.exitCode = await runApp("api", all, beside.env);
  };

  const keys = program
    .command("keys")
    .description("Create, list and revoke the API keys that are kept in Redis.")
    .addHelpText("after", whereToLook);

  keys
    .command("create <name>")
    .description("Create a key and print it, once: it is kept as a hash only.")
    .option("--project <project>", "whose videos, files and events it sees (default: default)")
    .option("--admin", "it sees every project, and opens /board and /metrics")
    .option("--calls-per-minute <n>", "its own limit, 0 for none (default: REELQ_RATE_LIMIT of the API)")
    .option("--json", "print the key with all that is known of it as JSON")
    .addHelpText(
      "after",
      `
Examples:
  reelq keys create ops --admin
  export REELQ_API_KEY=$(reelq keys create shop --project shop)
${whereToLook}`,
    )
    .action((name: string, { project, admin, callsPerMinute, json }: CreateOptions) =>
      run(
        "create",
        [
          `--name=${name}`,
          ...(project === undefined ? [] : [`--project=${project}`]),
          ...(admin ? ["--admin=yes"] : []),
          ...(callsPerMinute === undefined ? [] : [`--calls-per-minute=${callsPerMinute}`]),
        ],
        json,
      ),
    );

  keys
    .command("list")
    .description("List them, the oldest first, with those that were revoked. Those of REELQ_API_KEYS are not in Redis.")
    .option("--json", "print the list as JSON")
    .addHelpText("after", whereToLook)
    .action(({ json }: { json?: boolean }) => run("list", [], json));

  keys
    .command("revoke <name-or-id>")
    .description("Revoke a key for good; within a second it opens nothing any more.")
    .option("--json", "print what is known of it as JSON")
    .addHelpText("after", whereToLook)
    .action((which: string, { json }: { json?: boolean }) => run("revoke", [`--name=${which}`], json));
}

const whereToLook =
  "\nIt works on the Redis of REDIS_URL directly. Without REDIS_URL it looks at what reelq up runs in this folder.";
