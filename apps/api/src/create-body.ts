import { maxReferenceBytes } from "@reelq/engine";
import { problem, type ProblemError } from "@reelq/contract";
import busboy from "busboy";
import type { Request } from "express";

/** What a create or remix call brought. */
export interface CreateBody {
  readonly fields: Readonly<Record<string, unknown>>;
  /** The bytes of `input_reference`. */
  readonly reference?: Uint8Array;
}

/** A data URL is a third longer than its bytes. */
const maxJsonBytes = Math.ceil(maxReferenceBytes * 1.4);
const maxFieldBytes = 256 * 1024;
const maxParts = 16;

/** Nothing that a call takes is nested as deeply; what goes on for thousands of levels overflows the stack of whoever walks it. */
const maxDepth = 8;

/**
 * Reads the body of a create or remix call: multipart/form-data or JSON.
 * @throws ProblemError
 */
export async function readCreateBody(request: Request): Promise<CreateBody> {
  const type = (request.headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
  if (type === "multipart/form-data") return readMultipart(request);
  if (type === "application/json") return readJson(request);
  throw problem(
    "unsupported_media_type",
    `Content-Type ${type ? `"${type}"` : "is missing; it"} ${type ? "is not understood; it " : ""}must be multipart/form-data or application/json.`,
    "Content-Type",
  );
}

/** Reads a JSON object; an empty body counts as an empty one. */
export async function readJsonObject(request: Request, maxBytes: number): Promise<Record<string, unknown>> {
  const text = decodeUtf8(await readWhole(request, maxBytes));
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem("malformed_body", `The body is not valid JSON: ${(cause as Error).message}.`, undefined, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw problem("malformed_body", "The body must be a JSON object.");
  if (isDeeper(value, maxDepth))
    throw problem("malformed_body", `The body is nested more than ${maxDepth} levels deep.`);
  return value as Record<string, unknown>;
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1)));

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw problem("malformed_body", "The body is not UTF-8.", undefined, { cause });
  }
}

async function readJson(request: Request): Promise<CreateBody> {
  const { input_reference: given, ...fields } = await readJsonObject(request, maxJsonBytes);
  if (given === undefined || given === null) return { fields };
  return { fields, reference: readDataUrl(given) };
}

const notAReference = (): ProblemError =>
  problem(
    "invalid_value",
    'input_reference must be a file in a multipart body, or {"image_url": "data:image/png;base64,..."} in JSON.',
    "input_reference",
  );

function readDataUrl(given: unknown): Uint8Array {
  const url = typeof given === "object" && given !== null ? (given as { image_url?: unknown }).image_url : given;
  const match = typeof url === "string" ? /^data:[^,;]*(?:;[^,;]+)*;base64,([A-Za-z0-9+/=\s]*)$/.exec(url) : null;
  if (!match) throw notAReference();
  return Buffer.from(match[1] ?? "", "base64");
}

async function readWhole(request: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    throw brokenOff(error);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number): ProblemError =>
  problem("body_too_large", `The body has more than ${maxBytes} bytes.`);

/** A client that went away is no fault of ours. */
const brokenOff = (error: unknown): unknown =>
  (error as NodeJS.ErrnoException).code === "ECONNRESET"
    ? problem("malformed_body", "The body ended before its end.")
    : error;

function readMultipart(request: Request): Promise<CreateBody> {
  return new Promise((resolve, reject) => {
    const fields: Record<string, unknown> = {};
    let reference: Buffer | undefined;
    let files = 0;
    const malformed = (cause: Error) =>
      problem("malformed_body", `The multipart body cannot be read: ${cause.message}.`, undefined, { cause });
    const refuse = (error: unknown) => {
      request.unpipe();
      request.resume();
      reject(error);
    };
    let parser: busboy.Busboy;
    try {
      parser = busboy({
        headers: request.headers,
        defParamCharset: "utf8",
        limits: {
          fieldSize: maxFieldBytes,
          fields: maxParts,
          files: 2,
          // Busboy calls a file of just this size too large already.
          fileSize: maxReferenceBytes + 1,
          parts: maxParts,
          fieldNameSize: 200,
        },
      });
    } catch (error) {
      reject(malformed(error as Error));
      return;
    }
    // Its types promise a name and a value; a part may lack the one, and the other where its charset is not known.
    parser.on("field", (name: string | undefined, value: string | undefined, { valueTruncated, nameTruncated }) => {
      if (name === undefined || value === undefined)
        refuse(malformed(new Error("a part has no readable name or value")));
      else if (nameTruncated || valueTruncated)
        refuse(problem("invalid_value", `${name} has more than ${maxFieldBytes} bytes.`, name));
      else if (Object.hasOwn(fields, name))
        refuse(problem("invalid_value", `${name} was given twice; give it once.`, name));
      else if (name === "input_reference") refuse(notAReference());
      else Object.defineProperty(fields, name, { value: withPlainLines(value), enumerable: true });
    });
    parser.on("file", (name: string | undefined, stream) => {
      const chunks: Buffer[] = [];
      files += 1;
      stream.on("error", (error) => refuse(malformed(error)));
      if (name === undefined) refuse(malformed(new Error("a part has no name")));
      else if (name !== "input_reference")
        refuse(problem("unknown_field", `"${name}" is a file; only input_reference can be one.`, name));
      else if (files > 1) refuse(problem("invalid_value", "input_reference was given twice; give one image.", name));
      stream.on("limit", () =>
        refuse(problem("body_too_large", `input_reference has more than ${maxReferenceBytes} bytes.`, name)),
      );
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => (reference = Buffer.concat(chunks)));
    });
    for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"] as const) {
      parser.on(limit, () =>
        refuse(problem("malformed_body", `The multipart body has more than ${maxParts} parts, or more than one file.`)),
      );
    }
    parser.on("error", (error) => refuse(malformed(error as Error)));
    parser.on("close", () => resolve(reference === undefined ? { fields } : { fields, reference }));
    request.on("aborted", () => refuse(problem("malformed_body", "The body ended before its end.")));
    request.pipe(parser);
  });
}

/** A form's lines end in CRLF on the wire, whatever they ended in before: HTML's way to write multipart/form-data. */
const withPlainLines = (value: string): string => value.replaceAll("\r\n", "\n");
