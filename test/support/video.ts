import {
  coreOf,
  type Lane,
  newVideoId,
  noSetbacks,
  recordSchemaVersion,
  type Status,
  type Task,
  type Video,
  type VideoCore,
  type VideoIn,
} from "@reelq/contract";
import type { LaneLimits, Ledger } from "@reelq/engine";

export const someLane: Lane = { upstream: "main", model: "sora-2" };

/** A time that no test depends on. */
export const someTime = Date.UTC(2026, 10, 22, 12);

/** A record in a status, with nothing remarkable about it but what is said. */
export function aVideo<S extends Status>(status: S, facts: Partial<VideoIn<S>> = {}): VideoIn<S> {
  const core: VideoCore = {
    schema: recordSchemaVersion,
    id: newVideoId(someTime),
    version: 1,
    reminder: 1,
    project: "default",
    request: { prompt: "a cat", model: someLane.model, seconds: 10, size: "720x1280" },
    lane: someLane,
    createdAt: someTime,
    updatedAt: someTime,
    dueAt: someTime,
    attempts: [],
    setbacks: noSetbacks,
  };
  return { ...core, status, ...proper(status), ...facts } as unknown as VideoIn<S>;
}

/** The same video in its next status: what a stage would write. */
export function inStatus<S extends Status>(video: VideoCore, status: S, facts: Partial<VideoIn<S>> = {}): VideoIn<S> {
  const { batch: _, webhook: __, ...core } = coreOf(video as Video);
  return { ...core, status, ...proper(status), ...facts } as unknown as VideoIn<S>;
}

/** Leave in a lane with such limits, in an account without any. */
export const leaveOf = ({ inFlight = 0, perMinute = 0 }: { inFlight?: number; perMinute?: number }): LaneLimits => ({
  lane: { inFlight, perMinute, looksPerSecond: 0 },
  account: { inFlight: 0, perMinute: 0, looksPerSecond: 0 },
});

/** Places taken in a lane. */
export async function inFlightOf(ledger: Ledger, lane: Lane): Promise<number> {
  const [state] = await ledger.laneStates([lane]);
  return state?.inFlight ?? 0;
}

/** How an advance ended: why leave was refused, where it was. */
export const endOf = (advance: Awaited<ReturnType<Ledger["advance"]>>): string =>
  advance.kind === "refused" ? advance.obstacle.kind : advance.kind;

let tasks = 0;

export const aTask = (facts: Partial<Task> = {}): Task => ({
  upstream: someLane.upstream,
  id: `task_${(tasks += 1)}`,
  acceptedAt: someTime,
  ...facts,
});

/** The fields that only this status has. */
function proper(status: Status): object {
  const looks = { count: 0, missed: 0, notFound: 0 };
  switch (status) {
    case "queued":
      return {};
    case "submitting":
      return { worker: "worker-1" };
    case "in_doubt":
      return { doubt: { since: someTime, reason: "the reply was lost", looks: 0, held: false } };
    case "rendering":
      return { task: aTask(), looks };
    case "downloading":
      return { task: aTask(), looks, fetching: { tries: 0 } };
    case "stored":
      return { task: aTask(), looks, file: someFile, storedAt: someTime };
    case "failed":
      return { failure: { class: "refused", code: "refused", message: "No." }, failedAt: someTime };
    case "cancelled":
      return { cancelledAt: someTime, abandoned: false };
  }
}

const someFile = {
  key: "2026/11/22/some.mp4",
  sidecarKey: "2026/11/22/some.mp4.json",
  bytes: 1000,
  sha256: "0".repeat(64),
  contentType: "video/mp4",
  differences: [],
};
