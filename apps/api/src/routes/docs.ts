import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { llmsText, openApiDocument, problem } from "@reelq/contract";
import { type Request, type Response, Router } from "express";
import { docsPage, docsPolicy, docsScript, docsStyle } from "../docs-page.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";

const zipped = promisify(gzip);

/** What is sent as it is: made once, when it is first asked for. */
interface Asset {
  readonly type: string;
  readonly make: () => string | Promise<Uint8Array>;
  /** Its address changes when it does. */
  readonly isFixed?: boolean;
}

/** `/openapi.json`, `/docs` and `/llms.txt`: what the API is, for everybody; none of it is a secret. */
export function docsRouter(): Router {
  const router = Router();
  const send = openSender();

  router
    .route("/openapi.json")
    .get((request, response) => send(openApi, request, response))
    .all(methodNotAllowed("GET", "HEAD"));
  router
    .route("/llms.txt")
    .get((request, response) => send(llms, request, response))
    .all(methodNotAllowed("GET", "HEAD"));
  router
    .route("/docs")
    .get((request, response) => {
      response.setHeader("Content-Security-Policy", docsPolicy);
      return send(page, request, response);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  router
    .route("/docs/:asset")
    .get((request, response) => {
      const asset = assets.get(request.params.asset);
      if (!asset) throw problem("not_found", `There is no ${request.method} ${request.path}.`);
      return send(asset, request, response);
    })
    .all(methodNotAllowed("GET", "HEAD"));
  return router;
}

const folder = new URL(".", import.meta.resolve("swagger-ui-dist/package.json"));
const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { version: string };

const swaggerFile = (name: string, type: string): [string, Asset] => [
  name,
  { type, make: () => readFile(new URL(name, folder)), isFixed: true },
];

const openApi: Asset = { type: "application/json", make: () => JSON.stringify(openApiDocument()) };
const llms: Asset = { type: "text/plain", make: llmsText };
const page: Asset = { type: "text/html", make: () => docsPage(version) };
const assets = new Map<string, Asset>([
  swaggerFile("swagger-ui-bundle.js", "text/javascript"),
  swaggerFile("swagger-ui.css", "text/css"),
  swaggerFile("favicon-32x32.png", "image/png"),
  ["start.js", { type: "text/javascript", make: () => docsScript }],
  ["page.css", { type: "text/css", make: () => docsStyle }],
]);

interface Made {
  readonly plain: Buffer;
  readonly zip: Buffer;
}

function openSender() {
  const made = new Map<Asset, Promise<Made>>();
  const makeOf = async (asset: Asset): Promise<Made> => {
    const plain = Buffer.from(await asset.make());
    return { plain, zip: await zipped(plain) };
  };
  return async (asset: Asset, request: Request, response: Response): Promise<void> => {
    let making = made.get(asset);
    if (!making) {
      making = makeOf(asset);
      made.set(asset, making);
      making.catch(() => made.delete(asset));
    }
    const { plain, zip } = await making;
    const isZipped = request.acceptsEncodings("gzip") === "gzip";
    response.set({
      "Cache-Control": asset.isFixed ? "public, max-age=31536000, immutable" : "no-cache",
      Vary: "Accept-Encoding",
    });
    if (isZipped) response.setHeader("Content-Encoding", "gzip");
    response.type(asset.type).send(isZipped ? zip : plain);
  };
}
