import type { VideoBody } from "@reelq/contract";
import { type ResultOptions, VideoCancelledError, VideoFailedError, type VideoHandle } from "@reelq/sdk";
import { CommandFailure, exitCodes } from "./exit.ts";
import { openProgress } from "./progress.ts";
import { type Output } from "./terminal.ts";
import { detailOf } from "./video-line.ts";

/** An API that restarts is back within this time, in milliseconds; a person would rather be told than wait longer. */
const awayMs = 60_000;

/** Between two looks, in milliseconds. */
const everyMs = 500;

/** Waits for videos side by side, showing how they get on; the last states, in the order asked for. */
export async function waitFor(handles: readonly VideoHandle[], output: Output | undefined): Promise<VideoBody[]> {
  const progress = output && openProgress(output);
  const onUpdate = (video: VideoBody) => progress?.update(video);
  try {
    return await Promise.all(handles.map((handle) => endOf(handle, { awayMs, everyMs, onUpdate })));
  } finally {
    progress?.end();
  }
}

/** How a video ended, whether or not that is with a file. */
export async function endOf(handle: VideoHandle, options: ResultOptions): Promise<VideoBody> {
  try {
    return await handle.result(options);
  } catch (error) {
    if (error instanceof VideoFailedError || error instanceof VideoCancelledError) return error.video;
    throw error;
  }
}

/** Fails the command if one of the videos did. */
export function requireStored(videos: readonly VideoBody[]): void {
  const lost = videos.filter(({ status }) => status === "failed");
  if (lost.length === 0) return;
  const sentences = lost.map((video) => `${video.id} is ${video.reelq.status}${detailOf(video)}`);
  throw new CommandFailure(exitCodes.workFailed, sentences.join("\n"));
}
