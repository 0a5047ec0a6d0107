import type { Readable } from "node:stream";
import { Agent, buildConnector, Client, type Dispatcher } from "undici";
import type { Timeouts } from "./upstream.ts";

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

interface Ask {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Ends the call, and the reply's body with it. */
  readonly signal?: AbortSignal | undefined;
}

/** A reply's head, its body still to be read or destroyed; or why there is none. */
export type Answer =
  | { readonly kind: "reply"; readonly status: number; readonly headers: Headers; readonly body: Readable }
  | {
      readonly kind: "no_reply";
      /** False: proved to have failed before its first byte could go out. */
      readonly sent: boolean;
      readonly reason: string;
    };

export interface Transport {
  /** Sends it once, on a connection of its own: an idle one may be closed by the server just as the POST goes out. */
  post(ask: Ask): Promise<Answer>;
  /** Sends a call that is free to be repeated, on any idle connection. */
  send(ask: Ask): Promise<Answer>;
  /** Cuts what is under way but for POSTs. */
  close(): Promise<void>;
}

/** Where nobody reads, one chunk of a body waits, not 64 KiB of them: there are as many bodies as downloads. */
const highWaterMark = 1;

// Gateways behind several proxies answer with more headers than Node's 16 KiB.
const maxHeaderSize = 128 * 1024;

export function openTransport(timeouts: Timeouts): Transport {
  // HTTP/1.1 alone: undici sends the requests of an HTTP/2 session that is going away a second time.
  const connect = buildConnector({ timeout: timeouts.connectMs, allowH2: false });
  const options = {
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyIdleMs,
    maxHeaderSize,
    allowH2: false,
  };
  const agent = new Agent({ ...options, connect });
  return {
    post: (ask) => postOnce(ask, options, connect, Math.min(timeouts.connectMs, timeouts.totalMs)),
    send: async (ask) => {
      try {
        return replyOf(await requestWithin(agent, ask));
      } catch (error) {
        return { kind: "no_reply", sent: true, reason: reasonOf(error, ask.url) };
      }
    },
    close: () => agent.destroy(),
  };
}

async function postOnce(
  ask: Ask,
  options: Client.Options,
  connect: buildConnector.connector,
  connectWithinMs: number,
): Promise<Answer> {
  const startedAt = Date.now();
  let dials = 0;
  let isConnected = false;
  const client = new Client(ask.url.origin, {
    ...options,
    pipelining: 0,
    connect: (target, callback) => {
      // undici puts a request back into its queue after some errors; without a second connection it stays one POST.
      if (++dials > 1) return callback(new Error("the connection was lost before the reply"), null);
      connect(target, (...result) => {
        const [error, socket] = result;
        // By the clock on the wall: in a process that was frozen, or a machine that was, no timer has noticed yet,
        // and what is sent now may be sent by somebody else too.
        if (error === null && Date.now() - startedAt > connectWithinMs) {
          socket.destroy();
          return callback(new Error("the connection was made too late to be used"), null);
        }
        isConnected = error === null;
        callback(...result);
      });
    },
  });
  try {
    const reply = replyOf(await requestWithin(client, ask));
    reply.body.once("close", () => void client.destroy());
    return reply;
  } catch (error) {
    const sent = isConnected;
    void client.destroy();
    return { kind: "no_reply", sent, reason: reasonOf(error, ask.url) };
  }
}

const replyOf = ({ statusCode, headers, body }: Dispatcher.ResponseData): Extract<Answer, { kind: "reply" }> => {
  // A body may fail while nobody listens yet, which must not end the process; who reads it later still sees the error.
  body.on("error", () => undefined);
  return { kind: "reply", status: statusCode, headers, body };
};

/** undici looks at a signal only once it is connected; a call must end when it is told to. */
async function requestWithin(dispatcher: Dispatcher, ask: Ask): Promise<Dispatcher.ResponseData> {
  const { method, url, headers, body = null, signal } = ask;
  signal?.throwIfAborted();
  const cut = Promise.withResolvers<never>();
  const stop = () => cut.reject(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const path = url.pathname + url.search;
    const request = dispatcher.request({
      origin: url.origin,
      path,
      method,
      headers,
      body,
      signal: signal ?? null,
      highWaterMark,
    });
    return await Promise.race([request, cut.promise]);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function reasonOf(error: unknown, url: URL): string {
  const first = error instanceof AggregateError ? (error.errors as unknown[])[0] : error;
  const message = first instanceof Error ? first.message : String(first);
  const code = codeOf(error) ?? codeOf(first);
  return code === undefined || message.includes(code) ? `${url.host}: ${message}` : `${url.host}: ${message} (${code})`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The first value of a header; names in lower case. */
export function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

/** Lets go of a reply's body, and so of its connection. */
export function discard(body: Readable): void {
  body.on("error", () => undefined).destroy();
}
