import { problem, ProblemError, type UploadBody } from "@reelq/contract";
import { maxUploadBytes, type Upload, uploadPurposes, type Uploads } from "@reelq/engine";
import { type Request, Router } from "express";
import { pipeline } from "node:stream/promises";
import { callerOf } from "../caller.ts";
import { listBody } from "../list-body.ts";
import { methodNotAllowed } from "../method-not-allowed.ts";
import { readMultipart } from "../multipart.ts";
import { queryOf, readPageQuery } from "../query.ts";
import { refuseOtherTypes } from "../whole-body.ts";

/** `/v1/files`: what producers send ahead, to name it later. */
export function filesRouter(uploads: Uploads): Router {
  const router = Router();

  router
    .route("/")
    .post(async (request, response) => {
      response.json(fileBody(await receive(request, uploads)));
    })
    .get(async (request, response) => {
      const page = readPageQuery(request, { byDefault: 100, most: 1_000 });
      const { uploads: found, hasMore } = await uploads.list(
        { ...page, purpose: queryOf(request, "purpose") },
        callerOf(request),
      );
      response.json(listBody(found.map(fileBody), hasMore));
    })
    .all(methodNotAllowed("GET", "POST"));

  router
    .route("/:id")
    .get(async (request, response) => {
      response.json(fileBody(await uploads.read(request.params.id, callerOf(request))));
    })
    .delete(async (request, response) => {
      const { id } = await uploads.remove(request.params.id, callerOf(request));
      response.json({ id, object: "file", deleted: true });
    })
    .all(methodNotAllowed("GET", "DELETE"));

  router
    .route("/:id/content")
    .get(async (request, response) => {
      const upload = await uploads.read(request.params.id, callerOf(request));
      const body = await uploads.open(upload);
      response.set({
        "Content-Type": "application/octet-stream",
        "Content-Length": String(upload.bytes),
        // It is a stranger's file: nothing may take it for a page.
        "Content-Disposition": `attachment; filename="${upload.id}"`,
        ETag: `"${upload.sha256}"`,
      });
      if (request.method === "HEAD") {
        body.destroy();
        response.end();
      } else
        await pipeline(body, response).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
        });
    })
    .all(methodNotAllowed("GET", "HEAD"));

  return router;
}

async function receive(request: Request, uploads: Uploads): Promise<Upload> {
  refuseOtherTypes(request, ["multipart/form-data"]);
  const caller = callerOf(request);
  const { fields, file } = await readMultipart(request, {
    file: "file",
    maxFileBytes: maxUploadBytes,
    take: async (stream, filename) => ({
      upload: await uploads.keep(stream, filename.slice(0, 255), caller),
    }),
    notAFile: () => problem("invalid_value", "file must be a file, not a text.", "file"),
  });
  try {
    const wrong = Object.keys(fields).find((name) => name !== "purpose");
    if (wrong !== undefined)
      throw problem("unknown_field", `Unknown field ${JSON.stringify(wrong)}; known fields: file, purpose.`, wrong);
    if (!file) throw problem("missing_value", "file is required: send it as a part of the form.", "file");
    const { purpose } = fields;
    if (typeof purpose !== "string" || !uploadPurposes.includes(purpose))
      throw problem(
        purpose === undefined ? "missing_value" : "invalid_value",
        `purpose ${purpose === undefined ? "is required" : `${JSON.stringify(purpose)} is not known`}; allowed: ${uploadPurposes.join(", ")}.`,
        "purpose",
      );
    return await uploads.record(file.upload, purpose);
  } catch (error) {
    // What Redis did not answer to may be recorded all the same.
    if (file && error instanceof ProblemError) await uploads.discard(file.upload);
    throw error;
  }
}

/** The OpenAI shape. */
const fileBody = ({ id, filename, purpose, bytes, createdAt }: Upload): UploadBody => ({
  id,
  object: "file",
  bytes,
  created_at: Math.floor(createdAt / 1000),
  expires_at: null,
  filename,
  purpose,
  status: "processed",
});
