import { problem } from "@reelq/contract";
import type { RequestHandler } from "express";

/** For the end of a route: says which methods there are. */
export const methodNotAllowed =
  (...methods: readonly string[]): RequestHandler =>
  (request, response) => {
    response.setHeader("Allow", methods.join(", "));
    throw problem("method_not_allowed", `${request.method} is not possible here; allowed: ${methods.join(", ")}.`);
  };
