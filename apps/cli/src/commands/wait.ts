import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { standardOutput } from "../terminal.ts";
import { requireStored, waitFor } from "../wait-for.ts";

/** `reelq wait ID...`: until each of them has ended. */
export function addWait(program: Command, client: () => Reelq): void {
  program
    .command("wait")
    .description("Wait until videos have ended; exit code 1 if one of them did not get its file.")
    .argument("<id...>", "the videos' ids")
    .option("--json", "print the videos as JSON at the end")
    .addHelpText("after", "\nExample:\n  reelq wait video_0199… video_019a… && echo all are stored")
    .action(async (ids: string[], { json }: { json?: boolean }) => {
      const { videos } = client();
      const handles = ids.map((id) => videos.from(id));
      const ended = await waitFor(handles, json ? undefined : standardOutput);
      if (json) standardOutput.write(`${JSON.stringify(ended, null, 2)}\n`);
      requireStored(ended);
    });
}
