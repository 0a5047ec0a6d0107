import { isBatchOver, sayUsd, type Status, statuses } from "@reelq/contract";
import type { BatchBody } from "@reelq/sdk";
import { shorten } from "../terminal.ts";

/** A name is shown up to so many characters. */
const longestName = 40;

export const nameOf = ({ reelq: { name } }: BatchBody, length = longestName): string => shorten(name, length);

/** One line about a batch: its state, how far it is, and what it has cost. */
export const batchLine = (batch: BatchBody): string =>
  `${batch.id}  ${batch.reelq.state.padEnd(10)}  ${nameOf(batch)}: ${howFar(batch)}`;

/** `214 of 300 stored, 12 rendering, 3 failed; $21.40 charged` */
export function howFar(batch: BatchBody): string {
  const { counts, state } = batch.reelq;
  if (state === "validating") return "its manifest is being judged";
  if (counts.total === 0) return "it has no clips";
  const parts = [`${counts.stored} of ${counts.total} stored`, ...restOf(batch)];
  return `${parts.join(", ")}; ${moneyText(batch)}`;
}

/** The other counts that are not zero, in the order of a video's life. */
export function restOf({ reelq: { counts } }: BatchBody): string[] {
  const cancelled = counts.cancelled - counts.skipped;
  const others: [number, string][] = [
    ...ordered.map((status): [number, string] => [status === "cancelled" ? cancelled : counts[status], words[status]]),
    [counts.skipped, "left out"],
    [counts.waived, "waived"],
  ];
  return others.flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : []));
}

const ordered = statuses.filter((status) => status !== "stored");
const words: Readonly<Record<Status, string>> = {
  queued: "queued",
  submitting: "being sent",
  in_doubt: "in doubt",
  rendering: "rendering",
  downloading: "downloading",
  stored: "stored",
  failed: "failed",
  cancelled: "cancelled",
};

/** `$21.40 charged, $1.20 reserved, $0.10 not known` */
export function moneyText({ reelq: { money } }: BatchBody): string {
  // What nobody said the price of is not free.
  if (money.estimated === null && money.charged + money.reserved + money.unknown === 0) return "price not known";
  const parts = [
    `${sayUsd(money.charged)} charged`,
    ...(money.reserved > 0 ? [`${sayUsd(money.reserved)} reserved`] : []),
    ...(money.unknown > 0 ? [`${sayUsd(money.unknown)} not known`] : []),
  ];
  return parts.join(", ");
}

/** Clips that were sent and have not ended. */
const underWay = ({ reelq: { counts } }: BatchBody): number =>
  counts.submitting + counts.rendering + counts.downloading;

/** Whether it sends nothing more until a person says something. */
export function needsPerson(batch: BatchBody): boolean {
  const { state, reason } = batch.reelq;
  return state === "paused" || (state === "running" && reason?.code === "budget" && underWay(batch) === 0);
}

/** Whether nothing is worth waiting for: at a cap, what is paid for still comes in. */
export function hasStopped(batch: BatchBody): boolean {
  const { state, reason } = batch.reelq;
  if (isBatchOver(state)) return true;
  return needsPerson(batch) && (reason?.code !== "budget" || underWay(batch) === 0);
}

/** Whether nobody needs to hear more of it: it goes on, or it ended by itself with nothing failed. */
export function isClean(batch: BatchBody): boolean {
  const { state, counts, reason } = batch.reelq;
  if (counts.failed > 0 || needsPerson(batch)) return false;
  return !isBatchOver(state) || (state === "completed" && reason === null);
}
