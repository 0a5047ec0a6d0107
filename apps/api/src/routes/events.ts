import { type EventType, eventTypes, isEventType, nearestName, problem } from "@reelq/contract";
import { type Request, Router } from "express";
import { callerOf } from "../caller.ts";
import type { EventListening } from "../event-listening.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";

/** `/v1/events`: all that happens in a caller's project, as server-sent events. */
export function eventsRouter(listening: EventListening): Router {
  const router = Router();
  router
    .route("/")
    .get(async (request, response) => {
      const { project, isAdmin, key } = callerOf(request);
      await listening.listen(request, response, {
        project: isAdmin ? undefined : project,
        apiKey: key,
        types: readTypes(request),
      });
    })
    .all(methodNotAllowed("GET"));
  return router;
}

/** `?types=video.completed,video.failed` */
export function readTypes(request: Request): ReadonlySet<EventType> | undefined {
  const given: unknown = request.query["types"];
  if (given === undefined) return undefined;
  const names = typeof given === "string" ? given.split(",").map((name) => name.trim()) : [];
  if (given === "") throw problem("invalid_value", "types is empty; leave it out to hear of everything.", "types");
  if (names.length === 0) throw problem("invalid_value", "types was given twice; give it once.", "types");
  return new Set(
    names.map((name) => {
      if (isEventType(name)) return name;
      const meant = nearestName(name, Object.keys(eventTypes));
      throw problem(
        "invalid_value",
        `types: ${JSON.stringify(name)} is not known; ${meant ? `did you mean "${meant}"?` : `allowed: ${Object.keys(eventTypes).join(", ")}.`}`,
        "types",
      );
    }),
  );
}
