import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type EventEmitter, once } from "node:events";
import { createApp } from "./app.ts";
import { createHandle, type Handle, type RestartOptions } from "./handle.ts";
import { type Announcements, createWorld, type WorldOptions } from "./world.ts";

export interface SimulatorOptions extends WorldOptions {
  /** 127.0.0.1 where left out. */
  readonly host?: string;
  /** A free one where left out. */
  readonly port?: number;
}

export interface Simulator extends EventEmitter<Announcements>, Handle {
  /** Up to and with `/v1`: what a client takes as its base URL. */
  readonly url: string;
  readonly origin: string;
  readonly port: number;
  /** What render times and fault dice are drawn from. */
  readonly seed: string;
  /** Drops every connection and frees the port. */
  close(): Promise<void>;
}

/**
 * Starts an upstream that speaks `/v1/videos` and can be scripted.
 * @throws ZodError where an option is wrong; the listen error where the port is taken
 */
export async function startSimulator({
  host = "127.0.0.1",
  port: wanted = 0,
  ...options
}: SimulatorOptions = {}): Promise<Simulator> {
  const world = createWorld(options);
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  let comingBack: NodeJS.Timeout | undefined;
  const handle = createHandle(world, { restart, closing: closing.signal });
  const server = createServer(createApp(world, handle));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  // Long, so that a client never finds a kept connection closed under a POST: that is for the faults to do.
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  const port = await listen(server, host, wanted);
  const origin = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;

  function restart({ forget = false, downMs = 0 }: RestartOptions = {}, spare?: Socket): void {
    if (forget) world.tasks.forget();
    if (downMs > 0) {
      server.close();
      clearTimeout(comingBack);
      comingBack = setTimeout(() => server.listen(port, host, () => world.announcements.emit("back")), downMs);
    }
    for (const socket of sockets) if (socket !== spare) socket.destroy();
  }

  async function close(): Promise<void> {
    closing.abort();
    clearTimeout(comingBack);
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  const { seed } = world;
  return Object.assign(world.announcements, { ...handle, url: `${origin}/v1`, origin, port, seed, close });
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The simulator listens on no port.");
  return (address satisfies AddressInfo).port;
}
