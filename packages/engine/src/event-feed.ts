import { eventBody, type LedgerEvent, type VideoId, videoBody } from "@reelq/contract";
import type { Engine } from "./engine.ts";
import { eventOf } from "./event-stream.ts";
import { readable } from "./record.ts";
import { connect } from "./redis.ts";

/** Which events somebody wants to hear. */
export interface Interest {
  /** Only this project's; everyone's where left out. */
  readonly project?: string | undefined;
  /** Only this video's. */
  readonly video?: VideoId | undefined;
}

/** An event as it is told, with the text that all listeners share. */
export interface Told {
  readonly event: LedgerEvent;
  /** `EventBody` as JSON, on one line. */
  readonly text: string;
}

/** What happens, as it happens, to any number of listeners of this process. */
export interface EventFeed {
  /**
   * Tells of every event after `after`, in order, each once: first those of the past, then as they come. Nothing is
   * kept for a listener that is full: it is told on from where it was, out of the stream.
   * @returns ends the listening
   */
  listen(interest: Interest, after: string, listener: Listener): () => void;
  /** The id of the newest event, after which nothing has been told yet. */
  end(): Promise<string>;
  /** The id of the oldest event that can still be told, where older ones have been dropped. */
  droppedBefore(): Promise<string | undefined>;
  /** Nobody is told any more. */
  close(): void;
}

export interface Listener {
  /** False: it is full, and told on once `ready` resolves. */
  readonly tell: (told: Told) => boolean;
  readonly ready: () => Promise<void>;
  /** All of the past has been told; false: nothing more will come. Asked again where something came meanwhile. */
  readonly caughtUp?: () => Promise<boolean>;
  /** Nothing more will come, and all has been told: the listening has ended. */
  readonly over?: () => void;
  /** The listening has ended before its time. */
  readonly failed: (error: Error) => void;
}

/** Entries read at once: about 40 KB. */
const pageLength = 200;

/** Events told at once: few enough for the buffer of a listener that reads, and not to hold up all others. */
const sliceLength = 20;

/** Reads of the past at once; the next ones wait, so that no crowd that resumes far back holds up who is live. */
const readsAtOnce = 8;

/** A blocking read ends after this time, so that a connection that vanished is noticed. */
const blockMs = 5_000;

const pauseAfterErrorMs = 250;

interface Listening {
  readonly interest: Interest;
  readonly listener: Listener;
  /** The last event that it was told of, or that was not for it and came before it was live. */
  cursor: string;
  /** Told directly as events come; otherwise it reads for itself. */
  isLive: boolean;
  isOver: boolean;
}

/** Reads what comes, for all that are live. */
interface Reader {
  /** It has a place in the stream. */
  readonly begun: Promise<void>;
  /** All events up to here have been told to those that are live. */
  position: string;
  stop(): void;
}

export function openEventFeed({ redis, redisUrl, keys, facts }: Engine): EventFeed {
  const all = new Set<Listening>();
  const byVideo = new Map<VideoId, Set<Listening>>();
  const inTurn = openTurns(readsAtOnce);
  let reader: Reader | undefined;

  const page = async (after: string): Promise<LedgerEvent[]> =>
    (await redis.xrange(keys.events, `(${after}`, "+", "COUNT", pageLength)).map(([id, fields]) => eventOf(id, fields));

  async function tellable(events: readonly LedgerEvent[]): Promise<Told[]> {
    const ids = [...new Set(events.flatMap((event) => ("video" in event ? [event.video] : [])))];
    const texts = ids.length > 0 ? await redis.mget(ids.map(keys.video)) : [];
    const videos = new Map(ids.map((id, index) => [id, { text: texts[index], video: readable(id, texts[index])[0] }]));
    return events.map((event) => {
      const { text = null, video } = ("video" in event && videos.get(event.video)) || {};
      const body = eventBody(event, video && videoBody(video));
      // Not deleted, only not to be shown: its id is all that can be said.
      const isUnreadable = text !== null && video === undefined;
      return { event, text: JSON.stringify(isUnreadable ? { ...body, data: { id: body.data.id } } : body) };
    });
  }

  const listenersOf = (event: LedgerEvent): Listening[] => [
    ...[...all].filter(({ interest }) => isFor(event, interest)),
    ...("video" in event ? [...(byVideo.get(event.video) ?? [])].filter(({ interest }) => isFor(event, interest)) : []),
  ];

  function drop(one: Listening): void {
    one.isOver = true;
    const { video } = one.interest;
    if (video === undefined) all.delete(one);
    else {
      const others = byVideo.get(video);
      others?.delete(one);
      if (others?.size === 0) byVideo.delete(video);
    }
    if (all.size > 0 || byVideo.size > 0) return;
    reader?.stop();
    reader = undefined;
  }

  const follow = (one: Listening, { begun, ...place }: Pick<Reader, "begun"> = startedReader()): void => {
    void place;
    void begun;
    void one;
  };
  return undefined as never;
}
