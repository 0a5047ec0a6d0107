import { pipeline, type Readable, Transform } from "node:stream";
import { createBrotliDecompress, createInflate, createUnzip } from "node:zlib";
import { header, type Headers } from "./transport.ts";

/** Fails at its end unless it was this long: a proxy may cut a body that says its length only in Content-Range. */
export function measured(body: Readable, bytes: number): Readable {
  let seen = 0;
  const gauge = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      done(null, chunk);
    },
    flush: (done) => done(seen === bytes ? null : new Error(`the body ended after ${seen} of ${bytes} bytes`)),
  });
  return piped(body, gauge);
}

/** Whether a proxy compressed the body unasked, so that its lengths and offsets are not the file's. */
export const isPacked = (headers: Headers): boolean => packing(headers) !== undefined;

/** The body without the compression that a proxy put on it. */
export function unpacked(body: Readable, headers: Headers): Readable {
  const unpack = packing(headers);
  return unpack ? piped(body, unpack()) : body;
}

const packings: Readonly<Record<string, () => Transform>> = {
  gzip: createUnzip,
  "x-gzip": createUnzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

function packing(headers: Headers): (() => Transform) | undefined {
  const name = header(headers, "content-encoding")?.trim().toLowerCase() ?? "";
  return Object.hasOwn(packings, name) ? packings[name] : undefined;
}

// Both ends are destroyed together. Nobody may listen yet when the body fails; who reads later still sees the error.
function piped(body: Readable, through: Transform): Readable {
  return pipeline(body, through, () => undefined).on("error", () => undefined);
}
