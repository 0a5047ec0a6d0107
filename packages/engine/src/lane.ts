import type { Status } from "@reelq/contract";

/** What an account allows in one lane; 0 or left out: no limit. */
export interface LaneLimits {
  /** Tasks at once. */
  readonly places: number;
  /** POSTs in any minute. */
  readonly perMinute?: number;
}

const placed = new Set<Status>(["submitting", "in_doubt", "rendering"]);

/** In these a video takes up one of its lane's places: the upstream has, or may have, a task that runs. */
export const takesPlace = (status: Status): boolean => placed.has(status);
