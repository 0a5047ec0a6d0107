import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { addControls } from "../batch/controls.ts";
import { addBatchList } from "../batch/list.ts";
import { addPlan } from "../batch/plan.ts";
import { addReport } from "../batch/report.ts";
import { addBatchRetry } from "../batch/retry.ts";
import { addRun } from "../batch/run.ts";
import { addSet } from "../batch/set.ts";
import { addBatchShow } from "../batch/show.ts";
import { addWaive } from "../batch/waive.ts";
import type { BatchTools } from "../batch/tools.ts";
import { addWatch } from "../batch/watch.ts";

/**
 * `reelq batch`: many videos from one manifest.
 * @param url where the API listens
 */
export function addBatch(program: Command, client: () => Reelq, url: () => string): void {
  const batch = program
    .command("batch")
    .description("Render a manifest of shots: plan, run, watch and report on a batch.")
    .addHelpText("after", teaching);
  const tools: BatchTools = {
    client,
    pageOf: (id) => `${url().replace(/\/+$/, "").replace(/\/v1$/, "")}/batches/${id}`,
  };
  addPlan(batch, tools);
  addRun(batch, tools);
  addBatchList(batch, tools);
  addBatchShow(batch, tools);
  addWatch(batch, tools);
  addControls(batch, tools);
  addSet(batch, tools);
  addBatchRetry(batch, tools);
  addWaive(batch, tools);
  addReport(batch, tools);
}

const teaching = `
First steps:
  reelq batch plan shots.csv                             what it would render, for how much, until when
  reelq batch run shots.csv --budget 25 --canary 2 --watch
  reelq batch run shots.csv --window "22:00-06:30 Europe/Berlin" --wait
  reelq batch report last                                files, failures and the bill, as HTML, CSV and JSON

A manifest is CSV, JSONL or YAML; - reads it from standard input. A batch is named by its id, by its name where only
one batch has it, or by last.

Exit codes: 0 done, 1 a clip failed or it stopped for a person, 2 wrong usage, 3 nothing answered, 130 Ctrl-C.`;
