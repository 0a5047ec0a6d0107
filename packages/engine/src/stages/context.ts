import type { BatchId, Lane, Video, VideoId, VideoIn } from "@reelq/contract";
import type { Upstream } from "@reelq/upstream";
import type { BatchRecord } from "../batches/record.ts";
import type { Clock, Dice } from "../clock.ts";
import type { Fleet } from "../fleet.ts";
import type { Facts } from "../facts.ts";
import type { Evidence } from "../ledger.ts";
import type { DeskLook } from "../look-desk.ts";
import type { Plan } from "../plan.ts";
import type { ReadLanes } from "../route.ts";
import type { Storage } from "../storage/storage.ts";

/** What to do with a doubt that evidence cannot settle. */
export type DoubtPolicy = "hold" | "resubmit";

/** All that a stage may use: it knows nothing of Redis or queues. */
export interface StageContext {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly fleet: Fleet;
  readonly facts: Facts;
  readonly storage: Storage;
  /** This worker's name, for the intents it holds. */
  readonly worker: string;
  readonly doubtPolicy: DoubtPolicy;
  /** Undefined: this worker has no account of that name. */
  readonly upstream: (lane: Lane) => Upstream | undefined;
  /** Whether the worker that wrote an intent still shows signs of life. */
  readonly isAlive: (worker: string) => Promise<boolean>;
  /** The video that owns an upstream's task. */
  readonly ownerOf: (upstream: string, task: string) => Promise<VideoId | undefined>;
  /** One look at a render, alone or together with others, once there is leave for it. */
  readonly look: (video: VideoIn<"rendering">) => Promise<DeskLook>;
  /** When to look at a render. */
  readonly plan: Plan;
  /** A batch as it was a moment ago. */
  readonly batch: (id: BatchId) => Promise<BatchRecord | undefined>;
  /** What lanes hold, and what keeps them from sending. */
  readonly readLanes: ReadLanes;
  /** Tasks that workers brought for this video after their attempts had been taken for lost. */
  readonly evidenceFor: (video: VideoId) => Promise<readonly Evidence[]>;
  /** Announces a status word that nobody knows, once. */
  readonly wonder: (video: Video, word: string) => void;
  /** The latest tasks that our videos came to own at an upstream between two times. */
  readonly recentTasks: (upstream: string, since: number, until: number) => Promise<readonly string[]>;
  /** Ends when the worker must stop at once. */
  readonly signal: AbortSignal;
}
