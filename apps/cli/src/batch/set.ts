import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { wrongUsage } from "../exit.ts";
import { standardOutput } from "../terminal.ts";
import { batchLine } from "./batch-line.ts";
import { addChangeOptions, changeOf, type ChangeOptions } from "./options.ts";
import { findBatch, whichBatch } from "./which.ts";

/** `reelq batch set ID`: changes a batch while it runs. */
export function addSet(batch: Command, { client }: BatchTools): void {
  const command = batch
    .command("set")
    .description("Change a batch while it runs: raise its budget, move its window, let it go first.")
    .argument("<id>", whichBatch);
  addChangeOptions(command, true)
    .option("--json", "print the batch as JSON")
    .addHelpText(
      "after",
      `
Examples:
  reelq batch set last --budget 40
  reelq batch set "spring ads" --priority 10 --window none`,
    )
    .action(async (which: string, { json, ...options }: ChangeOptions & { json?: boolean }) => {
      const change = changeOf(options);
      if (Object.keys(change).length === 0) throw wrongUsage("Say what is to be different: --budget 40, say.");
      const reelq = client();
      const changed = await reelq.batches.update(await findBatch(reelq, which), change);
      standardOutput.write(json ? `${JSON.stringify(changed, null, 2)}\n` : `${batchLine(changed)}\n`);
    });
}
