import { Router } from "express";
import { methodNotAllowed } from "../method-not-allowed.ts";

interface HealthReport {
  readonly ok: boolean;
}

/** Answers what `/readyz` shows. */
export type HealthCheck = () => Promise<HealthReport>;

/** `/livez`: the process answers. `/readyz`: so does all that it needs. */
export function healthRouter(check: HealthCheck): Router {
  const router = Router();
  router
    .route("/livez")
    .get((_request, response) => {
      response.json({ ok: true });
    })
    .all(methodNotAllowed("GET", "HEAD"));
  router
    .route("/readyz")
    .get(async (_request, response) => {
      const report = await check();
      response.status(report.ok ? 200 : 503).json(report);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}
