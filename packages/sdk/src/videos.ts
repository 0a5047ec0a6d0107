import type { VideoBody, VideoListBody } from "@reelq/contract";
import { BadHandleError } from "./bad-handle-error.ts";
import { type CreateInput, createBody } from "./create-input.ts";
import { allPages } from "./pages.ts";
import type { CallOptions, Transport } from "./transport.ts";
import { openVideoCalls, type VideoCalls, videoPath } from "./video-calls.ts";
import { type CreatedVideo, isHandleText, openHandle, type VideoHandle } from "./video-handle.ts";

export interface CreateOptions extends CallOptions {
  /**
   * The same key and request again is the same video, also from another process and days later.
   * @default made up for each call, so that a call that is sent again never makes a second video
   */
  readonly idempotencyKey?: string | undefined;
}

export interface ListQuery {
  /** Goes on after this video. */
  readonly after?: string | undefined;
  /** Videos in a page, at most 100. @default 20 */
  readonly limit?: number | string | undefined;
  /** @default "desc", the newest first */
  readonly order?: "asc" | "desc" | undefined;
  /** `queued`, `in_progress`, `completed` or `failed`, or one of reelq's own statuses. */
  readonly status?: string | undefined;
  /** Only this batch's, in its manifest's order. */
  readonly batch?: string | undefined;
}

/** Videos. Every call throws ReelqError for what the API refused, and UnreachableError where nothing answered. */
export interface Videos extends VideoCalls {
  /** Asks for a video. It is durable once this resolves; the video itself comes by `handle.result()`. */
  create(input: CreateInput, options?: CreateOptions): Promise<CreatedVideo>;
  /** Asks for another take on a stored video, with its length and size. */
  remix(source: string, input: { readonly prompt: string }, options?: CreateOptions): Promise<CreatedVideo>;
  /**
   * The handle again, from what its `toString()` gave, in any process. Asks the API nothing.
   * @throws BadHandleError
   */
  from(text: string): VideoHandle;
  /** One page. */
  list(query?: ListQuery, options?: CallOptions): Promise<VideoListBody>;
  /** All of them, page by page as they are used. */
  all(query?: ListQuery, options?: CallOptions): AsyncIterable<VideoBody>;
}

export function openVideos(transport: Transport): Videos {
  const calls = openVideoCalls(transport);

  /** Creates carry a key, so they may be sent again where nobody knows whether the first one arrived. */
  const created = async (
    path: string,
    body: Awaited<ReturnType<typeof createBody>>,
    { idempotencyKey = crypto.randomUUID(), signal }: CreateOptions,
  ): Promise<CreatedVideo> => {
    const headers = { "Idempotency-Key": idempotencyKey };
    const video = await transport.ask<VideoBody>({ ...body, method: "POST", path, headers, signal, repeatable: true });
    return openHandle(calls, transport, video.id, video) as CreatedVideo;
  };

  const videos: Videos = {
    ...calls,
    create: async (input, options = {}) => created("/videos", createBody(input), options),
    remix: (source, { prompt }, options = {}) => created(`${videoPath(source)}/remix`, { json: { prompt } }, options),
    from(text) {
      if (!isHandleText(text)) throw new BadHandleError(text);
      return openHandle(calls, transport, text);
    },
    list: (query = {}, { signal } = {}) => transport.ask({ path: "/videos", query, signal }),
    all: (query = {}, options = {}) => allPages((after) => videos.list({ ...query, after }, options), query.after),
  };
  return videos;
}
