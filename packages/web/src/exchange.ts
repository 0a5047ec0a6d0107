import type { Readable } from "node:stream";
import { Client } from "undici";
import type { Allow } from "./allow.ts";
import { codeIn, openSocket, tlsError, type Wire } from "./connect.ts";
import { type Resolve, targetsOf } from "./targets.ts";
import { WebError } from "./web-error.ts";
import { within } from "./within.ts";

/** What every call of one Web goes out with. */
export interface Ways extends Wire {
  readonly allow: Allow;
  readonly resolve: Resolve;
  readonly now: () => number;
}

export interface Request {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** A reply's head, its body still to be read. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readable;
}

const maxHeaderBytes = 16 * 1024;

/**
 * Sends one request to a judged URL on a connection of its own, which ends with this call: none is ever kept that
 * another name, or the same name a moment later, could be sent over.
 * @param read takes what it needs from the reply; whatever it leaves is dropped
 */
export async function exchange<T>(
  ways: Ways,
  url: URL,
  request: Request,
  signal: AbortSignal,
  read: (reply: Reply) => Promise<T>,
): Promise<T> {
  const targets = await targetsOf(url, ways.resolve, ways.allow, signal);
  const socket = await openSocket(url, targets, ways, signal);
  let isHandedOver = false;
  const client = new Client(url.origin, {
    // undici dials again after some errors; it gets the connection that was judged, or none.
    connect(_options, callback) {
      // A callback within the call itself leaves the request in undici's queue for ever.
      queueMicrotask(() => {
        if (isHandedOver || socket.destroyed) return callback(new Error("the connection was lost"), null);
        isHandedOver = true;
        callback(null, socket);
      });
    },
    allowH2: false,
    pipelining: 0,
    maxHeaderSize: maxHeaderBytes,
    // The call as a whole has its deadline.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    const { method, headers, body = null } = request;
    const sent = client.request({ path: url.pathname + url.search, method, headers, body, signal });
    const reply = await within(signal, sent);
    // A body may fail while nobody reads it, which must not end the process.
    reply.body.on("error", () => undefined);
    return await read({ status: reply.statusCode, headers: reply.headers, body: reply.body });
  } catch (error) {
    signal.throwIfAborted();
    throw toWebError(error, url.host);
  } finally {
    void client.destroy().catch(() => undefined);
    socket.destroy();
  }
}

function toWebError(error: unknown, host: string): unknown {
  const code = codeIn(error).slice(2, -1);
  // What undici will not send is our mistake, not the other side's.
  if (error instanceof WebError || code === "UND_ERR_INVALID_ARG") return error;
  if (code === "UND_ERR_HEADERS_OVERFLOW") {
    return new WebError("too_large", `${host} sends more than ${maxHeaderBytes} bytes of headers.`, { host });
  }
  // With TLS 1.3 some of the handshake's refusals come after it.
  if (code.startsWith("ERR_SSL")) return tlsError(host, error);
  return new WebError(
    "unreachable",
    `${host} ended the connection before its reply was whole${codeIn(error)}; try again.`,
    { host, cause: error },
  );
}

/** The first value of a header; the name in lower case. */
export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** Whether the body is packed in any way, though every request asks for it as it is. */
export const isEncoded = ({ headers }: Reply): boolean =>
  !/^(identity)?$/i.test(header(headers, "content-encoding")?.trim() ?? "") ||
  !/^(chunked|identity)?$/i.test(header(headers, "transfer-encoding")?.trim() ?? "");
