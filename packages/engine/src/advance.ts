import { isFinal, type Status, type Video, type VideoId } from "@reelq/contract";
import { eventStreamLength } from "./event-stream.ts";
import type { Health } from "./health.ts";
import { type LaneLimits, rateWindowMs, takesPlace } from "./lane.ts";
import type { LimitOwner, Obstacle } from "./obstacle.ts";

/** What happens in the same script as the write. */
export interface AdvanceOptions {
  /** Ask for leave to send one POST. */
  readonly leave?: LaneLimits;
  /** For how long a POST that was given leave while the breaker is half-open keeps others from trying, in ms. */
  readonly probeMs?: number;
  /** Rest the lane; twice as long each time in a row, unless the server said how long. */
  readonly restLane?: {
    readonly ms: number;
    readonly reason: string;
    readonly said: boolean;
    /** When the POST that was refused was sent, ms since 1970: those of one burst count once. */
    readonly sentAt: number;
  };
  /** What the POST taught of the account's cap of tasks at once; when a refused one was sent, ms since 1970. */
  readonly pulse?: { readonly kind: "accepted" } | { readonly kind: "crowded"; readonly sentAt: number };
  readonly health?: Health;
  /** When to tell that the video is still in the status it enters, ms since 1970; none where left out. */
  readonly alarmAt?: number;
}

/** What a move did to its upstream's breaker. */
export type BreakerChange = "opened" | "reopened" | "closed";

export type Advance =
  | { readonly kind: "moved"; readonly video: Video; readonly breaker?: BreakerChange }
  /** Somebody else wrote first, or it is gone: whoever asked must forget what it knew. */
  | { readonly kind: "changed" }
  /** No leave to send: nothing was written. */
  | { readonly kind: "refused"; readonly obstacle: Obstacle }
  | { readonly kind: "owned"; readonly owner: VideoId };

/** What a move into this status adds to. */
const counterOf = (video: Video): string =>
  video.status === "failed" ? `failed ${video.failure.class}` : video.status;

/** What `advance.lua` is told; what is left out does not happen. Times in ms since 1970. */
interface Move {
  readonly id: VideoId;
  readonly project: string;
  readonly had: number;
  readonly gets: number;
  readonly status: Status;
  readonly at: number;
  readonly due?: number;
  /** The place in its lane. */
  readonly place: "take" | "keep" | "free";
  readonly alarm: number | "keep" | "none";
  /** The longest length of the stream that the event goes to. */
  readonly events?: number;
  /** The counter to raise. */
  readonly counter?: string;
  /** The task that the video comes to own. */
  readonly task?: string;
  /** Those of `AdvanceOptions`, as they are. */
  readonly leave?: LaneLimits;
  readonly probeMs?: number;
  readonly restLane?: AdvanceOptions["restLane"];
  readonly pulse?: AdvanceOptions["pulse"];
  readonly health?: Health;
  readonly rateWindowMs: number;
}

function placeOf(video: Video, written: Video, asksForLeave: boolean): Move["place"] {
  if (!takesPlace(written)) return "free";
  // A doubt that was over, and is a render after all.
  const isBack = video.status === "in_doubt" && !takesPlace(video);
  return asksForLeave || isBack ? "take" : "keep";
}

export function moveOf(video: Video, written: Video, options: AdvanceOptions): Move {
  const { alarmAt, ...asked } = options;
  const isNewStatus = video.status !== written.status;
  return {
    ...asked,
    rateWindowMs,
    id: video.id,
    project: video.project,
    had: video.version,
    gets: written.version,
    status: written.status,
    at: written.updatedAt,
    place: placeOf(video, written, asked.leave !== undefined),
    alarm: alarmAt === undefined ? (isNewStatus ? "none" : "keep") : Math.ceil(alarmAt),
    ...(isFinal(written.status) ? {} : { due: written.dueAt }),
    ...(isNewStatus ? { events: eventStreamLength, counter: counterOf(written) } : {}),
    ...(isNewStatus && written.status === "rendering" ? { task: written.task.id } : {}),
  };
}

/** What `advance.lua` answered. */
export function advanceOf(reply: readonly (string | number | null)[], written: Video): Advance {
  const [kind, first, second, third, fourth] = reply;
  const waitMs = Number(first);
  const whose = third as LimitOwner;
  const refused = (obstacle: Obstacle): Advance => ({ kind: "refused", obstacle });
  switch (kind) {
    case "moved":
      return { kind, video: written, ...(second ? { breaker: second as BreakerChange } : {}) };
    case "full":
      return refused({ kind, inFlight: waitMs, places: Number(second), whose, isLearned: fourth === "learned" });
    case "rate":
      return refused({ kind, waitMs, allowed: Number(second), whose });
    case "resting":
      return refused({ kind, waitMs, reason: String(second) });
    case "breaker":
      return refused({ kind, waitMs, reason: String(second), isTried: third === "tried" });
    case "owned":
      return { kind, owner: String(first) as VideoId };
    default:
      return { kind: "changed" };
  }
}
