import type { Transport } from "./transport.ts";

export interface ContentOptions {
  /** Which of its files. @default "video" */
  readonly variant?: "video" | "thumbnail" | "spritesheet" | undefined;
  /** A part of it: the first and the last byte, counted from 0; to the end where the last is left out. */
  readonly range?: { readonly start: number; readonly end?: number | undefined } | undefined;
  /** Cuts the stream too. */
  readonly signal?: AbortSignal | undefined;
}

/** The bytes below a path as they come: `response.body` is a stream, and `response.headers` has type, length and ETag. */
export const openContent = (
  transport: Transport,
  path: string,
  { variant, range, signal }: ContentOptions,
): Promise<Response> =>
  transport.open({
    path: `${path}/content`,
    query: { variant },
    headers: range ? { Range: `bytes=${range.start}-${range.end ?? ""}` } : {},
    signal,
  });
