import type { VideoBody } from "@reelq/contract";
import { detailOf, statusOf } from "./video-line.ts";
import { type Output, shorten } from "./terminal.ts";

const barWidth = 20;

/** Shows videos on their way: a bar for each on a terminal, a plain line for each change elsewhere. */
export interface Progress {
  update(video: VideoBody): void;
  /** Leaves the last state standing. */
  end(): void;
}

export const openProgress = (output: Output): Progress => (output.isTerminal ? barsOn(output) : linesOn(output));

function linesOn(output: Output): Progress {
  const seen = new Map<string, string>();
  return {
    update(video) {
      const status = statusOf(video);
      if (seen.get(video.id) === status) return;
      seen.set(video.id, status);
      output.write(`${video.id}  ${status.padEnd(11)}  ${shorten(video.prompt, 40)}${detailOf(video)}\n`);
    },
    end: () => undefined,
  };
}

function barsOn(output: Output): Progress {
  const videos = new Map<string, VideoBody>();
  let drawn = 0;
  return {
    update(video) {
      videos.set(video.id, video);
      const lines = shownOf([...videos.values()], output.rows).map((one) => barLine(one, output.columns));
      // Up to where the last drawing began, then over it; what is left of a longer line is cleared.
      output.write(`${drawn > 0 ? `\x1b[${drawn}A` : ""}${lines.map((line) => `\r${line}\x1b[K\n`).join("")}`);
      drawn = lines.length;
    },
    end: () => undefined,
  };
}

/** As many as fit on the screen, those that are not at their end first: a drawing that scrolls cannot be drawn over. */
function shownOf(videos: readonly VideoBody[], rows: number): readonly VideoBody[] {
  const room = Math.max(1, rows - 2);
  if (videos.length <= room) return videos;
  const isUnderWay = ({ status }: VideoBody) => status === "queued" || status === "in_progress";
  return [...videos.filter(isUnderWay), ...videos.filter((video) => !isUnderWay(video))].slice(0, room);
}

function barLine(video: VideoBody, columns: number): string {
  const share = doneShare(video);
  const full = Math.round(share * barWidth);
  const bar = `${"█".repeat(full)}${"░".repeat(barWidth - full)}`;
  const head = `${bar} ${statusOf(video).padEnd(11)} `;
  return head + shorten(`${video.prompt}${detailOf(video)}`, Math.max(10, columns - head.length - 1));
}

/** How much of the way is behind a video, 0 to 1: the render is most of it. */
function doneShare(video: VideoBody): number {
  switch (video.reelq.status) {
    case "queued":
      return 0;
    case "submitting":
    case "in_doubt":
      return 0.05;
    case "rendering":
      return 0.1 + (0.8 * video.progress) / 100;
    case "downloading":
      return 0.95;
    default:
      return 1;
  }
}
