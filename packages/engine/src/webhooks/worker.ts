import { type Dice, SECOND } from "../clock.ts";
import type { Engine } from "../engine.ts";
import { type Send, startCourier } from "./courier.ts";
import { openDeliveries } from "./deliveries.ts";
import { startDispatcher } from "./dispatcher.ts";

export interface WebhookTimings {
  /** An address must have answered by then. */
  readonly timeoutMs: number;
  /** What a worker that died was sending is sent by another one after so long. */
  readonly leaseMs: number;
  /** Whatever was not heard of is found within this time. */
  readonly passEveryMs: number;
  /** The stream is read by another worker so long after the one that read it died. */
  readonly turnMs: number;
  /** How long a read of the stream waits for events. */
  readonly blockMs: number;
}

const defaultTimings: WebhookTimings = {
  timeoutMs: 15 * SECOND,
  leaseMs: 6 * SECOND,
  passEveryMs: 5 * SECOND,
  turnMs: 10 * SECOND,
  blockMs: 5 * SECOND,
};

export interface WebhookWorkerOptions {
  /** Unique among all that share the Redis. */
  readonly name: string;
  readonly send: Send;
  readonly dice?: Dice;
  readonly timings?: Partial<WebhookTimings>;
}

/** Turns events into webhooks and sends them, until closed. */
export interface WebhookWorker {
  /** Waits at most so long for what is being sent; what did not end is sent again by the next worker. */
  close(deadlineMs: number): Promise<void>;
}

export function startWebhookWorker(engine: Engine, options: WebhookWorkerOptions): WebhookWorker {
  const { name, send, dice = Math.random } = options;
  const { timeoutMs, leaseMs, passEveryMs, turnMs, blockMs } = { ...defaultTimings, ...options.timings };
  const deliveries = openDeliveries(engine);
  const courier = startCourier({ engine, deliveries, send, dice, timeoutMs, leaseMs, passEveryMs });
  const dispatcher = startDispatcher({ engine, deliveries, name, wake: courier.wake, turnMs, blockMs });
  return {
    async close(deadlineMs) {
      await dispatcher.stop();
      await courier.stop(deadlineMs);
    },
  };
}
