import { EventEmitter, once } from "node:events";
import type { Redis } from "ioredis";

/** Whether Redis answers, known without asking it first. */
export interface Pulse {
  readonly isBeating: () => boolean;
  /** Whether it beats within this time. */
  beatsWithin(ms: number): Promise<boolean>;
  /** Called each time that it stops. */
  onStop(tell: () => void): void;
  close(): void;
}

const everyMs = 200;

/** Silence for so long is an outage. */
const silentMs = 600;

/**
 * Asks Redis for a sign of life five times a second. A process that is itself too busy to hear the answer does not take
 * that for silence: it looks only after it has read what had come.
 */
export function openPulse(redis: Redis): Pulse {
  const events = new EventEmitter<{ beat: []; stop: [] }>();
  events.setMaxListeners(0);
  let heardAt = performance.now();
  let isBeating = true;
  let isAsked = false;
  const hear = (): void => {
    heardAt = performance.now();
    isBeating = true;
    events.emit("beat");
  };
  const look = (): void => {
    const wasBeating = isBeating;
    isBeating = performance.now() - heardAt < silentMs;
    if (wasBeating && !isBeating) events.emit("stop");
  };
  const ask = async (): Promise<void> => {
    if (isAsked) return;
    isAsked = true;
    try {
      await redis.ping();
      hear();
    } catch {
      // Silence says enough.
    } finally {
      isAsked = false;
    }
  };
  const timer = setInterval(() => {
    void ask();
    setImmediate(look);
  }, everyMs);
  redis.on("ready", hear);
  return {
    isBeating: () => isBeating,
    async beatsWithin(ms) {
      if (isBeating) return true;
      return once(events, "beat", { signal: AbortSignal.timeout(ms) }).then(
        () => true,
        () => false,
      );
    },
    onStop: (tell) => void events.on("stop", tell),
    close() {
      clearInterval(timer);
      redis.off("ready", hear);
    },
  };
}
