import type { VideoBody } from "@reelq/contract";
import { shorten } from "./terminal.ts";

/** A prompt is shown up to so many characters. */
const longestPrompt = 48;

/** One line about a video: its status, and what a person would want to know about it. */
export const videoLine = (video: VideoBody): string => videoLines([video])[0] ?? "";

/** A line about each, in columns. */
export function videoLines(videos: readonly VideoBody[]): string[] {
  const prompts = videos.map(({ prompt }) => shorten(prompt, longestPrompt));
  const width = Math.max(...prompts.map((prompt) => [...prompt].length));
  return videos.map((video, index) => {
    const prompt = prompts[index] ?? "";
    const gap = " ".repeat(width - [...prompt].length);
    return `${video.id}  ${statusOf(video).padEnd(11)}  ${prompt}${gap}${detailOf(video)}`.trimEnd();
  });
}

export const statusOf = (video: VideoBody): string => video.reelq.status;

/** Why it waits, how far it is, where it lies, or what went wrong. */
export function detailOf(video: VideoBody): string {
  const { reelq, error, progress } = video;
  switch (reelq.status) {
    case "queued":
      return reelq.waiting
        ? `  (${reelq.waiting.reason}${reelq.waiting.detail ? `: ${reelq.waiting.detail}` : ""})`
        : "";
    case "in_doubt":
      return `  (${reelq.in_doubt?.evidence ?? reelq.in_doubt?.reason ?? "fate unknown"})`;
    case "rendering":
      return `  (${progress} %)`;
    case "stored":
      return `  ${reelq.file?.key ?? ""}`;
    case "failed":
      return `  (${error?.code}: ${error?.message})`;
    default:
      return "";
  }
}

export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KB", "MB", "GB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
