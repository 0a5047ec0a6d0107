import type { Status } from "@reelq/contract";

const placed = new Set<Status>(["submitting", "in_doubt", "rendering"]);

/** In these a video takes up one of its lane's places: the upstream has, or may have, a task that runs. */
export const takesPlace = (status: Status): boolean => placed.has(status);
