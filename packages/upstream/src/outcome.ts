import { describe, type Fault, readFault } from "./error-body.ts";
import { type PlainWords, plainTask } from "./plain-words.ts";
import { present } from "./present.ts";
import { isCrowding, type Refusal, refusalByCode, refusalBySaying } from "./refusal.ts";
import { isSuccess, type Reply } from "./reply.ts";
import { readRest, readRetryAfter } from "./retry-after.ts";
import type { Spoken } from "./server.ts";
import type { CreateOutcome } from "./upstream.ts";
import { isTaskBeyondMistaking, readTask } from "./wire.ts";

/**
 * What became of a POST. The one place that decides it, and in doubt wherever the reply does not prove otherwise: to
 * take a created task for none is to pay twice.
 */
export function outcomeOf(spoken: Spoken, plain: PlainWords, now: number): CreateOutcome {
  if (spoken.kind === "no_reply") return { kind: spoken.sent ? "in_doubt" : "not_sent", reason: plain(spoken.reason) };
  const { reply } = spoken;
  const task = readTask(reply.json);
  if (task && (isSuccess(reply.status) || isTaskBeyondMistaking(reply.json)))
    return { kind: "accepted", task: plainTask(task, plain), ...present({ restMs: readRest(reply.headers, now) }) };
  const fault = readFault(reply.json, reply.text);
  const refusal = refusalOf(reply.status, fault);
  if (refusal === undefined) return { kind: "in_doubt", reason: plain(doubtOf(reply, fault)) };
  return outcomeOfRefusal(refusal, reply, fault, plain, now);
}

function outcomeOfRefusal(
  refusal: Refusal | "refused",
  reply: Reply,
  fault: Fault,
  plain: PlainWords,
  now: number,
): CreateOutcome {
  const code = plain(fault.code ?? `http_${reply.status}`);
  const message = plain(describe(reply.status, fault));
  if (refusal === "account") return { kind: "account", code, message };
  if (refusal !== "throttled") return { kind: "refused", code, message, moderated: refusal === "moderated" };
  return {
    kind: "throttled",
    reason: message,
    crowded: isCrowding(fault),
    ...present({ retryAfterMs: readRetryAfter(reply.headers, reply.json, now) }),
  };
}

/** Undefined: no proof that nothing was created. */
function refusalOf(status: number, fault: Fault): Refusal | "refused" | undefined {
  if (status >= 500) return gatewayStatuses.has(status) ? undefined : refusalByCode(fault);
  if (!refusingStatuses.has(status)) return undefined;
  // "Already exists" may be this very video.
  if (status === 409 && /duplicate|already|idempoten/i.test(`${fault.codes.join(" ")} ${fault.message}`))
    return undefined;
  return refusalBySaying(fault) ?? refusalOfStatus[status] ?? "refused";
}

// A gateway that lost its server knows nothing of what the server did; 520 to 527 are Cloudflare's.
const gatewayStatuses: ReadonlySet<number> = new Set([502, 504, 520, 521, 522, 523, 524, 525, 526, 527]);

// Not 408, 424, 425 and 499: time-outs and failures behind the gateway, which may come after the task was created.
const refusingStatuses: ReadonlySet<number> = new Set([
  400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 426, 428, 429, 431, 451,
]);

const refusalOfStatus: Readonly<Record<number, Refusal>> = {
  401: "account",
  402: "account",
  403: "account",
  429: "throttled",
};

function doubtOf(reply: Reply, fault: Fault): string {
  const line = describe(reply.status, fault);
  if (!isSuccess(reply.status)) return line;
  return reply.cut === undefined ? `A reply without a task id: ${line}` : `A reply cut short (${reply.cut}): ${line}`;
}
