import type { Task, VideoCore } from "@reelq/contract";
import { nextLookMs, renderDeadlineMs } from "../backoff.ts";
import type { Verdict } from "../verdict.ts";
import type { StageContext } from "./context.ts";

/** The upstream gave a task id, or a task was adopted: from here on looks decide. */
export function startRendering(
  core: VideoCore,
  wire: { readonly id: string; readonly progress?: number | undefined },
  context: StageContext,
): Verdict {
  const now = context.clock.now();
  const task: Task = {
    upstream: core.lane.upstream,
    id: wire.id,
    acceptedAt: now,
    ...(wire.progress === undefined ? {} : { progress: wire.progress }),
  };
  const { typicalRenderSeconds } = context.fleet.catalogue[core.request.model] ?? {};
  const delayMs = nextLookMs({ ageMs: 0, looks: 0, typicalRenderSeconds, progress: wire.progress }, context.dice);
  return {
    kind: "move",
    next: { ...core, status: "rendering", task, looks: { count: 0, missed: 0, notFound: 0 }, dueAt: now + delayMs },
    delayMs,
    options: { alarmAt: now + renderDeadlineMs(typicalRenderSeconds) },
  };
}
