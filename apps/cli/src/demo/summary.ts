import type { VideoBody } from "@reelq/contract";
import { setbacksText } from "../commands/show.ts";
import { shorten, table } from "../terminal.ts";
import { bytesText, secondsText, statusOf } from "../video-line.ts";
import { countFaults, countTasks, faults } from "./faults.ts";
import type { ManifestLine } from "./manifest.ts";

export interface Summary {
  readonly ok: boolean;
  readonly text: string;
}

/** The table of what became of each prompt, what was survived on the way, and what it would have cost. */
export async function summarize(
  lines: readonly ManifestLine[],
  videos: readonly VideoBody[],
  simulator: string,
  tookMs: number,
): Promise<Summary> {
  const [struck, tasks] = await Promise.all([countFaults(simulator), countTasks(simulator)]);
  const stored = videos.filter(({ reelq }) => reelq.status === "stored" && reelq.file?.differences.length === 0).length;
  const head = ["id", "prompt", "model", "seconds", "size", "status", "time", "bytes"];
  const rows = videos.map((video, index) => row(lines[index]?.id ?? "", video));
  const survived = faults.map(
    ({ said, survived: how }, index) => `  ${String(struck[index] ?? 0).padStart(2)} × ${said}: ${how}`,
  );
  const troubled = videos.flatMap((video, index) =>
    setbacksText(video) ? [`  ${lines[index]?.id}: ${setbacksText(video)}`] : [],
  );
  const files = videos.flatMap((video, index) =>
    video.reelq.file ? [`  ${lines[index]?.id}: stored as .reelq/videos/${video.reelq.file.key}`] : [],
  );
  const text = [
    table(head, rows, new Set(["seconds", "time", "bytes"])),
    "",
    "Survived on the way:",
    ...survived,
    "",
    "By video:",
    ...troubled,
    "",
    "Files, with a .json beside each that says how it came about:",
    ...files,
    "",
    `${stored} of ${videos.length} stored and verified in ${secondsText(tookMs)}; ${tasks} tasks at the upstream, ${Math.max(0, tasks - videos.length)} paid for twice.`,
  ].join("\n");
  return { ok: stored === videos.length && tasks === videos.length, text };
}

function row(line: string, video: VideoBody): string[] {
  const { file, updated_at } = video.reelq;
  return [
    line,
    shorten(video.prompt, 32),
    video.model,
    video.seconds,
    video.size,
    statusOf(video),
    secondsText(Date.parse(updated_at) - video.created_at * 1000),
    file ? bytesText(file.bytes) : "",
  ];
}
