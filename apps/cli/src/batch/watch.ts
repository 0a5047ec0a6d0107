import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { watchOn } from "./follow.ts";
import { findBatch, whichBatch } from "./which.ts";

/** `reelq batch watch ID` and `reelq batch wait ID`. */
export function addWatch(batch: Command, tools: BatchTools): void {
  const until = async (which: string, showsAll: boolean, json: boolean | undefined): Promise<void> => {
    const reelq = tools.client();
    const first = await reelq.batches.retrieve(await findBatch(reelq, which));
    await watchOn(tools, first, { showsAll, json });
  };

  batch
    .command("watch")
    .description("Show how a batch gets on, until it ends or stops for a person.")
    .argument("<id>", whichBatch)
    .addHelpText(
      "after",
      "\nCtrl-C leaves the batch running. Where nobody looks at a terminal: a line for each change.\n\nExample:\n  reelq batch watch last",
    )
    .action((which: string) => until(which, true, false));

  batch
    .command("wait")
    .description("Wait until a batch ends or stops for a person; exit code 1 unless all its clips are well.")
    .argument("<id>", whichBatch)
    .option("--json", "print the batch as JSON at the end")
    .addHelpText("after", "\nExample:\n  reelq batch wait last && echo all are stored")
    .action((which: string, { json }: { json?: boolean }) => until(which, false, json));
}
