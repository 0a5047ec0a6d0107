import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { standardOutput } from "../terminal.ts";
import { videoLines } from "../video-line.ts";

interface ListOptions {
  readonly status?: string;
  readonly batch?: string;
  readonly limit: string;
  readonly after?: string;
  readonly oldest?: boolean;
  readonly json?: boolean;
}

/** `reelq list`: videos by age. */
export function addList(program: Command, client: () => Reelq): void {
  program
    .command("list")
    .description("List videos, the newest first.")
    .option("--status <status>", "only these: queued, in_progress, completed, failed, or one of reelq's own statuses")
    .option("--batch <id>", "only this batch's, in its manifest's order")
    .option("--limit <n>", "how many, at most 100", "20")
    .option("--after <id>", "go on after this one")
    .option("--oldest", "the oldest first")
    .option("--json", "print the page as JSON")
    .addHelpText(
      "after",
      `
Examples:
  reelq list --status in_progress
  reelq list --status in_doubt --json`,
    )
    .action(async ({ status, batch, limit, after, oldest, json }: ListOptions) => {
      const page = await client().videos.list({ status, batch, limit, after, order: oldest ? "asc" : "desc" });
      if (json) {
        standardOutput.write(`${JSON.stringify(page, null, 2)}\n`);
        return;
      }
      if (page.data.length === 0) standardOutput.write("There are no such videos.\n");
      for (const line of videoLines(page.data)) standardOutput.write(`${line}\n`);
      if (page.has_more) standardOutput.write(`There are more: add --after ${page.last_id}\n`);
    });
}
