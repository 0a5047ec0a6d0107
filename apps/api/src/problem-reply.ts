import { errorBody, problem, ProblemError } from "@reelq/contract";
import { StorageError } from "@reelq/engine";
import type { ErrorRequestHandler, Request, RequestHandler, Response } from "express";
import { drain } from "./drain.ts";

/** A call that went wrong through no fault of its caller. */
export interface FailedRequest {
  /** As its reply names it. */
  readonly id: string;
  readonly method: string;
  readonly path: string;
}

export const unknownRoute: RequestHandler = (request) => {
  throw problem("not_found", `There is no ${request.method} ${request.path}.`);
};

/** The one place where a failed call becomes a reply, in the OpenAI shape. */
export function replyWithProblem(onError: (error: unknown, request: FailedRequest) => void): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    // It was told of an outage while it waited, and came to an end after all.
    if (response.writableEnded) return;
    const known = asProblem(error);
    if (!known)
      onError(error, { id: String(response.getHeader("x-request-id")), method: request.method, path: request.path });
    if (response.headersSent) {
      // A cut connection is the only way left to say that the body is not whole.
      response.destroy();
      return;
    }
    sendProblem(request, response, known ?? unexpected(error));
  };
}

export function sendProblem(request: Request, response: Response, reply: ProblemError): void {
  if (reply.status === 503) response.setHeader("Retry-After", "2");
  // The official SDKs ask again after a 409, and would only hear the same.
  if (reply.status === 409) response.setHeader("x-should-retry", "false");
  response.status(reply.status).json(errorBody(reply));
  if (!request.complete) drain(request);
}

function asProblem(error: unknown): ProblemError | undefined {
  if (error instanceof ProblemError) return error;
  // Express's own refusals: a path that cannot be decoded.
  if (error instanceof URIError) return problem("malformed_body", "The path cannot be decoded.");
  return undefined;
}

/** Redis or storage out of reach may be back soon; anything else is a fault of ours, and says nothing about it. */
function unexpected(error: unknown): ProblemError {
  if (error instanceof StorageError)
    return problem(
      "unavailable",
      "The storage cannot be used at this moment; the fault has been logged. Try again later.",
    );
  const { name = "", code = "" } = error as { name?: string; code?: string };
  const outOfReach =
    name === "MaxRetriesPerRequestError" ||
    /^E(CONN|HOST|NET|PIPE|TIMEDOUT)/.test(code) ||
    /Connection is closed|Command timed out|\b(OOM|EXECABORT|MISCONF|BUSY|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS)\b/.test(
      String(error),
    );
  if (outOfReach) return outage();
  return problem("internal", "Something went wrong here; the fault has been logged.");
}

/** A reply can be lost on the way from Redis too, so "nothing was accepted" would at times be untrue. */
export const outage = (): ProblemError =>
  problem(
    "unavailable",
    "The ledger cannot be reached at this moment. Try again in a few seconds; with an Idempotency-Key, a call that took effect after all is not done twice.",
  );
