import {
  coreOf,
  failureClasses,
  type FailureClass,
  problem,
  type ProblemError,
  type Task,
  type Video,
  type VideoId,
  type VideoIn,
} from "@reelq/contract";
import { settled } from "./attempt.ts";
import { renderDeadlineMs } from "./backoff.ts";
import type { Engine } from "./engine.ts";
import type { AdvanceOptions } from "./advance.ts";
import type { Caller } from "./caller.ts";
import type { Producer } from "./producer.ts";

/** A person's call is tried so often against stages that move the same video. */
const mostTries = 10;

/** How a doubt is resolved by a person's word. */
export type Resolution =
  /** It is this task at the upstream. */
  | { readonly kind: "task"; readonly task: string }
  /** Nothing was created, or paying twice is better than waiting. */
  | { readonly kind: "resubmit" }
  | { readonly kind: "fail" };

/** What a person may decide about a video. Every call throws ProblemError for what cannot be. */
export interface Person {
  /** Free while queued; what is paid for is stopped only by `abandon`. */
  cancel(id: string, abandon: boolean, caller: Caller): Promise<Video>;
  /** A new attempt at a failed video, where its failure class allows it or the person insists. */
  retry(id: string, insist: boolean, caller: Caller): Promise<Video>;
  /** Settles a doubt. */
  resolve(id: string, resolution: Resolution, caller: Caller): Promise<Video>;
}

interface Decision {
  readonly next: Video;
  readonly options?: AdvanceOptions;
  readonly note: string;
}

export function openPerson(engine: Engine, producer: Pick<Producer, "read">): Person {
  const { ledger, queues, facts, clock, fleet } = engine;

  /** Decides on what the record says now, and again if a stage was faster; undefined: it is as wished already. */
  async function move(
    id: string,
    caller: Caller,
    decide: (video: Video, now: number) => Decision | undefined,
  ): Promise<Video> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const video = await producer.read(id, caller);
      const decision = decide(video, clock.now());
      if (!decision) return video;
      const advance = await ledger.advance(video, decision.next, decision.options);
      if (advance.kind === "owned") throw await ownedByAnother(advance.owner, caller);
      if (advance.kind !== "moved") continue;
      facts.emit("moved", { video: advance.video, from: video.status, note: decision.note });
      await queues.remind(advance.video, 0).catch((error: Error) => facts.emit("hiccup", { where: "remind", error }));
      return advance.video;
    }
    throw problem("conflict", `${id} is moving too fast; try again.`, "id");
  }

  /** Whose it is, is told to whom it belongs. */
  async function ownedByAnother(owner: VideoId, caller: Caller): Promise<ProblemError> {
    const isTheirs = await producer.read(owner, caller).then(
      () => true,
      () => false,
    );
    return problem("conflict", `That task belongs to ${isTheirs ? owner : "another video"} already.`, "task");
  }

  return {
    cancel: (id, abandon, caller) =>
      move(id, caller, (video, now) => {
        if (video.status === "cancelled") return undefined;
        judgeCancel(video, abandon);
        const task = "task" in video && video.task ? { task: video.task } : {};
        return {
          next: {
            ...coreOf(video),
            ...task,
            status: "cancelled",
            cancelledAt: now,
            abandoned: video.status !== "queued",
            dueAt: now,
          },
          note: abandon && video.status !== "queued" ? "abandoned by a person" : "cancelled by a person",
        };
      }),

    retry: (id, insist, caller) =>
      move(id, caller, (video, now) => {
        judgeRetry(video, insist);
        return { next: { ...coreOf(video), status: "queued", dueAt: now }, note: "a person's retry" };
      }),

    resolve: (id, resolution, caller) =>
      move(id, caller, (video, now) => {
        if (video.status !== "in_doubt")
          throw problem("conflict", `${video.id} is ${video.status}; only a video in doubt can be resolved.`, "id");
        return resolved(video, resolution, now);
      }),
  };

  function resolved(video: VideoIn<"in_doubt">, resolution: Resolution, now: number): Decision {
    const core = coreOf(video);
    switch (resolution.kind) {
      case "task": {
        const task: Task = { upstream: video.lane.upstream, id: resolution.task, acceptedAt: now };
        return {
          next: {
            ...settled(core, "adopted", "unknown", now, task.id),
            status: "rendering",
            task,
            looks: { count: 0, missed: 0, notFound: 0 },
            dueAt: now,
          },
          options: { alarmAt: now + renderDeadlineMs(fleet.catalogue[video.request.model]?.typicalRenderSeconds) },
          note: "a person named its task",
        };
      }
      case "resubmit":
        return {
          next: { ...settled(core, "given_up", "unknown", now), status: "queued", dueAt: now },
          note: "a person had it sent again",
        };
      case "fail": {
        const failure = {
          class: "declared" as const,
          code: "declared",
          message: "A person gave it up while it was in doubt.",
        };
        return {
          next: { ...settled(core, "given_up", "unknown", now), status: "failed", failure, failedAt: now, dueAt: now },
          note: "a person gave it up",
        };
      }
    }
  }
}

function judgeCancel(video: Video, abandon: boolean): void {
  switch (video.status) {
    case "queued":
      return;
    case "rendering":
    case "downloading":
      if (abandon) return;
      throw problem(
        "conflict",
        `${video.id} is ${video.status} and paid for; it can only be abandoned. Say {"abandon": true} to throw the result away.`,
        "abandon",
      );
    case "submitting":
      throw problem("conflict", `${video.id} is being submitted at this moment; try again in a few seconds.`, "id");
    case "in_doubt":
      throw problem("conflict", `${video.id} is in doubt: it may have been paid for. It must be resolved first.`, "id");
    default:
      throw problem("conflict", `${video.id} is ${video.status}; there is nothing left to cancel.`, "id");
  }
}

function judgeRetry(video: Video, insist: boolean): asserts video is VideoIn<"failed"> {
  if (video.status !== "failed")
    throw problem("conflict", `${video.id} is ${video.status}; only a failed video can be retried.`, "id");
  const failureClass: FailureClass = video.failure.class;
  const { retry, meaning, charged } = failureClasses[failureClass];
  if (retry === "allowed" || insist) return;
  throw problem(
    "conflict",
    `${video.id} failed as ${failureClass}: ${meaning} (charged: ${charged}). Say {"insist": true} to pay for another attempt all the same.`,
    "insist",
  );
}
