import { buffer } from "node:stream/consumers";
import { isFileId, problem, type ProblemError } from "@reelq/contract";
import { type Ask, maxReferenceBytes, type ReferenceGiven } from "@reelq/engine";
import type { Request } from "express";
import { readMultipart } from "./multipart.ts";
import { mediaTypeOf, readJsonObject, refuseOtherTypes } from "./whole-body.ts";

/** A data URL is a third longer than its bytes. */
const maxJsonBytes = Math.ceil(maxReferenceBytes * 1.4);

/**
 * Reads the body of a create or remix call: multipart/form-data or JSON.
 * @throws ProblemError
 */
export async function readCreateBody(request: Request): Promise<Ask> {
  refuseOtherTypes(request, ["multipart/form-data", "application/json"]);
  if (mediaTypeOf(request) === "application/json") return askOf(await readJsonObject(request, maxJsonBytes));
  const { fields, file } = await readMultipart(request, {
    file: "input_reference",
    maxFileBytes: maxReferenceBytes,
    take: (stream) => buffer(stream),
  });
  if (!file) return askOf(fields);
  if (Object.hasOwn(fields, "input_reference")) throw givenTwice();
  return { fields, reference: { kind: "bytes", bytes: file } };
}

function askOf({ input_reference: given, ...fields }: Readonly<Record<string, unknown>>): Ask {
  return given === undefined || given === null ? { fields } : { fields, reference: readReference(given) };
}

function readReference(given: unknown): ReferenceGiven {
  // A form sends an object as its JSON, if not in parts.
  const value = typeof given === "string" && given.trimStart().startsWith("{") ? parsed(given) : given;
  if (typeof value === "string") return readImageUrl(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw notAReference();
  const { image_url: url, file_id: id, ...others } = value as Record<string, unknown>;
  const [other] = Object.keys(others);
  if (other !== undefined)
    throw problem(
      "unknown_field",
      `Unknown field ${JSON.stringify(other.slice(0, 80))} in input_reference; known fields: image_url, file_id.`,
      `input_reference.${other.slice(0, 80)}`,
    );
  const isUrl = url !== undefined && url !== null;
  const isFile = id !== undefined && id !== null;
  if (isUrl && isFile) throw givenTwice();
  if (isUrl && typeof url === "string") return readImageUrl(url);
  if (isFile && typeof id === "string" && isFileId(id)) return { kind: "file", id };
  if (isFile)
    throw problem(
      "invalid_value",
      `input_reference.file_id ${JSON.stringify(id)?.slice(0, 80)} is not a file's id; upload one with POST /v1/files.`,
      "input_reference.file_id",
    );
  throw notAReference();
}

function readImageUrl(url: string): ReferenceGiven {
  if (!url.startsWith("data:")) {
    if (/^https?:/i.test(url) && url.length <= maxUrlLength && URL.canParse(url)) return { kind: "url", url };
    throw notAReference();
  }
  const comma = url.indexOf(",");
  const isBase64 = comma > 0 && comma < maxHeadLength && /;base64$/i.test(url.slice(0, comma));
  const encoded = url.slice(comma + 1);
  if (!isBase64 || /[^A-Za-z0-9+/=\s]/.test(encoded)) throw notAReference();
  return { kind: "bytes", bytes: Buffer.from(encoded, "base64") };
}

const maxUrlLength = 8_192;

/** Of what stands before the bytes of a data URL. */
const maxHeadLength = 200;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notAReference();
  }
}

const givenTwice = (): ProblemError =>
  problem("invalid_value", "input_reference was given twice; give one image.", "input_reference");

const notAReference = (): ProblemError =>
  problem(
    "invalid_value",
    'input_reference must be a file in a multipart body, or {"image_url": "https://… or data:image/png;base64,…"}, or {"file_id": "file_…"}.',
    "input_reference",
  );
