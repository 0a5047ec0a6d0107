import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { descendantsOf, isAlive } from "../../support/family.ts";

/** How long `npm start` took, in ms, to come to each of these. */
export interface Started {
  /** Set-up looked at everything, and Redis answers. */
  readonly redisMs: number;
  /** The simulated upstream listens. */
  readonly upstreamMs: number;
  /** The first 200 of `/readyz`. */
  readonly readyMs: number;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Asked so often. */
const askEveryMs = 5;
const giveUpMs = 60_000;
const stopWithinMs = 45_000;

/** Of whoever runs the benchmark: none of it is for this one. */
const settings = [
  "REDIS_URL",
  "UPSTREAM_URL",
  "UPSTREAM_API_KEY",
  "REELQ_CONFIG",
  "REELQ_API_KEYS",
  "STORAGE_URL",
  "HOST",
];

/** Starts everything in an empty folder that has the checkout's scripts, waits until it is ready, and ends it. */
export async function measureNpmStart(): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), "reelq-bench-start-"));
  try {
    // The scripts find their own checkout, with all that set-up brought; data goes where the command is given.
    await cp(join(root, "package.json"), join(folder, "package.json"));
    await symlink(join(root, "scripts"), join(folder, "scripts"));
    return await startIn(folder, await freePort());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function startIn(folder: string, port: number): Promise<Started> {
  const startedAt = performance.now();
  const since = () => performance.now() - startedAt;
  const command = spawn("env", [...settings.flatMap((name) => ["-u", name]), `PORT=${port}`, "npm", "start"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const said = listen(command, since);
  try {
    const readyMs = await untilReady(`http://127.0.0.1:${port}/readyz`, since, command, said);
    // Said at the same moment or a little later.
    while (said.at(/^upstream /m) === undefined) await delay(askEveryMs);
    return { redisMs: said.at(/^redis /m) ?? NaN, upstreamMs: said.at(/^upstream /m) ?? NaN, readyMs };
  } finally {
    await end(command);
  }
}

interface Said {
  /** When words that match were first there, in ms. */
  at(words: RegExp): number | undefined;
  all(): string;
}

function listen(command: ChildProcess, since: () => number): Said {
  let text = "";
  const pieces: { readonly text: string; readonly at: number }[] = [];
  for (const stream of [command.stdout, command.stderr])
    stream?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      pieces.push({ text, at: since() });
    });
  return { at: (words) => pieces.find((piece) => words.test(piece.text))?.at, all: () => text };
}

async function untilReady(url: string, since: () => number, command: ChildProcess, said: Said): Promise<number> {
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    const at = since();
    await response?.body?.cancel();
    if (response?.status === 200) return at;
    if (command.exitCode !== null || at > giveUpMs)
      throw new Error(`npm start did not come to readiness:\n${said.all()}`);
    await delay(askEveryMs);
  }
}

/** As Ctrl-C does it: a signal to the whole group. */
async function end(command: ChildProcess): Promise<void> {
  const { pid } = command;
  if (pid === undefined) return;
  const family = [pid, ...descendantsOf(pid).map((member) => member.pid)];
  if (command.exitCode === null && command.signalCode === null) {
    process.kill(-pid, "SIGINT");
    await Promise.race([once(command, "exit"), delay(stopWithinMs, undefined, { ref: false })]);
  }
  const giveUpAt = performance.now() + stopWithinMs;
  while (family.some(isAlive) && performance.now() < giveUpAt) await delay(20);
  for (const member of family) if (isAlive(member)) process.kill(member, "SIGKILL");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
