import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { CannotRunError } from "../frame/bench.ts";

const run = promisify(execFile);

export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Where Debian keeps what is not on the path: one folder a version. */
const debianFolder = "/usr/lib/postgresql";

function programsFolder(): string | undefined {
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder).toSorted().toReversed() : [];
  const folders = [
    ...versions.map((version) => join(debianFolder, version, "bin")),
    ...(process.env["PATH"] ?? "").split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, "initdb")));
}

/**
 * A PostgreSQL of our own on loopback, with its usual settings: every commit is on disk before it is answered.
 * @throws CannotRunError where there is none
 */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = programsFolder();
  if (programs === undefined)
    throw new CannotRunError("there is no PostgreSQL; on Debian, apt-get install postgresql brings it");
  const dir = await mkdtemp(join(tmpdir(), "reelq-postgres-"));
  // It refuses to run as root.
  const owner = userInfo().uid === 0 ? await postgresUser() : undefined;
  if (owner) await chown(dir, owner.uid, owner.gid);
  const as = { cwd: dir, ...owner };
  await run(join(programs, "initdb"), ["-D", join(dir, "data"), "-U", "bench", "--auth=trust"], as);
  const port = await freePort();
  const server = spawn(
    join(programs, "postgres"),
    [
      "-D",
      join(dir, "data"),
      "-p",
      String(port),
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      `unix_socket_directories=${dir}`,
    ],
    { ...as, stdio: "ignore" },
  );
  const exited = once(server, "exit");
  const ready = async () => {
    for (let tries = 0; tries < 100; tries += 1) {
      const answered = await run(join(programs, "pg_isready"), ["-h", "127.0.0.1", "-p", String(port)], {
        timeout: 5_000,
      })
        .then(() => true)
        .catch(() => new Promise<false>((settle) => setTimeout(settle, 100, false)));
      if (answered) return;
    }
    throw new CannotRunError("PostgreSQL did not start");
  };
  const stop = async () => {
    server.kill("SIGINT");
    await exited;
    await rm(dir, { recursive: true, force: true });
  };
  await ready().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { url: `postgres://bench@127.0.0.1:${port}/postgres`, stop };
}

async function postgresUser(): Promise<{ uid: number; gid: number }> {
  const idOf = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout);
  try {
    return { uid: await idOf("-u"), gid: await idOf("-g") };
  } catch {
    throw new CannotRunError("PostgreSQL refuses to run as root, and there is no user named postgres");
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((settle) => server.close(settle));
  return port;
}
