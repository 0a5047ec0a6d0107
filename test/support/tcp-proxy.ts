import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** One chunk on its way between a worker and a neighbour. */
export interface Message {
  /** Counts from 1, over all neighbours, since the listener came. */
  readonly number: number;
  readonly neighbour: string;
  /** `out`: from the worker. */
  readonly way: "out" | "back";
  /** Tells connections apart. */
  readonly connection: number;
  readonly bytes: Buffer;
}

/**
 * `lose`: it never arrives, and all else does. `keep`: it and all that follows to or from that neighbour wait until
 * the proxy is released. `end`: nothing goes on, ever.
 */
export type Passage = "go" | "lose" | "keep" | "end";

/** Hears every message of one worker. */
interface Listener {
  before?(message: Message): Passage;
  /** Once it is in the receiver's hands. */
  after?(message: Message): void;
}

/** One way to a neighbour. */
interface Proxy {
  /** The neighbour's URL with the proxy's port. */
  readonly url: string;
  /**
   * Half open: nothing passes any more, and nobody is told.
   * @param first what is to be done before all else on release
   */
  hold(first?: () => void): void;
  /** Half open for ever are the connections there are; new ones are none the worse. */
  mute(): void;
  /** As if nothing had been. */
  release(): void;
  /** Resets the connections there are, and those that come until it is released. */
  cut(): void;
  close(): Promise<void>;
}

/** The ways of one worker to all its neighbours. */
export interface Proxies<Name extends string> {
  readonly to: Readonly<Record<Name, Proxy>>;
  listen(listener: Listener): void;
  close(): Promise<void>;
}

/** @param neighbours the URL of each */
export async function openProxies<Name extends string>(
  neighbours: Readonly<Record<Name, string>>,
): Promise<Proxies<Name>> {
  let listener: Listener = {};
  let messages = 0;
  let connections = 0;
  let isOver = false;

  const pass = (about: Omit<Message, "number" | "neighbour">, neighbour: Name, receiver: Socket): void => {
    if (isOver) return;
    const message: Message = { ...about, neighbour, number: (messages += 1) };
    const { before, after } = listener;
    const write = () => void receiver.write(message.bytes, () => after?.(message));
    switch (before?.(message) ?? "go") {
      case "go":
        return write();
      case "lose":
        return;
      case "keep":
        return to[neighbour].hold(write);
      case "end":
        isOver = true;
        for (const proxy of Object.values<Proxy>(to)) proxy.cut();
    }
  };
  const opened = (Object.entries(neighbours) as [Name, string][]).map(async ([neighbour, url]) => [
    neighbour,
    await openProxy(url, (worker, target) => {
      const connection = (connections += 1);
      worker.on("data", (bytes: Buffer) => pass({ way: "out", connection, bytes }, neighbour, target));
      target.on("data", (bytes: Buffer) => pass({ way: "back", connection, bytes }, neighbour, worker));
    }),
  ]);
  const to = Object.fromEntries(await Promise.all(opened)) as Record<Name, Proxy>;
  return {
    to,
    listen(next) {
      listener = next;
      messages = 0;
    },
    async close() {
      await Promise.all(Object.values<Proxy>(to).map((proxy) => proxy.close()));
    },
  };
}

async function openProxy(url: string, carry: (from: Socket, target: Socket) => void): Promise<Proxy> {
  const place = new URL(url);
  const sockets = new Set<Socket>();
  let state: "open" | "held" | "cut" = "open";
  let kept: (() => void)[] = [];
  const join = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Whoever is killed resets its connections.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroySoon();
    });
  };
  const server = createServer((from) => {
    if (state === "cut") return void from.resetAndDestroy();
    const target = connect(Number(place.port), place.hostname);
    join(from, target);
    join(target, from);
    carry(from, target);
    if (state === "held") for (const socket of [from, target]) socket.pause();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: url.replace(place.host, `127.0.0.1:${(server.address() as AddressInfo).port}`),
    hold(first) {
      state = "held";
      if (first) kept.push(first);
      for (const socket of sockets) socket.pause();
    },
    mute() {
      for (const socket of sockets) socket.pause();
    },
    release() {
      state = "open";
      for (const write of kept) write();
      kept = [];
      for (const socket of sockets) socket.resume();
    },
    cut() {
      state = "cut";
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}
