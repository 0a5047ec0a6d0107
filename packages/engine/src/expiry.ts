import type { Task } from "@reelq/contract";
import { HOUR, SECOND } from "./clock.ts";

/** What is assumed where the upstream does not say when it deletes its file: the shortest life that was seen. */
const assumedLifeMs = HOUR;

/** A file is at risk once less than this share of its life is left. */
const riskShare = 0.25;

/** When the upstream's file is taken to expire, ms since 1970. */
export const expiryOf = ({ expiresAt, completedAt, acceptedAt }: Task): number =>
  expiresAt ?? (completedAt ?? acceptedAt) + assumedLifeMs;

/** When somebody should hear that the file is still not stored, ms since 1970. */
export const riskAt = (task: Task, now: number): number =>
  now + Math.max(SECOND, (expiryOf(task) - now) * (1 - riskShare));
