import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import { type Call, openCall, unauthorized } from "./call.ts";
import { content } from "./content.ts";
import { control } from "./control.ts";
import type { Operation } from "./faults.ts";
import type { Handle } from "./handle.ts";
import { list, remove, retrieve } from "./look.ts";
import { Refusal, refuse } from "./refusal.ts";
import type { Settings } from "./settings.ts";
import { create, remix } from "./submit.ts";
import type { World } from "./world.ts";

const hello =
  "A simulated video API: it renders nothing and serves test pictures.\nThe API is under /v1/videos; GET /_sim says how to script it.\n";

export function createApp(world: World, handle: Handle): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("etag", false);
  app.get("/", (_request, response) => void response.type("text/plain").send(hello));
  app.use("/_sim", control(world, handle));
  app.use("/v1", videos(world));
  app.use((request, response) => refuse(response, unknownUrl(request)));
  app.use(answerError);
  return app;
}

function videos(world: World): express.Router {
  const router = express.Router();
  const posting =
    (operation: Operation, act: (call: Call) => Promise<void>): RequestHandler =>
    (request, response) =>
      act(openCall(world, operation, request, response));
  const asking =
    (operation: Operation, act: (call: Call) => Promise<void>): RequestHandler =>
    async (request, response) => {
      const call = openCall(world, operation, request, response);
      const stranger = unauthorized(call);
      if (stranger) refuse(response, stranger);
      else await act(call);
    };
  const able =
    (name: keyof Settings["capabilities"]): RequestHandler =>
    (_request, _response, next) =>
      next(world.settings.capabilities[name] ? undefined : "router");

  router.post("/videos", posting("create", create));
  router.get("/videos/:id", asking("retrieve", retrieve));
  router.get("/videos/:id/content", asking("content", content));
  router.post("/videos/:id/remix", able("remix"), posting("remix", remix));
  router.get("/videos", able("list"), asking("list", list));
  router.delete("/videos/:id", able("delete"), asking("delete", remove));
  return router;
}

const unknownUrl = ({ method, originalUrl }: Request): Refusal =>
  new Refusal(404, "unknown_url", `Unknown request URL: ${method} ${originalUrl}.`);

/** What Express and its body reader throw carries a status; anything else is a mistake of the simulator's. */
const answerError: ErrorRequestHandler = (error: unknown, _request, response: Response, next) => {
  if (response.headersSent) return next(error);
  const status = statusOf(error);
  const message = error instanceof Error ? error.message : String(error);
  refuse(response, new Refusal(status, status < 500 ? "invalid_request" : "internal_error", message));
};

function statusOf(error: unknown): number {
  if (typeof error !== "object" || error === null || !("status" in error)) return 500;
  return typeof error.status === "number" ? error.status : 500;
}
