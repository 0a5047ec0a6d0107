import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";

/** A way to a server on which a connection takes as long to be made as the test wants. */
export interface SlowDoor {
  readonly url: string;
  /** Whether somebody knocks and was not let in yet: Linux only. */
  isKnockedAt(): Promise<boolean>;
  /** Whether somebody who knocked is in by now. */
  isEntered(): Promise<boolean>;
  open(): void;
  close(): Promise<void>;
}

// The thread sleeps in the one turn in which it could accept, so that the kernel's queue fills up and a further
// connection stays half made.
const doorkeeper = `
  const { connect, createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((from) => {
    const target = connect(workerData.target, "127.0.0.1");
    for (const [one, other] of [[from, target], [target, from]]) {
      one.on("error", () => undefined);
      one.on("close", () => other.destroySoon());
      one.pipe(other);
    }
  });
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(workerData.isOpen, 0, 0);
  });
`;

export async function openSlowDoor(url: string): Promise<SlowDoor> {
  const place = new URL(url);
  const isOpen = new Int32Array(new SharedArrayBuffer(4));
  const keeper = new Worker(doorkeeper, { eval: true, workerData: { target: Number(place.port), isOpen } });
  const [port] = (await once(keeper, "message")) as [number];
  const queue = await Promise.all([standIn(port), standIn(port)]);
  return {
    url: url.replace(place.host, `127.0.0.1:${port}`),
    isKnockedAt: async () => (await statesOf(port)).includes(synSent),
    isEntered: async () => (await statesOf(port)).filter((state) => state === established).length > 2 * queue.length,
    open() {
      Atomics.store(isOpen, 0, 1);
      Atomics.notify(isOpen, 0);
    },
    async close() {
      Atomics.store(isOpen, 0, 1);
      Atomics.notify(isOpen, 0);
      for (const socket of queue) socket.destroy();
      await keeper.terminate();
    },
  };
}

async function standIn(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

const established = "01";
const synSent = "02";

/** The states of all connections to or from a port, as the kernel writes them. */
async function statesOf(port: number): Promise<string[]> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const lines = (await readFile("/proc/net/tcp", "utf8")).split("\n").map((line) => line.trim().split(/\s+/));
  return lines.flatMap(([, local, remote, state]) =>
    state !== undefined && (local?.endsWith(hex) || remote?.endsWith(hex)) ? [state] : [],
  );
}
