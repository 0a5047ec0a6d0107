import { randomBytes } from "node:crypto";
import type { Batches } from "@reelq/engine";
import { livePage, livePolicy } from "@reelq/report";
import { Router } from "express";
import { callerOf } from "../caller.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";

/** Clips that the page shows; the report has them all. */
const shownClips = 100;

/** `/batches/{id}`: a batch as it goes on, for people. */
export function batchPageRouter(batches: Batches): Router {
  const router = Router();
  router
    .route("/:id")
    .get(async (request, response) => {
      const caller = callerOf(request);
      const batch = await batches.read(request.params.id, caller);
      const { clips } = await batches.clips(batch.id, { limit: shownClips }, caller);
      const nonce = randomBytes(16).toString("base64");
      const api = `/v1/batches/${encodeURIComponent(batch.id)}`;
      const page = livePage({
        batch,
        clips,
        eventsUrl: `${api}/events`,
        reportUrl: `${api}/report`,
        nonce,
        fileUrl: ({ file, video_id: id }) => (file ? contentOf(id) : null),
        thumbnailUrl: ({ file, video_id: id }) => (file?.thumbnail ? `${contentOf(id)}?variant=thumbnail` : null),
      });
      response.set({ "Content-Security-Policy": livePolicy(nonce), "Cache-Control": "no-store" });
      response.type("html").send(page);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}

const contentOf = (video: string): string => `/v1/videos/${encodeURIComponent(video)}/content`;
