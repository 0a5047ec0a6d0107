import type { ExplanationBody, VideoBody } from "@reelq/contract";
import type { ContentOptions } from "./content.ts";
import type { VideoStreamEvent } from "./event.ts";
import { defaultAwayMs, type ResultOptions, waitForResult } from "./result.ts";
import type { CallOptions, Transport } from "./transport.ts";
import type { Resolution, VideoCalls } from "./video-calls.ts";
import { openVideoEvents } from "./video-events.ts";

export interface EventsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Goes on after this event: the `id` of one that was seen. @default begins with the present state */
  readonly lastEventId?: string | undefined;
  /** As in `result`. @default 300000 */
  readonly awayMs?: number | undefined;
}

/** One video, wherever it is on its way. It holds no connection: keep as many as you like, for as long as you like. */
export interface VideoHandle {
  readonly id: string;
  /** The last state that this handle saw; undefined where it has seen none. */
  readonly video: VideoBody | undefined;
  /**
   * Waits for the end. The API may restart, and so may this process: wait again with `videos.from(text)`.
   * @returns the completed video, whose bytes `content()` has
   * @throws VideoFailedError, VideoCancelledError; WaitTimeoutError after `timeoutMs`; the signal's reason;
   *   UnreachableError once the API was away for `awayMs`; ReelqError where it says that there is no such video
   */
  result(options?: ResultOptions): Promise<VideoBody>;
  /**
   * Its events as they come, from its present state or `lastEventId` on, until the last one. Connections that break
   * are made again where the last one ended, so no event is missed or told twice. Where the API cannot stream, its
   * state is asked for instead: such events have ids that begin with `look_`, and a short status may go unseen.
   */
  events(options?: EventsOptions): AsyncIterableIterator<VideoStreamEvent>;
  retrieve(options?: CallOptions): Promise<VideoBody>;
  cancel(options?: { readonly abandon?: boolean | undefined } & CallOptions): Promise<VideoBody>;
  retry(options?: { readonly insist?: boolean | undefined } & CallOptions): Promise<VideoBody>;
  resolve(word: Resolution, options?: CallOptions): Promise<VideoBody>;
  explain(options?: CallOptions): Promise<ExplanationBody>;
  delete(options?: CallOptions): ReturnType<VideoCalls["delete"]>;
  content(options?: ContentOptions): Promise<Response>;
  /** The video's id: what `videos.from` turns back into a handle. */
  toString(): string;
  toJSON(): string;
}

/** The handle of a video that was asked for just now. */
export interface CreatedVideo extends VideoHandle {
  readonly video: VideoBody;
}

const videoId = /^video_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const isHandleText = (text: unknown): boolean => typeof text === "string" && videoId.test(text);

export function openHandle(calls: VideoCalls, transport: Transport, id: string, first?: VideoBody): VideoHandle {
  let last = first;
  /** Answers may overtake one another. */
  const see = (video: VideoBody): VideoBody => {
    if (!last || video.reelq.version >= last.reelq.version) last = video;
    return video;
  };

  async function* events({ awayMs = defaultAwayMs, ...options }: EventsOptions) {
    for await (const event of openVideoEvents(transport, id, { ...options, awayMs })) {
      if (event.type !== "gap" && event.data.object === "video") see(event.data);
      yield event;
    }
  }

  return {
    id,
    get video() {
      return last;
    },
    result: (options = {}) =>
      waitForResult(transport, id, {
        ...options,
        onUpdate(video) {
          see(video);
          options.onUpdate?.(video);
        },
      }),
    events: (options = {}) => events(options),
    retrieve: async (options) => see(await calls.retrieve(id, options)),
    cancel: async (options) => see(await calls.cancel(id, options)),
    retry: async (options) => see(await calls.retry(id, options)),
    resolve: async (word, options) => see(await calls.resolve(id, word, options)),
    explain: (options) => calls.explain(id, options),
    delete: (options) => calls.delete(id, options),
    content: (options) => calls.content(id, options),
    toString: () => id,
    toJSON: () => id,
  };
}
