import type { ProjectStreamEvent } from "./event.ts";
import { type Frame, type FrameReader, openFrameReader } from "./frame.ts";
import { longestRetryAfterMs, openPatience } from "./patience.ts";
import { type Follower, follow, pause, reasonOf, setAlarm } from "./pause.ts";
import { ReelqError } from "./reelq-error.ts";
import { isTooLate, notReelq, tooLate, type Transport } from "./transport.ts";
import { UnreachableError } from "./unreachable-error.ts";

/** A stream says something at least every 15 s: one that does not within this time never comes through to here. */
const firstByteMs = 20_000;

/** One that was heard and falls silent for so long is dead. */
const silentMs = 45_000;

/** Before a connection that ended in order is made again, in milliseconds. */
const reconnectMs = 250;

/** Events cannot be streamed from here: the route is not there, or something on the way holds the stream back. */
export class NoStreamError extends Error {
  constructor(cause: unknown) {
    super("The API's events cannot be streamed.", { cause });
    this.name = "NoStreamError";
  }
}

export interface FeedOptions {
  readonly path: string;
  readonly query?: object | undefined;
  /** Goes on after this event: its id, or the stream's own. */
  readonly lastEventId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly awayMs: number;
  /** The caller can ask instead: a stream that was never heard is not waited for. */
  readonly canAsk: boolean;
}

/**
 * Events as they come, over as many connections as that takes; each once, and in order. Ends where the API says that
 * nothing more will come.
 * @throws NoStreamError
 */
export async function* openFeed(transport: Transport, options: FeedOptions): AsyncGenerator<ProjectStreamEvent, void> {
  const { signal } = options;
  const patience = openPatience(options.awayMs);
  const place: Place = { last: streamIdOf(options.lastEventId) };
  let wasHeard = false;
  const hear = () => {
    wasHeard = true;
    patience.heard();
  };
  for (;;) {
    let pauseMs = reconnectMs;
    try {
      const connection = await connect(transport, options, place.last);
      if (!connection) return;
      yield* newEvents(connection, place, hear);
      pauseMs = Math.min(connection.reader.retryMs ?? reconnectMs, longestRetryAfterMs);
    } catch (error) {
      if (signal?.aborted) throw reasonOf(signal);
      if (isWithoutStream(error) || (isTooLate(error) && options.canAsk && !wasHeard)) throw asNoStream(error);
      pauseMs = patience.missed(error);
    }
    await pause(pauseMs, signal);
  }
}

/** How far the stream was read: the id of the last event. */
interface Place {
  last: string | undefined;
}

/** What one connection tells that was not told before. */
async function* newEvents(
  { reader, frames, close }: Connection,
  place: Place,
  hear: () => void,
): AsyncGenerator<ProjectStreamEvent, void> {
  try {
    for await (const frame of frames(hear)) {
      if (frame.id !== undefined && !isAfter(frame.id, place.last)) continue;
      place.last = frame.id ?? place.last;
      yield readEvent(frame);
    }
  } finally {
    close();
    if (reader.lastId !== undefined && isAfter(reader.lastId, place.last)) place.last = reader.lastId;
  }
}

interface Connection {
  readonly reader: FrameReader;
  frames(onBytes: () => void): AsyncGenerator<Frame, void>;
  close(): void;
}

/** @returns undefined: nothing more will come */
async function connect(
  transport: Transport,
  { path, query, signal }: FeedOptions,
  last: string | undefined,
): Promise<Connection | undefined> {
  const line = follow(signal);
  const close = () => {
    line.letGo();
    line.abort(new Error("Nobody listens any more."));
  };
  const headers = { Accept: "text/event-stream", ...(last === undefined ? {} : { "Last-Event-ID": last }) };
  try {
    const call = { path, query, headers, signal: line.signal, timeoutMs: firstByteMs, tries: 1 };
    const response = await transport.open(call);
    if (response.status === 204) {
      close();
      return undefined;
    }
    const { body } = response;
    if (!body || !/^text\/event-stream\b/i.test(response.headers.get("content-type") ?? ""))
      throw new NoStreamError(notReelq(response));
    const reader = openFrameReader();
    return {
      reader,
      close,
      async *frames(onBytes) {
        for await (const bytes of chunksOf(body, line, transport.url)) {
          onBytes();
          yield* reader.push(bytes);
        }
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The bytes of a stream until its end; a silence that is too long is an end with an error. */
async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  line: Follower,
  url: string,
): AsyncGenerator<Uint8Array, void> {
  const source = body.getReader();
  const giveUp = () => void source.cancel().catch(() => undefined);
  line.signal.addEventListener("abort", giveUp, { once: true });
  for (let isFirst = true; ; isFirst = false) {
    const callOff = setAlarm(isFirst ? firstByteMs : silentMs, () => line.abort(tooLate()));
    try {
      const { done, value } = await source.read();
      if (line.signal.aborted) throw reasonOf(line.signal);
      if (done && isFirst) throw new Error("The event stream ended without a word.");
      if (done) return;
      yield value;
    } catch (error) {
      throw new UnreachableError(url, line.signal.aborted ? reasonOf(line.signal) : error);
    } finally {
      callOff();
    }
  }
}

const asNoStream = (error: unknown): NoStreamError =>
  error instanceof NoStreamError ? error : new NoStreamError(error);

/** A route that is not there, or an answer of something else's. */
const isWithoutStream = (error: unknown): boolean =>
  error instanceof NoStreamError || (error instanceof ReelqError && [404, 405, 406, 501].includes(error.status));

function readEvent({ event, data }: Frame): ProjectStreamEvent {
  try {
    const body = JSON.parse(data) as object;
    return (event === "gap" ? { ...body, type: "gap" } : body) as ProjectStreamEvent;
  } catch {
    const message = `An event of the stream cannot be read: ${data.slice(0, 200)}`;
    throw new ReelqError(200, { message, type: "unknown", code: null, param: null });
  }
}

/** An event's id names its place in the stream: `evt_1732_0` is at `1732-0`. */
function streamIdOf(eventId: string | undefined): string | undefined {
  // One that was found by asking has no place in the stream.
  if (eventId === undefined || eventId.startsWith("look_")) return undefined;
  return eventId.replace(/^evt_(\d+)_(\d+)$/, "$1-$2");
}

function isAfter(id: string, last: string | undefined): boolean {
  if (last === undefined) return true;
  const [one, other] = [placeOf(id), placeOf(last)];
  if (!one || !other) return id !== last;
  return one.ms > other.ms || (one.ms === other.ms && one.sequence > other.sequence);
}

function placeOf(id: string): { ms: number; sequence: number } | undefined {
  const [, ms, sequence] = /^(\d+)-(\d+)$/.exec(id) ?? [];
  return ms === undefined ? undefined : { ms: Number(ms), sequence: Number(sequence) };
}
