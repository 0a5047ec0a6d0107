// Sets up, then runs the CLI: node scripts/run.mjs <command> ... Runs on Node 20.
import { delimiter, dirname, join } from "node:path";
import { runInForeground, withFolderFirst } from "./child.mjs";
import { binaries, root } from "./place.mjs";
import { explainFailure, setUp } from "./setup.mjs";

/** Those that start a Redis where REDIS_URL names none. */
const commandsWithRedis = ["demo", "up"];

const args = process.argv.slice(2);
const command = args.find((arg) => !arg.startsWith("-"));

try {
  // Standard output belongs to the command.
  const { node, redisServer } = await setUp({ redis: commandsWithRedis.includes(command), out: process.stderr });
  const main = join(root, "apps", "cli", "src", "main.ts");
  const env = withFolderFirst(binaries);
  // The server that set-up found or brought may lie beside the path; one on the path goes first.
  if (redisServer) env.PATH += delimiter + dirname(redisServer);
  process.exitCode = await runInForeground([node, main, ...args], { env });
} catch (error) {
  explainFailure(error);
  process.exitCode = 1;
}
