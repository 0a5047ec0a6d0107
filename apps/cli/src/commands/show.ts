import type { VideoBody } from "@reelq/contract";
import type { Reelq } from "@reelq/sdk";
import type { Command } from "commander";
import { shorten, standardOutput } from "../terminal.ts";
import { bytesText, detailOf, secondsText } from "../video-line.ts";

/** `reelq show ID`: all that is known of one video. */
export function addShow(program: Command, client: () => Reelq): void {
  program
    .command("show")
    .description("Show all that is known of a video.")
    .argument("<id>", "the video's id")
    .option("--json", "print it as JSON")
    .addHelpText("after", "\nExample:\n  reelq show video_0199…")
    .action(async (id: string, { json }: { json?: boolean }) => {
      const video = await client().videos.retrieve(id);
      standardOutput.write(json ? `${JSON.stringify(video, null, 2)}\n` : `${describe(video)}\n`);
    });
}

function describe(video: VideoBody): string {
  const { reelq } = video;
  const lines: [string, string | null][] = [
    ["id", video.id],
    ["status", `${reelq.status}${detailOf(video)}`],
    ["prompt", shorten(video.prompt, 400)],
    ["asked for", `${video.model}, ${video.seconds} s, ${video.size}`],
    ["remix of", video.remixed_from_video_id],
    ["lane", reelq.lane],
    ["task", reelq.task],
    ["created", new Date(video.created_at * 1000).toISOString()],
    ["updated", reelq.updated_at],
    [
      "in doubt",
      reelq.in_doubt &&
        `since ${reelq.in_doubt.since}: ${reelq.in_doubt.reason}${reelq.in_doubt.held ? " (held: a person decides)" : ""}`,
    ],
    [
      "failure",
      reelq.failure &&
        `${reelq.failure.class}: ${reelq.failure.meaning} (charged: ${reelq.failure.charged}; who can act: ${reelq.failure.actor})`,
    ],
    ["file", reelq.file && `${reelq.file.key} (${bytesText(reelq.file.bytes)}, sha256 ${reelq.file.sha256})`],
    ["media", reelq.file?.media ? mediaText(reelq.file.media) : null],
    ...(reelq.file?.differences ?? []).map((difference): [string, string] => ["differs", difference]),
    ...reelq.attempts.map((attempt): [string, string] => [
      `attempt ${attempt.number}`,
      `${attempt.at} at ${attempt.upstream}: ${attempt.outcome ?? "on the wire"} (charged: ${attempt.charged})`,
    ]),
    ["survived", setbacksText(video)],
  ];
  return lines.flatMap(([name, value]) => (value ? [`${name.padEnd(10)}  ${value}`] : [])).join("\n");
}

const mediaText = ({
  container,
  codec,
  width,
  height,
  durationMs,
}: NonNullable<NonNullable<VideoBody["reelq"]["file"]>["media"]>): string =>
  [
    container,
    codec,
    width === undefined ? undefined : `${width}x${height}`,
    durationMs === undefined ? undefined : secondsText(durationMs),
  ]
    .filter(Boolean)
    .join(", ");

/** What went wrong on the way and did no harm. */
export function setbacksText({ reelq: { setbacks } }: VideoBody): string {
  const words: readonly [number, string][] = [
    [setbacks.throttled, "throttled"],
    [setbacks.notSent, "not sent"],
    [setbacks.doubts, "in doubt"],
    [setbacks.missedLooks, "missed look"],
    [setbacks.contentNotReady, "content not ready"],
    [setbacks.brokenDownloads, "broken download"],
  ];
  return words.flatMap(([times, word]) => (times > 0 ? [times > 1 ? `${word} ×${times}` : word] : [])).join(", ");
}
