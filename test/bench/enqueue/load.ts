import { once } from "node:events";
import { connect } from "node:net";
import { asChild } from "../frame/child.ts";
import { quantile } from "../frame/rounds.ts";
import { fieldsOf, type Load, type LoadInput, type Manner } from "./enqueue.ts";

// Spoken by hand over bare sockets: whoever asks shares the processors with whoever answers, and should cost little.
asChild(async ({ url, manner, requests, connections, name }: LoadInput): Promise<Load> => {
  const wires = await Promise.all(Array.from({ length: connections }, () => openWire(new URL(url))));
  const latencies: number[] = [];
  const ids = new Set<string>();
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    wires.map(async (wire) => {
      while (next < requests) {
        const number = next++;
        const sentAt = performance.now();
        const body = await wire.post(JSON.stringify(fieldsOf(number)), headersOf(manner, `${name}-${number}`));
        latencies.push(performance.now() - sentAt);
        ids.add(String((JSON.parse(body) as { id?: unknown }).id));
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1_000;
  for (const wire of wires) wire.close();
  if (ids.size !== requests) throw new Error(`${requests} requests came to ${ids.size} ids.`);
  return { seconds, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
});

/** The official SDK says which try it is; it sends no key of its own. */
const headersOf = (manner: Manner, key: string): string =>
  manner === "key"
    ? `Idempotency-Key: ${key}\r\n`
    : manner === "official-sdk"
      ? "X-Stainless-Retry-Count: 0\r\nX-Stainless-Lang: js\r\nX-Stainless-Runtime: node\r\n"
      : "";

interface Wire {
  /** @returns the body of the 200. @throws where it is another status */
  post(body: string, headers: string): Promise<string>;
  close(): void;
}

/** One kept connection, for one call at a time. */
async function openWire({ hostname, port, host, pathname }: URL): Promise<Wire> {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  socket.setEncoding("utf8");
  let heard = "";
  let waiting: PromiseWithResolvers<string> | undefined;
  const hear = (): void => {
    const body = bodyOf(heard);
    if (body === undefined) return;
    if (!heard.startsWith("HTTP/1.1 200 ")) waiting?.reject(new Error(heard));
    waiting?.resolve(body);
    heard = "";
  };
  socket.on("data", (text: string) => {
    heard += text;
    hear();
  });
  socket.on("error", (error) => waiting?.reject(error));
  socket.on("close", () => waiting?.reject(new Error("The connection was cut.")));
  return {
    post(body, headers) {
      waiting = Promise.withResolvers<string>();
      socket.write(
        `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\nUser-Agent: bench\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`,
      );
      return waiting.promise;
    },
    close: () => socket.destroy(),
  };
}

/** Undefined: it is not whole yet. All that is said here is ASCII, so bytes and characters are as many. */
function bodyOf(reply: string): string | undefined {
  const end = reply.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(reply.slice(0, end))?.[1]);
  const body = reply.slice(end + 4);
  return body.length >= length ? body : undefined;
}
