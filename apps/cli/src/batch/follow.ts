import type { BatchBody, Reelq } from "@reelq/sdk";
import type { BatchTools } from "./tools.ts";
import { CommandFailure } from "../exit.ts";
import { standardOutput } from "../terminal.ts";
import { hasStopped } from "./batch-line.ts";
import { interruptedCode } from "./interruption.ts";
import { openReporter } from "./news.ts";
import { conclude } from "./summary.ts";
import { absenceText, type BatchView, openLines, openLive } from "./view.ts";

/** An API that is away for so long, in milliseconds, is no longer only restarted. */
const awayMs = 10 * 60_000;

interface FollowOptions {
  readonly until: (batch: BatchBody) => boolean;
  readonly view?: BatchView | undefined;
}

/**
 * Follows a batch until something is true of it.
 * @throws CommandFailure once the person has seen enough: the batch goes on
 */
export async function follow(reelq: Reelq, first: BatchBody, { until, view }: FollowOptions): Promise<BatchBody> {
  if (until(first)) return first;
  const { id } = first;
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new CommandFailure(interruptedCode, leftRunning(id)));
  const setAway = (isAway: boolean): void =>
    view ? view.setAway(isAway) : void process.stderr.write(`${absenceText(isAway)}\n`);
  const reporter = openReporter(reelq);
  process.once("SIGINT", interrupt);
  try {
    const states = reelq.batches.watch(id, {
      signal: interruption.signal,
      awayMs,
      onAway: () => setAway(true),
      onBack: () => setAway(false),
    });
    for await (const batch of states) {
      if (view) view.update(batch, await reporter.newsOf(batch));
      if (until(batch)) return batch;
    }
    throw new Error(`${id} was no longer looked at.`);
  } finally {
    process.off("SIGINT", interrupt);
    view?.end();
  }
}

const leftRunning = (id: string): string => `
The batch goes on without you.
  come back  reelq batch watch ${id}
  pause it   reelq batch pause ${id}
  stop it    reelq batch cancel ${id}`;

export interface WatchOnOptions {
  /** How far it is too, and not only what changed. */
  readonly showsAll: boolean;
  readonly json?: boolean | undefined;
}

/** Follows a batch until it ends or stops for a person, and says how that came. */
export async function watchOn(tools: BatchTools, first: BatchBody, { showsAll, json }: WatchOnOptions): Promise<void> {
  const reelq = tools.client();
  const page = tools.pageOf(first.id);
  if (!json && !hasStopped(first) && !(showsAll && standardOutput.isTerminal))
    standardOutput.write(`${first.id}  follow it at ${page}\n`);
  const view = json || hasStopped(first) ? undefined : openView(page, showsAll);
  const last = await follow(reelq, first, { until: hasStopped, view });
  await conclude(reelq, last, { page, json });
}

function openView(page: string, showsAll: boolean): BatchView {
  if (!showsAll || !standardOutput.isTerminal) return openLines(standardOutput, { showsProgress: showsAll });
  const onResize = (listener: () => void) => {
    process.stdout.on("resize", listener);
    return () => void process.stdout.off("resize", listener);
  };
  return openLive(standardOutput, { page, onResize });
}
