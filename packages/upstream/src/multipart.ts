import { randomUUID } from "node:crypto";

export interface FilePart {
  readonly name: string;
  readonly filename: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/**
 * A multipart/form-data body. By hand, because FormData rewrites every line end of a value to CRLF: a storyboard must
 * arrive as it was written, so that it can be found again in the upstream's list.
 */
export function multipartBody(
  fields: Readonly<Record<string, string>>,
  file?: FilePart,
): { contentType: string; body: Uint8Array } {
  const boundary = `reelq-${randomUUID()}`;
  const parts: (string | Uint8Array)[] = [];
  for (const [name, value] of Object.entries(fields))
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${quotable(name)}"\r\n\r\n${value}\r\n`);
  if (file) parts.push(headOf(file, boundary), file.bytes, "\r\n");
  parts.push(`--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part))),
  };
}

const headOf = (file: FilePart, boundary: string): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${quotable(file.name)}"; filename="${quotable(file.filename)}"\r\n` +
  `Content-Type: ${mediaTypeOf(file.contentType)}\r\n\r\n`;

const escapes: Readonly<Record<string, string>> = { '"': "%22", "\r": "%0D", "\n": "%0A" };
const quotable = (text: string): string => text.replace(/["\r\n]/g, (one) => escapes[one] ?? "");

/** The content type as it may stand in a header. */
export const mediaTypeOf = (contentType: string): string =>
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(contentType.trim()) ? contentType.trim() : "application/octet-stream";
