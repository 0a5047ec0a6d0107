import { eventTypeOf, isEnded, type VideoEvent } from "./event.ts";
import type { VideoBody } from "@reelq/contract";
import { openPatience } from "./patience.ts";
import { pause, reasonOf } from "./pause.ts";
import type { Transport } from "./transport.ts";
import { videoPath } from "./video-calls.ts";

/** Between two looks where nobody says otherwise, in milliseconds: the first pause, and the longest. */
const firstLookMs = 500;
const slowestLookMs = 2_000;

export interface LooksOptions {
  readonly signal?: AbortSignal | undefined;
  readonly awayMs: number;
  /** Between two looks, in milliseconds. @default 500, growing to 2000 */
  readonly everyMs?: number | undefined;
}

/** A video's states, by asking for them again and again; an API that is away is asked again when it may be back. */
export async function* openLooks(
  transport: Transport,
  id: string,
  { signal, awayMs, everyMs }: LooksOptions,
): AsyncGenerator<VideoBody, never> {
  const patience = openPatience(awayMs);
  let pauseMs = everyMs ?? firstLookMs;
  for (;;) {
    let missedMs = 0;
    try {
      const video = await transport.ask<VideoBody>({ path: videoPath(id), signal, tries: 1 });
      patience.heard();
      yield video;
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      missedMs = patience.missed(error);
    }
    await pause(missedMs || pauseMs, signal);
    pauseMs = everyMs ?? Math.min(slowestLookMs, pauseMs * 1.2);
  }
}

/** What an event stream would tell, as far as looks can show it: statuses between two of them are missed. */
export async function* openLookedEvents(
  transport: Transport,
  id: string,
  last: VideoBody | undefined,
  options: LooksOptions,
): AsyncGenerator<VideoEvent, void> {
  let known = last;
  for await (const video of openLooks(transport, id, options)) {
    if (video.reelq.status !== known?.reelq.status) {
      known = video;
      yield eventOf(video);
    }
    if (isEnded(video)) return;
  }
}

const eventOf = (video: VideoBody): VideoEvent => ({
  id: `look_${video.reelq.version}`,
  object: "event",
  type: eventTypeOf[video.reelq.status],
  created_at: Math.floor(Date.parse(video.reelq.updated_at) / 1000),
  project: video.reelq.project,
  data: video,
});
