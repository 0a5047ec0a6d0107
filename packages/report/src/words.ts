import type { BatchBody } from "@reelq/contract";

/** What a page says of a batch. */
export interface BatchWords {
  /** What is done of what, as one would say it. */
  readonly headline: string;
  /** What it cost, likewise. */
  readonly money: string;
  /** Of the browser's tab. */
  readonly title: string;
  readonly state: string;
  /** Texts by the name of their place. */
  readonly texts: Readonly<Record<string, string>>;
  /** Clips by standing, in percent of all. */
  readonly clips: readonly Share[];
  /** Money by account, in percent of the budget, else of the estimate. */
  readonly spent: readonly Share[];
  readonly lanes: readonly (readonly string[])[];
  readonly isOver: boolean;
}

type Share = readonly [name: string, percent: number];

/** How amounts and times are said. */
interface Sayings {
  readonly usd: (micros: number) => string;
  /** @param iso ISO 8601 */
  readonly clock: (iso: string) => string;
}

/*
 * The live page has the browser run these very functions, by their source (`wordsSource`): they may use nothing but
 * each other, their arguments and what every browser knows.
 */

export function sayBatch(batch: BatchBody, sayings: Sayings): BatchWords {
  const { state, name, counts, lanes } = batch.reelq;
  const isOver = state === "completed" || state === "expired" || state === "cancelled" || state === "failed";
  const counted = countClips(batch);
  const percent = counts.total > 0 ? Math.floor((counted.settled / counts.total) * 100) : isOver ? 100 : 0;
  const word = sayState(batch);
  return {
    headline: counts.total === 0 ? sayNothing(batch) : sayClips(batch, isOver),
    money: sayMoney(batch, sayings),
    title: `${isOver ? word.slice(0, 1).toUpperCase() + word.slice(1) : `${percent} %`} · ${name}`,
    state: word,
    texts: {
      percent: `${percent} %`,
      ...sayCounts(batch),
      ...sayAmounts(batch, sayings),
      ...sayCourse(batch, isOver, sayings),
    },
    clips: [
      ["stored", shareOf(counts.stored, counts.total)],
      ["working", shareOf(counted.working, counts.total)],
      ["in_doubt", shareOf(counts.in_doubt, counts.total)],
      ["failed", shareOf(counts.failed, counts.total)],
      ["cancelled", shareOf(counts.cancelled + counted.waivedBeside, counts.total)],
    ],
    spent: sharesOfMoney(batch),
    lanes: lanes.map(({ lane, waiting, in_flight, places, obstacle }) => [
      lane,
      sayCount(waiting),
      places === null ? sayCount(in_flight) : `${sayCount(in_flight)} of ${sayCount(places)}`,
      obstacle ?? "nothing",
    ]),
    isOver,
  };
}

function sayCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** In percent, to a hundredth. */
function shareOf(part: number, whole: number): number {
  return whole > 0 ? Math.round((part / whole) * 10_000) / 100 : 0;
}

/** Waived ones are told apart from the statuses, whether they are counted among the cancelled ones or beside them. */
function countClips({ reelq: { counts } }: BatchBody) {
  const working = counts.submitting + counts.rendering + counts.downloading;
  const inStatuses = counts.queued + working + counts.in_doubt + counts.stored + counts.failed + counts.cancelled;
  const waivedBeside = Math.min(counts.waived, Math.max(0, counts.total - inStatuses));
  const cancelled = Math.max(0, counts.cancelled - counts.skipped - (counts.waived - waivedBeside));
  const settled = counts.stored + counts.failed + counts.cancelled + waivedBeside;
  return { working, waivedBeside, cancelled, settled };
}

function sayClips(batch: BatchBody, isOver: boolean): string {
  const { counts } = batch.reelq;
  const { working, cancelled } = countClips(batch);
  if (counts.stored === counts.total)
    return counts.total === 1 ? "The one clip is stored" : `All ${sayCount(counts.total)} stored`;
  const others: [number, string][] = [
    [counts.failed, "failed"],
    [counts.in_doubt, "in doubt"],
    [counts.skipped, "skipped"],
    [cancelled, "cancelled"],
    [counts.waived, "waived"],
    [working, "at work"],
    [counts.queued, isOver ? "never sent" : "to go"],
  ];
  // A line never ends between a number and its word.
  return [
    `${sayCount(counts.stored)} of ${sayCount(counts.total)} stored`,
    ...others.flatMap(([count, word]) => (count > 0 ? [`${sayCount(count)} ${word}`] : [])),
  ]
    .map((part) => part.replaceAll(" ", "\u00a0"))
    .join(", ");
}

function sayNothing({ errors, reelq: { state } }: BatchBody): string {
  if (state === "validating") return "Its manifest is being read";
  const mistakes = errors?.data.length ?? 0;
  if (mistakes === 0) return state === "failed" ? "Nothing was accepted" : "No clips, so nothing to do";
  const many =
    mistakes === 1 ? "1\u00a0mistake" : `${sayCount(mistakes)}\u00a0mistakes${mistakes >= 1_000 ? " or more" : ""}`;
  return `Nothing was accepted: ${many} in the manifest`;
}

function sayMoney({ reelq: { money } }: BatchBody, { usd }: Sayings): string {
  const parts = [
    ...(money.charged > 0 ? [`${usd(money.charged)} charged`] : []),
    ...(money.unknown > 0 ? [`${usd(money.unknown)} not known`] : []),
    ...(money.reserved > 0 ? [`${usd(money.reserved)} reserved`] : []),
  ];
  return parts.length > 0 ? parts.join(", ") : "nothing charged";
}

function sayState({ reelq: { state } }: BatchBody): string {
  return {
    validating: "being checked",
    running: "running",
    paused: "paused",
    cancelling: "being cancelled",
    finalizing: "finishing",
    completed: "finished",
    expired: "expired",
    cancelled: "cancelled",
    failed: "failed",
  }[state];
}

function sayCounts(batch: BatchBody): Record<string, string> {
  const { counts } = batch.reelq;
  return {
    ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, sayCount(count)])),
    cancelled: sayCount(countClips(batch).cancelled),
  };
}

function sayAmounts({ reelq: { money, budget } }: BatchBody, { usd }: Sayings): Record<string, string> {
  const spent = money.charged + money.unknown + money.reserved;
  return {
    estimated: money.estimated === null ? "not known" : usd(money.estimated),
    reserved: usd(money.reserved),
    charged: usd(money.charged),
    unknown: usd(money.unknown),
    budget: budget === null ? "none" : usd(budget),
    left: budget === null ? "" : usd(Math.max(0, budget - spent)),
  };
}

function sharesOfMoney({ reelq: { money, budget } }: BatchBody): readonly Share[] {
  const spent = money.charged + money.unknown + money.reserved;
  const whole = Math.max(budget ?? money.estimated ?? 0, spent);
  return [
    ["charged", shareOf(money.charged, whole)],
    ["unknown", shareOf(money.unknown, whole)],
    ["reserved", shareOf(money.reserved, whole)],
  ];
}

function sayCourse({ reelq }: BatchBody, isOver: boolean, { clock }: Sayings): Record<string, string> {
  const { forecast, reason, canary, looks, retries } = reelq;
  const first = canary && (canary.count === 1 ? "1 clip first" : `${sayCount(canary.count)} clips first`);
  return {
    forecast: isOver ? "" : (forecast?.sentence ?? ""),
    reason: reason?.message ?? "",
    command: reason?.command ?? "",
    canary: canary === null ? "" : `${first}: ${canary.state === "running" ? "on the way" : canary.state}`,
    window: sayWindow(reelq, isOver, clock),
    looks: sayCount(looks),
    retries: sayCount(retries),
    updated: clock(reelq.updated_at),
  };
}

function sayWindow({ window }: BatchBody["reelq"], isOver: boolean, clock: (iso: string) => string): string {
  if (window === null || isOver) return window?.text ?? "";
  if (window.is_open) return `${window.text}, open until ${clock(window.closes_at)}`;
  return `${window.text}, closed${window.opens_at === null ? "" : ` until ${clock(window.opens_at)}`}`;
}

/** What a browser needs to say the same. */
export const wordsSource = [
  sayBatch,
  sayCount,
  shareOf,
  countClips,
  sayClips,
  sayNothing,
  sayMoney,
  sayState,
  sayCounts,
  sayAmounts,
  sharesOfMoney,
  sayCourse,
  sayWindow,
]
  .map((part) => part.toString())
  .join("\n");
