import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import busboy from "busboy";
import { Refusal } from "./refusal.ts";

const maxFieldBytes = 256 * 1024;
const maxFileBytes = 32 * 1024 * 1024;
const maxJsonBytes = 48 * 1024 * 1024;
const maxFields = 50;

/** A POST's body: its fields, and what is worth knowing of its file. */
export interface ReceivedBody {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly file: ReceivedFile | null;
}

export interface ReceivedFile {
  readonly field: string;
  readonly name: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads multipart or JSON to its end. Whatever is wrong with it is a refusal, never an exception. */
export async function readBody(request: IncomingMessage): Promise<ReceivedBody | Refusal> {
  const contentType = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (contentType === "multipart/form-data") return readForm(request);
  if (contentType === "application/json") return readJson(request);
  request.resume();
  return new Refusal(
    415,
    "unsupported_content_type",
    `Unsupported content type: '${contentType}'. Send multipart/form-data or application/json.`,
  );
}

function readForm(request: IncomingMessage): Promise<ReceivedBody | Refusal> {
  return new Promise((resolve) => {
    const parser = formParser(request);
    if (!parser) {
      request.resume();
      return resolve(malformed("the multipart boundary is missing"));
    }
    const fields = new Map<string, unknown>();
    const files: Promise<ReceivedFile>[] = [];
    const stop = (refusal: Refusal) => {
      // The rest is read and dropped, so that the client gets to see the answer.
      request.unpipe(parser);
      request.resume();
      resolve(refusal);
    };
    parser.on("field", (name, value, info) => {
      if (info.valueTruncated) return stop(tooLarge(`field '${name}'`, maxFieldBytes));
      fields.set(name, value);
    });
    parser.on("file", (field, stream, { filename, mimeType }) => {
      stream.on("limit", () => stop(tooLarge(`file '${field}'`, maxFileBytes)));
      files.push(readFile(stream, { field, name: filename ?? "", contentType: mimeType }));
    });
    parser.on("filesLimit", () => stop(malformed("more than one file")));
    parser.on("fieldsLimit", () => stop(malformed(`more than ${maxFields} fields`)));
    parser.on("error", (error) => stop(malformed(error instanceof Error ? error.message : String(error))));
    parser.on("close", () => {
      void Promise.all(files).then(([file]) => resolve({ fields: Object.fromEntries(fields), file: file ?? null }));
    });
    request.on("close", () => {
      if (!request.complete) stop(clientGone());
    });
    request.pipe(parser);
  });
}

function formParser(request: IncomingMessage): busboy.Busboy | undefined {
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: "utf8",
      limits: { files: 1, fields: maxFields, fieldSize: maxFieldBytes, fileSize: maxFileBytes },
    });
  } catch {
    return undefined;
  }
}

function readFile(
  stream: Readable,
  about: Pick<ReceivedFile, "field" | "name" | "contentType">,
): Promise<ReceivedFile> {
  return new Promise((resolve) => {
    const sha256 = createHash("sha256");
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      sha256.update(chunk);
    });
    // A broken file is reported by the form's parser; unheard, its error would end the process.
    stream.on("error", () => undefined);
    stream.on("end", () => resolve({ ...about, bytes, sha256: sha256.digest("hex") }));
  });
}

function readJson(request: IncomingMessage): Promise<ReceivedBody | Refusal> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxJsonBytes) chunks.push(chunk);
      else resolve(tooLarge("body", maxJsonBytes));
    });
    request.on("end", () => resolve(parseJson(Buffer.concat(chunks).toString("utf8"))));
    request.on("close", () => resolve(clientGone()));
  });
}

function parseJson(text: string): ReceivedBody | Refusal {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return malformed("the body is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return malformed("the body is not a JSON object");
  return { fields: { ...value }, file: null };
}

const malformed = (reason: string): Refusal =>
  new Refusal(400, "malformed_body", `The request body could not be read: ${reason}.`);

const tooLarge = (part: string, bytes: number): Refusal =>
  new Refusal(413, "body_too_large", `The ${part} is larger than ${bytes} bytes.`);

const clientGone = (): Refusal => new Refusal(400, "client_gone", "The client left before its body was whole.");
