import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Engine, openExplainer, type Person, type Producer } from "@reelq/engine";
import express, { type Express } from "express";
import { requireKey } from "./caller.ts";
import { replyWithProblem, unknownRoute } from "./problem-reply.ts";
import { refuseOtherSites } from "./same-site.ts";
import { boardRouter } from "./routes/board.ts";
import { type HealthCheck, healthRouter } from "./routes/health.ts";
import { metricsRouter } from "./routes/metrics.ts";
import { videosRouter } from "./routes/videos.ts";

export interface ApiOptions {
  readonly engine: Engine;
  readonly producer: Producer;
  readonly person: Person;
  /** Empty: everyone who reaches the address may call. */
  readonly keys: readonly { readonly name: string; readonly key: string }[];
  readonly health: HealthCheck;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly onError: (error: unknown, request: { readonly method: string; readonly path: string }) => void;
}

export interface RunningApi {
  readonly url: string;
  /** Takes no new connection, lets replies in progress end until the deadline, then cuts them. */
  close(deadlineMs: number): Promise<void>;
}

export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const server = createServer(
    { requestTimeout: 5 * 60_000, headersTimeout: 30_000, keepAliveTimeout: 10_000 },
    openApp(options),
  );
  await listen(server, options.port, options.host);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, close: (deadlineMs) => close(server, deadlineMs) };
}

function openApp({ engine, producer, person, keys, health, onError }: Omit<ApiOptions, "host" | "port">): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  app.use(healthRouter(health));
  app.use(refuseOtherSites(keys.length > 0));
  const guard = requireKey(keys);
  app.use("/board", guard.browser, boardRouter(engine));
  app.use("/metrics", guard.bearer, metricsRouter(engine));
  app.use(
    "/v1/videos",
    guard.bearer,
    videosRouter({ producer, person, explain: openExplainer(engine), storage: engine.storage }),
  );
  app.get("/", (_request, response) => {
    response.redirect(302, "/board");
  });
  app.use(unknownRoute);
  app.use(replyWithProblem(onError));
  return app;
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
