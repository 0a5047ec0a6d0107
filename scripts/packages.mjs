// pnpm, the packages, and with them Node 24. Runs on Node 20.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runLogged } from "./child.mjs";
import { binaries, findProgram, isExecutable, own, root, setUpLog, tools } from "./place.mjs";
import { SetUpError } from "./setup-error.mjs";

/** The Node that runs the TypeScript source as it is. */
const LEAST_NODE = 24;

/** Changes with whatever decides which packages must be here. */
export function packagesStamp() {
  const lock = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  const hash = createHash("sha256")
    .update(lock)
    .update(readFileSync(join(root, "pnpm-workspace.yaml")));
  for (const folder of workspaceFolders(lock)) hash.update(JSON.stringify(wantedBy(folder)));
  return hash.update(`${process.platform} ${process.arch}`).digest("hex");
}

/** Whether the packages that a set-up brought are those wanted now, and all there. */
export function arePackagesHere({ packages, node }) {
  if (packages === undefined || packages !== packagesStamp() || !isExecutable(node ?? "")) return false;
  const folders = workspaceFolders(readFileSync(join(root, "pnpm-lock.yaml"), "utf8"));
  return folders.every((folder) => !hasDependencies(folder) || existsSync(join(root, folder, "node_modules")));
}

/** The folders with a package.json, as the lockfile lists them. */
function workspaceFolders(lock) {
  const importers = /^importers:\n((?:[ \t].*\n|\n)*)/m.exec(lock)?.[1] ?? "";
  return [...importers.matchAll(/^ {2}(\S+):\s*(?:\{\})?$/gm)].map(([, folder]) => folder.replace(/^'(.*)'$/, "$1"));
}

/** The part of a package.json that packages are brought for: a changed script is no reason to install again. */
function wantedBy(folder) {
  const { packageManager, dependencies, devDependencies, optionalDependencies, peerDependencies } = manifest(folder);
  return { folder, packageManager, dependencies, devDependencies, optionalDependencies, peerDependencies };
}

function hasDependencies(folder) {
  const { dependencies, devDependencies } = manifest(folder);
  return Object.keys({ ...dependencies, ...devDependencies }).length > 0;
}

const manifest = (folder) => {
  const file = join(root, folder, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
};

/**
 * Brings the packages as the lockfile has them.
 * @returns {Promise<string>} the Node to run reelq with
 */
export async function bringPackages(stepped) {
  const env = installEnvironment();
  const pnpm = await bringPinnedPnpm(stepped, env);
  await stepped("packages", () => install(pnpm, env));
  return runnableNode();
}

/** @returns {string | undefined} the pnpm of the version that is wanted here, where there is one */
export const findPinnedPnpm = (env = installEnvironment()) => findPnpm(pinnedPnpm(), env);

/** @returns {Promise<string>} the same, brought where there is none */
export async function bringPinnedPnpm(stepped, env = installEnvironment()) {
  const version = pinnedPnpm();
  return findPinnedPnpm(env) ?? stepped(`pnpm ${version}`, () => bringPnpm(version, env));
}

/** package.json's `packageManager` is the one place that says which pnpm. */
function pinnedPnpm() {
  const version = /^pnpm@(\d[^+\s]*)/.exec(manifest(".").packageManager ?? "")?.[1];
  if (version === undefined) throw new SetUpError(`package.json's packageManager does not name a version of pnpm.`);
  return version;
}

function findPnpm(version, env) {
  const candidates = [localPnpm, findProgram(["pnpm"])].filter((one) => one !== undefined && isExecutable(one));
  // Asked from outside the checkout, where pnpm does not act as the version that the checkout names.
  const versionOf = (pnpm) => spawnSync(pnpm, ["--version"], { cwd: tmpdir(), env, encoding: "utf8", timeout: 20_000 });
  return candidates.find((pnpm) => versionOf(pnpm).stdout?.trim() === version);
}

const localPnpm = join(tools, "node_modules", ".bin", "pnpm");

async function bringPnpm(version, env) {
  const npm = findProgram(["npm"]);
  if (npm === undefined) throw new SetUpError("npm is not on the path. Install Node with npm, then run this again.");
  mkdirSync(tools, { recursive: true });
  // pnpm's program is an optional dependency of its package, whatever this user's npm leaves out otherwise.
  const flags = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--include=optional", "--ignore-scripts"];
  const patience = ["--fetch-retries=3", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=5000"];
  const command = [npm, "install", "--prefix", tools, ...flags, ...patience, `pnpm@${version}`];
  const { ok, output } = await runLogged(command, { log: setUpLog, cwd: tools, env });
  if (!ok) throw failure("npm could not bring pnpm", output);
  if (findPnpm(version, env) !== localPnpm) throw failure("pnpm was brought and does not run here", output);
  return localPnpm;
}

async function install(pnpm, env) {
  // What the running pnpm is was just checked; without the flag it insists on having that in the lockfile as well.
  const command = [pnpm, "install", "--frozen-lockfile", "--pm-on-fail=ignore"];
  const { ok, output } = await runLogged(command, { log: setUpLog, cwd: root, env });
  if (!ok) throw failure("pnpm could not install the packages", output);
}

function installEnvironment() {
  const env = { ...process.env, CI: "true", pnpm_config_pm_on_fail: "ignore", COREPACK_ENABLE_NETWORK: "0" };
  // Production leaves out the development packages, and Node 24 is one of them.
  delete env.NODE_ENV;
  return isHomeUsable() ? env : withHomeOfOurs(env);
}

/** npm and pnpm keep what they download under the home directory; some containers and services have none. */
function isHomeUsable() {
  const { HOME } = process.env;
  if (!HOME) return false;
  const used = [".npm", ".cache", join(".local", "share"), join(".local", "state")].map((name) => join(HOME, name));
  return [HOME, ...used.filter((folder) => existsSync(folder))].every(isWritable);
}

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function withHomeOfOurs(env) {
  const home = join(own, "home");
  mkdirSync(home, { recursive: true });
  const elsewhere = ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "PNPM_HOME"];
  const unset = Object.fromEntries(elsewhere.map((name) => [name, undefined]));
  // The npm that started us has already worked out its own cache, and passes that on.
  return { ...env, ...unset, HOME: home, npm_config_cache: join(home, ".npm") };
}

/** The `node` package has no build for every system (not for musl); the Node that runs this may do instead. */
function runnableNode() {
  const brought = join(binaries, "node");
  const usable = [brought, process.execPath].find((node) => majorOf(node) >= LEAST_NODE);
  if (usable !== undefined) return usable;
  throw new SetUpError(
    `The Node ${LEAST_NODE} that was brought does not run on this system. Install Node ${LEAST_NODE} or later yourself, then run this again.`,
  );
}

function majorOf(node) {
  const { stdout } = spawnSync(node, ["--version"], { encoding: "utf8", timeout: 20_000 });
  return Number(/^v(\d+)/.exec(stdout ?? "")?.[1] ?? 0);
}

const UNREACHABLE =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|error sending request|dns error|network request|META_FETCH_FAIL/i;

function failure(what, output) {
  const last = output.trimEnd().split("\n").slice(-15).join("\n");
  const advice = UNREACHABLE.test(output)
    ? "The npm registry could not be reached, and the first set-up needs it: check the network, or the proxy settings of npm, then run this again."
    : `Mend what it says, then run this again. The whole output is in .reelq/setup.log.`;
  return new SetUpError(`${last}\n\n${what}. ${advice}`);
}
