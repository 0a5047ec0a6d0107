import { type EventBody, eventBody, type LedgerEvent, videoBody } from "@reelq/contract";
import { toldBatches } from "./batches/told-batches.ts";
import type { Engine } from "./engine.ts";
import { readable } from "./record.ts";

/** An event as it is told, with the text that all listeners share. */
export interface Told {
  readonly event: LedgerEvent;
  /** `EventBody` as JSON, on one line. */
  readonly text: string;
}

/** Finds the words for events: each with its video or batch as it is now. */
export function openTelling(engine: Engine) {
  const { redis, keys } = engine;
  return async (events: readonly LedgerEvent[]): Promise<Told[]> => {
    const ids = [...new Set(events.flatMap((event) => ("video" in event ? [event.video] : [])))];
    const texts = ids.length > 0 ? await redis.mget(ids.map(keys.video)) : [];
    const videos = new Map(ids.map((id, index) => [id, { text: texts[index], video: readable(id, texts[index])[0] }]));
    const batches = await toldBatches(events, engine);
    return events.map((event) => {
      const { text = null, video } = ("video" in event && videos.get(event.video)) || {};
      return toldOnce(event, () => {
        const subject = "video" in event ? video && videoBody(video) : batches.get(event.subject);
        const body = eventBody(event, subject);
        // Not deleted, only not to be shown: its id is all that can be said.
        const isUnreadable = text !== null && video === undefined;
        return isUnreadable ? { ...body, data: { id: body.data.id } } : body;
      });
    });
  };
}

/** Its text is made for the first who wants it. */
function toldOnce(event: LedgerEvent, body: () => EventBody): Told {
  let text: string | undefined;
  return {
    event,
    get text() {
      return (text ??= JSON.stringify(body()));
    },
  };
}
