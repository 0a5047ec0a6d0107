import { randomUUID } from "node:crypto";
import { createServer, IncomingMessage, type Server, ServerResponse } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import {
  type Batches,
  type Engine,
  type Keyring,
  openEventFeed,
  openExplainer,
  openPulse,
  openRateLimit,
  openUploads,
  openWebhooks,
  type Person,
  type Producer,
  type Pulse,
} from "@reelq/engine";
import cors from "cors";
import express, { type Express, type RequestHandler, Router } from "express";
import helmet from "helmet";
import { limitBodies } from "./body-room.ts";
import { type BatchListening, openBatchListening } from "./batch-listening.ts";
import { openDoors } from "./caller.ts";
import { type EventListening, openEventListening } from "./event-listening.ts";
import { type FailedRequest, replyWithProblem, unknownRoute } from "./problem-reply.ts";
import { refuseDuringOutage } from "./outage.ts";
import { judgeAddresses } from "./outside.ts";
import { limitRate } from "./rate-headers.ts";
import { refuseOtherSites } from "./same-site.ts";
import { openSessions } from "./session.ts";
import { refuseSlowBodies } from "./slow-body.ts";
import { batchPageRouter } from "./routes/batch-page.ts";
import { batchesRouter } from "./routes/batches.ts";
import { boardRouter } from "./routes/board.ts";
import { docsRouter } from "./routes/docs.ts";
import { eventsRouter } from "./routes/events.ts";
import { filesRouter } from "./routes/files.ts";
import { type HealthCheck, healthRouter } from "./routes/health.ts";
import { loginRouter } from "./routes/login.ts";
import { manifestSchemaRouter } from "./routes/manifest-schema.ts";
import { metricsRouter } from "./routes/metrics.ts";
import { videosRouter } from "./routes/videos.ts";
import { webhookEndpointsRouter } from "./routes/webhook-endpoints.ts";

export interface ApiOptions {
  readonly engine: Engine;
  readonly producer: Producer;
  readonly person: Person;
  /** Without it nothing is served under `/v1/batches` and `/batches`. */
  readonly batches?: Batches;
  readonly keyring: Keyring;
  /** What browsers' cookies are signed with. */
  readonly cookieSecret: () => Promise<string>;
  /** Calls a minute of a key that has no limit of its own; 0: none. */
  readonly rateLimit: number;
  /** Whose pages may call from a browser. */
  readonly corsOrigins: readonly string[];
  /** Webhooks may be sent to these though they are not public; none where left out. */
  readonly allowAddresses?: readonly string[];
  readonly patience?: Partial<Patience>;
  /** A batch that somebody listens to is looked at after so many ms; a second where left out. */
  readonly batchLookMs?: number;
  readonly health: HealthCheck;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly onError: (error: unknown, request: FailedRequest) => void;
}

export interface RunningApi {
  readonly url: string;
  /** Takes no new connection, lets replies in progress end until the deadline, then cuts them. */
  close(deadlineMs: number): Promise<void>;
}

/** How long a connection is held for somebody who does not use it, in ms. */
export interface Patience {
  /** The headers must be whole. */
  readonly headersMs: number;
  /** So long is a body watched at a time: too little of it, and it is cut off. */
  readonly bodyMs: number;
  /** Nothing goes either way for so long: the other side is gone. Events have heartbeats. */
  readonly idleMs: number;
}

const usualPatience: Patience = { headersMs: 15_000, bodyMs: 20_000, idleMs: 2 * 60_000 };

/** A file of 200 MB over a slow line. */
const longestRequestMs = 60 * 60_000;

export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { engine, keyring } = options;
  const listening = openEventListening({
    feed: openEventFeed(engine),
    keyring,
    readVideo: (id) => engine.ledger.read(id),
  });
  const { batches, batchLookMs } = options;
  const batchListening =
    batches && openBatchListening({ batches, keyring, ...(batchLookMs === undefined ? {} : { lookMs: batchLookMs }) });
  const pulse = openPulse(engine.redis);
  const { headersMs, bodyMs, idleMs } = { ...usualPatience, ...options.patience };
  const timeouts = {
    headersTimeout: headersMs,
    requestTimeout: longestRequestMs,
    keepAliveTimeout: Math.min(10_000, idleMs),
  };
  const server = createServer(
    { ...timeouts, connectionsCheckingInterval: headersMs / 8 },
    openApp(options, { listening, batchListening, pulse, bodyMs }),
  );
  server.setTimeout(idleMs);
  server.on("clientError", refuseUnreadable);
  await listen(server, options.port, options.host);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    close: async (deadlineMs) => {
      listening.close();
      batchListening?.close();
      pulse.close();
      await close(server, deadlineMs);
    },
  };
}

interface AppParts {
  readonly listening: EventListening;
  readonly batchListening: BatchListening | undefined;
  readonly pulse: Pulse;
  readonly bodyMs: number;
}

function openApp(options: ApiOptions, { listening, batchListening, pulse, bodyMs }: AppParts): Express {
  const { engine, batches, keyring, cookieSecret, corsOrigins, health, onError } = options;
  const sessions = openSessions(cookieSecret, keyring);
  const doors = openDoors(keyring, sessions);
  const app = express();
  app.disable("x-powered-by");
  // Whatever fails, Express itself shows no stack.
  app.set("env", "production");
  app.set("query parser", "simple");
  app.use(nameRequest);
  app.use(refuseSlowBodies(bodyMs));
  app.use(guardReplies());
  if (corsOrigins.length > 0) app.use(cors({ origin: [...corsOrigins], exposedHeaders, maxAge: 600 }));
  const guards = [refuseDuringOutage(pulse), refuseOtherSites(keyring, corsOrigins), sessions.reads];
  // By far the most go there: they need not look for themselves among the pages first.
  app.use("/v1", Router().use(guards, doors.anyKey, callsRouter(options, { listening, batchListening })));
  app.use(healthRouter(health));
  app.use(docsRouter());
  app.use(manifestSchemaRouter());
  app.use(guards);
  app.use(loginRouter(keyring, sessions));
  app.use("/board", doors.admin, boardRouter(engine));
  app.use("/metrics", doors.admin, metricsRouter(engine));
  if (batches) app.use("/batches", doors.admin, batchPageRouter(batches));
  app.get("/", (_request, response) => {
    response.redirect(302, "/board");
  });
  app.use(unknownRoute);
  app.use(replyWithProblem(onError));
  return app;
}

/** What is below `/v1`, for whoever was let in. */
function callsRouter(options: ApiOptions, { listening, batchListening }: Omit<AppParts, "pulse" | "bodyMs">): Router {
  const { engine, producer, person, batches, rateLimit, allowAddresses = [] } = options;
  const { storage, clock } = engine;
  const calls = Router();
  calls.use(limitRate(openRateLimit(engine), rateLimit));
  calls.use(["/videos", "/batches"], limitBodies());
  calls.use("/videos", videosRouter({ producer, person, explain: openExplainer(engine), storage, listening }));
  calls.use("/files", filesRouter(openUploads(engine)));
  calls.use("/events", eventsRouter(listening));
  const webhooks = openWebhooks(engine, judgeAddresses(allowAddresses, "url"));
  calls.use("/webhook_endpoints", webhookEndpointsRouter(webhooks));
  if (batches && batchListening)
    calls.use("/batches", batchesRouter({ batches, storage, clock, listening: batchListening }));
  return calls;
}

/** Helmet says the same of every reply, so it is asked once what that is. */
function guardReplies(): RequestHandler {
  const example = new ServerResponse(new IncomingMessage(new Socket()));
  helmet({ contentSecurityPolicy: { useDefaults: false, directives: nothingRuns } })(example.req, example, (error) => {
    if (error) throw error as Error;
  });
  const headers = new Map(Object.entries(example.getHeaders() as Record<string, string>));
  return (_request, response, next) => {
    response.setHeaders(headers);
    next();
  };
}

/** A reply is data; a page says for itself what may run in it. */
const nothingRuns = { defaultSrc: ["'none'"], frameAncestors: ["'none'"] };

/** What pages of other origins may read of a reply. */
const exposedHeaders = [
  "Idempotent-Replayed",
  "RateLimit",
  "RateLimit-Policy",
  "X-RateLimit-Limit-Requests",
  "X-RateLimit-Remaining-Requests",
  "X-RateLimit-Reset-Requests",
  "Retry-After",
  "X-Request-Id",
  "Content-Disposition",
];

/** Each reply names its request: what a person reports can be found in the log. */
const nameRequest: RequestHandler = (_request, response, next) => {
  response.setHeader("X-Request-Id", `req_${randomUUID()}`);
  next();
};

/** What is no HTTP is answered as far as possible, and never with more than a sentence. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? ["431 Request Header Fields Too Large", "headers_too_large", "The headers have more than 16 KiB."]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? ["408 Request Timeout", "timeout", "The request did not come whole in time."]
        : ["400 Bad Request", "malformed_request", "This is not HTTP that can be read."];
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", code, param: null } });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function close(server: Server, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), deadlineMs);
  await closed;
  clearTimeout(timer);
}
