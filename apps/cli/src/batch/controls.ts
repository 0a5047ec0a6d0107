import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { standardOutput } from "../terminal.ts";
import { batchLine } from "./batch-line.ts";
import { findBatch, whichBatch } from "./which.ts";

const orders = {
  pause: "Send nothing more of a batch until it is resumed; what is paid for goes on.",
  resume: "Let a batch go on after a pause, whoever made it.",
  cancel: "Cancel what is free of a batch; what is paid for finishes.",
} as const;

/** `reelq batch pause|resume|cancel ID`. */
export function addControls(batch: Command, { client }: BatchTools): void {
  for (const order of ["pause", "resume", "cancel"] as const) {
    batch
      .command(order)
      .description(orders[order])
      .argument("<id>", whichBatch)
      .option("--json", "print the batch as JSON")
      .addHelpText("after", `\nExample:\n  reelq batch ${order} last`)
      .action(async (which: string, { json }: { json?: boolean }) => {
        const reelq = client();
        const changed = await reelq.batches[order](await findBatch(reelq, which));
        standardOutput.write(json ? `${JSON.stringify(changed, null, 2)}\n` : `${batchLine(changed)}\n`);
      });
  }
}
