import type { VideoBody } from "@reelq/contract";
import { isLastOf, type VideoStreamEvent } from "./event.ts";
import { NoStreamError, openFeed } from "./feed.ts";
import { openLookedEvents } from "./looks.ts";
import type { Transport } from "./transport.ts";
import { videoPath } from "./video-calls.ts";

export interface VideoEventsOptions {
  readonly signal?: AbortSignal | undefined;
  readonly lastEventId?: string | undefined;
  readonly awayMs: number;
}

/** One video's events until its last one: streamed, or found by asking where streams are not possible. */
export async function* openVideoEvents(
  transport: Transport,
  id: string,
  options: VideoEventsOptions,
): AsyncGenerator<VideoStreamEvent, void> {
  let known: VideoBody | undefined;
  const feed = openFeed(transport, { ...options, path: `${videoPath(id)}/events`, canAsk: true });
  try {
    for await (const event of feed as AsyncGenerator<VideoStreamEvent, void>) {
      yield event;
      if (event.type === "gap") continue;
      if (isLastOf(event)) return;
      if (event.data.object === "video") known = event.data;
    }
    return;
  } catch (error) {
    if (!(error instanceof NoStreamError)) throw error;
  }
  yield* openLookedEvents(transport, id, known, options);
}
