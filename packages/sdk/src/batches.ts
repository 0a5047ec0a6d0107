import type {
  BatchBody,
  BatchChange,
  BatchCreateBody,
  BatchListBody,
  BatchPlanBody,
  BatchRetriedBody,
  BatchRetryBody,
  BatchWaivedBody,
  ClipBody,
  ClipListBody,
} from "@reelq/contract";
import { NoStreamError, openFeed } from "./feed.ts";
import { allPages } from "./pages.ts";
import { openPatience } from "./patience.ts";
import { pause, reasonOf } from "./pause.ts";
import { ReelqError } from "./reelq-error.ts";
import { defaultAwayMs } from "./result.ts";
import type { CallOptions, Transport } from "./transport.ts";
import { UnreachableError } from "./unreachable-error.ts";
import type { CreateOptions } from "./videos.ts";

/** Judging 50,000 lines takes its time, in milliseconds. */
const planWithinMs = 10 * 60_000;

/** Between two looks where the API's events cannot be streamed, in milliseconds. */
const lookEveryMs = 2_000;

export interface BatchListQuery {
  /** Goes on after this batch. */
  readonly after?: string | undefined;
  /** Batches in a page, at most 100. @default 20 */
  readonly limit?: number | string | undefined;
  /** @default "desc", the newest first */
  readonly order?: "asc" | "desc" | undefined;
  /** One of the OpenAI shape's statuses, or one of reelq's own states. */
  readonly status?: string | undefined;
}

export interface ClipListQuery {
  /** Goes on after the clip of this number. */
  readonly after?: number | undefined;
  /** Clips in a page, at most 500. @default 100 */
  readonly limit?: number | undefined;
  /** Only those in this one of reelq's own statuses. */
  readonly status?: string | undefined;
}

export interface ReportQuery {
  /** @default "html" */
  readonly format?: "html" | "csv" | "json" | undefined;
  /** What goes before a file's place in storage in every link. @default links to the API's own content addresses */
  readonly base?: string | undefined;
}

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the API may give no answer without a break, in milliseconds. @default 300000 */
  readonly awayMs?: number | undefined;
  /** The API gives no answer; it is asked again until `awayMs` are over. */
  readonly onAway?: ((error: unknown) => void) | undefined;
  /** It answers again. */
  readonly onBack?: (() => void) | undefined;
}

/**
 * Videos that are asked for together: upload a manifest with `files.create(blob, { purpose: "batch" })`, and name it as
 * `input_file_id`. Every call throws ReelqError for what the API refused, and UnreachableError where nothing answered.
 */
export interface Batches {
  /** The manifest is judged behind it: one with mistakes ends the batch as `failed`, with `errors`. */
  create(body: BatchCreateBody, options?: CreateOptions): Promise<BatchBody>;
  /** What the batch would do; creates nothing. */
  plan(body: BatchCreateBody, options?: CallOptions): Promise<BatchPlanBody>;
  retrieve(id: string, options?: CallOptions): Promise<BatchBody>;
  /** One page. */
  list(query?: BatchListQuery, options?: CallOptions): Promise<BatchListBody>;
  /** All of them, page by page as they are used. */
  all(query?: BatchListQuery, options?: CallOptions): AsyncIterable<BatchBody>;
  /** Changes what may be changed while it runs; what is left out stays. */
  update(id: string, change: BatchChange, options?: CallOptions): Promise<BatchBody>;
  /** Sends nothing more until it is resumed; what is paid for goes on. */
  pause(id: string, options?: CallOptions): Promise<BatchBody>;
  resume(id: string, options?: CallOptions): Promise<BatchBody>;
  /** Cancels what is free; what is paid for finishes. */
  cancel(id: string, options?: CallOptions): Promise<BatchBody>;
  /** Failed clips again, which may cost money: all that may be, where none are named. */
  retry(id: string, body?: BatchRetryBody, options?: CallOptions): Promise<BatchRetriedBody>;
  /** Does without lines: they count as failed no longer. */
  waive(id: string, customIds: readonly string[], options?: CallOptions): Promise<BatchWaivedBody>;
  /** One page of its clips, in the manifest's order. */
  clips(id: string, query?: ClipListQuery, options?: CallOptions): Promise<ClipListBody>;
  /** All of them, page by page as they are used. */
  allClips(id: string, query?: ClipListQuery, options?: CallOptions): AsyncIterable<ClipBody>;
  /** The report as it would be written now, as a stream. */
  report(id: string, query?: ReportQuery, options?: CallOptions): Promise<Response>;
  /**
   * Its state now and after each change, until it is over. Connections that break are made again; where the API cannot
   * stream, it is asked every two seconds instead. A state that was passed through quickly may go unseen.
   */
  watch(id: string, options?: WatchOptions): AsyncIterableIterator<BatchBody>;
}

export function openBatches(transport: Transport): Batches {
  const post = <Body>(path: string, json: object, { signal }: CallOptions, repeatable = true) =>
    transport.ask<Body>({ method: "POST", path, json, signal, repeatable });
  const order = (id: string, name: string, options: CallOptions = {}) =>
    post<BatchBody>(`${batchPath(id)}/${name}`, {}, options);

  const batches: Batches = {
    create: (body, { idempotencyKey = crypto.randomUUID(), signal } = {}) =>
      transport.ask({
        method: "POST",
        path: root,
        json: body,
        headers: { "Idempotency-Key": idempotencyKey },
        signal,
        repeatable: true,
      }),
    plan: (body, { signal } = {}) =>
      transport.ask({
        method: "POST",
        path: `${root}/plan`,
        json: body,
        signal,
        repeatable: true,
        timeoutMs: planWithinMs,
      }),
    retrieve: (id, { signal } = {}) => transport.ask({ path: batchPath(id), signal }),
    list: (query = {}, { signal } = {}) => transport.ask({ path: root, query, signal }),
    all: (query = {}, options = {}) => allPages((after) => batches.list({ ...query, after }, options), query.after),
    update: (id, change, options = {}) => post(batchPath(id), change, options),
    pause: (id, options) => order(id, "pause", options),
    resume: (id, options) => order(id, "resume", options),
    cancel: (id, options) => order(id, "cancel", options),
    // Whether one that got no answer was obeyed is not known; a new attempt may be paid for twice.
    retry: (id, body = {}, options = {}) => post(`${batchPath(id)}/retry`, body, options, false),
    waive: (id, customIds, options = {}) => post(`${batchPath(id)}/waive`, { custom_ids: customIds }, options),
    clips: (id, query = {}, { signal } = {}) => transport.ask({ path: `${batchPath(id)}/clips`, query, signal }),
    allClips: (id, query = {}, options = {}) => openClips(batches, id, query, options),
    report: (id, { format, base } = {}, { signal } = {}) =>
      transport.open({ path: `${batchPath(id)}/report`, query: { format, base }, signal }),
    watch: (id, options = {}) => openStates(transport, id, options),
  };
  return batches;
}

const root = "/batches";
const batchPath = (id: string): string => `${root}/${encodeURIComponent(id)}`;

async function* openClips(
  batches: Batches,
  id: string,
  query: ClipListQuery,
  options: CallOptions,
): AsyncGenerator<ClipBody, void> {
  let { after } = query;
  for (;;) {
    const page = await batches.clips(id, { ...query, after }, options);
    yield* page.data;
    if (!page.has_more || page.last_number === null || page.last_number === after) return;
    after = page.last_number;
  }
}

async function* openStates(transport: Transport, id: string, options: WatchOptions): AsyncGenerator<BatchBody, void> {
  const { signal, awayMs = defaultAwayMs } = options;
  const noted = noteAbsence(transport, options);
  try {
    const path = `${batchPath(id)}/events`;
    const feed: AsyncGenerator<unknown, void> = openFeed(noted, { path, signal, awayMs, canAsk: true });
    for await (const batch of feed as AsyncGenerator<BatchBody, void>) {
      yield batch;
      if (isOver(batch)) return;
    }
  } catch (error) {
    if (!(error instanceof NoStreamError)) throw error;
  }
  yield* openLooks(noted, id, signal, awayMs);
}

/** Its states, by asking again and again; those that differ from the one before. */
async function* openLooks(
  transport: Transport,
  id: string,
  signal: AbortSignal | undefined,
  awayMs: number,
): AsyncGenerator<BatchBody, void> {
  const patience = openPatience(awayMs);
  for (let last: string | undefined; ;) {
    let missedMs = 0;
    try {
      const batch = await transport.ask<BatchBody>({ path: batchPath(id), signal, tries: 1 });
      patience.heard();
      const text = JSON.stringify(batch);
      if (text !== last) yield batch;
      last = text;
      if (isOver(batch)) return;
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      missedMs = patience.missed(error);
    }
    await pause(missedMs || lookEveryMs, signal);
  }
}

/** The same transport; it says when its calls begin to get no answer, and when they get one again. */
function noteAbsence(transport: Transport, { signal, onAway, onBack }: WatchOptions): Transport {
  let isAway = false;
  async function noted<Answer>(answer: Promise<Answer>): Promise<Answer> {
    try {
      const there = await answer;
      if (isAway) onBack?.();
      isAway = false;
      return there;
    } catch (error) {
      if (!isAway && !signal?.aborted && isAbsence(error)) {
        isAway = true;
        onAway?.(error);
      }
      throw error;
    }
  }
  return {
    url: transport.url,
    ask: (call) => noted(transport.ask(call)),
    open: (call) => noted(transport.open(call)),
  };
}

const isAbsence = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ReelqError && error.status >= 500);

/** The contract says the same; its value is not imported, because the library for schemas would come along. */
const isOver = ({ reelq: { state } }: BatchBody): boolean =>
  state === "completed" || state === "expired" || state === "cancelled" || state === "failed";
