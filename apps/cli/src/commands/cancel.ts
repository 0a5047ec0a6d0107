import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { standardOutput } from "../terminal.ts";
import { videoLine } from "../video-line.ts";

/** `reelq cancel ID`: free while it is queued. */
export function addCancel(program: Command, client: () => Reelq): void {
  program
    .command("cancel")
    .description("Cancel a video that is still queued; what is paid for can only be abandoned.")
    .argument("<id>", "the video's id")
    .option("--abandon", "throw away a render that is paid for")
    .option("--json", "print the video as JSON")
    .addHelpText("after", "\nExample:\n  reelq cancel video_0199…")
    .action(async (id: string, { abandon = false, json }: { abandon?: boolean; json?: boolean }) => {
      const video = await client().videos.cancel(id, { abandon });
      standardOutput.write(json ? `${JSON.stringify(video, null, 2)}\n` : `${videoLine(video)}\n`);
    });
}
