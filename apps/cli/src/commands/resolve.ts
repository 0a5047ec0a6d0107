import type { Reelq } from "@reelq/sdk";
import { type Command, Option } from "commander";
import { wrongUsage } from "../exit.ts";
import { standardOutput } from "../terminal.ts";
import { videoLine } from "../video-line.ts";

interface ResolveOptions {
  readonly task?: string;
  readonly resubmit?: boolean;
  readonly fail?: boolean;
  readonly json?: boolean;
}

/** `reelq resolve ID`: a person's word on a video in doubt. */
export function addResolve(program: Command, client: () => Reelq): void {
  program
    .command("resolve")
    .description("Settle a doubt: say what became of a POST whose fate is unknown.")
    .argument("<id>", "the video's id")
    .addOption(new Option("--task <id>", "it is this task at the upstream").conflicts(["resubmit", "fail"]))
    .addOption(
      new Option("--resubmit", "nothing was created, or paying twice is better than waiting").conflicts(["fail"]),
    )
    .option("--fail", "give it up")
    .option("--json", "print the video as JSON")
    .addHelpText(
      "after",
      "\nLook first: `reelq show ID` says what is known; the upstream's own console lists its tasks.",
    )
    .action(async (id: string, { task, resubmit, fail, json }: ResolveOptions) => {
      const word = task !== undefined ? { task } : resubmit ? { resubmit } : fail ? { fail } : undefined;
      if (!word) throw wrongUsage("Say what became of it: --task ID, --resubmit or --fail.");
      const video = await client().videos.resolve(id, word);
      standardOutput.write(json ? `${JSON.stringify(video, null, 2)}\n` : `${videoLine(video)}\n`);
    });
}
