import type { VideoBody } from "@reelq/contract";

/** A video did not come to its end within `timeoutMs`. It goes on all the same: wait again with the same handle. */
export class WaitTimeoutError extends Error {
  readonly code = "wait_timeout";
  readonly id: string;
  readonly timeoutMs: number;
  /** The last state seen. */
  readonly video: VideoBody | undefined;

  constructor(id: string, timeoutMs: number, video: VideoBody | undefined) {
    const state = video ? ` It is ${video.reelq.status}.` : "";
    super(`${id} did not come to its end within ${timeoutMs} ms.${state}`);
    this.name = "WaitTimeoutError";
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.video = video;
  }
}
