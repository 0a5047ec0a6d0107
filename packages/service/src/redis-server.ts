import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { link, mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const SECOND = 1_000;
const HOST = "127.0.0.1";

export interface RedisServerOptions {
  /** Where it keeps its data; made if need be. One server at a time. */
  readonly dir: string;
  /** The server's program; else `redis-server` or `valkey-server` on `searchPath`. */
  readonly binary?: string | undefined;
  /** `PATH`. */
  readonly searchPath?: string | undefined;
  /** How long it may take to answer: a large append-only file takes its time to load. */
  readonly startMs?: number;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Settles when the server is gone, whoever ended it. */
  readonly exited: Promise<void>;
  /** Ends it, with everything on disk. */
  stop(): Promise<void>;
}

export type RedisServerErrorCode = "no_binary" | "in_use" | "did_not_start";

/** Thrown where a Redis server cannot be started; `in_use` carries the port of the one that has the data. */
export class RedisServerError extends Error {
  readonly code: RedisServerErrorCode;
  readonly port: number | undefined;

  constructor(code: RedisServerErrorCode, message: string, port?: number) {
    super(message);
    this.name = "RedisServerError";
    this.code = code;
    this.port = port;
  }
}

/**
 * Starts a Redis of our own on loopback, every write on disk before it is answered. It ends with this process,
 * even if this process is killed.
 *
 * A directory remembers its port. Two servers on one port cannot be, so two on one directory cannot be either,
 * and no lock can outlive its owner.
 * @throws {RedisServerError}
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const binary = options.binary ?? findRedisServer(options.searchPath ?? "");
  if (binary === undefined)
    throw new RedisServerError("no_binary", "There is no redis-server or valkey-server on the path.");
  if (!isExecutable(binary)) throw new RedisServerError("no_binary", `There is no program at ${binary}.`);
  await mkdir(options.dir, { recursive: true });
  const dir = await realpath(options.dir);
  const giveUpAt = performance.now() + (options.startMs ?? 60 * SECOND);
  let port = await claimPort(dir);
  for (;;) {
    const started = await tryToStart(binary, dir, port, giveUpAt);
    if (started !== "port_taken") return ownerOf(dir, port, started);
    await waitForPredecessor(dir, port);
    if (await isFree(port)) continue;
    port = await changePort(dir);
  }
}

const serverNames = ["redis-server", "valkey-server"];

/** The first Redis server on a search path, if there is one. */
export function findRedisServer(searchPath: string): string | undefined {
  const folders = searchPath.split(delimiter).filter((folder) => folder !== "");
  return serverNames.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The directory's port: the one it remembers, or a free one; all who ask at the same time get the same. */
async function claimPort(dir: string): Promise<number> {
  const remembered = await readPort(dir);
  if (remembered !== undefined) return remembered;
  const port = await freePort();
  const draft = await writeDraft(dir, port);
  // A link, unlike a write, puts the whole content there at once, and only where nothing is.
  await link(draft, portFile(dir)).catch(() => {});
  const agreed = await readPort(dir);
  if (agreed === undefined) await rename(draft, portFile(dir));
  else await rm(draft);
  return agreed ?? port;
}

/** Gives the directory another port, because a stranger sits on its own. */
async function changePort(dir: string): Promise<number> {
  const port = await freePort();
  await rename(await writeDraft(dir, port), portFile(dir));
  return port;
}

const portFile = (dir: string): string => join(dir, "port");

async function writeDraft(dir: string, port: number): Promise<string> {
  const draft = `${portFile(dir)}.${process.pid}.${port}`;
  await writeFile(draft, `${port}\n`);
  return draft;
}

async function readPort(dir: string): Promise<number | undefined> {
  const text = await readFile(portFile(dir), "utf8").catch(() => "");
  const port = Number(text);
  if (port > 0 && port < 65_536) return port;
  await rm(portFile(dir), { force: true });
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((settle) => {
    const server = createServer();
    server.once("error", () => settle(false));
    server.listen(port, HOST, () => server.close(() => settle(true)));
  });

/** The one that has our port and our data may be ending, with the process that started it. */
async function waitForPredecessor(dir: string, port: number): Promise<void> {
  const giveUpAt = performance.now() + 3 * SECOND;
  while ((await ask(port))?.dir === dir) {
    if (performance.now() > giveUpAt)
      throw new RedisServerError("in_use", `Another Redis, on port ${port}, already has the data in ${dir}.`, port);
    await delay(50);
  }
}

/**
 * The leash: `read` ends when we do, however we end, and a line on it means that the server has gone by itself.
 * After `exec` the shell's own pid is the server's.
 */
const LEASHED = `
( read -r _ <&3 || {
    kill -TERM $$
    for _ in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 $$ || exit; done
    kill -KILL $$
  } ) >/dev/null 2>&1 &
exec 3<&-
export LC_ALL=C
exec "$@"`;

const settings = (dir: string, port: number): string[] =>
  Object.entries({
    dir,
    port,
    bind: HOST,
    appendonly: "yes",
    appendfsync: "always",
    "aof-load-truncated": "yes",
    save: "",
    "maxmemory-policy": "noeviction",
    // A record is written half a dozen times in its life: below this the file is not worth writing anew.
    "auto-aof-rewrite-min-size": "256mb",
    // A reminder's data is a little longer than the 64 bytes up to which Redis packs a small hash: 400 bytes a video less.
    // By the name that Redis 6 and Valkey know, too.
    "hash-max-ziplist-value": "256",
    daemonize: "no",
  }).flatMap(([name, value]) => [`--${name}`, String(value)]);

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
}

async function tryToStart(
  binary: string,
  dir: string,
  port: number,
  giveUpAt: number,
): Promise<Running | "port_taken"> {
  const child = spawn("/bin/sh", ["-c", LEASHED, "redis", binary, ...settings(dir, port)], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    // A session of its own: Ctrl-C is for us, and the server must outlast our own orderly end.
    detached: true,
  });
  const said = lastLines(child);
  const exited = new Promise<void>((settle) => {
    child.once("exit", () => {
      dismissLeash(child);
      settle();
    });
    child.once("error", () => settle());
  });
  while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    const answer = await ask(port);
    if (answer?.ready === true && answer.pid === child.pid) return { child, pid: child.pid, exited };
    if (performance.now() > giveUpAt) child.kill("SIGKILL");
    await Promise.race([exited, delay(20)]);
  }
  await exited;
  if (/already in use|Failed listening on port/i.test(said())) return "port_taken";
  throw new RedisServerError("did_not_start", `${binary} did not start:\n${said()}`);
}

/** Reads on for as long as it lives: a full pipe would halt the server. */
function lastLines(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(-2_000)));
  return () => text.trim();
}

function dismissLeash(child: ChildProcess): void {
  const leash = child.stdio[3];
  if (!leash || !("end" in leash)) return;
  leash.on("error", () => {});
  leash.end("\n");
}

async function ownerOf(dir: string, port: number, { child, pid, exited }: Running): Promise<RedisServer> {
  const stop = async () => {
    child.kill("SIGTERM");
    const stopped = new AbortController();
    const killed = delay(10 * SECOND, undefined, { signal: stopped.signal }).then(
      () => child.kill("SIGKILL"),
      () => {},
    );
    await Promise.race([exited, killed]);
    await exited;
    stopped.abort();
  };
  // Two that found a stranger on the port at the same time chose two new ports: the directory names the winner.
  if ((await readPort(dir)) === port) return { url: `redis://${HOST}:${port}`, port, pid, exited, stop };
  await stop();
  throw new RedisServerError("in_use", `Another Redis was started on the data in ${dir} at the same time.`);
}

interface Answer {
  readonly ready: boolean;
  readonly pid: number;
  readonly dir: string | undefined;
}

/** Asks whoever listens on a port who it is, in Redis's own words; undefined where nobody answers like a Redis. */
async function ask(port: number): Promise<Answer | undefined> {
  const text = await new Promise<string>((settle) => {
    let heard = "";
    const socket = createConnection({ port, host: HOST, timeout: SECOND });
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write("PING\r\nINFO server\r\nCONFIG GET dir\r\nQUIT\r\n"));
    socket.on("data", (chunk: string) => (heard += chunk));
    socket.on("timeout", () => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => settle(heard));
  });
  const pid = /^process_id:(\d+)/m.exec(text)?.[1];
  if (pid === undefined) return undefined;
  return { ready: text.startsWith("+PONG"), pid: Number(pid), dir: /\r\ndir\r\n\$\d+\r\n(.*)\r\n/.exec(text)?.[1] };
}
