import { createHash } from "node:crypto";
import { judgeIdempotencyKey, problem, type ProblemError, type VideoId } from "@reelq/contract";
import type { Judged, ReferenceGiven, Repeatable } from "./ask.ts";
import type { Caller } from "./caller.ts";
import { type Asked, differingFields, fingerprintOf } from "./fingerprint.ts";
import type { RequestMemory } from "./ledger.ts";

/** How a request will be known again; undefined: it will not. */
export function memoryOf(judged: Judged, caller: Caller, again: Repeatable): RequestMemory | undefined {
  const { idempotencyKey: key, isRepeat } = again;
  if (key !== undefined) judgeIdempotencyKey(key);
  if (key === undefined && isRepeat === undefined) return undefined;
  return {
    apiKey: caller.key,
    fingerprint: fingerprintOf(askedOf(judged)),
    way: key === undefined ? { kind: "itself", isRepeat: isRepeat === true } : { kind: "key", key },
  };
}

const askedOf = ({ request, options, reference }: Judged): Asked => ({
  prompt: request.prompt,
  model: request.model,
  seconds: request.seconds,
  size: request.size,
  input_reference: reference && sayReference(reference),
  remix_of: request.remixOf?.video,
  webhook_url: options.webhookUrl,
});

function sayReference(reference: ReferenceGiven): string {
  switch (reference.kind) {
    case "bytes":
      return `bytes:${createHash("sha256").update(reference.bytes).digest("hex")}`;
    case "url":
      return `url:${reference.url}`;
    case "file":
      return `file:${reference.id}`;
  }
}

/** The same idempotency key, another request. */
export const conflictOf = (id: VideoId, first: string, second: string): ProblemError =>
  problem(
    "idempotency_conflict",
    `The Idempotency-Key was used for ${id} with another request; these differ: ${differingFields(first, second).join(", ")}. Use a new key.`,
    "Idempotency-Key",
  );
