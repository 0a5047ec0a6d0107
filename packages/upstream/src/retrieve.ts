import { describe, type Fault, readFault } from "./error-body.ts";
import { plainTask } from "./plain-words.ts";
import { present } from "./present.ts";
import { refusalBySaying } from "./refusal.ts";
import { isSuccess, type Reply } from "./reply.ts";
import { readPollAfter, readRetryAfter } from "./retry-after.ts";
import { addressOf, type Server, speak } from "./server.ts";
import type { Look, TaskState, WireTask } from "./upstream.ts";
import { isTaskBeyondMistaking, readTask } from "./wire.ts";

/** Looks at a task once. */
export async function retrieve(server: Server, asked: string): Promise<Look> {
  const spoken = await speak(server, "GET", addressOf(server, "videos", asked));
  if (spoken.kind === "no_reply") return { kind: "missed", reason: server.plain(spoken.reason), infrastructure: true };
  const { reply } = spoken;
  const task = readTask(reply.json, asked);
  if (task && isBelievable(task, asked, reply))
    return {
      kind: "seen",
      task: plainTask(task, server.plain),
      ...present({ pollAfterMs: readPollAfter(reply.headers, server.settings.now()) }),
    };
  return lookWithoutTask(server, reply);
}

/**
 * A body that is a task outranks the HTTP status. But an error body of a gateway may look like a small task that
 * failed, and a blip must never fail a render: bad news needs the id asked for, or the marks of a task.
 */
function isBelievable(task: WireTask, asked: string, reply: Reply): boolean {
  const isGoodNews = isSuccess(reply.status) && !badNews.has(task.state);
  return isGoodNews || (task.wordKnown && task.id === asked) || isTaskBeyondMistaking(reply.json);
}

const badNews: ReadonlySet<TaskState> = new Set(["failed", "cancelled", "expired"]);

function lookWithoutTask(server: Server, reply: Reply): Look {
  const { status, headers, json } = reply;
  const fault = readFault(json, reply.text);
  const words = server.plain(describe(status, fault));
  const isUnpaid = status === 429 && refusalBySaying(fault) === "account";
  if (status === 401 || status === 402 || status === 403 || isUnpaid)
    return {
      kind: "account",
      code: server.plain(fault.code ?? `http_${status}`),
      message: words,
      perhapsTask: status === 403 && refusalBySaying(fault) !== "account",
    };
  const isUnknown = status >= 400 && status < 500 && fault.codes.some((code) => unknownTask.test(code));
  // A gateway's own page says nothing about the task: only the server itself can say that it knows none.
  const isServersWord = reply.json !== undefined || reply.text.trim() === "";
  if (((status === 404 || status === 410) && isServersWord) || isUnknown) return { kind: "not_found", message: words };
  const reason = isSuccess(status) ? server.plain(`${reply.cut ?? "No task in the reply"}: ${words}`) : words;
  const retryAfterMs = readRetryAfter(headers, json, server.settings.now());
  return { kind: "missed", reason, infrastructure: isInfrastructure(reply, fault), ...present({ retryAfterMs }) };
}

/** Whether something between us and the server answered, or the server cannot work: not its own sound word. */
function isInfrastructure({ status, json, text, cut }: Reply, fault: Fault): boolean {
  if (status === 429 || refusalBySaying(fault) === "throttled") return false;
  if (status >= 500 || cut !== undefined) return true;
  const isSilence = text.trim() === "" && status >= 400;
  return json === undefined && !isSilence;
}

// new-api says this with a 400.
const unknownTask = /^(task|video|job|resource)_not_(exist|exists|found)$/;
