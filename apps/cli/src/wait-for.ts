import type { VideoBody } from "@reelq/contract";
import type { Client } from "@reelq/sdk";
import { CommandFailure, exitCodes } from "./exit.ts";
import { openProgress } from "./progress.ts";
import { type Output } from "./terminal.ts";
import { detailOf } from "./video-line.ts";

/** Waits for videos side by side, showing how they get on; the last states, in the order asked for. */
export async function waitFor(
  client: Client,
  ids: readonly string[],
  output: Output | undefined,
): Promise<VideoBody[]> {
  const progress = output && openProgress(output);
  try {
    return await Promise.all(ids.map((id) => client.wait(id, { onUpdate: (video) => progress?.update(video) })));
  } finally {
    progress?.end();
  }
}

/** Fails the command if one of the videos did. */
export function requireStored(videos: readonly VideoBody[]): void {
  const lost = videos.filter(({ status }) => status === "failed");
  if (lost.length === 0) return;
  const sentences = lost.map((video) => `${video.id} is ${video.reelq.status}${detailOf(video)}`);
  throw new CommandFailure(exitCodes.workFailed, sentences.join("\n"));
}
