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
  const look = sharedFor(check, sharedMs);
  router
    .route("/livez")
    .get((_request, response) => {
      response.json({ ok: true });
    })
    .all(methodNotAllowed("GET", "HEAD"));
  router
    .route("/readyz")
    .get(async (_request, response) => {
      const report = await look();
      response.status(report.ok ? 200 : 503).json(report);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}

/** Anybody may ask, and each look writes to the storage: those who ask within a second are told of one look. */
const sharedMs = 1_000;

function sharedFor(check: HealthCheck, ms: number): HealthCheck {
  let last: { readonly report: Promise<HealthReport>; readonly at: number } | undefined;
  return () => {
    if (last && performance.now() - last.at < ms) return last.report;
    const look = { report: check(), at: performance.now() };
    last = look;
    const forget = (): void => {
      if (last === look) last = undefined;
    };
    // What is not well is looked at again, so that it is known at once when it is.
    look.report.then(({ ok }) => ok || forget(), forget);
    return look.report;
  };
}
