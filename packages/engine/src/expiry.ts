import type { Task } from "@reelq/contract";
import { HOUR, SECOND } from "./clock.ts";

/** What is assumed of an upstream that does not say when it deletes its files: the shortest life that was seen. */
export const assumedLifeMs = HOUR;

/** A file is at risk once less than this share of its life is left. */
const riskShare = 0.25;

/** When the upstream's file is taken to expire, ms since 1970. */
export const expiryOf = ({ expiresAt, assumedExpiresAt, completedAt, acceptedAt }: Task): number =>
  expiresAt ?? assumedExpiresAt ?? (completedAt ?? acceptedAt) + assumedLifeMs;

/** When somebody should hear that the file is still not stored, ms since 1970. */
export const riskAt = (task: Task, now: number): number =>
  now + Math.max(SECOND, (expiryOf(task) - now) * (1 - riskShare));
