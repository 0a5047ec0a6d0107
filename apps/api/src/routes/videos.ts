import {
  isVideoId,
  problem,
  publicStatus,
  type Status,
  statuses,
  type VideoBody,
  videoBody,
  type VideoListBody,
} from "@reelq/contract";
import type { Accepted, Explainer, Person, Producer, Resolution, Storage } from "@reelq/engine";
import { type Request, type Response, Router } from "express";
import { callerOf } from "../caller.ts";
import { fileOf, sendContent } from "../content.ts";
import { explanationBody } from "../explanation.ts";
import { readCommand } from "../command-body.ts";
import { readCreateBody } from "../create-body.ts";
import type { EventListening } from "../event-listening.ts";
import { listBody } from "../list-body.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";
import { queryOf, readPageQuery } from "../query.ts";
import { readRepeatable } from "../repeatable.ts";
import { readTypes } from "./events.ts";

const variants = ["video", "thumbnail", "spritesheet"];

export interface VideosRouterParts {
  readonly producer: Producer;
  readonly person: Person;
  readonly explain: Explainer;
  readonly storage: Storage;
  readonly listening: EventListening;
}

/** `/v1/videos` and what is below it. */
export function videosRouter({ producer, person, explain, storage, listening }: VideosRouterParts): Router {
  const router = Router();

  router
    .route("/")
    .post(async (request, response) => {
      const again = readRepeatable(request);
      reply(response, await producer.create(await readCreateBody(request), callerOf(request), again));
    })
    .get(async (request, response) => {
      const { videos, hasMore } = await producer.list(readListQuery(request), callerOf(request));
      response.json(listBody(videos.map(videoBody), hasMore) satisfies VideoListBody);
    })
    .all(methodNotAllowed("GET", "POST"));

  // The official SDK knows these; the upstreams that reelq drives do not.
  router.all(["/edits", "/extensions", "/characters", "/characters/:id"], (request) => {
    throw problem(
      "not_found",
      `There is no ${request.method} ${request.baseUrl}${request.path} here: create and remix make videos.`,
    );
  });

  router
    .route("/:id")
    .get(async (request, response) => {
      response.json(videoBody(await producer.read(request.params.id, callerOf(request))));
    })
    .delete(async (request, response) => {
      const { id, files } = await producer.remove(request.params.id, callerOf(request));
      response.json({ id, object: "video.deleted", deleted: true, reelq: { files } });
    })
    .all(methodNotAllowed("GET", "DELETE"));

  router
    .route("/:id/events")
    .get(async (request, response) => {
      const caller = callerOf(request);
      const types = readTypes(request);
      const video = await producer.read(request.params.id, caller);
      await listening.listen(request, response, { project: video.project, apiKey: caller.key, types, video });
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/:id/explain")
    .get(async (request, response) => {
      const video = await producer.read(request.params.id, callerOf(request));
      response.json(explanationBody(await explain(video)));
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/:id/content")
    .get(async (request, response) => {
      const video = await producer.read(request.params.id, callerOf(request));
      const variant = queryOf(request, "variant") ?? "video";
      if (!variants.includes(variant))
        throw problem(
          "invalid_value",
          `variant ${JSON.stringify(variant)} is not known; allowed: ${variants.join(", ")}.`,
          "variant",
        );
      if (video.status === "failed" || video.status === "cancelled")
        throw problem("not_found", `${video.id} is ${video.status}; it has no file.`, "id");
      if (video.status !== "stored")
        throw problem("not_ready", `${video.id} is ${video.status}; its file can be had once it is completed.`, "id");
      const file = fileOf(video, variant);
      if (!file)
        throw problem(
          "variant_unavailable",
          `${video.id} has no ${variant}: the upstream offered none when its video was stored.`,
          "variant",
        );
      const url = queryOf(request, "redirect") === "1" ? await storage.presign(file.key, 3600) : undefined;
      if (url) response.redirect(302, url);
      else await sendContent(video.id, file, storage, request, response);
    })
    .all(methodNotAllowed("GET", "HEAD"));

  router
    .route("/:id/remix")
    .post(async (request, response) => {
      const again = readRepeatable(request);
      const { fields, reference } = await readCreateBody(request);
      if (reference)
        throw problem("unknown_field", "A remix takes a prompt only; its source is the picture.", "input_reference");
      reply(response, await producer.remix(request.params.id, fields, callerOf(request), again));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/cancel")
    .post(async (request, response) => {
      const { abandon } = await readCommand(request, { abandon: "boolean" });
      response.json(videoBody(await person.cancel(request.params.id, abandon ?? false, callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/retry")
    .post(async (request, response) => {
      const { insist } = await readCommand(request, { insist: "boolean" });
      response.json(videoBody(await person.retry(request.params.id, insist ?? false, callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/resolve")
    .post(async (request, response) => {
      const command = await readCommand(request, { task: "string", resubmit: "boolean", fail: "boolean" });
      response.json(videoBody(await person.resolve(request.params.id, resolutionOf(command), callerOf(request))));
    })
    .all(methodNotAllowed("POST"));

  return router;
}

function resolutionOf({ task, resubmit, fail }: { task?: string; resubmit?: boolean; fail?: boolean }): Resolution {
  const named: Resolution[] = [];
  if (task !== undefined) named.push({ kind: "task", task });
  if (resubmit) named.push({ kind: "resubmit" });
  if (fail) named.push({ kind: "fail" });
  const [only, ...others] = named;
  if (only && others.length === 0) return only;
  throw problem(
    "invalid_value",
    'Say exactly one of {"task": "the upstream\'s id"}, {"resubmit": true} and {"fail": true}.',
  );
}

function reply(response: Response, { video, replayed, told }: Accepted): void {
  if (replayed) response.setHeader("Idempotent-Replayed", "true");
  // Should this fail, a repeat is answered with this video all the same.
  if (told) response.on("finish", () => void told().catch(() => undefined));
  sendCreated(response, videoBody(video));
}

/** As `response.json` would, but for the hash that tells one answer from another: what was just made is asked for once. */
function sendCreated(response: Response, body: VideoBody): void {
  const text = JSON.stringify(body);
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.setHeader("Content-Length", Buffer.byteLength(text));
  response.end(text);
}

function readListQuery(request: Request): Parameters<Producer["list"]>[0] {
  const { after, limit, order } = readPageQuery(request, { byDefault: 20, most: 100 });
  if (after !== undefined && !isVideoId(after))
    throw problem("invalid_value", `after ${JSON.stringify(after)} is not a video's id.`, "after");
  const status = queryOf(request, "status");
  return {
    ...(after === undefined ? {} : { after }),
    limit,
    order,
    batch: queryOf(request, "batch"),
    ...(status === undefined ? {} : { statuses: statusesOf(status) }),
  };
}

/** One of our statuses, or a word of the OpenAI shape for all of ours that it stands for. */
function statusesOf(word: string): readonly Status[] {
  if ((statuses as readonly string[]).includes(word) && word !== "queued" && word !== "failed") return [word as Status];
  const meant = statuses.filter((status) => publicStatus[status] === word);
  if (meant.length > 0) return meant;
  throw problem(
    "invalid_value",
    `status ${JSON.stringify(word)} is not known; allowed: ${[...new Set([...Object.values(publicStatus), ...statuses])].join(", ")}.`,
    "status",
  );
}
