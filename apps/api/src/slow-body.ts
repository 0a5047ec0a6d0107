import { problem } from "@reelq/contract";
import type { Request, RequestHandler } from "express";
import { sendProblem } from "./problem-reply.ts";

/** So much at least must come of a body in each window. A file of 200 MB may take its time; a trickle may not. */
const leastBytes = 16 * 1024;

const mayHaveBody = ({ headers }: Request): boolean =>
  headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;

/** Cuts off who sends a body so slowly that it only holds a connection. */
export function refuseSlowBodies(windowMs: number): RequestHandler {
  return (request, response, next) => {
    if (request.complete || !mayHaveBody(request)) return next();
    const { socket } = request;
    let before = socket.bytesRead;
    const timer = setInterval(() => {
      const came = socket.bytesRead - before;
      before = socket.bytesRead;
      // What has come and is not taken yet waits for us, not for its sender.
      if (request.complete || came >= leastBytes || request.readableLength > 0) return;
      clearInterval(timer);
      if (response.headersSent) return void socket.destroy();
      response.once("finish", () => socket.destroy());
      const seconds = windowMs / 1000;
      sendProblem(
        request,
        response,
        problem("timeout", `Less than ${leastBytes / 1024} KiB of the body came in ${seconds} seconds.`),
      );
    }, windowMs);
    for (const over of ["close", "finish"] as const) response.once(over, () => clearInterval(timer));
    request.once("end", () => clearInterval(timer));
    next();
  };
}
