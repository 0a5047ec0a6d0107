import { describe, type Fault, readFault } from "./error-body.ts";
import { readError, readUrl } from "./field-values.ts";
import { fieldOf } from "./json.ts";
import { present } from "./present.ts";
import { refusalByCode } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import { readRetryAfter } from "./retry-after.ts";
import type { Server } from "./server.ts";
import type { Content } from "./upstream.ts";
import { isTaskBeyondMistaking, readTask } from "./wire.ts";

/** What an error reply to a content call means. */
export function contentOfFault(server: Server, reply: Reply): Content {
  const { status } = reply;
  const fault = readFault(reply.json, reply.text);
  const reason = server.plain(describe(status, fault));
  if (status === 410) return { kind: "expired", reason };
  if (status === 429 || status >= 500 || status < 400) return missed(server, reply, reason);
  const word = wordOfTask(reply) ?? wordOf(fault) ?? (passing.has(status) ? "not_ready" : undefined);
  if (word === "not_ready") return { kind: "not_ready", status, reason };
  return word === "expired" ? { kind: "expired", reason } : missed(server, reply, reason);
}

/** What a task says that came as the body of an error: never a failure, which many an error body seems to be. */
function wordOfTask({ json }: Reply): "not_ready" | "expired" | undefined {
  const task = isTaskBeyondMistaking(json) ? readTask(json) : undefined;
  if (task?.state === "waiting" || task?.state === "running") return "not_ready";
  return task?.state === "expired" ? "expired" : undefined;
}

// Common just after completion, and passes.
const passing: ReadonlySet<number> = new Set([403, 404, 409, 425]);

/** What JSON means where bytes were asked for: where they are, or why there are none. */
export function contentOfJson(server: Server, reply: Reply): Content | { kind: "elsewhere"; url: string } {
  const { status, json } = reply;
  if (reply.cut !== undefined) return missed(server, reply, server.plain(`The body broke off: ${reply.cut}`));
  const unfinished = contentOfTask(server, reply);
  if (unfinished) return unfinished;
  const url = urlIn(json);
  if (url !== undefined) return { kind: "elsewhere", url };
  const fault = readFault(json, reply.text);
  const reason = server.plain(describe(status, fault));
  if (refusalByCode(fault) === "throttled") return missed(server, reply, reason);
  const word = wordOf(fault);
  if (word === "not_ready") return { kind: "not_ready", status, reason };
  if (word === "expired") return { kind: "expired", reason };
  return { kind: "not_video", reason: server.plain(`JSON, not a video: ${reason}`) };
}

/** What follows from the task itself; undefined where it is completed, or none. */
function contentOfTask(server: Server, { status, json }: Reply): Content | undefined {
  const task = isTaskBeyondMistaking(json) ? readTask(json, "") : undefined;
  if (!task || task.state === "completed") return undefined;
  const reason = server.plain(`The task is ${task.word}${task.error ? `: ${task.error.message}` : ""}.`);
  if (task.state === "waiting" || task.state === "running") return { kind: "not_ready", status, reason };
  return { kind: task.state === "expired" ? "expired" : "not_video", reason };
}

/** A page or a text where bytes were asked for. */
export function contentOfText(server: Server, reply: Reply, type: string): Content {
  const words = describe(reply.status, readFault(undefined, reply.text));
  return { kind: "not_video", reason: server.plain(`${type || "Markup"}, not a video: ${words}`) };
}

const missed = (server: Server, { headers, json }: Reply, reason: string): Content => ({
  kind: "missed",
  reason,
  ...present({ retryAfterMs: readRetryAfter(headers, json, server.settings.now()) }),
});

/** An error's address is that of its explanation, not of a video. */
function urlIn(json: unknown): string | undefined {
  if (readError(fieldOf(json, "error")) !== undefined) return undefined;
  if (typeof json === "string") return isAddress(json) ? json : undefined;
  const data = fieldOf(json, "data");
  const places = [json, data, Array.isArray(data) ? (data as unknown[])[0] : undefined, fieldOf(json, "task")];
  return places.map((place) => readUrl(place, isAddress)).find((url) => url !== undefined);
}

const isAddress = (text: string): boolean => /^(https?:\/\/|data:|\/)/i.test(text);

/** Whether a server's words say that the file is not there yet, or gone. */
function wordOf(fault: Fault): "not_ready" | "expired" | undefined {
  const message = fault.message ?? "";
  if (fault.codes.some((code) => goneCode.test(code))) return "expired";
  if (gone.test(message) && !credential.test(message)) return "expired";
  const words = `${fault.codes.join(" ")} ${message}`;
  return unfinished.test(words) ? "not_ready" : undefined;
}

// To take a file for gone is final, so "expired" must be said of the file: keys, tokens and signed addresses expire too.
const goneCode = /^((video|file|content|asset|task|job|media|result)_(has_)?)?expired$/;
const gone =
  /\b(video|file|content|asset|task|job|media|output|result)s?\b[^.]{0,60}\b(expired|no longer (available|exists?)|been (deleted|removed|purged))\b/i;
const credential = /\b(key|token|session|signature|subscription|credentials?|url|link|address|certificate|account)\b/i;
const unfinished =
  /not[ _](yet[ _])?(been[ _])?(ready|finished|complete|completed|available|done|generated)|\bin[ _]progress\b|\b(processing|pending|queued|rendering|generating)\b/i;
