import { problem, type ProblemError } from "@reelq/contract";
import type { Request } from "express";
import { judgeJsonShape } from "./json-shape.ts";

/** Reads a JSON object; an empty body counts as an empty one. */
export async function readJsonObject(
  request: Request,
  maxBytes: number,
  maxValues?: number,
): Promise<Record<string, unknown>> {
  const bytes = await readWhole(request, maxBytes);
  judgeJsonShape(bytes, maxValues);
  const text = decodeUtf8(bytes);
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem("malformed_body", `The body is not valid JSON: ${(cause as Error).message}.`, undefined, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw problem("malformed_body", "The body must be a JSON object.");
  return value as Record<string, unknown>;
}

/** The same of a command, which may come without any body; one that comes must say what it is. */
export async function readJsonCommand(
  request: Request,
  maxBytes: number,
  maxValues?: number,
): Promise<Record<string, unknown>> {
  if (hasBody(request)) refuseOtherTypes(request, ["application/json"]);
  return readJsonObject(request, maxBytes, maxValues);
}

const maxFormBytes = 8 * 1024;

/** Reads what a form of ours sent. */
export async function readForm(request: Request): Promise<URLSearchParams> {
  refuseOtherTypes(request, ["application/x-www-form-urlencoded"]);
  return new URLSearchParams(decodeUtf8(await readWhole(request, maxFormBytes)));
}

/** The media type of a body, without its parameters. */
export const mediaTypeOf = ({ headers }: Request): string =>
  (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";

/** @throws ProblemError where a body is of a type that is not read here */
export function refuseOtherTypes(request: Request, allowed: readonly string[]): void {
  const type = mediaTypeOf(request);
  if (allowed.includes(type)) return;
  throw problem(
    "unsupported_media_type",
    `Content-Type ${type ? `"${type}" is not understood; it` : "is missing; it"} must be ${allowed.join(" or ")}.`,
    "Content-Type",
  );
}

const hasBody = ({ headers }: Request): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw problem("malformed_body", "The body is not UTF-8.", undefined, { cause });
  }
}

/** Hears the stream itself: to iterate over it costs a small body more than all that is done with it. */
async function readWhole(request: Request, maxBytes: number): Promise<Buffer> {
  refuseTooLong(request, maxBytes);
  // Nobody would hear of it again.
  if (request.destroyed) throw endedEarly();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > maxBytes) reject(tooLarge(maxBytes));
    else chunks.push(chunk);
  };
  const fail = (error: unknown): void => reject(brokenOff(error));
  const cut = (): void => {
    if (!request.readableEnded) reject(endedEarly());
  };
  request.on("data", take).on("end", resolve).on("error", fail).on("close", cut);
  try {
    await promise;
  } finally {
    // Left early, the request lives on: its sender is still to be answered.
    if (!request.readableEnded) request.pause();
    request.off("data", take).off("end", resolve).off("error", fail).off("close", cut);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

/** What says itself that it is too long need not be read to know it. */
export function refuseTooLong({ headers }: Request, maxBytes: number, param?: string): void {
  if (Number(headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes, param);
}

const tooLarge = (maxBytes: number, param?: string): ProblemError =>
  problem("body_too_large", `The body has more than ${maxBytes} bytes.`, param);

export const endedEarly = (): ProblemError => problem("malformed_body", "The body ended before its end.");

/** A client that went away is no fault of ours. */
const brokenOff = (error: unknown): unknown =>
  (error as NodeJS.ErrnoException).code === "ECONNRESET" ? endedEarly() : error;
