import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventBody, newVideoId, type Status, type Video } from "@reelq/contract";
import {
  type Caller,
  DAY,
  type Engine,
  fleetSchema,
  openEngine,
  openFleet,
  openStorage,
  openWebhooks,
  startWebhookWorker,
  type Webhooks,
  type WebhookTimings,
  type WebhookWorker,
} from "@reelq/engine";
import { openWeb } from "@reelq/web";
import { onTestFinished } from "vitest";
import { type MovableClock, movableClock } from "./engine.ts";
import type { TestRedis } from "./redis.ts";
import { aTask, aVideo, inStatus } from "./video.ts";

/** One webhook as it came. */
export interface Hit {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly event: EventBody;
}

/** A status, nothing at all, a connection that is cut, or what the test does itself. */
type Reply = number | "hang" | "reset" | ((response: ServerResponse) => void);

export interface Receiver {
  readonly url: string;
  readonly hits: readonly Hit[];
  /** Those that were answered with 200. */
  readonly taken: readonly Hit[];
  /** Waits until so many came, or were taken. */
  came(count: number): Promise<void>;
  took(count: number): Promise<void>;
}

/** An HTTP server that takes webhooks, by default each at once. */
export async function aReceiver(replyTo: (hit: Hit, before: number) => Reply = () => 200): Promise<Receiver> {
  const hits: Hit[] = [];
  const taken: Hit[] = [];
  let changed = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks).toString();
    const hit: Hit = {
      path: request.url ?? "",
      headers: request.headers,
      body,
      event: JSON.parse(body) as EventBody,
    };
    const reply = replyTo(
      hit,
      hits.filter(({ headers }) => headers["webhook-id"] === request.headers["webhook-id"]).length,
    );
    hits.push(hit);
    if (reply === 200) taken.push(hit);
    if (reply === "reset") request.socket.destroy();
    else if (typeof reply === "number") response.writeHead(reply).end("as you wish");
    else if (reply !== "hang") reply(response);
    changed.resolve();
    changed = Promise.withResolvers();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const wait = async (list: readonly Hit[], count: number): Promise<void> => {
    while (list.length < count) await changed.promise;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    hits,
    taken,
    came: (count) => wait(hits, count),
    took: (count) => wait(taken, count),
  };
}

export interface Room {
  readonly engine: Engine;
  readonly webhooks: Webhooks;
  readonly clock: MovableClock;
  work(timings?: Partial<WebhookTimings>): WebhookWorker;
  /** A new video that then moves through these statuses. */
  video(statuses?: readonly Status[], facts?: Partial<Pick<Video, "project" | "webhook">>): Promise<Video>;
  move(video: Video, ...statuses: readonly Status[]): Promise<Video>;
}

/** A project's own key, which sees nothing of others. */
export const callerOf = (project: string, key = `key-of-${project}`): Caller => ({ project, key, isAdmin: false });

let rooms = 0;

const testAllow = ["127.0.0.1"];

/** Webhooks by themselves: nobody renders, and moves are made by hand. */
export async function aRoom(redis: TestRedis, prefix = `{hooks-${process.pid}-${(rooms += 1)}}`): Promise<Room> {
  const folder = await mkdtemp(join(tmpdir(), "reelq-hooks-"));
  const clock = movableClock();
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: openFleet(fleetSchema.parse({ upstreams: { main: { url: "http://127.0.0.1:9/v1" } } })),
    storage: openStorage(`file:${folder}`, {}),
    patient: true,
    clock,
    prefix,
  });
  const workers: WebhookWorker[] = [];
  onTestFinished(async () => {
    await Promise.all(workers.map((worker) => worker.close(0)));
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });
  const web = openWeb({ allow: testAllow });
  const move = async (video: Video, ...statuses: readonly Status[]): Promise<Video> => {
    let now = video;
    for (const status of statuses) {
      const task = ["rendering", "downloading", "stored"].includes(status)
        ? { task: aTask({ id: `t-${video.id}` }) }
        : {};
      const webhook = video.webhook ? { webhook: video.webhook } : {};
      const advance = await engine.ledger.advance(now, inStatus(now, status, { ...task, ...webhook }));
      if (advance.kind !== "moved") throw new Error(`${video.id} could not become ${status}: ${advance.kind}.`);
      now = advance.video;
    }
    return now;
  };
  return {
    engine,
    clock,
    webhooks: openWebhooks(engine, () => undefined),
    work(timings = {}) {
      const worker = startWebhookWorker(engine, {
        name: `worker-${workers.length + 1}`,
        send: (url, options) => web.post(url, options),
        dice: () => 0.5,
        // Clocks are put forward by days here, and claims are to outlast that.
        timings: { passEveryMs: 50, leaseMs: 30 * DAY, turnMs: 600, timeoutMs: 5_000, ...timings },
      });
      workers.push(worker);
      return worker;
    },
    async video(statuses = [], facts = {}) {
      const video = aVideo("queued", { id: newVideoId(Date.now()), ...facts });
      await engine.ledger.accept([{ video }]);
      return move(video, ...statuses);
    },
    move,
  };
}

/** Lets no try wait: whenever one is put off, its time has come. */
export function skipWaits({ engine, clock }: Room): void {
  engine.facts.on("webhookTried", ({ nextAt }) => clock.skip(Math.max(0, (nextAt ?? 0) - clock.now())));
}

/** What was sent again is there once. */
export function inOrder(hits: readonly Hit[]): Map<string, string[]> {
  const stories = new Map<string, string[]>();
  for (const { event } of hits) {
    const story = stories.get(event.data.id) ?? [];
    if (!story.includes(event.type)) story.push(event.type);
    stories.set(event.data.id, story);
  }
  return stories;
}
