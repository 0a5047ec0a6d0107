import { sayUsd } from "@reelq/contract";
import type { BatchBody } from "@reelq/sdk";
import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { standardOutput, table } from "../terminal.ts";
import { nameOf } from "./batch-line.ts";

interface ListOptions {
  readonly status?: string;
  readonly limit: string;
  readonly after?: string;
  readonly oldest?: boolean;
  readonly json?: boolean;
}

/** `reelq batch list`: batches by age. */
export function addBatchList(batch: Command, { client }: BatchTools): void {
  batch
    .command("list")
    .description("List batches, the newest first.")
    .option("--status <status>", "only these: running, paused, completed, expired, cancelled, failed, in_progress, …")
    .option("--limit <n>", "how many, at most 100", "20")
    .option("--after <id>", "go on after this one")
    .option("--oldest", "the oldest first")
    .option("--json", "print the page as JSON")
    .addHelpText("after", "\nExamples:\n  reelq batch list --status running\n  reelq batch list --limit 100 --json")
    .action(async ({ status, limit, after, oldest, json }: ListOptions) => {
      const page = await client().batches.list({ status, limit, after, order: oldest ? "asc" : "desc" });
      if (json) {
        standardOutput.write(`${JSON.stringify(page, null, 2)}\n`);
        return;
      }
      standardOutput.write(page.data.length === 0 ? "There are no such batches.\n" : `${batchesTable(page.data)}\n`);
      if (page.has_more) standardOutput.write(`There are more: add --after ${page.last_id}\n`);
    });
}

function batchesTable(batches: readonly BatchBody[]): string {
  const rows = batches.map((batch) => {
    const { counts, money, budget, state } = batch.reelq;
    return [
      batch.id,
      state,
      new Date(batch.created_at * 1000).toISOString().slice(0, 16).replace("T", " "),
      `${counts.stored}/${counts.total}`,
      String(counts.failed),
      sayUsd(money.charged + money.unknown),
      budget === null ? "-" : sayUsd(budget),
      nameOf(batch),
    ];
  });
  return table(["id", "state", "created (UTC)", "stored", "failed", "spent", "budget", "name"], rows, numbers);
}

const numbers = new Set(["stored", "failed", "spent", "budget"]);
