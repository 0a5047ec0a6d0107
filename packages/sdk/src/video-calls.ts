import type { ExplanationBody, VideoBody } from "@reelq/contract";
import { type ContentOptions, openContent } from "./content.ts";
import type { DeletedVideo } from "./event.ts";
import type { CallOptions, Transport } from "./transport.ts";

/** A person's word on a doubt: its task's id at the upstream, another attempt, or the end. */
export type Resolution = { readonly task: string } | { readonly resubmit: true } | { readonly fail: true };

/** What can be done with a video whose id is known. */
export interface VideoCalls {
  retrieve(id: string, options?: CallOptions): Promise<VideoBody>;
  /** Why a video is where it is, and when it should move. */
  explain(id: string, options?: CallOptions): Promise<ExplanationBody>;
  /** Free while it is queued; `abandon` throws away what is paid for. */
  cancel(id: string, options?: { readonly abandon?: boolean | undefined } & CallOptions): Promise<VideoBody>;
  /** A new attempt at a failed video, which may cost money; `insist` where its failure says that it would fail again. */
  retry(id: string, options?: { readonly insist?: boolean | undefined } & CallOptions): Promise<VideoBody>;
  /** Settles a doubt. */
  resolve(id: string, word: Resolution, options?: CallOptions): Promise<VideoBody>;
  /** Deletes a video and its files. */
  delete(id: string, options?: CallOptions): Promise<DeletedVideo & { readonly deleted: true }>;
  /** The stored bytes, as a stream. */
  content(id: string, options?: ContentOptions): Promise<Response>;
}

export const videoPath = (id: string): string => `/videos/${encodeURIComponent(id)}`;

export function openVideoCalls(transport: Transport): VideoCalls {
  /** Whether a command that got no answer was obeyed is not known; a new attempt may be paid for twice. */
  const command = (id: string, name: string, json: object, { signal }: CallOptions, repeatable: boolean) =>
    transport.ask<VideoBody>({ method: "POST", path: `${videoPath(id)}/${name}`, json, signal, repeatable });

  return {
    retrieve: (id, { signal } = {}) => transport.ask({ path: videoPath(id), signal }),
    explain: (id, { signal } = {}) => transport.ask({ path: `${videoPath(id)}/explain`, signal }),
    cancel: (id, { abandon = false, ...options } = {}) => command(id, "cancel", { abandon }, options, true),
    retry: (id, { insist = false, ...options } = {}) => command(id, "retry", { insist }, options, false),
    resolve: (id, word, options = {}) => command(id, "resolve", word, options, false),
    delete: (id, { signal } = {}) => transport.ask({ method: "DELETE", path: videoPath(id), signal }),
    content: (id, options = {}) => openContent(transport, videoPath(id), options),
  };
}
