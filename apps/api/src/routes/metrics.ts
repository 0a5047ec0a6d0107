import { type Engine, metricsText } from "@reelq/engine";
import { Router } from "express";
import { methodNotAllowed } from "../method-not-allowed.ts";

/** `/metrics`: the ledger's figures for Prometheus. */
export function metricsRouter(engine: Engine): Router {
  const router = Router();
  router
    .route("/")
    .get(async (_request, response) => {
      response.type("text/plain; version=0.0.4; charset=utf-8").send(await metricsText(engine));
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}
