import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type BatchBody, type ClipBody, problem } from "@reelq/contract";
import { type Batches, type Caller, type Clock, type Storage, thumbnailUrl } from "@reelq/engine";
import { csvReport, htmlReport, jsonReport, type ReportParts, reportPolicy } from "@reelq/report";
import type { Request, Response } from "express";
import { queryOf } from "./query.ts";
import { isSecure } from "./session.ts";

/** Clips that are read at a time. */
const pageOfClips = 500;

const maxBaseLength = 2_048;

interface Format {
  readonly type: string;
  readonly disposition: "inline" | "attachment";
  readonly write: (parts: ReportParts) => AsyncGenerator<string>;
}

const formats = {
  html: { type: "text/html; charset=utf-8", disposition: "inline", write: htmlReport },
  csv: { type: "text/csv; charset=utf-8; header=present", disposition: "attachment", write: csvReport },
  json: { type: "application/json; charset=utf-8", disposition: "attachment", write: jsonReport },
} as const satisfies Record<string, Format>;

export interface BatchReportParts {
  readonly batches: Pick<Batches, "clips">;
  readonly storage: Storage;
  readonly clock: Clock;
}

/** What `?format=` and `?base=` ask for. @throws ProblemError */
export function readReportQuery(request: Request): ReportQuery {
  const format = queryOf(request, "format") ?? "html";
  if (!isFormat(format))
    throw problem(
      "invalid_value",
      `format ${JSON.stringify(format.slice(0, 80))} is not known; allowed: ${Object.keys(formats).join(", ")}.`,
      "format",
    );
  return { format, base: readBase(request) };
}

interface ReportQuery {
  readonly format: keyof typeof formats;
  /** What stands before a file's key in storage, to lead to it. */
  readonly base: string | undefined;
}

const isFormat = (text: string): text is keyof typeof formats => Object.hasOwn(formats, text);

/** Links of another kind would run as a script in whoever follows them. */
function readBase(request: Request): string | undefined {
  const base = queryOf(request, "base");
  const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(base ?? "")?.[1]?.toLowerCase() ?? "https";
  // oxlint-disable-next-line no-control-regex -- browsers leave control characters out of an address
  const isPlain = base === undefined || (base.length <= maxBaseLength && !/[\u0000-\u001f\u007f]/.test(base));
  if (isPlain && ["https", "http", "file"].includes(scheme)) return base;
  throw problem(
    "invalid_value",
    `base ${JSON.stringify(base?.slice(0, 80))} must be an https, http or file address, or a path, of at most ${maxBaseLength} characters.`,
    "base",
  );
}

/** Streams the report of a batch as it is now; memory is flat, however many clips it has. */
export async function sendReport(
  { batches, storage, clock }: BatchReportParts,
  { batch, format, base, caller }: ReportQuery & { readonly batch: BatchBody; readonly caller: Caller },
  request: Request,
  response: Response,
): Promise<void> {
  const { type, disposition, write }: Format = formats[format];
  const headers = {
    "Content-Type": type,
    "Content-Disposition": `${disposition}; filename="${fileNameOf(batch, format)}"`,
    "Cache-Control": "no-store",
    ...(format === "html" ? { "Content-Security-Policy": `${reportPolicy}; frame-ancestors 'none'` } : {}),
  };
  if (request.method === "HEAD") return void response.set(headers).end();
  const chunks = write({
    batch,
    clips: clipsOf(batches, batch.id, caller),
    fileUrl: fileUrls(base ?? addressOf(request), base !== undefined),
    thumbnail: (clip) => thumbnailUrl(clip, storage),
    writtenAt: clock.now(),
  });
  const first = await chunks.next();
  // Only now: a refusal above must not be taken for a report.
  response.set(headers);
  await pipeline(Readable.from(beginningWith(first, chunks)), response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  });
}

async function* clipsOf(batches: Pick<Batches, "clips">, id: string, caller: Caller): AsyncGenerator<ClipBody> {
  for (let after = 0; ;) {
    const { clips, lastNumber, hasMore } = await batches.clips(id, { after, limit: pageOfClips }, caller);
    yield* clips;
    if (!hasMore || lastNumber === null) return;
    after = lastNumber;
  }
}

async function* beginningWith(
  first: IteratorResult<string, unknown>,
  rest: AsyncGenerator<string>,
): AsyncGenerator<string> {
  try {
    if (first.done) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** This server, as its caller names it. */
const addressOf = (request: Request): string =>
  `${isSecure(request) ? "https" : "http"}://${request.get("host") ?? "localhost"}`;

const fileUrls =
  (base: string, isGiven: boolean): ReportParts["fileUrl"] =>
  ({ file, video_id: id }) => {
    if (!file) return null;
    return isGiven ? `${base}${file.key}` : `${base}/v1/videos/${encodeURIComponent(id)}/content`;
  };

/** Letters that every file system and header takes. */
function fileNameOf({ id, reelq }: BatchBody, format: string): string {
  const name = reelq.name
    .normalize("NFKD")
    .replaceAll(/[^\w.-]+/g, "-")
    .replaceAll(/^[.-]+|[.-]+$/g, "")
    .slice(0, 80);
  return `reelq-report-${name || id}.${format}`;
}
