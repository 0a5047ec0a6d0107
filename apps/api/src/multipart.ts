import type { Readable } from "node:stream";
import { problem, type ProblemError } from "@reelq/contract";
import busboy from "busboy";
import type { Request } from "express";
import { endedEarly, refuseTooLong } from "./whole-body.ts";

const maxFieldBytes = 256 * 1024;
const maxParts = 16;

export interface MultipartOptions<Result> {
  /** The field that may hold a file. */
  readonly file: string;
  readonly maxFileBytes: number;
  /** Reads the file; what came before it is known. Its stream ends with an error where the file is too long or broken off. */
  readonly take: (stream: Readable, filename: string, fields: Readonly<Record<string, unknown>>) => Promise<Result>;
  /** Said where the field came as a text. Undefined: it may. */
  readonly notAFile?: () => ProblemError;
}

export interface Multipart<Result> {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly file?: Result;
}

/**
 * Reads multipart/form-data with one file at the most. `name[part]` becomes a part of an object, as the official SDKs
 * send one.
 * @throws ProblemError
 */
export function readMultipart<Result>(request: Request, options: MultipartOptions<Result>): Promise<Multipart<Result>> {
  const { file: fileField, maxFileBytes, take, notAFile } = options;
  // The fields beside the file are counted by busboy; this is for what does not even pretend to be right.
  refuseTooLong(request, maxFileBytes + maxParts * maxFieldBytes, fileField);
  return new Promise((resolve, reject) => {
    const fields: Record<string, unknown> = {};
    let taken: Promise<Result> | undefined;
    let open: Readable | undefined;
    let isRefused = false;
    const refuse = (error: unknown) => {
      isRefused = true;
      request.unpipe();
      request.resume();
      // Whoever reads the file must not take it for whole.
      open?.destroy(error instanceof Error ? error : new Error("refused"));
      reject(error);
    };
    let parser: busboy.Busboy | undefined;
    try {
      parser = busboy({
        headers: request.headers,
        defParamCharset: "utf8",
        limits: {
          fieldSize: maxFieldBytes,
          fields: maxParts,
          files: 2,
          // Busboy calls a file of just this size too large already.
          fileSize: maxFileBytes + 1,
          parts: maxParts,
          fieldNameSize: 200,
          headerPairs: 20,
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
      else if (name === fileField && notAFile) refuse(notAFile());
      else if (!setField(fields, name, withPlainLines(value)))
        refuse(problem("invalid_value", `${name} was given twice; give it once.`, name));
    });
    parser.on("file", (name: string | undefined, stream, { filename }: { filename?: string }) => {
      stream.on("error", (error) => refuse(malformed(error)));
      if (isRefused) return stream.resume();
      if (name === undefined) return refuse(malformed(new Error("a part has no name")));
      if (name !== fileField)
        return refuse(problem("unknown_field", `"${name}" is a file; only ${fileField} can be one.`, name));
      if (taken || Object.hasOwn(fields, name))
        return refuse(problem("invalid_value", `${name} was given twice; give one file.`, name));
      stream.on("limit", () => {
        refuse(problem("body_too_large", `${name} has more than ${maxFileBytes} bytes.`, name));
      });
      open = stream;
      taken = take(stream, filename ?? "", fields);
      taken.catch((error: unknown) => refuse(error));
    });
    for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"] as const) {
      parser.on(limit, () =>
        refuse(problem("malformed_body", `The multipart body has more than ${maxParts} parts, or more than one file.`)),
      );
    }
    parser.on("error", (error) => refuse(malformed(error as Error)));
    parser.on("close", () => {
      if (isRefused) return;
      if (!taken) resolve({ fields });
      else taken.then((file) => resolve({ fields, file }), reject);
    });
    request.on("aborted", () => refuse(endedEarly()));
    request.pipe(parser);
  });
}

const malformed = (cause: Error): ProblemError =>
  problem("malformed_body", `The multipart body cannot be read: ${cause.message}.`, undefined, { cause });

/** False where it was set before. */
function setField(fields: Record<string, unknown>, name: string, value: string): boolean {
  const [, outer, inner] = /^([^[\]]+)\[([^[\]]+)\]$/.exec(name) ?? [];
  if (outer === undefined || inner === undefined) return define(fields, name, value);
  if (!Object.hasOwn(fields, outer)) define(fields, outer, {});
  const object = fields[outer];
  return typeof object === "object" && object !== null && define(object, inner, value);
}

/** Whatever the name: one like `__proto__` is a field too. */
function define(object: object, name: string, value: unknown): boolean {
  if (Object.hasOwn(object, name)) return false;
  Object.defineProperty(object, name, { value, enumerable: true });
  return true;
}

/** A form's lines end in CRLF on the wire, whatever they ended in before: HTML's way to write multipart/form-data. */
const withPlainLines = (value: string): string => value.replaceAll("\r\n", "\n");
