import type { VideoBody } from "@reelq/contract";
import { isEnded, type VideoStreamEvent } from "./event.ts";
import { openLooks } from "./looks.ts";
import { follow, pause, reasonOf, setAlarm } from "./pause.ts";
import type { Transport } from "./transport.ts";
import { VideoCancelledError } from "./video-cancelled-error.ts";
import { openVideoEvents } from "./video-events.ts";
import { VideoFailedError } from "./video-failed-error.ts";
import { WaitTimeoutError } from "./wait-timeout-error.ts";

/** An API that restarts or fails over is back within this time, in milliseconds. */
export const defaultAwayMs = 5 * 60_000;

/** Between two streams that both ended before the video did, in milliseconds. */
const streamAgainMs = 1_000;

export interface ResultOptions {
  /** Gives up the wait, with its reason; the video goes on. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in milliseconds; then WaitTimeoutError. @default without end */
  readonly timeoutMs?: number | undefined;
  /**
   * How long the API may give no answer without a break, in milliseconds; then UnreachableError, or the
   * ReelqError of the last answer where a gateway or a failing API was all that answered. @default 300000
   */
  readonly awayMs?: number | undefined;
  /**
   * Asks so often, in milliseconds, in place of listening: for a display, because events tell of each new status and
   * not of the progress in between. @default listens
   */
  readonly everyMs?: number | undefined;
  /** Called with every state that was seen. */
  readonly onUpdate?: ((video: VideoBody) => void) | undefined;
}

/** @returns the completed video */
export async function waitForResult(transport: Transport, id: string, options: ResultOptions): Promise<VideoBody> {
  const { timeoutMs = Number.POSITIVE_INFINITY, awayMs = defaultAwayMs, everyMs, onUpdate } = options;
  const wait = follow(options.signal);
  const { signal } = wait;
  let last: VideoBody | undefined;
  const callOff = setAlarm(timeoutMs, () => wait.abort(new WaitTimeoutError(id, timeoutMs, last)));
  const states =
    everyMs === undefined
      ? openStates(transport, id, { signal, awayMs })
      : openLooks(transport, id, { signal, awayMs, everyMs });
  try {
    if (signal.aborted) throw reasonOf(signal);
    for await (const video of states) {
      last = video;
      onUpdate?.(video);
      if (isEnded(video)) return settled(video);
    }
    throw new Error(`${id} was no longer looked at.`);
  } finally {
    callOff();
    wait.letGo();
  }
}

function settled(video: VideoBody): VideoBody {
  if (video.status === "completed") return video;
  throw video.reelq.status === "cancelled" ? new VideoCancelledError(video) : new VideoFailedError(video);
}

interface StatesOptions {
  readonly signal: AbortSignal;
  readonly awayMs: number;
}

async function* openStates(transport: Transport, id: string, options: StatesOptions): AsyncGenerator<VideoBody, never> {
  for (;;) {
    for await (const event of openVideoEvents(transport, id, options))
      yield stateOf(event) ?? (await lookOnce(transport, id, options));
    yield await lookOnce(transport, id, options);
    await pause(streamAgainMs, options.signal);
  }
}

/** Undefined: the event does not say; one that is deleted is told by the API's own error. */
const stateOf = (event: VideoStreamEvent): VideoBody | undefined =>
  event.type !== "gap" && event.data.object === "video" ? event.data : undefined;

async function lookOnce(transport: Transport, id: string, options: StatesOptions): Promise<VideoBody> {
  for await (const video of openLooks(transport, id, options)) return video;
  throw new Error(`${id} was not looked at.`);
}
