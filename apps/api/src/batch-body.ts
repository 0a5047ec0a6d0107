import {
  type BatchCreateBody,
  batchCreateSchema,
  type BatchRetryBody,
  batchRetrySchema,
  type BatchChange,
  batchChangeSchema,
  batchWaiveSchema,
  judgeBody,
  mostLines,
  problem,
} from "@reelq/contract";
import type { Request } from "express";
import { readJsonCommand } from "./whole-body.ts";

/** Room for the names of all lines, and for another prompt for many of them. */
const maxBodyBytes = 16 * 1024 * 1024;

/** A name for each line, or a file for each path that it names. */
const maxValues = 2 * mostLines + 1_000;

/** What a manifest's lines ask for. */
const endpoint = "/v1/videos";

/** As the OpenAI shape bounds it. */
const metadataLimits = { pairs: 16, name: 64, value: 512 } as const;

const readBody = (request: Request): Promise<Record<string, unknown>> =>
  readJsonCommand(request, maxBodyBytes, maxValues);

/** The body of a create and of a plan. @throws ProblemError */
export async function readBatchCreate(request: Request): Promise<BatchCreateBody> {
  const body = judgeBody(batchCreateSchema, await readBody(request));
  if (body.endpoint !== undefined && body.endpoint !== endpoint)
    throw problem(
      "invalid_value",
      `endpoint ${JSON.stringify(body.endpoint.slice(0, 80))} is not served here; allowed: ${endpoint}.`,
      "endpoint",
    );
  judgeMetadata(body.metadata ?? {});
  return body;
}

export const readBatchChange = async (request: Request): Promise<BatchChange> =>
  judgeBody(batchChangeSchema, await readBody(request));

export const readBatchRetry = async (request: Request): Promise<BatchRetryBody> =>
  judgeBody(batchRetrySchema, await readBody(request));

/** @returns the custom ids of the lines to do without */
export const readBatchWaive = async (request: Request): Promise<readonly string[]> =>
  judgeBody(batchWaiveSchema, await readBody(request)).custom_ids;

/** For a command that has no wishes: no body, or an empty object. */
export async function readNothing(request: Request): Promise<void> {
  const [name] = Object.keys(await readJsonCommand(request, 1024));
  if (name !== undefined)
    throw problem("unknown_field", `Unknown field ${JSON.stringify(name)}; this call takes none.`, name);
}

function judgeMetadata(metadata: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(metadata);
  const { pairs: mostPairs, name: longestName, value: longestValue } = metadataLimits;
  if (pairs.length > mostPairs)
    throw problem("invalid_value", `metadata has ${pairs.length} pairs; at most ${mostPairs} are allowed.`, "metadata");
  for (const [name, value] of pairs) {
    if (name.length > longestName || value.length > longestValue)
      throw problem(
        "invalid_value",
        `metadata ${JSON.stringify(name.slice(0, 80))} has a name of ${name.length} and a value of ${value.length} characters; at most ${longestName} and ${longestValue} are allowed.`,
        "metadata",
      );
  }
}
