import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { standardOutput } from "../terminal.ts";
import { batchLine } from "./batch-line.ts";
import { findBatch, whichBatch } from "./which.ts";

/** `reelq batch waive ID CUSTOM_ID...`: does without lines. */
export function addWaive(batch: Command, { client }: BatchTools): void {
  batch
    .command("waive")
    .description("Do without lines of a batch: they are cancelled while that is free, and count as failed no longer.")
    .argument("<id>", whichBatch)
    .argument("<custom-id...>", "the lines' own ids")
    .option("--json", "print the reply as JSON")
    .addHelpText("after", "\nExample:\n  reelq batch waive last shot-017 shot-112")
    .action(async (which: string, customIds: string[], { json }: { json?: boolean }) => {
      const reelq = client();
      const reply = await reelq.batches.waive(await findBatch(reelq, which), customIds);
      const count = `${reply.waived} clip${reply.waived === 1 ? " is" : "s are"} done without`;
      standardOutput.write(json ? `${JSON.stringify(reply, null, 2)}\n` : `${count}\n${batchLine(reply.batch)}\n`);
    });
}
