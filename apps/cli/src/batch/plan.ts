import { sayUsd } from "@reelq/contract";
import type { BatchPlanBody } from "@reelq/sdk";
import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { CommandFailure, exitCodes } from "../exit.ts";
import { shorten, standardOutput, table } from "../terminal.ts";
import { durationText } from "./duration.ts";
import { handIn } from "./hand-in.ts";
import { openManifest } from "./manifest-file.ts";
import { refusedManifest } from "./mistakes.ts";
import { addManifestOptions, batchOptionsOf, type ManifestOptions } from "./options.ts";

/** `reelq batch plan FILE`: what a batch would do. */
export function addPlan(batch: Command, { client }: BatchTools): void {
  const command = batch
    .command("plan")
    .description("Say what a batch would render, for how much and until when; creates nothing.")
    .argument("<file>", "the manifest: CSV, JSONL or YAML; - reads it from standard input");
  addManifestOptions(command)
    .option("--json", "print the plan as JSON")
    .addHelpText(
      "after",
      `
Exit code 1: a line is wrong, or it does not fit its window or its budget.

Examples:
  reelq batch plan shots.csv
  reelq batch plan shots.csv --budget 25 --window "22:00-06:30 Europe/Berlin"
  make-shots | reelq batch plan - --model sora-2`,
    )
    .action(async (given: string, { json, ...options }: ManifestOptions & { json?: boolean }) => {
      const reelq = client();
      const file = await openManifest(given);
      try {
        const ask = reelq.batches.plan;
        const handed = await handIn(reelq, file, batchOptionsOf(options, file.filename), { ask, isKept: false });
        const plan = handed.kind === "refused" ? handed.plan : handed.answer;
        if (json) standardOutput.write(`${JSON.stringify(plan, null, 2)}\n`);
        else if (plan.error_count === 0) standardOutput.write(`${describe(file.title, plan)}\n`);
        requireFit(file.title, plan);
      } finally {
        file.letGo();
      }
    });
}

function requireFit(title: string, plan: BatchPlanBody): void {
  if (plan.error_count > 0) throw refusedManifest(title, plan.errors, { count: plan.error_count });
  if (plan.ok) return;
  const why = [
    ...(plan.fits_budget === false && plan.price !== null && plan.budget !== null
      ? [`It does not fit its budget: ${sayUsd(plan.price)} of ${sayUsd(plan.budget)}.`]
      : []),
    ...(plan.forecast.fits === false
      ? [`It does not fit its window: ${plan.forecast.unfit} of ${plan.forecast.of} clips are left over.`]
      : []),
  ];
  throw new CommandFailure(exitCodes.workFailed, why.join("\n") || "It does not fit.");
}

function describe(title: string, plan: BatchPlanBody): string {
  const facts: [string, string | undefined][] = [
    ["price", priceText(plan)],
    ["forecast", plan.forecast.sentence],
    ["stored", plan.reused_lines.length === 0 ? undefined : `lines ${shorten(rangesText(plan.reused_lines), 200)}`],
    ...plan.notes.map((note): [string, string] => ["note", note]),
  ];
  return [
    `${title}: ${countText(plan.lines, "line")}, ${countText(plan.clips, "clip")}: ${clipsText(plan)}`,
    ...(plan.lanes.length > 0 ? ["", lanesTable(plan.lanes)] : []),
    "",
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(8)}  ${shorten(value, 2_000)}`])),
  ].join("\n");
}

const countText = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

const clipsText = ({ to_render: toRender, reused, shared }: BatchPlanBody): string =>
  [
    `${toRender} to render`,
    ...(reused > 0 ? [`${reused} stored already`] : []),
    ...(shared > 0 ? [`${shared} on their way for another batch`] : []),
  ].join(", ");

function priceText({ price, budget, unpriced_models: unpriced }: BatchPlanBody): string {
  const cap = budget === null ? "" : `, of a budget of ${sayUsd(budget)}`;
  if (price !== null) return `${sayUsd(price)}${cap}`;
  return `not known: nobody said what ${unpriced.join(", ")} costs${cap}`;
}

function lanesTable(lanes: BatchPlanBody["lanes"]): string {
  const rows = lanes.map((lane) => [
    lane.lane,
    `${lane.seconds} s`,
    String(lane.clips),
    lane.price === null ? "not known" : sayUsd(lane.price),
    durationText(lane.median_seconds),
    lane.places === null ? "no limit" : String(lane.places),
    lane.requests_per_minute === null ? "no limit" : String(lane.requests_per_minute),
    lane.expected_seconds === null ? "not known" : durationText(lane.expected_seconds),
  ]);
  return table(["lane", "length", "clips", "price", "a render", "at once", "a minute", "done in"], rows, numbers);
}

const numbers = new Set(["length", "clips", "price", "a render", "at once", "a minute", "done in"]);

/** `1-3, 7, 9-12` */
function rangesText(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last && line <= last[1] + 1) last[1] = Math.max(last[1], line);
    else ranges.push([line, line]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(", ");
}
