import { Router } from "express";

interface HealthReport {
  readonly ok: boolean;
}

/** Answers what `/readyz` shows. */
export type HealthCheck = () => Promise<HealthReport>;

/** `/livez`: the process answers. `/readyz`: so does all that it needs. */
export function healthRouter(check: HealthCheck): Router {
  const router = Router();
  router.get("/livez", (_request, response) => {
    response.json({ ok: true });
  });
  router.get("/readyz", async (_request, response) => {
    const report = await check();
    response.status(report.ok ? 200 : 503).json(report);
  });
  return router;
}
