// One set-up at a time in a checkout. Runs on Node 20.
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

/** A holder touches its lock this often; one untouched for much longer has no holder, whatever its pid says. */
const TOUCH_MS = 2_000;
const STALE_MS = 30_000;

/**
 * @template T
 * @param {string} file
 * @param {NodeJS.WriteStream} out told once that we wait
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSetUpLock(file, out, work) {
  const mine = `${JSON.stringify({ pid: process.pid, host: hostname() })}\n`;
  for (let waits = 0; !take(file, mine); waits += 1) {
    const holder = read(file);
    if (holder !== undefined && isStale(file, holder)) removeIfStill(file, holder);
    else if (waits === 0) out.write(`set-up: waiting for the one that runs already ${holder?.trim() ?? ""}\n`);
    await delay(100);
  }
  const touching = setInterval(() => utimesSync(file, new Date(), new Date()), TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    rmSync(file, { force: true });
  }
}

/** A link, unlike a write, puts the whole content there at once, and only where nothing is. */
function take(file, mine) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, mine);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function isStale(file, holder) {
  const { pid, host } = JSON.parse(holder);
  if (host === hostname() && !isAlive(pid)) return true;
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > STALE_MS;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Between the look and the removal another one may have taken over: then its lock goes back. */
function removeIfStill(file, holder) {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
    if (readFileSync(aside, "utf8") !== holder) linkSync(aside, file);
  } catch {
    // Gone or taken by now: the next try to take it tells.
  } finally {
    rmSync(aside, { force: true });
  }
}
