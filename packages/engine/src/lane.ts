import type { Lane, Status, Video, VideoId } from "@reelq/contract";
import { MINUTE, SECOND } from "./clock.ts";

/** What is allowed in one place, a lane or a whole account; 0: no limit. */
export interface Limits {
  /** Tasks at once. */
  readonly inFlight: number;
  /** POSTs in any minute. */
  readonly perMinute: number;
  /** Status queries in any second. */
  readonly looksPerSecond: number;
}

/** A video needs leave of both. */
export interface LaneLimits {
  readonly lane: Limits;
  readonly account: Limits;
}

/**
 * What is given leave is sent a little later: the window is longer than a minute, so that the upstream never sees one
 * request too many in a minute of its own.
 */
export const rateSpareMs = 2 * SECOND;
export const rateWindowMs = MINUTE + rateSpareMs;

export const noLimits: Limits = { inFlight: 0, perMinute: 0, looksPerSecond: 0 };

/** What people read. */
export const laneName = ({ upstream, model }: Lane): string => `${upstream}/${model}`;

export const isSameLane = (one: Lane, other: Lane): boolean =>
  one.upstream === other.upstream && one.model === other.model;

const placed = new Set<Status>(["submitting", "in_doubt", "rendering"]);

/** The video takes up one of its lane's places: the upstream has, or may have, a task of it that runs. */
export const takesPlace = (video: Video): boolean =>
  placed.has(video.status) && !(video.status === "in_doubt" && video.doubt.over === true);

/** What stands for its place among those of its account: no model's name has a space. */
export const placeName = ({ model }: Lane, id: VideoId): string => `${model} ${id}`;

/** From and to where a lane's places stand among those of its account, for ZLEXCOUNT. */
export const placesOfLane = ({ model }: Lane): [from: string, to: string] => [`[${model} `, `(${model}!`];
