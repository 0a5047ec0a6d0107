import type { Task, VideoCore } from "@reelq/contract";
import { renderDeadlineMs } from "../backoff.ts";
import type { Move } from "../verdict.ts";
import type { StageContext } from "./context.ts";

/** The upstream gave a task id, or a task was adopted: from here on looks decide. */
export async function startRendering(
  core: VideoCore,
  wire: { readonly id: string; readonly progress?: number | undefined },
  context: StageContext,
): Promise<Move> {
  const now = context.clock.now();
  const task: Task = {
    upstream: core.lane.upstream,
    id: wire.id,
    acceptedAt: now,
    ...(wire.progress === undefined ? {} : { progress: wire.progress }),
  };
  const { typicalRenderSeconds } = context.fleet.catalogue[core.lane.model] ?? {};
  const delayMs = await context.plan.nextLookMs({ ...core, ageMs: 0, reading: undefined });
  return {
    kind: "move",
    next: { ...core, status: "rendering", task, looks: { count: 0, missed: 0, notFound: 0 }, dueAt: now + delayMs },
    delayMs,
    options: { alarmAt: now + renderDeadlineMs(typicalRenderSeconds) },
  };
}
