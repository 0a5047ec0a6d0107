import type { Video, VideoId, VideoIn } from "@reelq/contract";
import { CorruptRecordError } from "../corrupt-record.ts";
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
  /** `unreadable`: nobody here can read its record, which is told once. */
  read(id: VideoId): Promise<Video | "unreadable" | undefined>;
  /** A queued video that waits in its batch; undefined where it is something else by now. */
  parked(id: VideoId): Promise<VideoIn<"queued"> | undefined>;
  /** Moves a video and tells of it; undefined where somebody was faster. */
  move(video: Video, next: Video, note: string): Promise<Video | undefined>;
}

/** Records that cannot be read are few, or something else is wrong. */
const mostTold = 1_000;

export function openKeeping(engine: Engine): Keeping {
  const { ledger, facts } = engine;
  const told = new Set<VideoId>();

  async function read(id: VideoId): Promise<Video | "unreadable" | undefined> {
    try {
      return await ledger.read(id);
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      if (!told.has(id) && told.size < mostTold) facts.emit("setAside", { what: "record", id, reason: error.message });
      told.add(id);
      return "unreadable";
    }
  }

  return {
    engine,
    store: openBatchStore(engine),
    plan: openPlan(ledger, engine.fleet, engine.clock, Math.random),
    replace: openReplacing(engine),
    scripts: defineScripts(engine.redis),

    read,

    async parked(id) {
      const video = await read(id);
      return typeof video === "object" && video.status === "queued" && video.parked ? video : undefined;
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
