import type { IncomingMessage, ServerResponse } from "node:http";
import type { EventType, LedgerEvent, Video, VideoId } from "@reelq/contract";
import { eventBody, eventOfStatus, finalEventTypes, isFinal, problem, videoBody } from "@reelq/contract";
import { type EventFeed, isBefore, type Keyring, type Told } from "@reelq/engine";

/** More than this process could tell at once. */
const mostListeners = 20_000;

interface ListenOptions {
  readonly project: string | undefined;
  /** The id of the API key that it came with: a revoked one hears no more. */
  readonly apiKey: string;
  readonly types?: ReadonlySet<EventType> | undefined;
  /** Tells one video's events, and ends after its last. */
  readonly video?: Video | undefined;
}

/** Listeners over server-sent events. */
export interface EventListening {
  /** Resolves once the listener is gone. */
  listen(request: IncomingMessage, response: ServerResponse, options: ListenOptions): Promise<void>;
  /** How many listen. */
  readonly size: number;
  /** Ends every stream in order, so that its listener goes on elsewhere from where it was. */
  close(): void;
}

export interface EventListeningParts {
  readonly feed: EventFeed;
  readonly keyring: Pick<Keyring, "holder">;
  readonly readVideo: (id: VideoId) => Promise<Video | undefined>;
  /** A comment at such intervals keeps proxies from closing a connection on which nothing happens. */
  readonly heartbeatMs?: number;
  /** A listener that takes nothing for so long is gone. */
  readonly blockedMs?: number;
}

interface Open {
  readonly apiKey: string;
  beat(): void;
  end(): void;
}

const headers = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  "X-Accel-Buffering": "no",
};

export function openEventListening({
  feed,
  keyring,
  readVideo,
  heartbeatMs = 15_000,
  blockedMs = 60_000,
}: EventListeningParts): EventListening {
  const open = new Set<Open>();
  let isClosed = false;

  async function beat(): Promise<void> {
    const apiKeys = [...new Set([...open].map(({ apiKey }) => apiKey))];
    // Whether a key still is good cannot be told while Redis is away; until then it is.
    const holders = await Promise.all(apiKeys.map((id) => keyring.holder(id).catch(() => "unknown")));
    const gone = new Set(apiKeys.filter((_, index) => holders[index] === undefined));
    for (const one of open) {
      if (gone.has(one.apiKey)) one.end();
      else one.beat();
    }
  }
  const timer = setInterval(() => void beat(), heartbeatMs);

  return {
    async listen(request, response, { project, apiKey, types, video }) {
      const resumedFrom = lastEventId(request);
      if (request.method === "HEAD") return void response.writeHead(200, headers).end();
      const end = await feed.end();
      // The state is told as of now; what happens from now on is told after it.
      const now = video && (await readVideo(video.id));
      const dropped = resumedFrom === undefined ? undefined : await feed.droppedBefore();
      // Who is gone, or was answered meanwhile, will not say so again.
      if (response.destroyed || response.writableEnded) return;
      if (isClosed) throw problem("unavailable", "This API is about to stop; ask again in a moment.");
      if (open.size >= mostListeners)
        throw problem("unavailable", `This API tells events to ${mostListeners} listeners already; try again later.`);
      if (video && !now && resumedFrom === undefined)
        throw problem("not_found", `There is no video ${video.id} any more.`, "id");

      const isGap = resumedFrom !== undefined && dropped !== undefined && isBefore(resumedFrom, dropped);
      let hasCaughtUp = false;

      const begin = (): void => {
        if (response.headersSent) return;
        response.writeHead(200, headers);
        // An id without data is remembered by whoever listens: nothing is missed should the connection break before an event.
        if (resumedFrom === undefined && !now) response.write(`retry: 2000\nid: ${end}\n\n`);
        else response.write("retry: 2000\n\n");
        if (isGap) response.write(`event: gap\ndata: ${JSON.stringify({ object: "gap", oldest: dropped })}\n\n`);
        if (resumedFrom === undefined && now) response.write(frameOf(stateOf(now, end)));
      };

      await new Promise<void>((resolve, reject) => {
        /** Ends it; nothing is written any more, even while what was written is still on its way. */
        const finish = (): void => {
          stop();
          begin();
          response.end();
        };
        const stop = feed.listen({ project, video: video?.id }, placeOf(resumedFrom, end), {
          tell(told) {
            const { event } = told;
            const isWanted = !types || types.has(event.type);
            if (isWanted && !(resumedFrom === undefined && now && isShownBy(now, event))) {
              begin();
              response.write(frameOf(told));
            }
            if (video && hasCaughtUp && finalEventTypes.includes(event.type)) finish();
            return !response.writableNeedDrain;
          },
          ready: () => drained(response, blockedMs),
          async caughtUp() {
            const latest = video && (await readVideo(video.id));
            const mayMore = !video || (latest !== undefined && !isFinal(latest.status));
            hasCaughtUp = mayMore;
            if (mayMore) begin();
            return mayMore;
          },
          over() {
            // 204 tells an EventSource not to ask again.
            if (response.headersSent) response.end();
            else response.writeHead(204).end();
          },
          failed(error) {
            if (response.headersSent) response.destroy();
            else reject(error);
          },
        });
        const one: Open = {
          apiKey,
          beat() {
            if (response.headersSent && !response.writableEnded && !response.writableNeedDrain)
              response.write(": heartbeat\n\n");
          },
          end: finish,
        };
        open.add(one);
        response.on("close", () => {
          open.delete(one);
          stop();
          resolve();
        });
        // Whether anything is left to tell decides between a stream and a 204.
        const mayBeOver = video !== undefined && (!now || isFinal(now.status));
        if (!mayBeOver || resumedFrom === undefined || isGap) begin();
      });
    },

    get size() {
      return open.size;
    },

    close() {
      isClosed = true;
      clearInterval(timer);
      for (const one of open) one.end();
      feed.close();
    },
  };
}

const frameOf = ({ event, text }: Told): string => `id: ${event.id}\nevent: ${event.type}\ndata: ${text}\n\n`;

function stateOf(video: Video, id: string): Told {
  const event = {
    id,
    project: video.project,
    at: video.updatedAt,
    type: eventOfStatus[video.status],
    video: video.id,
    version: video.version,
    status: video.status,
  };
  // No event of the stream, so it has no event's id: the same state is told under the same one.
  const body = { ...eventBody(event, videoBody(video)), id: `state_${video.id}_${video.version}` };
  return { event, text: JSON.stringify(body) };
}

/** A move that the state which was told at first already shows. */
const isShownBy = (state: Video, event: LedgerEvent): boolean =>
  "video" in event && event.status !== undefined && event.alarm === undefined && event.version <= state.version;

/** An id that is not reached yet is of a stream that is no more. */
const placeOf = (resumedFrom: string | undefined, end: string): string =>
  resumedFrom === undefined || isBefore(end, resumedFrom) ? end : resumedFrom;

function lastEventId(request: IncomingMessage): string | undefined {
  // An EventSource that connects again has the newer one in its header.
  const header = request.headers["last-event-id"];
  const given = header || new URLSearchParams(request.url?.split("?")[1]).get("last_event_id") || undefined;
  if (given === undefined) return undefined;
  const match = typeof given === "string" ? /^(?:evt_)?(\d{1,15})[-_](\d{1,15})$/.exec(given) : null;
  if (match) return `${match[1]}-${match[2]}`;
  throw problem(
    "invalid_value",
    `Last-Event-ID ${JSON.stringify(given).slice(0, 80)} is not an event's id, like 1732000000000-0.`,
    "Last-Event-ID",
  );
}

/** Resolves once there is room again; whoever makes none in time is cut. */
function drained(response: ServerResponse, withinMs: number): Promise<void> {
  if (!response.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      response.off("drain", end);
      response.off("close", end);
      resolve();
    };
    const timer = setTimeout(() => response.destroy(), withinMs);
    response.on("drain", end);
    response.on("close", end);
  });
}
