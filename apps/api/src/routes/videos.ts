import {
  isVideoId,
  problem,
  publicStatus,
  type Status,
  statuses,
  videoBody,
  type VideoListBody,
} from "@reelq/contract";
import type { Caller, Explainer, Person, Producer, Resolution, Storage } from "@reelq/engine";
import { type Request, type Response, Router } from "express";
import { defaultProject } from "../caller.ts";
import { sendContent } from "../content.ts";
import { explanationBody } from "../explanation.ts";
import { readCommand } from "../command-body.ts";
import { readCreateBody } from "../create-body.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";

const maxKeyLength = 255;
const variants = ["video", "thumbnail", "spritesheet"];

export interface VideosRouterParts {
  readonly producer: Producer;
  readonly person: Person;
  readonly explain: Explainer;
  readonly storage: Storage;
}

/** `/v1/videos` and what is below it. */
export function videosRouter({ producer, person, explain, storage }: VideosRouterParts): Router {
  const router = Router();

  router
    .route("/")
    .post(async (request, response) => {
      const { fields, reference } = await readCreateBody(request);
      reply(response, await producer.create(fields, reference, callerOf(request)));
    })
    .get(async (request, response) => {
      const { videos, hasMore } = await producer.list(readListQuery(request));
      const data = videos.map(videoBody);
      response.json({
        object: "list",
        data,
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: hasMore,
      } satisfies VideoListBody);
    })
    .all(methodNotAllowed("GET", "POST"));

  router
    .route("/:id")
    .get(async (request, response) => {
      response.json(videoBody(await producer.read(request.params.id, callerOf(request))));
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
      if (variant !== "video")
        throw problem("variant_unavailable", `${video.id} has no ${variant}; only its video is stored.`, "variant");
      const url = queryOf(request, "redirect") === "1" ? await storage.presign(video.file.key, 3600) : undefined;
      if (url) response.redirect(302, url);
      else await sendContent(video, storage, request, response);
    })
    .all(methodNotAllowed("GET", "HEAD"));

  router
    .route("/:id/remix")
    .post(async (request, response) => {
      const { fields, reference } = await readCreateBody(request);
      if (reference)
        throw problem("unknown_field", "A remix takes a prompt only; its source is the picture.", "input_reference");
      reply(response, await producer.remix(request.params.id, fields, callerOf(request)));
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

function reply(response: Response, { video, replayed }: Awaited<ReturnType<Producer["create"]>>): void {
  if (replayed) response.setHeader("Idempotent-Replayed", "true");
  response.json(videoBody(video));
}

function callerOf(request: Request): Caller {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return { project: defaultProject };
  if (typeof key !== "string" || !/^[\x21-\x7e]+$/.test(key) || key.length > maxKeyLength) {
    throw problem(
      "invalid_value",
      `Idempotency-Key must be 1 to ${maxKeyLength} printable ASCII characters without spaces.`,
      "Idempotency-Key",
    );
  }
  return { project: defaultProject, idempotencyKey: key };
}

function readListQuery(request: Request): Parameters<Producer["list"]>[0] {
  const after = queryOf(request, "after");
  if (after !== undefined && !isVideoId(after))
    throw problem("invalid_value", `after ${JSON.stringify(after)} is not a video's id.`, "after");
  const limit = queryOf(request, "limit") ?? "20";
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > 100)
    throw problem("invalid_value", `limit ${JSON.stringify(limit)} must be a whole number from 1 to 100.`, "limit");
  const order = queryOf(request, "order") ?? "desc";
  if (order !== "asc" && order !== "desc")
    throw problem("invalid_value", `order ${JSON.stringify(order)} must be asc or desc.`, "order");
  const status = queryOf(request, "status");
  return {
    ...(after === undefined ? {} : { after }),
    limit: Number(limit),
    order,
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

function queryOf(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name];
  if (value === undefined || typeof value === "string") return value;
  throw problem("invalid_value", `${name} was given twice; give it once.`, name);
}
