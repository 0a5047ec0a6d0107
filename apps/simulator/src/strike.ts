import { setTimeout as delay } from "node:timers/promises";
import type { Request, Response } from "express";
import type { Call } from "./call.ts";
import type { Details, FaultRule, Operation } from "./faults.ts";
import { Refusal, refuse } from "./refusal.ts";
import type { Task } from "./tasks.ts";

/**
 * Does what a rule says where that is the same for every call.
 * @returns whether the call is at its end; else it goes on, in the manner that the rule asks for
 */
export async function strike(call: Call, rule: FaultRule, task?: Task): Promise<boolean> {
  const { world, request, response } = call;
  const said = rule.with;
  switch (rule.do) {
    case "throttle":
      refuse(response, throttled(said, world.now()));
      return true;
    case "no_quota":
      refuse(response, refusalOf(429, said, "insufficient_quota", "You exceeded your current quota; check your plan."));
      return true;
    case "status":
      answerStatus(response, said);
      return true;
    case "html":
      answerHtml(response, said);
      return true;
    case "json_error":
      refuse(response, refusalOf(said.status ?? 200, said, "internal_error", "The video could not be served."));
      return true;
    case "garbage":
      answerGarbage(response, rule.on, said.bytes);
      return true;
    case "redirect":
      response.redirect(
        said.status ?? 302,
        said.location ?? elsewhere(request, task && rule.on === "content" ? task : undefined),
      );
      return true;
    case "reset":
      request.socket.resetAndDestroy();
      return true;
    case "lose_reply":
      request.socket.destroy();
      return true;
    case "hang":
      return true;
    case "slow":
      return !(await waited(response, said.ms ?? 0));
    case "fail_task":
      if (task) failTask(call, task, said);
      return false;
    case "expire":
      if (task) world.tasks.expire(task);
      return false;
    default:
      return false;
  }
}

/** The task object in the shape that a rule gives it. */
export function answerTask(response: Response, body: Record<string, unknown>, rule: FaultRule | undefined): void {
  const { status = 200, headers = {}, body: over, word = "marinating" } = rule?.with ?? {};
  response.status(status).set(headers);
  if (rule?.do === "word") response.json({ ...body, status: word });
  else if (rule?.do === "sparse") response.json({ id: body["id"], status: body["status"] });
  else if (rule?.do === "patch" && typeof over === "object") response.json({ ...body, ...over });
  else response.json(body);
}

/** The same bytes under another host name: a client must not send its key there. */
export function elsewhere(request: Request, task?: Task): string {
  const hostname = request.hostname === "127.0.0.1" ? "localhost" : "127.0.0.1";
  const path = task ? `/_sim/files/${encodeURIComponent(task.id)}` : request.originalUrl;
  return `http://${hostname}:${request.socket.localPort}${path}`;
}

function failTask({ world, operation }: Call, task: Task, said: Details): void {
  const failure = {
    code: said.code ?? "render_failed",
    message: said.message ?? "The video could not be rendered.",
  };
  if (operation === "retrieve") world.tasks.fail(task, failure);
  else task.failure = failure;
}

function throttled(said: Details, nowMs: number): Refusal {
  const seconds = said.retryAfterSeconds ?? 1;
  const retryAfter = said.retryAfterDate ? new Date(nowMs + seconds * 1000).toUTCString() : String(seconds);
  const { code = "rate_limit_exceeded", message = "Rate limit reached for requests." } = said;
  return new Refusal(429, code, message, { headers: { "retry-after": retryAfter, ...said.headers } });
}

const refusalOf = (status: number, said: Details, code: string, message: string): Refusal =>
  new Refusal(status, said.code ?? code, said.message ?? message, { headers: said.headers ?? {} });

const usualErrors: Readonly<Record<number, readonly [code: string, message: string]>> = {
  401: ["invalid_api_key", "Incorrect API key provided."],
  402: ["payment_required", "Your balance is used up."],
  403: ["forbidden", "Your account may not use this model."],
  404: ["video_not_found", "Video not found."],
  429: ["rate_limit_exceeded", "Rate limit reached for requests."],
};

function answerStatus(response: Response, said: Details): void {
  const { status = 500, body, headers = {} } = said;
  const [code, message] = usualErrors[status] ?? ["server_error", "The server had an error."];
  if (body === undefined) return refuse(response, refusalOf(status, said, code, message));
  response.status(status).set(headers);
  if (typeof body === "string") response.type("text/plain").send(body);
  else response.json(body);
}

function answerHtml(response: Response, { status = 502, headers = {} }: Details): void {
  const page = `<html>\r\n<head><title>${status}</title></head>\r\n<body><center><h1>${status}</h1></center></body>\r\n</html>\r\n`;
  response.status(status).set(headers).type("text/html").send(page);
}

function answerGarbage(response: Response, on: Operation, bytes = 4096): void {
  if (on !== "content") response.type("application/json").send('{"id": "video_6');
  // No file starts like this, whatever the bytes after it.
  else response.type("video/mp4").send(Buffer.alloc(bytes, "noise "));
}

/** Waits, unless the client leaves first. */
async function waited(response: Response, ms: number): Promise<boolean> {
  const left = new AbortController();
  response.once("close", () => left.abort());
  return delay(ms, true, { signal: left.signal }).catch(() => false);
}
