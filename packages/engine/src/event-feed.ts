import { setTimeout as delay } from "node:timers/promises";
import type { LedgerEvent, VideoId } from "@reelq/contract";
import type { Engine } from "./engine.ts";
import { eventOf, isBefore } from "./event-stream.ts";
import { connect } from "./redis.ts";
import { openTelling, type Told } from "./told.ts";
import { openTurns } from "./turns.ts";

/** Which events somebody wants to hear. */
export interface Interest {
  /** Only this project's; everyone's where left out. */
  readonly project?: string | undefined;
  /** Only this video's. */
  readonly video?: VideoId | undefined;
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
  /** How many listen. */
  readonly size: number;
  /** Nobody is told any more. */
  close(): void;
}

interface Listener {
  /** False: it is full, and told on once `ready` resolves. */
  readonly tell: (told: Told) => boolean;
  /** Resolves at once where there is room again already. */
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
const readsAtOnce = 4;

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

export function openEventFeed(engine: Engine): EventFeed {
  const { redis, redisUrl, keys, facts } = engine;
  const all = new Set<Listening>();
  const byVideo = new Map<VideoId, Set<Listening>>();
  const inTurn = openTurns(readsAtOnce);
  const tellable = openTelling(engine);
  let reader: Reader | undefined;
  let isClosed = false;

  /** What is for somebody on the page after an entry. */
  async function pageFor({ interest, cursor }: Listening) {
    const entries = await redis.xrange(keys.events, `(${cursor}`, "+", "COUNT", pageLength);
    const { video } = interest;
    return {
      // Of a long past, most is about other videos: that is not even read.
      events: entries
        .filter(([, fields]) => video === undefined || fields.includes(video))
        .map(([id, fields]) => eventOf(id, fields))
        .filter((event) => isFor(event, interest)),
      end: entries.at(-1)?.[0] ?? cursor,
      isLast: entries.length < pageLength,
    };
  }

  const listenersOf = (event: LedgerEvent): Listening[] =>
    [...all, ...("video" in event ? (byVideo.get(event.video) ?? []) : [])].filter(({ interest }) =>
      isFor(event, interest),
    );

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

  function tellLive(one: Listening, told: Told, place: Reader): void {
    if (!one.isLive || one.isOver || !isBefore(one.cursor, told.event.id)) return;
    one.cursor = told.event.id;
    if (!one.listener.tell(told)) follow(one, place, one.listener.ready());
  }

  /** Tells those that are live of a page of what came. */
  async function spread(events: readonly LedgerEvent[], place: Reader): Promise<void> {
    for (const slice of slicesOf(events)) {
      const readyToTell = await tellable(slice.filter((event) => listenersOf(event).length > 0));
      if (reader !== place) return;
      for (const told of readyToTell) for (const one of listenersOf(told.event)) tellLive(one, told, place);
      place.position = slice.at(-1)?.id ?? place.position;
    }
  }

  function startReading(): Reader {
    const stopping = new AbortController();
    const { signal } = stopping;
    const onError = (error: unknown) => facts.emit("hiccup", { where: "events", error: error as Error });
    // A read that waits would hold up every other command of its connection.
    const connection = connect(redisUrl, { patient: true }, onError);
    const place: Reader = {
      begun: newest().then((id) => {
        place.position = id;
        void read();
      }),
      position: "0-0",
      stop() {
        stopping.abort();
        connection.disconnect();
      },
    };
    const read = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const { position } = place;
          const reply = await connection.xread("COUNT", pageLength, "BLOCK", blockMs, "STREAMS", keys.events, position);
          const entries = reply?.[0]?.[1] ?? [];
          await spread(
            entries.map(([id, fields]) => eventOf(id, fields)),
            place,
          );
        } catch (error) {
          if (signal.aborted) return;
          onError(error);
          await delay(pauseAfterErrorMs, undefined, { signal }).catch(() => undefined);
        }
      }
    };
    return place;
  }

  /** Tells what is for it of one page of the past. */
  async function tellPage(
    one: Listening,
    { position }: Reader,
  ): Promise<{ isFull: boolean; isLast: boolean; told: number }> {
    const page = await inTurn(() => pageFor(one));
    let told = 0;
    for (const slice of slicesOf(page.events)) {
      for (const each of await inTurn(() => tellable(slice))) {
        if (one.isOver) return { isFull: false, isLast: true, told };
        one.cursor = each.event.id;
        told += 1;
        if (!one.listener.tell(each)) return { isFull: true, isLast: false, told };
      }
    }
    one.cursor = page.end;
    // Nothing else up to there is in the stream, or it is no more.
    if (page.isLast && isBefore(one.cursor, position)) one.cursor = position;
    return { isFull: false, isLast: page.isLast, told };
  }

  /** Reads on its own until it has heard all that those who are live have, then joins them. */
  async function catchUp(one: Listening, place: Reader, ready: Promise<void> | undefined): Promise<void> {
    await ready;
    await place.begun;
    let isEnding = false;
    while (!one.isOver) {
      const { isFull, isLast, told } = await tellPage(one, place);
      if (isFull) await one.listener.ready();
      if (told > 0) isEnding = false;
      if (!isLast || one.isOver || isBefore(one.cursor, place.position)) continue;
      if (isEnding) {
        drop(one);
        one.listener.over?.();
      } else if (one.listener.caughtUp && !(await one.listener.caughtUp())) {
        // What came before it was asked is still to be told.
        isEnding = true;
      } else if (!isBefore(one.cursor, place.position)) {
        one.isLive = true;
        return;
      }
    }
  }

  function follow(one: Listening, place: Reader, ready?: Promise<void>): void {
    one.isLive = false;
    catchUp(one, place, ready).catch((error: Error) => {
      if (one.isOver) return;
      drop(one);
      one.listener.failed(error);
    });
  }

  const newest = async (): Promise<string> =>
    (await redis.xrevrange(keys.events, "+", "-", "COUNT", 1))[0]?.[0] ?? "0-0";

  return {
    listen(interest, after, listener) {
      if (isClosed) throw new Error("Nobody is told any more: the feed is closed.");
      const one: Listening = { interest, listener, cursor: after, isLive: false, isOver: false };
      if (interest.video === undefined) all.add(one);
      else byVideo.set(interest.video, (byVideo.get(interest.video) ?? new Set()).add(one));
      follow(one, (reader ??= startReading()));
      return () => drop(one);
    },

    end: newest,

    async droppedBefore() {
      const [[oldest], hasDropped] = await Promise.all([
        redis.xrange(keys.events, "-", "+", "COUNT", 1),
        everHeldMore(),
      ]);
      return oldest && hasDropped ? oldest[0] : undefined;
    },

    get size() {
      return [all, ...byVideo.values()].reduce((sum, those) => sum + those.size, 0);
    },

    close() {
      isClosed = true;
      for (const those of [all, ...byVideo.values()]) for (const one of those) drop(one);
    },
  };

  /** Whether the stream held more than it holds. */
  async function everHeldMore(): Promise<boolean> {
    const info = (await redis.xinfo("STREAM", keys.events).catch(() => [])) as unknown[];
    const read = new Map(info.flatMap((name, index) => (index % 2 === 0 ? [[name, info[index + 1]] as const] : [])));
    return Number(read.get("entries-added") ?? 0) > Number(read.get("length") ?? 0);
  }
}

const isFor = (event: LedgerEvent, { project, video }: Interest): boolean =>
  (project === undefined || event.project === project) &&
  (video === undefined || ("video" in event && event.video === video));

const slicesOf = (events: readonly LedgerEvent[]): (readonly LedgerEvent[])[] =>
  Array.from({ length: Math.ceil(events.length / sliceLength) }, (_, index) =>
    events.slice(index * sliceLength, (index + 1) * sliceLength),
  );
