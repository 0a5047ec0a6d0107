import type { EventType, Video, VideoId } from "@reelq/contract";
import { eventBody, eventOfStatus, finalEventTypes, isFinal, problem, videoBody } from "@reelq/contract";
import { type EventFeed, isBefore, type Keyring, type Told } from "@reelq/engine";
import type { Request, Response } from "express";

/** A comment at such intervals keeps proxies from closing a connection on which nothing happens. */
const heartbeatMs = 15_000;

/** More than this process could tell at once. */
const mostListeners = 20_000;

/** A listener that takes nothing for so long is gone. */
const blockedMs = 60_000;

export interface ListenOptions {
  readonly project: string | undefined;
  /** The id of the API key that it came with: a revoked one hears no more. */
  readonly apiKey: string;
  readonly types?: ReadonlySet<EventType> | undefined;
  /** Tells one video's events, and ends after its last. */
  readonly video?: Video | undefined;
}

/** Listeners over server-sent events. */
export interface EventListening {
  listen(request: Request, response: Response, options: ListenOptions): Promise<void>;
  close(): void;
}

interface Open {
  readonly response: Response;
  readonly apiKey: string;
}

export interface EventListeningParts {
  readonly feed: EventFeed;
  readonly keyring: Keyring;
  readonly readVideo: (id: VideoId) => Promise<Video | undefined>;
}

export function openEventListening({ feed, keyring, readVideo }: EventListeningParts): EventListening {
  const open = new Set<Open>();

  async function beat(): Promise<void> {
    const gone = new Set<string>();
    for (const apiKey of new Set([...open].map((one) => one.apiKey))) {
      const isKnown = await keyring.holder(apiKey).then(
        (holder) => holder !== undefined || apiKey === "open",
        () => true,
      );
      if (!isKnown) gone.add(apiKey);
    }
    for (const { response, apiKey } of open) {
      if (gone.has(apiKey)) response.end();
      else response.write(": heartbeat\n\n");
    }
  }
  const timer = setInterval(() => void beat(), heartbeatMs);

  return {
    async listen(request, response, { project, apiKey, types, video }) {
      if (open.size >= mostListeners)
        throw problem("unavailable", `This API tells events to ${mostListeners} listeners already; try again later.`);
      const resumedFrom = lastEventId(request);
      const end = await feed.end();
      // The state is told as of now; what happens from the end on is told after it.
      const now = video && (await readVideo(video.id));
      const dropped = resumedFrom === undefined ? undefined : await feed.droppedBefore();
      const first: string[] = [];
      if (resumedFrom !== undefined && dropped !== undefined && isBefore(resumedFrom, dropped))
        first.push(`event: gap\ndata: ${JSON.stringify({ object: "gap", oldest: dropped })}\n\n`);
      if (resumedFrom === undefined && now) first.push(frameOf(stateOf(now, end)));

      let hasBegun = false;
      const begin = (): void => {
        if (hasBegun) return;
        hasBegun = true;
        response.writeHead(200, {
          "Content-Type": "text/event-stream; charset=utf-8",
          "Cache-Control": "no-store",
          "X-Accel-Buffering": "no",
        });
        // An id without data is remembered by whoever listens: nothing is missed should the connection break before an event.
        const from = resumedFrom === undefined && !video ? `id: ${end}\n\n` : "";
        response.write(`retry: 2000\n\n${from}${first.join("")}`);
        open.add(one);
      };
      const one: Open = { response, apiKey };
      if (video === undefined || resumedFrom === undefined || first.length > 0) begin();

      await new Promise<void>((resolve, reject) => {
        const stop = feed.listen({ project, video: video?.id }, resumedFrom ?? end, {
          tell(told) {
            if (types && !types.has(told.event.type)) return true;
            begin();
            const isRoom = response.write(frameOf(told));
            if (video && hasCaughtUp && finalEventTypes.includes(told.event.type)) response.end();
            return isRoom;
          },
          ready: () => drained(response),
          async caughtUp() {
            hasCaughtUp = true;
            const latest = video && (await readVideo(video.id));
            if (!video || (latest && !isFinal(latest.status))) {
              begin();
              return true;
            }
            // Nothing more will come; 204 tells an EventSource not to ask again.
            if (hasBegun) response.end();
            else response.status(204).end();
            return false;
          },
          failed(error) {
            if (hasBegun) response.destroy();
            else reject(error);
          },
        });
        let hasCaughtUp = false;
        response.on("close", () => {
          open.delete(one);
          stop();
          resolve();
        });
      });
    },

    close() {
      clearInterval(timer);
      for (const { response } of open) response.end();
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
  return { event, text: JSON.stringify(eventBody(event, videoBody(video))) };
}

function lastEventId(request: Request): string | undefined {
  const given = request.get("last-event-id") ?? request.query["last_event_id"];
  if (given === undefined || given === "") return undefined;
  const match = typeof given === "string" ? /^(?:evt_)?(\d{1,15})[-_](\d{1,15})$/.exec(given) : null;
  if (match) return `${match[1]}-${match[2]}`;
  throw problem(
    "invalid_value",
    `Last-Event-ID ${JSON.stringify(given).slice(0, 80)} is not an event's id, like 1732000000000-0.`,
    "Last-Event-ID",
  );
}

function drained(response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (end: () => void) => () => {
      clearTimeout(timer);
      response.off("drain", onDrain);
      response.off("close", onClose);
      end();
    };
    const onDrain = over(resolve);
    const onClose = over(() => reject(new Error("The listener is gone.")));
    const timer = setTimeout(() => response.destroy(), blockedMs);
    response.on("drain", onDrain);
    response.on("close", onClose);
  });
}
