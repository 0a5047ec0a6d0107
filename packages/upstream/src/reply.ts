import type { Readable } from "node:stream";
import { brotliDecompressSync, inflateSync, unzipSync } from "node:zlib";
import { parseJson } from "./json.ts";
import type { Hush } from "./plain-words.ts";
import { discard, header, type Answer, type Headers } from "./transport.ts";

/** A reply read to its end, or as far as it went. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Without the key, so that any part of it may be shown. */
  readonly text: string;
  /** The text as JSON; undefined where it is none. */
  readonly json: unknown;
  /** Why the body was not read to its end. */
  readonly cut?: string;
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

export async function readReply(
  answer: Extract<Answer, { kind: "reply" }>,
  maxBytes: number,
  hush: Hush,
): Promise<Reply> {
  const { status, headers, body } = answer;
  const read = await readBytes(body, maxBytes);
  const text = decode(read.bytes, header(headers, "content-encoding"), maxBytes);
  const reply = { status, headers, text: hush(text), json: parseJson(text) };
  return read.cut === undefined ? reply : { ...reply, cut: read.cut };
}

/** Reads until the end, an error or the limit: more than that is never held. */
async function readBytes(body: Readable, maxBytes: number): Promise<{ bytes: Buffer; cut?: string }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) return { bytes: Buffer.concat(chunks), cut: `the reply is longer than ${maxBytes} bytes` };
      chunks.push(chunk);
    }
    return { bytes: Buffer.concat(chunks) };
  } catch (error) {
    return { bytes: Buffer.concat(chunks), cut: error instanceof Error ? error.message : String(error) };
  } finally {
    discard(body);
  }
}

/** Replies are asked for without compression, which some proxies do not heed. */
function decode(bytes: Buffer, encoding: string | undefined, maxBytes: number): string {
  const limit = { maxOutputLength: maxBytes };
  const unpack = { gzip: unzipSync, "x-gzip": unzipSync, deflate: inflateSync, br: brotliDecompressSync };
  const name = encoding?.trim().toLowerCase() ?? "";
  try {
    return new TextDecoder().decode(
      Object.hasOwn(unpack, name) ? unpack[name as keyof typeof unpack](bytes, limit) : bytes,
    );
  } catch {
    return new TextDecoder().decode(bytes);
  }
}
