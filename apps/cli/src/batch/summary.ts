import { isBatchOver, sayUsd } from "@reelq/contract";
import type { BatchBody, ClipBody, Reelq } from "@reelq/sdk";
import { CommandFailure, exitCodes } from "../exit.ts";
import { shorten, standardOutput } from "../terminal.ts";
import { howFar, isClean, needsPerson, moneyText, nameOf, restOf } from "./batch-line.ts";
import { durationText } from "./duration.ts";
import { clipName } from "./news.ts";

/** So many of the clips that failed are named. */
const mostNamed = 10;

interface ConcludeOptions {
  readonly page: string;
  readonly json?: boolean | undefined;
}

/**
 * Says how a batch ended, or why it stands still.
 * @throws CommandFailure unless all is well
 */
export async function conclude(reelq: Reelq, batch: BatchBody, { page, json }: ConcludeOptions): Promise<void> {
  if (json) standardOutput.write(`${JSON.stringify(batch, null, 2)}\n`);
  else standardOutput.write(`${summaryOf(batch, await someFailed(reelq, batch), page)}\n`);
  requireClean(batch);
}

/** What a new batch does next, and how to come back to it. */
export function announce(batch: BatchBody, page: string): string {
  const { id, reelq } = batch;
  return [
    `${id}  ${reelq.state}  ${nameOf(batch)}: ${howFar(batch)}`,
    ...(reelq.reason ? [shorten(reelq.reason.message, 500)] : []),
    ...(reelq.forecast ? [shorten(reelq.forecast.sentence, 500)] : []),
    "",
    step("watch it", `reelq batch watch ${id}`),
    step("wait", `reelq batch wait ${id}`),
    step("pause it", `reelq batch pause ${id}`),
    step("stop it", `reelq batch cancel ${id}`),
    step("report", `reelq batch report ${id}`),
    step("page", page),
  ].join("\n");
}

async function someFailed({ batches }: Reelq, { id, reelq }: BatchBody): Promise<readonly ClipBody[]> {
  if (reelq.counts.failed === 0) return [];
  const { data } = await batches.clips(id, { status: "failed", limit: mostNamed + reelq.counts.waived });
  return data.filter(({ waived }) => !waived).slice(0, mostNamed);
}

function summaryOf(batch: BatchBody, failed: readonly ClipBody[], page: string): string {
  const { id, errors, reelq } = batch;
  const { counts, reason } = reelq;
  const hidden = counts.failed - failed.length;
  const canRetry = failed.some(({ failure }) => failure?.retry === "allowed") || hidden > 0;
  const mayOnlyInsist = counts.failed > 0 && !canRetry;
  return [
    `${nameOf(batch, 80)}: ${reelq.state}${tookText(batch)}`,
    ...(errors === null ? [fact("clips", clipsText(batch))] : []),
    fact("money", `${moneyText(batch)}${capsText(batch)}`),
    ...(reason ? [fact("why", shorten(reason.message, 500))] : []),
    ...failed.map((clip) => fact("failed", `${clipName(clip)}: ${whyText(clip)}`)),
    ...(hidden > 0 ? [fact("", `and ${hidden} more`)] : []),
    ...(counts.in_doubt > 0 ? [fact("in doubt", "sent, and the fate is not known: reelq list --status in_doubt")] : []),
    "",
    ...(reason?.command && !isBatchOver(reelq.state) ? [step("go on", shorten(reason.command, 300))] : []),
    ...(canRetry ? [step("try again", `reelq batch retry ${id}`)] : []),
    ...(mayOnlyInsist
      ? [step("try again", `reelq batch retry ${id} --insist, or --prompts FILE with other words`)]
      : []),
    step("report", `reelq batch report ${id}`),
    step("page", page),
  ].join("\n");
}

const fact = (name: string, text: string): string => `  ${name.padEnd(8)}  ${text}`;
const step = (name: string, text: string): string => `${name.padEnd(10)}  ${text}`;

function clipsText(batch: BatchBody): string {
  const { counts } = batch.reelq;
  const reused = counts.reused > 0 ? [`${counts.reused} of them rendered before`] : [];
  return [`${counts.stored} of ${counts.total} stored`, ...reused, ...restOf(batch)].join(", ");
}

function capsText({ reelq: { money, budget } }: BatchBody): string {
  const estimated = money.estimated === null ? "" : `; estimated ${sayUsd(money.estimated)}`;
  return `${estimated}${budget === null ? "" : `; budget ${sayUsd(budget)}`}`;
}

function tookText({ created_at: createdAt, ...batch }: BatchBody): string {
  const endedAt = batch.completed_at ?? batch.expired_at ?? batch.cancelled_at ?? batch.failed_at;
  return endedAt === null ? "" : ` after ${durationText(endedAt - createdAt)}`;
}

const whyText = ({ failure }: ClipBody): string =>
  failure ? `${failure.class}: ${shorten(failure.message, 300)}` : "nobody knows why";

/** @throws CommandFailure that says in a sentence what is not well */
export function requireClean(batch: BatchBody): void {
  if (isClean(batch)) return;
  const { state, counts, reason } = batch.reelq;
  const sentences = [
    ...(needsPerson(batch) ? [`It stands still${reason ? `: ${shorten(reason.message, 500)}` : "."}`] : []),
    ...(isBatchOver(state) && state !== "completed" ? [`The batch is ${state}.`] : []),
    ...(counts.failed > 0 ? [`${counts.failed} of ${counts.total} clips failed.`] : []),
  ];
  throw new CommandFailure(exitCodes.workFailed, sentences.join("\n") || shorten(reason?.message ?? "", 500));
}
