import {
  type BatchListBody,
  type BatchRetriedBody,
  type BatchState,
  batchStates,
  batchStatusOf,
  type BatchWaivedBody,
  type ClipListBody,
  isBatchId,
  nearestName,
  problem,
  type Status,
  statuses,
} from "@reelq/contract";
import type { Batches, BatchListOptions, ClipListOptions } from "@reelq/engine";
import { type Request, Router } from "express";
import { readBatchChange, readBatchCreate, readBatchRetry, readBatchWaive, readNothing } from "../batch-body.ts";
import type { BatchListening } from "../batch-listening.ts";
import { type BatchReportParts, readReportQuery, sendReport } from "../batch-report.ts";
import { callerOf } from "../caller.ts";
import { listBody } from "../list-body.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";
import { queryOf, readPageQuery } from "../query.ts";
import { readRepeatable } from "../repeatable.ts";

const longestPageOfClips = 500;

export interface BatchesRouterParts extends Omit<BatchReportParts, "batches"> {
  readonly batches: Batches;
  readonly listening: BatchListening;
}

/** `/v1/batches`: videos that are asked for together, from one manifest. */
export function batchesRouter({ listening, ...parts }: BatchesRouterParts): Router {
  const { batches } = parts;
  const router = Router();

  router
    .route("/")
    .post(async (request, response) => {
      const again = readRepeatable(request);
      response.json(await batches.create(await readBatchCreate(request), callerOf(request), again));
    })
    .get(async (request, response) => {
      const { batches: found, hasMore } = await batches.list(readListQuery(request), callerOf(request));
      response.json(listBody([...found], hasMore) satisfies BatchListBody);
    })
    .all(methodNotAllowed("GET", "POST"));

  router
    .route("/plan")
    .post(async (request, response) => {
      response.json(await batches.plan(await readBatchCreate(request), callerOf(request)));
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id")
    .get(async (request, response) => {
      response.json(await batches.read(request.params.id, callerOf(request)));
    })
    .post(async (request, response) => {
      const change = await readBatchChange(request);
      response.json(await batches.change(request.params.id, change, callerOf(request)));
    })
    .all(methodNotAllowed("GET", "POST"));

  for (const command of ["pause", "resume", "cancel"] as const) {
    router
      .route(`/:id/${command}`)
      .post(async (request, response) => {
        await readNothing(request);
        response.json(await batches[command](request.params.id, callerOf(request)));
      })
      .all(methodNotAllowed("POST"));
  }

  router
    .route("/:id/retry")
    .post(async (request, response) => {
      const { batch, retried } = await batches.retry(
        request.params.id,
        await readBatchRetry(request),
        callerOf(request),
      );
      response.json({ object: "batch.retry", batch, retried } satisfies BatchRetriedBody);
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/waive")
    .post(async (request, response) => {
      const customIds = await readBatchWaive(request);
      const { batch, waived } = await batches.waive(request.params.id, customIds, callerOf(request));
      response.json({ object: "batch.waive", batch, waived } satisfies BatchWaivedBody);
    })
    .all(methodNotAllowed("POST"));

  router
    .route("/:id/clips")
    .get(async (request, response) => {
      const { clips, lastNumber, hasMore } = await batches.clips(
        request.params.id,
        readClipsQuery(request),
        callerOf(request),
      );
      response.json({
        object: "list",
        data: [...clips],
        last_number: lastNumber,
        has_more: hasMore,
      } satisfies ClipListBody);
    })
    .all(methodNotAllowed("GET"));

  router
    .route("/:id/report")
    .get(async (request, response) => {
      const wanted = readReportQuery(request);
      const caller = callerOf(request);
      const batch = await batches.read(request.params.id, caller);
      await sendReport(parts, { batch, ...wanted, caller }, request, response);
    })
    .all(methodNotAllowed("GET", "HEAD"));

  router
    .route("/:id/events")
    .get(async (request, response) => {
      const caller = callerOf(request);
      const batch = await batches.read(request.params.id, caller);
      await listening.listen(request, response, batch, caller);
    })
    .all(methodNotAllowed("GET"));

  return router;
}

function readListQuery(request: Request): BatchListOptions {
  const { after, limit, order } = readPageQuery(request, { byDefault: 20, most: 100 });
  if (after !== undefined && !isBatchId(after))
    throw problem("invalid_value", `after ${JSON.stringify(after.slice(0, 80))} is not a batch's id.`, "after");
  const status = queryOf(request, "status");
  return { after, limit, order, ...(status === undefined ? {} : { states: statesOf(status) }) };
}

/** One of our states, or a word of the OpenAI shape for all of ours that it stands for. */
function statesOf(word: string): readonly BatchState[] {
  const meant = batchStates.filter((state) => state === word || batchStatusOf[state] === word);
  if (meant.length > 0) return meant;
  throw unknownWord(word, [...new Set([...Object.values(batchStatusOf), ...batchStates])]);
}

function readClipsQuery(request: Request): ClipListOptions {
  const after = queryOf(request, "after") ?? "0";
  if (!/^\d{1,9}$/.test(after))
    throw problem(
      "invalid_value",
      `after ${JSON.stringify(after.slice(0, 80))} must be a clip's number, as last_number of the page before says it.`,
      "after",
    );
  const limit = queryOf(request, "limit") ?? "100";
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > longestPageOfClips)
    throw problem(
      "invalid_value",
      `limit ${JSON.stringify(limit.slice(0, 80))} must be a whole number from 1 to ${longestPageOfClips}.`,
      "limit",
    );
  const words = queryOf(request, "status");
  return {
    after: Number(after),
    limit: Number(limit),
    ...(words === undefined ? {} : { statuses: words.split(",").map(clipStatusOf) }),
  };
}

function clipStatusOf(word: string): Status {
  const status = statuses.find((one) => one === word.trim());
  if (status) return status;
  throw unknownWord(word, statuses);
}

function unknownWord(word: string, known: readonly string[]) {
  const meant = nearestName(word.slice(0, 80), known);
  return problem(
    "invalid_value",
    `status ${JSON.stringify(word.slice(0, 80))} is not known; ${meant ? `did you mean "${meant}"?` : `allowed: ${known.join(", ")}.`}`,
    "status",
  );
}
