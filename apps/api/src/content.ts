import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { problem, type StoredFile, type VideoId, type VideoIn } from "@reelq/contract";
import type { ByteRange, Storage } from "@reelq/engine";
import type { Request, Response } from "express";

type SentFile = Pick<StoredFile, "key" | "contentType" | "sha256">;

/** The video itself or one of its pictures; undefined where that picture was not to be had. */
export const fileOf = ({ file }: VideoIn<"stored">, variant: string): SentFile | undefined =>
  variant === "video" ? file : new Map(Object.entries(file.variants ?? {})).get(variant);

/** Streams a stored file, whole or the part that was asked for (RFC 9110, sections 13 and 14). */
export async function sendContent(
  id: VideoId,
  { key, contentType, sha256 }: SentFile,
  storage: Storage,
  request: Request,
  response: Response,
): Promise<void> {
  const gone = () => problem("not_found", `The file of ${id} is no longer in storage (${key}).`, "id");
  const object = await storage.head(key);
  if (!object) throw gone();
  const etag = `"${sha256}"`;
  const caching = { ETag: etag, "Cache-Control": "private, max-age=31536000, immutable" };
  if (isCached(request, etag)) {
    response.status(304).set(caching).end();
    return;
  }
  const range = readRange(request, etag, object.bytes);
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${object.bytes}`);
    throw problem(
      "range_not_satisfiable",
      `The range ${request.headers.range} is outside the file's ${object.bytes} bytes.`,
      "Range",
    );
  }
  const found = request.method === "HEAD" ? undefined : await storage.get(key, range);
  if (!found && request.method !== "HEAD") throw gone();
  const { start, end } = range ?? { start: 0, end: object.bytes - 1 };
  // Only now: a refusal above must not be taken for a video, nor be cached as one.
  response.set({
    ...caching,
    "Accept-Ranges": "bytes",
    "Content-Type": contentType,
    "Content-Length": String(end - start + 1),
    "Content-Disposition": `inline; filename="${key.split("/").at(-1)}"`,
    "X-Content-Type-Options": "nosniff",
  });
  if (range) response.status(206).set("Content-Range", `bytes ${start}-${end}/${object.bytes}`);
  if (found) await stream(found.body, response);
  else response.end();
}

/** A listener that goes away is no failure: nobody is left to be told. */
async function stream(body: Readable, response: Response): Promise<void> {
  if (response.destroyed) {
    body.destroy();
    return;
  }
  await pipeline(body, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  });
}

const isCached = (request: Request, etag: string): boolean =>
  (request.headers["if-none-match"] ?? "").split(",").some((one) => ["*", etag, `W/${etag}`].includes(one.trim()));

/** One range of a GET is honoured; several, or a form nobody knows, count as none, as RFC 9110 allows. */
function readRange(request: Request, etag: string, bytes: number): ByteRange | "unsatisfiable" | undefined {
  if (request.method !== "GET") return undefined;
  const ifRange = request.headers["if-range"];
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/i.exec(request.headers.range?.trim() ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return undefined;
  if (match[1] === "") {
    const last = Number(match[2]);
    return last === 0 ? "unsatisfiable" : { start: Math.max(0, bytes - last), end: bytes - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? bytes - 1 : Math.min(Number(match[2]), bytes - 1);
  if (match[2] !== "" && Number(match[2]) < start) return undefined;
  return start >= bytes ? "unsatisfiable" : { start, end };
}
