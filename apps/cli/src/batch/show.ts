import { sayUsd } from "@reelq/contract";
import type { BatchBody } from "@reelq/sdk";
import type { Command } from "commander";
import type { BatchTools } from "./tools.ts";
import { shorten, standardOutput } from "../terminal.ts";
import { moneyText, restOf } from "./batch-line.ts";
import { findBatch, whichBatch } from "./which.ts";

/** `reelq batch show ID`: all that is known of one batch. */
export function addBatchShow(batch: Command, { client, pageOf }: BatchTools): void {
  batch
    .command("show")
    .description("Show all that is known of a batch.")
    .argument("<id>", whichBatch)
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  reelq batch show last")
    .action(async (which: string, { json }: { json?: boolean }) => {
      const reelq = client();
      const shown = await reelq.batches.retrieve(await findBatch(reelq, which));
      standardOutput.write(json ? `${JSON.stringify(shown, null, 2)}\n` : `${describe(shown, pageOf(shown.id))}\n`);
    });
}

function describe(batch: BatchBody, page: string): string {
  const { reelq } = batch;
  const { counts, money, reason, window, canary } = reelq;
  const lines: [string, string | null | false | undefined][] = [
    ["id", batch.id],
    ["name", reelq.name],
    ["project", reelq.project],
    ["state", `${reelq.state}${reason ? `: ${reason.message}` : ""}`],
    ["go on", reason?.command],
    ["clips", [`${counts.stored} of ${counts.total} stored`, ...restOf(batch)].join(", ")],
    ["reused", counts.reused > 0 && `${counts.reused} of the stored ones were rendered before`],
    ["money", moneyText(batch)],
    ["estimated", money.estimated === null ? "not known: a price is missing" : sayUsd(money.estimated)],
    ["budget", reelq.budget !== null && `${sayUsd(reelq.budget)}, then ${capText[reelq.at_budget]}`],
    ["window", window && windowText(window)],
    ["forecast", reelq.forecast?.sentence],
    ["canary", canary && `${canary.count}: ${canary.state}`],
    ["stops", stopsText(batch)],
    ["sources", counts.total > 0 && `a clip whose remix_of failed: ${reelq.on_source_failure}`],
    ["order", (reelq.priority !== 0 || reelq.weight !== 1) && `priority ${reelq.priority}, weight ${reelq.weight}`],
    ...reelq.lanes.map((lane): [string, string] => ["lane", laneText(lane)]),
    ["survived", reelq.retries > 0 && `${reelq.retries} setbacks, over ${reelq.looks} looks`],
    ["created", timeText(batch.created_at)],
    ["ended", timeText(batch.completed_at ?? batch.expired_at ?? batch.cancelled_at ?? batch.failed_at)],
    ["manifest", batch.input_file_id],
    ...(batch.errors?.data ?? [])
      .slice(0, mostMistakes)
      .map(({ line, message }): [string, string] => ["mistake", `${line === null ? "" : `line ${line}: `}${message}`]),
    ["report", `reelq batch report ${batch.id}`],
    ["page", page],
  ];
  return lines.flatMap(([name, text]) => (text ? [`${name.padEnd(10)}  ${shorten(text, 1_000)}`] : [])).join("\n");
}

/** `batch run` prints more of them. */
const mostMistakes = 10;

const capText = {
  finish: "what is paid finishes and the rest waits",
  cancel: "the rest is cancelled",
} as const;

function windowText({ text, is_open: isOpen, opens_at: opensAt, closes_at: closesAt, at_end: atEnd }: Window): string {
  const now = isOpen ? `open until ${closesAt}` : `closed${opensAt === null ? "" : ` until ${opensAt}`}`;
  return `${text}: ${now}, then the rest ${atEnd === "carry" ? "waits for the next one" : "is given up"}`;
}
type Window = NonNullable<BatchBody["reelq"]["window"]>;

function stopsText({ reelq: { stop_after_failures: failures, stop_after: spent } }: BatchBody): string | undefined {
  const parts = [
    ...(failures > 0 ? [`${failures} failures of one class in a row`] : []),
    ...(spent === null ? [] : [`${sayUsd(spent)} without a stored file`]),
  ];
  return parts.length === 0 ? undefined : `after ${parts.join(", or ")}`;
}

function laneText({
  lane,
  waiting,
  in_flight: inFlight,
  places,
  obstacle,
}: BatchBody["reelq"]["lanes"][number]): string {
  const room = places === null ? `${inFlight} in flight` : `${inFlight} of ${places} in flight`;
  return `${lane}: ${room}, ${waiting} waiting${obstacle === null ? "" : `; ${obstacle}`}`;
}

const timeText = (seconds: number | null): string | null =>
  seconds === null ? null : new Date(seconds * 1000).toISOString();
