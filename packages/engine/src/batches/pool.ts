import type { Lane, PlaceInBatch, Video } from "@reelq/contract";
import type { Fleet } from "../fleet.ts";
import { laneName } from "../lane.ts";

/** Of those that remix a clip which is not stored yet: nothing lets them go. A model has no such name. */
export const heldPool = "(held)";

/**
 * Where a clip waits until its batch lets it go: with all of its model, or, where what it remixes lies at one account,
 * with all of that lane.
 */
export const poolOf = (video: Pick<Video, "request" | "lane" | "batch">): string =>
  isHeld(video) ? heldPool : video.request.remixOf ? laneName(video.lane) : video.request.model;

/** It was left out, because the clip that it remixes failed. */
export const isSkipped = (video: Video): boolean => video.status === "cancelled" && video.skipped === true;

/** The lanes that a pool's clips may go to. */
export const lanesOfPool = (pool: string, { lanes }: Pick<Fleet, "lanes">): readonly Lane[] =>
  lanes.filter((lane) => laneName(lane) === pool || lane.model === pool);

/** It waits in its batch. */
export const isParked = (video: Video): boolean => video.status === "queued" && video.parked === true;

/** It waits in a lane. */
export const isLoose = (video: Video): boolean => video.status === "queued" && !video.parked;

/** Its turn in the pool: a higher priority first, then the manifest's order. */
export const turnOf = ({ priority, number }: PlaceInBatch): number => -priority * 1e9 + number;

/** It remixes a clip that is not stored yet. */
export const isHeld = ({ batch, request }: Pick<Video, "batch" | "request">): boolean =>
  batch?.source !== undefined && request.remixOf === undefined;

/** When a clip is due that waits until its batch lets it go: the keeper remembers it, not the sweep. */
export const parkedUntil = Date.UTC(9999, 0, 1);
