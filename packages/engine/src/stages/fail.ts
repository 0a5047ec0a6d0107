import type { FailureClass, Task, VideoCore } from "@reelq/contract";
import { billed } from "../attempt.ts";
import type { Move } from "../verdict.ts";
import type { StageContext } from "./context.ts";

export interface Reason {
  readonly class: FailureClass;
  readonly code: string;
  readonly message: string;
}

/** The end of a video that no stage can help any more; its task, where there was one, stays on the record. */
export function fail(core: VideoCore, failure: Reason, context: StageContext, task?: Task): Move {
  const now = context.clock.now();
  const charged = context.fleet.chargedBy(core.lane.upstream, failure.class);
  return {
    kind: "move",
    next: {
      ...billed(core, charged),
      ...(task === undefined ? {} : { task }),
      status: "failed",
      failure,
      failedAt: now,
      dueAt: now,
    },
    delayMs: 0,
  };
}
