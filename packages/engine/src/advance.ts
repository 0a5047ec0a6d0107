import { isFinal, type Status, type Video, type VideoId } from "@reelq/contract";
import type { Health } from "./health.ts";
import { type LaneLimits, takesPlace } from "./lane.ts";

/** About a week of moves at a few thousand videos a day; 150 bytes each. */
export const eventStreamLength = 200_000;

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

/** Whose limit it is: the lane's or the account's as configured, or the lane's as refusals taught it. */
export type LimitOwner = "lane" | "account" | "learned";

/** Why a POST may not be sent now. Nothing was written. */
export type Refusal =
  | { readonly kind: "full"; readonly inFlight: number; readonly places: number; readonly whose: LimitOwner }
  | { readonly kind: "rate"; readonly waitMs: number; readonly allowed: number; readonly whose: LimitOwner }
  | { readonly kind: "resting"; readonly waitMs: number; readonly reason: string }
  /** The upstream's breaker is open, or one video is trying it. */
  | { readonly kind: "open"; readonly waitMs: number; readonly reason: string };

/** What a move did to its upstream's breaker. */
export type BreakerChange = "opened" | "reopened" | "closed";

export type Advance =
  | { readonly kind: "moved"; readonly video: Video; readonly breaker?: BreakerChange }
  /** Somebody else wrote first, or it is gone: whoever asked must forget what it knew. */
  | { readonly kind: "changed" }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "owned"; readonly owner: VideoId };

/** What a move into this status adds to. */
const counterOf = (video: Video): string =>
  video.status === "failed" ? `failed ${video.failure.class}` : video.status;

/** What `advance.lua` is told; what is left out does not happen. Times in ms since 1970. */
interface Move {
  readonly id: VideoId;
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
  readonly leave?: LaneLimits;
  readonly probe_ms: number;
  readonly rest?: { readonly ms: number; readonly why: string; readonly said: boolean; readonly sent_at: number };
  readonly pulse?: string;
  readonly sent_at?: number;
  readonly health?: {
    readonly about: string;
    readonly said: string;
    readonly why: string;
    readonly failures: number;
    readonly open_ms: number;
    readonly longest_ms: number;
  };
}

function placeOf(video: Video, written: Video, asksForLeave: boolean): Move["place"] {
  if (!takesPlace(written)) return "free";
  // A doubt that was over, and is a render after all.
  const isBack = video.status === "in_doubt" && !takesPlace(video);
  return asksForLeave || isBack ? "take" : "keep";
}

const restOf = ({ ms, reason, said, sentAt }: NonNullable<AdvanceOptions["restLane"]>): NonNullable<Move["rest"]> => ({
  ms: Math.ceil(ms),
  why: reason,
  said,
  sent_at: sentAt,
});

export function moveOf(video: Video, written: Video, options: AdvanceOptions): Move {
  const { leave, restLane, pulse, health, alarmAt, probeMs = 0 } = options;
  const isNewStatus = video.status !== written.status;
  return {
    id: video.id,
    had: video.version,
    gets: written.version,
    status: written.status,
    at: written.updatedAt,
    place: placeOf(video, written, leave !== undefined),
    alarm: alarmAt === undefined ? (isNewStatus ? "none" : "keep") : Math.ceil(alarmAt),
    probe_ms: probeMs,
    ...(isFinal(written.status) ? {} : { due: written.dueAt }),
    ...(isNewStatus ? { events: eventStreamLength, counter: counterOf(written) } : {}),
    ...(isNewStatus && written.status === "rendering" ? { task: written.task.id } : {}),
    ...(leave ? { leave } : {}),
    ...(restLane ? { rest: restOf(restLane) } : {}),
    ...(pulse ? { pulse: pulse.kind } : {}),
    ...(pulse?.kind === "crowded" ? { sent_at: pulse.sentAt } : {}),
    ...(health
      ? {
          health: {
            about: health.about,
            said: health.said,
            why: health.why,
            failures: health.failures,
            open_ms: health.openMs,
            longest_ms: health.longestMs,
          },
        }
      : {}),
  };
}

/** What `advance.lua` answered. */
export function advanceOf([kind, first, second, third]: (string | number | null)[], written: Video): Advance {
  const reason = String(second);
  const waitMs = Number(first);
  switch (kind) {
    case "moved":
      return { kind, video: written, ...(second ? { breaker: second as BreakerChange } : {}) };
    case "full":
      return {
        kind: "refused",
        refusal: { kind, inFlight: waitMs, places: Number(second), whose: third as LimitOwner },
      };
    case "rate":
      return { kind: "refused", refusal: { kind, waitMs, allowed: Number(second), whose: third as LimitOwner } };
    case "resting":
    case "open":
      return { kind: "refused", refusal: { kind, waitMs, reason } };
    case "owned":
      return { kind, owner: String(first) as VideoId };
    default:
      return { kind: "changed" };
  }
}
