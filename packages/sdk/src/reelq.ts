import type { EventType } from "@reelq/contract";
import { type Batches, openBatches } from "./batches.ts";
import type { ProjectStreamEvent } from "./event.ts";
import { NoStreamError, openFeed } from "./feed.ts";
import { type Files, openFiles } from "./files.ts";
import { defaultAwayMs } from "./result.ts";
import { defaultTries, openTransport, type Transport } from "./transport.ts";
import type { EventsOptions } from "./video-handle.ts";
import { openVideos, type Videos } from "./videos.ts";
import { openWebhookEndpoints, type WebhookEndpoints } from "./webhook-endpoints.ts";

/** One answer, uploads included, is there within this time, in milliseconds. */
const defaultTimeoutMs = 60_000;

export interface ReelqOptions {
  /** Where the API listens: `https://reelq.example`, with or without `/v1`. */
  readonly url: string;
  /** The API key; without one where the API asks for none. */
  readonly key?: string | undefined;
  /** What sends the requests. @default the platform's own */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long one try may take until the whole answer is there (until it begins, where it is streamed), in milliseconds. @default 60000 */
  readonly timeoutMs?: number | undefined;
  /**
   * How often a call is sent that gets no answer, 429 or an error of a gateway's (502, 503, 504), with growing pauses
   * or those that the API asks for. What could be done twice by that is sent once. @default 5
   */
  readonly tries?: number | undefined;
}

export interface ProjectEventsOptions extends EventsOptions {
  /** Only these. @default all */
  readonly types?: readonly EventType[] | undefined;
}

/** A producer's view of reelq. */
export interface Reelq {
  readonly videos: Videos;
  readonly files: Files;
  readonly batches: Batches;
  readonly webhookEndpoints: WebhookEndpoints;
  /**
   * The events of the key's project as they come, from now or `lastEventId` on, without end. Connections that break
   * are made again where the last one ended; keep the `id` of the last event to do the same after a restart.
   */
  events(options?: ProjectEventsOptions): AsyncIterableIterator<ProjectStreamEvent>;
}

/**
 * Opens the client. It sends nothing by itself and holds no connection.
 * @throws TypeError where `url` is none
 */
export function openReelq({ url, key, fetch, timeoutMs, tries }: ReelqOptions): Reelq {
  const transport = openTransport({
    url: baseOf(url),
    key,
    // Browsers let it be called as their own only.
    fetch: fetch ?? ((...call) => globalThis.fetch(...call)),
    timeoutMs: timeoutMs ?? defaultTimeoutMs,
    tries: tries ?? defaultTries,
  });
  return {
    videos: openVideos(transport),
    files: openFiles(transport),
    batches: openBatches(transport),
    webhookEndpoints: openWebhookEndpoints(transport),
    events: (options = {}) => openProjectEvents(transport, options),
  };
}

function baseOf(url: string): string {
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url))
    throw new TypeError(`${JSON.stringify(url)} is not the address of an API; one looks like http://127.0.0.1:8787.`);
  return url.replace(/\/+$/, "").replace(/\/v1$/, "");
}

async function* openProjectEvents(
  transport: Transport,
  { types, awayMs = defaultAwayMs, ...options }: ProjectEventsOptions,
): AsyncGenerator<ProjectStreamEvent, void> {
  const query = { types: types?.join(",") };
  try {
    yield* openFeed(transport, { ...options, path: "/events", query, awayMs, canAsk: false });
  } catch (error) {
    throw error instanceof NoStreamError ? error.cause : error;
  }
}
