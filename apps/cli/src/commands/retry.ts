import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { standardOutput } from "../terminal.ts";
import { videoLine } from "../video-line.ts";

/** `reelq retry ID`: a new attempt at a failed video. */
export function addRetry(program: Command, client: () => Reelq): void {
  program
    .command("retry")
    .description("Try a failed video again: a new attempt, which may cost money.")
    .argument("<id>", "the video's id")
    .option("--insist", "even where its failure says that it will fail again, or may have been paid for")
    .option("--json", "print the video as JSON")
    .addHelpText("after", "\nExample:\n  reelq retry video_0199…")
    .action(async (id: string, { insist = false, json }: { insist?: boolean; json?: boolean }) => {
      const video = await client().videos.retry(id, { insist });
      standardOutput.write(json ? `${JSON.stringify(video, null, 2)}\n` : `${videoLine(video)}\n`);
    });
}
