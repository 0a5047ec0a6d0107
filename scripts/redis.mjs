// A Redis server's program. Runs on Node 20.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runLogged } from "./child.mjs";
import { findProgram, isExecutable, setUpLog, tools } from "./place.mjs";
import { SetUpError } from "./setup-error.mjs";
import { bringFromSystem, systemFamily } from "./system-packages.mjs";

const ours = join(tools, "redis", "redis-server");
/** Where Homebrew keeps what it does not link. */
const KEGS = ["redis", "valkey"].flatMap((keg) => [`/opt/homebrew/opt/${keg}/bin`, `/usr/local/opt/${keg}/bin`]);

/**
 * A server that is here already.
 * @param {string} [known] found by an earlier set-up, which made sure that it runs
 */
export function findRedisServer(known) {
  const found = findProgram(["redis-server", "valkey-server"], KEGS) ?? (isExecutable(ours) ? ours : undefined);
  return found !== undefined && (found === known || isServer(found)) ? found : undefined;
}

const isServer = (program) =>
  /^(redis|valkey) server v=/i.test(
    spawnSync(program, ["--version"], { encoding: "utf8", timeout: 20_000 }).stdout ?? "",
  );

/** Brings a server, or says what a person has to install. */
export async function bringRedisServer() {
  const found = findOrLink() ?? (await bringFromSystem(packages, findOrLink)) ?? (await unpackPrivately());
  if (found !== undefined) return found;
  throw new SetUpError(
    `reelq needs a Redis server and could not install one here. ${advice[systemFamily() ?? ""] ?? "Install Redis or Valkey"}, or set REDIS_URL to one that runs; then run this again.`,
  );
}

const packages = {
  // redis-tools has the server's program without the service that redis-server would start beside it.
  "apt-get": ["redis-tools", "redis-server", "valkey-server"],
  apk: ["redis", "valkey"],
  dnf: ["redis", "valkey"],
  brew: ["redis"],
};

const advice = {
  debian: 'Install one with "sudo apt-get install redis-server"',
  alpine: 'Install one with "apk add redis" as root',
  fedora: 'Install one with "sudo dnf install redis", or valkey',
  rhel: 'Install one with "sudo dnf install redis", or valkey',
  arch: 'Install one with "sudo pacman -S valkey"',
  suse: 'Install one with "sudo zypper install redis"',
  macos: 'Install one with "brew install redis"',
};

const findOrLink = () => findRedisServer() ?? linkTo(findProgram(["redis-check-rdb"]));

/** Redis is one program that goes by the name it is called: Debian's redis-server is a link to redis-check-rdb. */
function linkTo(program) {
  if (program === undefined) return undefined;
  mkdirSync(join(tools, "redis"), { recursive: true });
  rmSync(ours, { force: true });
  symlinkSync(program, ours);
  return isServer(ours) ? ours : undefined;
}

/** On Debian and its relatives a package can be fetched and unpacked without any rights at all. */
async function unpackPrivately() {
  const folder = join(tools, "redis");
  const [apt, cache, unpack] = ["apt-get", "apt-cache", "dpkg-deb"].map((name) => findProgram([name]));
  if (apt === undefined || cache === undefined || unpack === undefined) return undefined;
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["lists/partial", "cache/archives/partial", "debs", "root"])
    mkdirSync(join(folder, part), { recursive: true });
  const places = ["-o", `Dir::State::lists=${folder}/lists`, "-o", `Dir::Cache=${folder}/cache`];
  const run = (command, cwd) => runLogged(command, { log: setUpLog, cwd });
  await run([apt, ...places, "update"], folder);
  const { ok, output } = await run([cache, ...places, "depends", "--important", "redis-tools"], folder);
  if (!ok) return undefined;
  const needed = [...output.matchAll(/^\s*\|?Depends: (lib[a-z0-9.+-]+)$/gm)].map(([, name]) => name);
  const wanted = ["redis-tools", ...needed.filter((name) => name !== "libc6")];
  if (!(await run([apt, ...places, "download", ...wanted], join(folder, "debs"))).ok) return undefined;
  for (const file of readdirSync(join(folder, "debs")))
    await run([unpack, "-x", join(folder, "debs", file), join(folder, "root")], folder);
  for (const used of ["lists", "cache", "debs"]) rmSync(join(folder, used), { recursive: true });
  return launcherIn(folder);
}

/** Redis finds the libraries that came with it, wherever this checkout lies. */
function launcherIn(folder) {
  const bin = join(folder, "root", "usr", "bin");
  if (!isExecutable(join(bin, "redis-check-rdb"))) return undefined;
  symlinkSync("redis-check-rdb", join(bin, "redis-server"));
  writeFileSync(
    ours,
    `#!/bin/sh
here=$(dirname "$0")
for libraries in "$here"/root/usr/lib/*-linux-* "$here"/root/lib/*-linux-*; do
  LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
export LD_LIBRARY_PATH
exec "$here/root/usr/bin/redis-server" "$@"
`,
  );
  chmodSync(ours, 0o755);
  return isServer(ours) ? ours : undefined;
}
