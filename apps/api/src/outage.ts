import type { Pulse } from "@reelq/engine";
import type { Request, RequestHandler, Response } from "express";
import { outage, sendProblem } from "./problem-reply.ts";

/** It may be on its way back. */
const mayReturnMs = 400;

/** Tells callers at once that Redis does not answer, those that wait for it too, instead of letting them wait it out. */
export function refuseDuringOutage(pulse: Pulse): RequestHandler {
  const waiting = new Map<Response, Request>();
  pulse.onStop(() => {
    // What has begun to be told is not taken back: it may be a file, which needs no Redis any more.
    for (const [response, request] of waiting) if (!response.headersSent) sendProblem(request, response, outage());
    waiting.clear();
  });
  return async (request, response, next) => {
    if (!pulse.isBeating() && !(await pulse.beatsWithin(mayReturnMs))) throw outage();
    waiting.set(response, request);
    response.on("close", () => waiting.delete(response));
    next();
  };
}
