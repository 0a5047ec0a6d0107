// Brings all that reelq needs to run from a fresh checkout. Runs on Node 20 and later, with npm and nothing else.
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { bringChromium, findChromium } from "./chromium.mjs";
import { arePackagesHere, bringPackages, bringPinnedPnpm, findPinnedPnpm, packagesStamp } from "./packages.mjs";
import { own, root, setUpLog } from "./place.mjs";
import { bringRedisServer, findRedisServer } from "./redis.mjs";
import { SetUpError } from "./setup-error.mjs";
import { withSetUpLock } from "./setup-lock.mjs";

/**
 * What set-up brought, kept in `.reelq/setup.json`.
 * @typedef {{ packages?: string, node?: string, pnpm?: string, redisServer?: string, chromium?: string, triedChromium?: boolean }} Brought
 */

/**
 * Brings what is missing. Where nothing is, it takes milliseconds and no network.
 * @param {{ redis?: boolean, chromium?: boolean, pnpm?: boolean, out?: NodeJS.WriteStream }} needs what besides the packages; `out`: where
 *   the lines of progress go
 * @returns {Promise<Brought>}
 * @throws {SetUpError}
 */
export async function setUp({ redis = false, chromium = false, pnpm = false, out = process.stdout } = {}) {
  refuseOldNode();
  // A Redis that is already running needs no server of ours.
  const needs = { redis: redis && !process.env.REDIS_URL, chromium, pnpm };
  mkdirSync(own, { recursive: true });
  const here = whatIsHere(needs);
  if (isComplete(here, needs)) return here;
  return withSetUpLock(join(own, "setup.lock"), out, async () => {
    writeFileSync(setUpLog, "");
    return bringMissing(needs, (name, work) => step(out, name, work));
  });
}

function refuseOldNode() {
  if (Number(process.versions.node.split(".")[0]) >= 20) return;
  throw new SetUpError(`reelq needs Node 20 or later to set itself up; this is ${process.version}.`);
}

const stateFile = join(own, "setup.json");

/** @returns {Brought} */
function whatIsHere(needs) {
  const state = readState();
  const packages = arePackagesHere(state) ? { packages: state.packages, node: state.node } : {};
  // Looked for each time: what a person installs or removes counts at once.
  const redisServer = needs.redis ? findRedisServer(state.redisServer) : state.redisServer;
  const browser = needs.chromium ? findChromium() : state.chromium;
  const pnpm = needs.pnpm ? findPinnedPnpm() : state.pnpm;
  return { ...state, packages: undefined, node: undefined, ...packages, pnpm, redisServer, chromium: browser };
}

const isComplete = (here, needs) =>
  here.packages !== undefined &&
  (!needs.pnpm || here.pnpm !== undefined) &&
  (!needs.redis || (here.redisServer !== undefined && here.redisServer === readState().redisServer)) &&
  (!needs.chromium || here.chromium !== undefined || here.triedChromium === true);

async function bringMissing(needs, stepped) {
  // Looked at again: another set-up may have done it all while this one waited for the lock.
  const here = whatIsHere(needs);
  if (here.packages === undefined) {
    // Gone until the packages are whole, so that an interrupted set-up is seen as one.
    writeState(here);
    here.node = await bringPackages(stepped);
    here.packages = packagesStamp();
    writeState(here);
  }
  if (needs.pnpm) here.pnpm ??= await bringPinnedPnpm(stepped);
  if (needs.redis) here.redisServer ??= await stepped("Redis", bringRedisServer);
  if (needs.chromium && here.chromium === undefined && !here.triedChromium) {
    here.chromium = await stepped("Chromium for the page tests", bringChromium);
    here.triedChromium = true;
  }
  writeState(here);
  return here;
}

/** @returns {Brought} */
function readState() {
  try {
    return mapPaths(JSON.parse(readFileSync(stateFile, "utf8")), (path) => resolve(root, path));
  } catch {
    return {};
  }
}

/** @param {Brought} state */
function writeState(state) {
  const draft = `${stateFile}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(mapPaths(state, fromRoot), null, 2)}\n`);
  renameSync(draft, stateFile);
}

/** What lies in the checkout is written down as seen from there: a checkout may be moved or copied. */
const fromRoot = (path) => (path.startsWith(root + sep) ? relative(root, path) : path);

const mapPaths = ({ node, pnpm, redisServer, chromium, ...rest }, change) => ({
  ...rest,
  node: node && change(node),
  pnpm: pnpm && change(pnpm),
  redisServer: redisServer && change(redisServer),
  chromium: chromium && change(chromium),
});

/** One line a step: `set-up: packages ... 12 s`. */
async function step(out, name, work) {
  const startedAt = performance.now();
  out.write(`set-up: ${name} ... `);
  try {
    const result = await work();
    out.write(`${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
    return result;
  } catch (error) {
    out.write("failed\n");
    throw error;
  }
}

/** Says what went wrong as a person needs it: expected troubles in their own words, surprises with their trace. */
export function explainFailure(error) {
  process.stderr.write(`${error instanceof SetUpError ? error.message : error.stack}\n`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await setUp({ redis: true });
    process.stdout.write("set-up: ready\n");
  } catch (error) {
    explainFailure(error);
    process.exitCode = 1;
  }
}
