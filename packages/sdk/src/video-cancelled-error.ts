import type { VideoBody } from "@reelq/contract";

/** Somebody cancelled the video that was waited for. */
export class VideoCancelledError extends Error {
  readonly code = "cancelled";
  readonly video: VideoBody;

  constructor(video: VideoBody) {
    super(`${video.id} was cancelled.`);
    this.name = "VideoCancelledError";
    this.video = video;
  }
}
