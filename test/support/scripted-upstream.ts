import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { openUpstream, type Upstream, type UpstreamSettings } from "@reelq/upstream";
import { onTestFinished } from "vitest";

/** A request as it came over the wire. */
export interface Seen {
  readonly method: string;
  /** With the query, percent signs and all. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** Answers one request; `socket` is there to be cut. */
export type Script = (seen: Seen, response: ServerResponse, socket: Socket) => void;

export interface ScriptedUpstream {
  readonly origin: string;
  /** Every request, in the order in which they were read whole. */
  readonly seen: readonly Seen[];
}

/** A real HTTP server on a free port, gone when the test is. */
export async function scriptedUpstream(script: Script): Promise<ScriptedUpstream> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers, socket } = request;
      const one = { method, path: url, headers, body: Buffer.concat(chunks) };
      seen.push(one);
      script(one, response, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

/** An upstream's client, closed when the test is over. */
export function openedUpstream(settings: Omit<UpstreamSettings, "name">): Upstream {
  const upstream = openUpstream({ name: "scripted", ...settings });
  onTestFinished(() => upstream.close());
  return upstream;
}

/** A server and its client in one. */
export async function speaking(
  script: Script,
  settings: Omit<UpstreamSettings, "name" | "url"> = {},
): Promise<ScriptedUpstream & { upstream: Upstream }> {
  const server = await scriptedUpstream(script);
  return { ...server, upstream: openedUpstream({ url: `${server.origin}/v1`, ...settings }) };
}

/** Answers everything with this. */
export function says(status: number, body: unknown, headers: Record<string, string> = {}): Script {
  const isText = typeof body === "string";
  const type = isText ? "text/html" : "application/json";
  return (_seen, response) => {
    response.writeHead(status, { "content-type": type, ...headers });
    response.end(isText || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  };
}

/** Bytes that begin as an MP4 does. */
export function someMp4(bytes = 5000): Buffer {
  const file = Buffer.alloc(bytes, 7);
  file.write("\0\0\0\x20ftypisom", "latin1");
  return file;
}
