import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { isSameAddress } from "./address.ts";
import { literalOf, privateAddress } from "./judge-url.ts";
import { WebError } from "./web-error.ts";

/** One address to connect to, of the family 4 or 6. */
export interface Target {
  readonly address: string;
  readonly family: number;
  readonly port: number;
}

/** Begins a TCP connection, as `net.connect` does: the socket says `connect` or `error` later. */
export type Connect = (target: Target) => Socket;

export const connectByTcp: Connect = ({ address, family, port }) => connectTcp({ host: address, family, port });

/** How connections are made: the socket opener, and the certificates that are trusted (PEM; Node's own if absent). */
export interface Wire {
  readonly connect: Connect;
  readonly ca: string | undefined;
}

const SECOND = 1000;
// Whoever answers for a name may name thousands of addresses; one that is silent must leave time for the next.
const mostTargets = 4;
const nextTargetAfterMs = 3 * SECOND;

/** Connects to the first of the targets that takes it; for https, with a certificate for the URL's own name. */
export async function openSocket(
  url: URL,
  targets: readonly Target[],
  { connect, ca }: Wire,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await connectToAny(url.host, targets.slice(0, mostTargets), connect, signal);
  if (url.protocol !== "https:") return socket;
  const literal = literalOf(url);
  const secured = connectTls({
    socket,
    host: literal ?? url.hostname,
    ...(literal === undefined && { servername: url.hostname }),
    ...(ca !== undefined && { ca }),
    ALPNProtocols: ["http/1.1"],
    // Said here, so that no setting of the process can turn it off.
    rejectUnauthorized: true,
  });
  try {
    await opened(secured, "secureConnect", signal);
    return secured;
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw tlsError(url.host, error);
  }
}

async function connectToAny(
  host: string,
  targets: readonly Target[],
  connect: Connect,
  signal: AbortSignal,
): Promise<Socket> {
  let last: unknown;
  for (const [index, target] of targets.entries()) {
    signal.throwIfAborted();
    const socket = connect(target);
    try {
      await opened(socket, "connect", signal, index + 1 < targets.length ? nextTargetAfterMs : undefined);
    } catch (error) {
      signal.throwIfAborted();
      last = error;
      continue;
    }
    // A second fence, should a socket ever be led elsewhere than it was told: before the first byte goes out.
    if (isSameAddress(socket.remoteAddress ?? "", target.address)) return socket;
    socket.destroy();
    throw privateAddress(host, "was reached at an address that is not known to be public");
  }
  throw new WebError("unreachable", `${host} takes no connection${codeIn(last)}; check the address and try again.`, {
    host,
    cause: last,
  });
}

/** Waits for the event; destroys the socket where it fails, closes, or the time is over. */
async function opened(
  socket: Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
  withinMs?: number,
): Promise<void> {
  // A socket that fails while nobody listens must not end the process.
  socket.on("error", () => undefined);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onClose = () => reject(new Error("the connection was closed"));
  const onAbort = () => reject(signal.reason);
  const timer =
    withinMs === undefined ? undefined : setTimeout(() => reject(new Error("no connection in time")), withinMs);
  socket.once(event, resolve).once("error", reject).once("close", onClose);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off(event, resolve).off("error", reject).off("close", onClose);
    signal.removeEventListener("abort", onAbort);
  }
}

export const tlsError = (host: string, cause: unknown): WebError =>
  new WebError(
    "tls",
    `${host} has no certificate that is valid for it, or speaks no TLS that is safe${codeIn(cause)}.`,
    {
      host,
      cause,
    },
  );

/** The code of an error in brackets; never its text, which may hold an address. */
export const codeIn = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? ` (${code})` : "";
};
