import { z } from "zod";
import { SECOND } from "./clock.ts";

const seconds = (byDefault: number) => z.number().positive().max(86_400).default(byDefault);

/**
 * The times by which crashes are noticed and doubts are settled, in seconds. The defaults suit upstreams on the
 * open internet; shorter ones find a dead worker sooner and tell a slow one from a dead one less well.
 */
export const timingsSchema = z
  .strictObject({
    /** A worker that gave no sign of life for so long is taken for dead. */
    leaseSeconds: seconds(15),
    /** A reminder whose worker has been silent for so long goes to another one. */
    lockSeconds: seconds(30),
    /** Between two sweeps. */
    sweepSeconds: seconds(10),
    /** A step may be so late before anyone is suspicious. */
    graceSeconds: seconds(15),
    /** An intent's POST must be sent within this time, or it is not sent at all. */
    postWithinSeconds: seconds(10),
    /** An intent without an outcome is looked at after this time. */
    overdueSeconds: seconds(15),
    /** Between two looks at the upstream's list that together prove an absence: a list may lag behind its creates. */
    quietSeconds: seconds(20),
    /** Between other looks at a doubt. */
    doubtLookSeconds: seconds(10),
    /** Between looks at a doubt that is held for a person: evidence may still turn up. */
    heldLookSeconds: seconds(600),
    /** Nothing is sent to an upstream for so long after a run of failures; twice as long each time, two minutes at most. */
    breakerSeconds: seconds(10),
    /** The same after its account refused: no credit, or a key that is no longer valid. */
    accountSeconds: seconds(120),
  })
  .superRefine(({ leaseSeconds, graceSeconds }, context) => {
    if (leaseSeconds > graceSeconds * 10)
      context.addIssue({
        code: "custom",
        path: ["leaseSeconds"],
        message: "is more than ten times graceSeconds: dead workers would be noticed long after their work is overdue",
      });
  })
  .prefault({});

export type TimingSettings = z.infer<typeof timingsSchema>;

/** The same in milliseconds, by the names code uses. */
export interface Timings {
  readonly leaseMs: number;
  readonly lockMs: number;
  readonly sweepEveryMs: number;
  readonly graceMs: number;
  readonly postWithinMs: number;
  readonly overdueAfterMs: number;
  readonly quietMs: number;
  readonly doubtLookMs: number;
  readonly heldLookMs: number;
  readonly breakerMs: number;
  readonly accountMs: number;
}

export const timingsOf = (settings: TimingSettings): Timings => ({
  leaseMs: settings.leaseSeconds * SECOND,
  lockMs: settings.lockSeconds * SECOND,
  sweepEveryMs: settings.sweepSeconds * SECOND,
  graceMs: settings.graceSeconds * SECOND,
  postWithinMs: settings.postWithinSeconds * SECOND,
  overdueAfterMs: settings.overdueSeconds * SECOND,
  quietMs: settings.quietSeconds * SECOND,
  doubtLookMs: settings.doubtLookSeconds * SECOND,
  heldLookMs: settings.heldLookSeconds * SECOND,
  breakerMs: settings.breakerSeconds * SECOND,
  accountMs: settings.accountSeconds * SECOND,
});
