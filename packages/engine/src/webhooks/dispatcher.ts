import {
  type BatchBody,
  defaultWebhookEvents,
  eventBody,
  type LedgerEvent,
  type Video,
  videoBody,
  type VideoEvent,
  type VideoId,
} from "@reelq/contract";
import { SECOND } from "../clock.ts";
import { CorruptRecordError } from "../corrupt-record.ts";
import type { Engine } from "../engine.ts";
import { toldBatches } from "../batches/told-batches.ts";
import { eventOf } from "../event-stream.ts";
import { parseRecord } from "../record.ts";
import { connect } from "../redis.ts";
import type { Deliveries } from "./deliveries.ts";
import { deliveryId, type DeliveryDraft, originTarget } from "./delivery.ts";
import { endpointOf, hearsOf, type WebhookEndpoint } from "./endpoint.ts";
import { openPause } from "./pause.ts";
import { within } from "../within.ts";

export interface DispatcherParts {
  readonly engine: Engine;
  readonly deliveries: Deliveries;
  /** This worker, among all that share the Redis. */
  readonly name: string;
  /** Called when something may be there to deliver. */
  readonly wake: () => void;
  /** How long one worker reads for all; after it, another one takes over from one that died. */
  readonly turnMs: number;
  /** How long a read waits for events. */
  readonly blockMs: number;
}

/** Events read at once. */
const pageLength = 100;

/** A page with more deliveries is cut short, at an event's end. */
const mostDrafts = 200;

const pauseAfterErrorMs = SECOND;

/**
 * Reads the event stream from the one cursor that all workers share, and writes what is to be delivered. One worker
 * reads at a time; should two do so, the script that moves the cursor lets one of them through.
 */
export function startDispatcher(parts: DispatcherParts): { stop(): Promise<void> } {
  const { engine, turnMs } = parts;
  const { redisUrl, facts } = engine;
  const pause = openPause();
  // A read that waits would hold up every other command of its connection.
  const reader = connect(redisUrl, { patient: true }, (error) => facts.emit("hiccup", { where: "webhooks", error }));
  const read = openPages(parts, reader);
  const turn = openTurn(parts);

  async function run(): Promise<void> {
    while (!pause.isOver()) {
      try {
        if (await turn()) await read();
        else await pause.wait(turnMs / 3);
      } catch (error) {
        if (pause.isOver()) return;
        facts.emit("hiccup", { where: "webhooks", error: error as Error });
        await pause.wait(pauseAfterErrorMs);
      }
    }
  }
  const running = run();

  return {
    async stop() {
      pause.end();
      reader.disconnect();
      await within(
        SECOND,
        running.then(() => giveTurn(parts)).catch(() => undefined),
      );
    },
  };
}

/** Whether it is this worker's turn to read; asked of Redis now and then only, because the cursor's script has the last word. */
function openTurn({ engine: { redis, keys }, name, turnMs }: DispatcherParts): () => Promise<boolean> {
  let askedAt = -Infinity;
  return async () => {
    const now = performance.now();
    if (now - askedAt < turnMs / 3) return true;
    const isOurs =
      (await redis.set(keys.webhookReader, name, "PX", turnMs, "NX")) !== null ||
      (await redis.get(keys.webhookReader)) === name;
    if (!isOurs) return false;
    await redis.pexpire(keys.webhookReader, turnMs);
    askedAt = now;
    return true;
  };
}

async function giveTurn({ engine: { redis, keys }, name }: DispatcherParts): Promise<void> {
  if ((await redis.get(keys.webhookReader)) === name) await redis.del(keys.webhookReader);
}

/** Reads one page, waiting for it, and writes its deliveries. */
function openPages(parts: DispatcherParts, reader: Engine["redis"]): () => Promise<void> {
  const { engine, deliveries, wake, blockMs } = parts;
  const { redis, keys, facts } = engine;
  let cursor: string | undefined;
  let lastWake = "0-0";

  async function dispatch(from: string, entries: readonly [string, string[]][]): Promise<void> {
    const first = entries[0]?.[0];
    // Whoever has fallen behind so far as to miss some reads whole pages.
    const missed = entries.length === pageLength || cursor === undefined ? await isCut(engine, from, first) : false;
    const page = cut(
      await draftsOf(
        entries.map(([id, fields]) => eventOf(id, fields)),
        engine,
      ),
    );
    const written = await deliveries.dispatch(page.drafts, from, page.cursor);
    cursor = written === undefined ? undefined : page.cursor;
    if (written === undefined) return;
    if (missed) facts.emit("webhooksMissed", { after: from, oldest: first ?? "" });
    facts.emit("webhooksDispatched", { events: page.events, deliveries: written, cursor: page.cursor });
    if (written > 0) wake();
  }

  return async () => {
    const from = cursor ?? (await redis.get(keys.webhookCursor)) ?? "0-0";
    const read = await reader.xread(
      "COUNT",
      pageLength,
      "BLOCK",
      blockMs,
      "STREAMS",
      keys.events,
      keys.webhookWakes,
      from,
      lastWake,
    );
    for (const [stream, entries] of read ?? []) {
      if (stream === keys.events) await dispatch(from, entries);
      else {
        lastWake = entries.at(-1)?.[0] ?? lastWake;
        wake();
      }
    }
  };
}

/** Whether entries between the cursor and the first of a page are gone from the stream. */
async function isCut({ redis, keys }: Engine, cursor: string, first: string | undefined): Promise<boolean> {
  if (cursor === "0-0") return false;
  const [oldest] = await redis.xrange(keys.events, "-", "+", "COUNT", 1);
  return oldest?.[0] === first;
}

interface EventDrafts {
  readonly event: LedgerEvent;
  readonly drafts: readonly DeliveryDraft[];
}

function cut(all: readonly EventDrafts[]) {
  const drafts: DeliveryDraft[] = [];
  let events = 0;
  let cursor = "0-0";
  for (const one of all) {
    drafts.push(...one.drafts);
    events += 1;
    cursor = one.event.id;
    if (drafts.length >= mostDrafts) break;
  }
  return { drafts, events, cursor };
}

/** What each event brings to whom. */
async function draftsOf(events: readonly LedgerEvent[], engine: Engine): Promise<EventDrafts[]> {
  const projects = [...new Set(events.map(({ project }) => project))];
  const endpoints = new Map(
    await Promise.all(projects.map(async (project) => [project, await endpointsOf(project, engine)] as const)),
  );
  const wanted = events.map((event) => ({
    event,
    hearers: (endpoints.get(event.project) ?? []).filter((endpoint) => hearsOf(endpoint, event)),
  }));
  const videos = await readVideos(
    wanted.flatMap(({ event, hearers }) =>
      "video" in event && (hearers.length > 0 || mayHaveAddress(event)) ? event.video : [],
    ),
    engine,
  );
  const batches = await toldBatches(
    wanted.flatMap(({ event, hearers }) => (hearers.length > 0 ? event : [])),
    engine,
  );
  return wanted.map(({ event, hearers }) => {
    const subject = "video" in event ? videos.get(event.video) : batches.get(event.subject);
    return { event, drafts: draftsOfOne(event, hearers, subject) };
  });
}

function draftsOfOne(
  event: LedgerEvent,
  hearers: readonly WebhookEndpoint[],
  subject: Video | BatchBody | "unreadable" | undefined,
): DeliveryDraft[] {
  const video = typeof subject === "object" && "version" in subject ? subject : undefined;
  const webhook = video && mayHaveAddress(event) ? video.webhook : undefined;
  if (hearers.length === 0 && !webhook) return [];
  const body = eventBody(event, video ? videoBody(video) : batchOf(subject));
  // Not deleted, only not to be shown: its id is all that can be said.
  const told = subject === "unreadable" && "video" in event ? { ...body, data: { id: event.video } } : body;
  const common = {
    subject: "video" in event ? event.video : event.subject,
    event: body.id,
    type: body.type,
    project: event.project,
    payload: JSON.stringify(told),
  };
  const drafts: DeliveryDraft[] = hearers.map(({ id }) => ({
    ...common,
    id: deliveryId(id, event.id, event.id),
    target: id,
  }));
  if (webhook && URL.canParse(webhook.url))
    drafts.push({
      ...common,
      id: deliveryId(`${webhook.url} ${event.project}`, event.id, event.id),
      target: originTarget(event.project, webhook.url),
      address: webhook,
    });
  return drafts;
}

const batchOf = (subject: Video | BatchBody | "unreadable" | undefined): BatchBody | undefined =>
  typeof subject === "object" && !("version" in subject) ? subject : undefined;

/** An address that was named with a video hears what an endpoint does that did not say what it wants to hear. */
const mayHaveAddress = (event: LedgerEvent): event is VideoEvent =>
  "video" in event && defaultWebhookEvents.includes(event.type);

async function endpointsOf(project: string, { redis, keys }: Engine): Promise<WebhookEndpoint[]> {
  const ids = await redis.zrange(keys.projectWebhookEndpoints(project), "0", "-1");
  const read = await Promise.all(ids.map(async (id) => endpointOf(id, await redis.hgetall(keys.webhookEndpoint(id)))));
  return read.filter((endpoint) => endpoint !== undefined);
}

/** Those that are still there; `unreadable` where a record is that nobody here can read. */
async function readVideos(ids: readonly VideoId[], { redis, keys, facts }: Engine) {
  const wanted = [...new Set(ids)];
  const texts = wanted.length > 0 ? await redis.mget(wanted.map(keys.video)) : [];
  const videos = new Map<VideoId, Video | "unreadable">();
  for (const [index, id] of wanted.entries()) {
    const text = texts[index];
    if (text === null || text === undefined) continue;
    try {
      videos.set(id, parseRecord(id, text));
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error;
      facts.emit("setAside", { what: "record", id, reason: error.message });
      videos.set(id, "unreadable");
    }
  }
  return videos;
}
