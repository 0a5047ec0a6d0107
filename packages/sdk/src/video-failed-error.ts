import type { Charged, FailureClass, VideoBody } from "@reelq/contract";

/** A video came to its end without a file. */
export class VideoFailedError extends Error {
  /** The video as it ended. */
  readonly video: VideoBody;
  /** Why it failed, one word of a closed set: what to branch on. */
  readonly class: FailureClass;
  /** The upstream's own code where it gave one, else the class. */
  readonly code: string;
  /** Whether the attempt cost money. */
  readonly charged: Charged;
  /** Whether `retry()` makes sense as it is, or only with `{ insist: true }`. */
  readonly retry: "allowed" | "insist";

  constructor(video: VideoBody) {
    const { failure } = video.reelq;
    super(`${video.id} failed: ${video.error?.message ?? failure?.meaning ?? "no reason was given"}`);
    this.name = "VideoFailedError";
    this.video = video;
    this.class = failure?.class ?? "render_failed";
    this.code = video.error?.code ?? this.class;
    this.charged = failure?.charged ?? "unknown";
    this.retry = failure?.retry === "allowed" ? "allowed" : "insist";
  }
}
