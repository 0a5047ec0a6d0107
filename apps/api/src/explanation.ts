import type { ExplanationBody } from "@reelq/contract";
import { type Explanation, laneName } from "@reelq/engine";

const isoTime = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

/** What the HTTP API shows of an explanation. */
export function explanationBody(explanation: Explanation): ExplanationBody {
  const { video, sentence, nextAt, expected, lane, ahead } = explanation;
  return {
    id: video.id,
    object: "video.explanation",
    status: video.status,
    sentence,
    next_at: isoTime(nextAt),
    expected: expected
      ? { median: isoTime(expected.median) ?? "", ninety_percent: isoTime(expected.ninety) ?? "" }
      : null,
    obstacle: obstacleBody(explanation),
    lane: lane
      ? {
          name: laneName(lane.lane),
          ahead: ahead ?? null,
          waiting: lane.waiting,
          in_flight: lane.inFlight,
          breaker: lane.breaker.state,
          breaker_why: lane.breaker.why || null,
        }
      : null,
  };
}

function obstacleBody({ obstacle }: Explanation): ExplanationBody["obstacle"] {
  if (!obstacle) return null;
  switch (obstacle.kind) {
    case "breaker":
    case "resting":
      return { kind: obstacle.kind, reason: obstacle.reason, seconds: secondsOf(obstacle.waitMs) };
    case "full":
      return {
        kind: "full",
        in_flight: obstacle.inFlight,
        places: obstacle.places,
        of: obstacle.whose,
        learned: obstacle.isLearned,
      };
    case "rate":
      return {
        kind: "rate",
        requests_per_minute: obstacle.allowed,
        seconds: secondsOf(obstacle.waitMs),
        of: obstacle.whose,
      };
  }
}

const secondsOf = (ms: number): number => Math.ceil(ms / 1000);
