import type { BatchBody } from "@reelq/sdk";
import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { standardOutput } from "../terminal.ts";
import { hasStopped } from "./batch-line.ts";
import { follow, watchOn } from "./follow.ts";
import { handIn } from "./hand-in.ts";
import { openManifest } from "./manifest-file.ts";
import { mostKept, refusedManifest } from "./mistakes.ts";
import { addManifestOptions, batchOptionsOf, type ManifestOptions } from "./options.ts";
import { announce } from "./summary.ts";

interface RunOptions extends ManifestOptions {
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
}

/** `reelq batch run FILE`: renders a manifest. */
export function addRun(batch: Command, tools: BatchTools): void {
  const command = batch
    .command("run")
    .description("Render a manifest: only what is new, changed or failed since it was rendered last.")
    .argument("<file>", "the manifest: CSV, JSONL or YAML; - reads it from standard input");
  addManifestOptions(command)
    .option("-w, --wait", "wait until it ends, or stops for a person")
    .option("--watch", "the same, and show how it gets on")
    .option("--json", "print the batch as JSON")
    .addHelpText(
      "after",
      `
Exit code 1, with --wait or --watch: a clip failed, or it stopped at a cap or because too much went wrong.
Ctrl-C leaves the batch running.

Examples:
  reelq batch run shots.csv --budget 25 --canary 2 --watch
  reelq batch run shots.csv --window "Mon-Fri 22:00-06:30 Europe/Berlin" --name "spring ads"
  reelq batch run shots.csv --model sora-2 --takes 3 --wait --json`,
    )
    .action(async (given: string, options: RunOptions) => {
      const { wait, watch, json, ...rest } = options;
      const created = await create(tools, given, rest, json === true);
      if (wait || watch || hasStopped(created)) await watchOn(tools, created, { showsAll: watch === true, json });
      else if (json) standardOutput.write(`${JSON.stringify(created, null, 2)}\n`);
      else standardOutput.write(`${announce(created, tools.pageOf(created.id))}\n`);
    });
}

/** Makes the batch, and waits until its manifest is judged. */
async function create(
  { client }: BatchTools,
  given: string,
  options: ManifestOptions,
  isJson: boolean,
): Promise<BatchBody> {
  const reelq = client();
  const file = await openManifest(given);
  try {
    const ask = reelq.batches.create;
    const handed = await handIn(reelq, file, batchOptionsOf(options, file.filename), { ask, isKept: true });
    if (handed.kind === "refused") {
      const { plan } = handed;
      if (isJson) standardOutput.write(`${JSON.stringify(plan, null, 2)}\n`);
      throw refusedManifest(file.title, plan.errors, { count: plan.error_count });
    }
    const batch = await follow(reelq, handed.answer, { until: ({ reelq: { state } }) => state !== "validating" });
    const mistakes = batch.errors?.data ?? [];
    if (batch.reelq.state === "failed" && mistakes.length > 0) {
      if (isJson) standardOutput.write(`${JSON.stringify(batch, null, 2)}\n`);
      throw refusedManifest(file.title, mistakes, { count: mistakes.length, isLeast: mistakes.length >= mostKept });
    }
    return batch;
  } finally {
    file.letGo();
  }
}
