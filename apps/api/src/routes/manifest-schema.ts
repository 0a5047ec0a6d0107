import { manifestSchema } from "@reelq/manifest";
import { Router } from "express";
import { methodNotAllowed } from "../method-not-allowed.ts";

/** `/schemas/manifest.json`: what a manifest may say, for editors; it is no secret. */
export function manifestSchemaRouter(): Router {
  const router = Router();
  let text: string | undefined;
  router
    .route("/schemas/manifest.json")
    .get((_request, response) => {
      text ??= JSON.stringify(manifestSchema());
      response.set({
        "Cache-Control": "no-cache",
        // An editor in a browser may read it from any page.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
      });
      response.type("application/schema+json").send(text);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}
