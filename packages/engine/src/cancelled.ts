import { coreOf, type VideoIn } from "@reelq/contract";

/** A video that was free to cancel, as it ends. */
export const cancelledFree = (video: VideoIn<"queued">, now: number): VideoIn<"cancelled"> => ({
  ...coreOf(video),
  status: "cancelled",
  cancelledAt: now,
  abandoned: false,
  dueAt: now,
});
