import { EventEmitter } from "node:events";
import type { Alarm, BatchId, BatchState, DisabledReason, Lane, Status, Video, VideoId } from "@reelq/contract";
import type { BreakerChange } from "./advance.ts";
import type { WebhookTried } from "./webhooks/delivery.ts";

/**
 * What the engine announces. It never logs: the worker app writes lines from these, and tests await them.
 * `video` is the record after the fact.
 */
export interface FactMap {
  /** A video changed its status, or was accepted (`from` is null). */
  moved: [{ video: Video; from: Status | null; note?: string }];
  /** A look, a try or a wait that left the status as it was. */
  waited: [{ video: Video; note: string }];
  /** A lane gave no leave. */
  laneRested: [{ lane: Lane; reason: string; restMs: number }];
  /** Nothing is sent to an upstream for a while, or again. */
  breaker: [{ upstream: string; change: BreakerChange; why: string }];
  /** A video is in a lane, or at an upstream, that the configuration no longer names: nobody sends it or looks at it. */
  laneUnserved: [{ lane: Lane; video: VideoId }];
  /** Nothing passes at this account until a person acts. */
  accountStopped: [{ lane: Lane; code: string; message: string }];
  /** A status word nobody knows was taken for running: once per word. */
  unknownWord: [{ video: Video; word: string }];
  /** A reminder came too late: the record goes by another one (`standing`, the version that one was made with). Harmless. */
  staleReminder: [{ id: VideoId; reminded: number; standing: number | null }];
  /** Somebody else moved the video first; what this one brought is told here so that it is not lost. */
  fenced: [{ id: VideoId; version: number; wanted: Status; task: string | null }];
  /** A video is still where it is, and somebody should know: a render overdue, a file at risk. */
  alarm: [{ video: Video; alarm: Alarm; detail: string }];
  /** A batch changed its state. */
  batchTurned: [{ batch: BatchId; from: BatchState; to: BatchState; why: string }];
  /** A record or a reminder that cannot be read was left alone. */
  setAside: [{ what: "record" | "reminder"; id: string; reason: string }];
  /** The sweep reminded of videos whose next step was missing. */
  swept: [{ reminded: VideoId[]; held: number }];
  /** Something failed that will be tried again. */
  hiccup: [{ where: string; error: Error }];
  /** Webhook deliveries were written for a page of events. */
  webhooksDispatched: [{ events: number; deliveries: number; cursor: string }];
  /** Events were no longer in the stream when webhooks came to read on: nobody was told of them. */
  webhooksMissed: [{ after: string; oldest: string }];
  /** A webhook was sent, or ended without being sent. Its payload and the path of its address are not told. */
  webhookTried: [WebhookTried];
  /** Nothing is sent to an endpoint any more. */
  webhookDisabled: [{ endpoint: string; project: string; reason: DisabledReason }];
  /** One stage's run is over: for counting. */
  ran: [{ stage: StageName; durationMs: number }];
}

export const stageNames = ["submit", "poll", "download"] as const;
export type StageName = (typeof stageNames)[number];

/** Carries facts from the engine to whoever listens in this process. */
export class Facts extends EventEmitter<FactMap> {
  constructor() {
    super();
    this.setMaxListeners(0);
  }
}
