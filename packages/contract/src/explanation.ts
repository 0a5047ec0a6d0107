import type { Status } from "./lifecycle.ts";

/** Why a video is where it is, as `GET /v1/videos/{id}/explain` shows it; times in ISO 8601. */
export interface ExplanationBody {
  id: string;
  object: "video.explanation";
  status: Status;
  /** One plain sentence. */
  sentence: string;
  /** The next thing that happens to it by itself; null: nothing does, or nobody can say when. */
  next_at: string | null;
  /** When it is expected to be rendered: the median, and what nine of ten do not pass. */
  expected: { median: string; ninety_percent: string } | null;
  /** What keeps a queued video's lane from sending. */
  obstacle:
    | { kind: "breaker" | "resting"; reason: string; seconds: number }
    /** `learned`: nobody configured so few places, the upstream's refusals taught it. */
    | { kind: "full"; in_flight: number; places: number; of: "lane" | "account"; learned: boolean }
    | { kind: "rate"; requests_per_minute: number; seconds: number; of: "lane" | "account" }
    | null;
  /** Null once it is final. */
  lane: {
    name: string;
    /** Older queued videos of the lane; null where it is not queued. */
    ahead: number | null;
    waiting: number;
    in_flight: number;
    /** Whether anything is sent to its upstream. */
    breaker: "closed" | "open" | "half_open";
    breaker_why: string | null;
  } | null;
}
