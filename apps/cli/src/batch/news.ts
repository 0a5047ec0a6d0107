import { isBatchOver, sayUsd, spentOf } from "@reelq/contract";
import type { BatchBody, ClipBody, Reelq } from "@reelq/sdk";
import { shorten } from "../terminal.ts";
import { untilText } from "./duration.ts";

/** Something worth telling of a batch. */
export interface News {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
}

/** Finds what is worth telling between one state of a batch and the next. */
export interface Reporter {
  newsOf(batch: BatchBody): Promise<readonly News[]>;
}

/** Failures of a batch that was joined on its way: so many are told of at first, the latest ones. */
const mostAtFirst = 5;

/** Past so many failures, nobody reads them one by one. */
const mostFailures = 200;

export function openReporter({ batches }: Reelq): Reporter {
  let before: BatchBody | undefined;
  const told = new Set<string>();

  async function failuresOf(batch: BatchBody): Promise<News[]> {
    const wasFailed = before?.reelq.counts.failed ?? 0;
    if (batch.reelq.counts.failed <= wasFailed || told.size >= mostFailures) return [];
    const { data } = await batches.clips(batch.id, { status: "failed", limit: mostFailures });
    const fresh = data.filter((clip) => !clip.waived && !told.has(attemptOf(clip)));
    for (const clip of fresh) told.add(attemptOf(clip));
    const news = fresh.map((clip) => ({ at: timeOf(clip), text: failureText(clip) })).sort((a, b) => a.at - b.at);
    return before ? news : news.slice(-mostAtFirst);
  }

  return {
    async newsOf(batch) {
      const news = [...changesBetween(before, batch), ...(await failuresOf(batch))];
      before = batch;
      return news;
    },
  };
}

const attemptOf = (clip: ClipBody): string => `${clip.video_id} ${clip.attempts}`;
const timeOf = ({ ended_at: endedAt }: ClipBody): number => (endedAt === null ? Date.now() : Date.parse(endedAt));

/** `shot-017 failed: refused: the upstream refused it.` */
const failureText = (clip: ClipBody): string =>
  `${clipName(clip)} failed: ${clip.failure ? `${clip.failure.class}: ${shorten(clip.failure.message, 300)}` : "nobody knows why"}`;

/** `shot-017`, and which take of it where there is more than the first. */
export const clipName = ({ custom_id: customId, take }: ClipBody): string =>
  `${shorten(customId, 60)}${take > 1 ? ` (take ${take})` : ""}`;

/** Without the failures, whose words only the clips have. */
export function changesBetween(before: BatchBody | undefined, after: BatchBody, now = Date.now()): News[] {
  const texts = [
    stateChange(before, after),
    reasonChange(before, after),
    ...(before
      ? [
          windowChange(before, after, now),
          canaryChange(before, after),
          ...budgetMarks(before, after),
          forecastChange(before, after),
          doubtChange(before, after),
        ]
      : []),
  ];
  return texts.flatMap((text) => (text === undefined ? [] : [{ at: now, text }]));
}

function stateChange(before: BatchBody | undefined, { reelq: { state, counts } }: BatchBody): string | undefined {
  const was = before?.reelq.state;
  if (was === state || was === undefined || isBatchOver(state)) return undefined;
  switch (state) {
    case "running":
      return was === "paused" ? "It goes on." : `Its manifest is accepted: ${counts.total} clips.`;
    case "cancelling":
      return "It is being cancelled: what is paid for finishes.";
    case "finalizing":
      return "Every clip has ended; its report is being written.";
    default:
      return undefined;
  }
}

function reasonChange(before: BatchBody | undefined, { reelq: { state, reason } }: BatchBody): string | undefined {
  if (isBatchOver(state)) return undefined;
  const was = before?.reelq;
  if (was?.state === state && was.reason?.code === reason?.code && was.reason?.since === reason?.since)
    return undefined;
  if (state === "paused") return `It is paused${reason ? `: ${reason.message}` : "."}`;
  return reason?.message;
}

function windowChange(before: BatchBody, { reelq: { window } }: BatchBody, now: number): string | undefined {
  const was = before.reelq.window;
  if (!window || !was || was.is_open === window.is_open) return undefined;
  if (window.is_open) return `Its window is open, for ${untilText(window.closes_at, now)}.`;
  return `Its window is closed${window.opens_at === null ? "" : `, and opens in ${untilText(window.opens_at, now)}`}; what is paid for goes on.`;
}

function canaryChange(before: BatchBody, { reelq: { canary } }: BatchBody): string | undefined {
  if (canary?.state !== "passed" || before.reelq.canary?.state !== "running") return undefined;
  return `The first ${canary.count === 1 ? "clip is" : `${canary.count} clips are`} good; the rest is sent.`;
}

const marks = [50, 80, 100];

function budgetMarks(before: BatchBody, { reelq: { money, budget } }: BatchBody): string[] {
  if (budget === null || budget === 0) return [];
  const [was, is] = [spentOf(before.reelq.money), spentOf(money)];
  const passed = marks.findLast((mark) => was * 100 < budget * mark && is * 100 >= budget * mark);
  return passed === undefined ? [] : [`${passed} % of the budget of ${sayUsd(budget)} are spent or reserved.`];
}

function forecastChange(before: BatchBody, { reelq: { forecast } }: BatchBody): string | undefined {
  const was = before.reelq.forecast?.fits ?? null;
  if (!forecast || forecast.fits === was || forecast.fits === null) return undefined;
  return forecast.fits && was === null ? undefined : forecast.sentence;
}

function doubtChange(before: BatchBody, { reelq: { counts } }: BatchBody): string | undefined {
  const more = counts.in_doubt - before.reelq.counts.in_doubt;
  if (more <= 0) return undefined;
  return `${more === 1 ? "A clip is" : `${more} clips are`} in doubt: sent, and the fate is not known yet.`;
}
