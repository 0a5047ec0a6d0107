import type { Environment } from "@reelq/service";
import type { Command } from "commander";
import { playDemo } from "../demo/play.ts";

/** `reelq demo`: the sample batch against the simulator, from prompts to files. */
export function addDemo(program: Command, env: Environment): void {
  program
    .command("demo")
    .description("Render a sample batch against a simulated upstream, faults and all, and stop.")
    .addHelpText(
      "after",
      "\nThe files are left in .reelq/videos. Your own settings for upstream and storage are not used.",
    )
    .action(() => playDemo(env));
}
