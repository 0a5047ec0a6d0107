import { problem } from "@reelq/contract";
import { maxReferenceBytes } from "@reelq/engine";
import type { RequestHandler } from "express";

/** Bodies that are held in memory at the same time, all callers' together. */
const roomBytes = 256 * 1024 * 1024;

/** Smaller ones are not counted. */
const smallBytes = 64 * 1024;

/** Keeps what all callers send at once within this process's memory: who finds no room is asked to come again. */
export function limitBodies(): RequestHandler {
  let heldBytes = 0;
  return (request, response, next) => {
    const said = request.headers["content-length"];
    const isChunked = request.headers["transfer-encoding"] !== undefined;
    // An image is buffered and then hashed and stored: it may be there twice for a moment.
    const bytes = isChunked ? maxReferenceBytes : Math.min(Number(said ?? 0), 2 * maxReferenceBytes);
    if (bytes < smallBytes) return next();
    if (heldBytes + bytes > roomBytes)
      throw problem(
        "unavailable",
        `This API holds ${Math.round(heldBytes / 1024 / 1024)} MiB of bodies at this moment and takes no more; try again in a few seconds.`,
      );
    heldBytes += bytes;
    response.once("close", () => (heldBytes -= bytes));
    next();
  };
}
