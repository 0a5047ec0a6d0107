import { isBatchOver } from "@reelq/contract";
import type { BatchBody } from "@reelq/sdk";
import { type Output, shorten } from "../terminal.ts";
import { howFar } from "./batch-line.ts";
import { clockText } from "./clock.ts";
import type { News } from "./news.ts";
import { pictureOf } from "./picture.ts";
import { openScreen } from "./screen.ts";

/** Shows how a batch gets on. */
export interface BatchView {
  update(batch: BatchBody, news: readonly News[]): void;
  /** Whether the API gives no answer at the moment. */
  setAway(isAway: boolean): void;
  /** Leaves the last state standing. */
  end(): void;
}

export const absenceText = (isAway: boolean): string =>
  isAway
    ? "The API does not answer; what workers do goes on without it, and it is asked again and again."
    : "The API answers again.";

/** Between two lines that tell only how far it is, in milliseconds. */
const progressEveryMs = 10_000;

/** Times go on by themselves, in milliseconds. */
const redrawEveryMs = 1_000;

/** So many of the latest news are kept for the screen. */
const mostNews = 50;

/** A line for each change worth telling; and, if wanted, how far it is every few seconds. */
export function openLines(output: Pick<Output, "write">, { showsProgress }: { showsProgress: boolean }): BatchView {
  let shown = "";
  let shownAt = Number.NEGATIVE_INFINITY;
  let latest: BatchBody | undefined;
  let timer: NodeJS.Timeout | undefined;
  const line = (at: number, text: string): void => output.write(`${clockText(at)}  ${shorten(text, 500)}\n`);

  function showProgress(): void {
    clearTimeout(timer);
    timer = undefined;
    if (!latest || latest.reelq.state === "validating" || isBatchOver(latest.reelq.state)) return;
    const text = howFar(latest);
    if (text === shown) return;
    const waitMs = shownAt + progressEveryMs - performance.now();
    if (waitMs > 0) {
      timer = setTimeout(showProgress, waitMs);
      return;
    }
    shown = text;
    shownAt = performance.now();
    line(Date.now(), `${text}. ${latest.reelq.forecast?.sentence ?? ""}`);
  }

  return {
    update(batch, news) {
      for (const { at, text } of news) line(at, text);
      latest = batch;
      if (showsProgress) showProgress();
    },
    setAway: (isAway) => line(Date.now(), absenceText(isAway)),
    end: () => clearTimeout(timer),
  };
}

/** The whole state, drawn over and over in place. */
export function openLive(
  output: Output,
  { page, onResize }: { page: string; onResize: (listener: () => void) => () => void },
): BatchView {
  const screen = openScreen(output);
  const news: News[] = [];
  let latest: BatchBody | undefined;
  let notice: string | undefined;
  const draw = (): void => {
    if (!latest) return;
    const { columns, rows } = output;
    screen.draw(pictureOf({ batch: latest, news, notice, page, now: Date.now() }, { columns, rows }));
  };
  const timer = setInterval(draw, redrawEveryMs);
  const letGo = onResize(draw);
  return {
    update(batch, more) {
      news.push(...more);
      news.splice(0, news.length - mostNews);
      latest = batch;
      draw();
    },
    setAway(isAway) {
      notice = isAway ? absenceText(true) : undefined;
      news.push({ at: Date.now(), text: absenceText(isAway) });
      draw();
    },
    end() {
      clearInterval(timer);
      letGo();
      draw();
      output.write("\n");
    },
  };
}
