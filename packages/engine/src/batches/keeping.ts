import type { Video, VideoId, VideoIn } from "@reelq/contract";
import type { Engine } from "../engine.ts";
import { openPlan, type Plan } from "../plan.ts";
import { defineScripts } from "../scripts.ts";
import { openReplacing } from "./replacing.ts";
import { type BatchStore, openBatchStore } from "./store.ts";

/** What each part of the keeper's work uses. */
export interface Keeping {
  readonly engine: Engine;
  readonly store: BatchStore;
  readonly plan: Plan;
  readonly replace: ReturnType<typeof openReplacing>;
  readonly scripts: ReturnType<typeof defineScripts>;
  /** A queued video that waits in its batch; undefined where it is something else by now. */
  parked(id: VideoId): Promise<VideoIn<"queued"> | undefined>;
  /** Moves a video and tells of it; undefined where somebody was faster. */
  move(video: Video, next: Video, note: string): Promise<Video | undefined>;
}

export function openKeeping(engine: Engine): Keeping {
  const { ledger, facts } = engine;
  return {
    engine,
    store: openBatchStore(engine),
    plan: openPlan(ledger, engine.fleet, engine.clock, Math.random),
    replace: openReplacing(engine),
    scripts: defineScripts(engine.redis),

    async parked(id) {
      const video = await ledger.read(id);
      return video?.status === "queued" && video.parked ? video : undefined;
    },

    async move(video, next, note) {
      const advance = await ledger.advance(video, next);
      if (advance.kind !== "moved") return undefined;
      if (video.status === next.status) facts.emit("waited", { video: advance.video, note });
      else facts.emit("moved", { video: advance.video, from: video.status, note });
      return advance.video;
    },
  };
}

/** A clip as its lane gets it. */
export function loosened(video: VideoIn<"queued">, now: number): VideoIn<"queued"> {
  const { parked: _, waiting: __, ...rest } = video;
  return { ...rest, dueAt: now };
}
