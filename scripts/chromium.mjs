// A Chromium for the tests of pages. Runs on Node 20.
import { existsSync } from "node:fs";
import { findProgram } from "./place.mjs";
import { bringFromSystem, isDebian } from "./system-packages.mjs";

const MAC_APP = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/** @returns {string | undefined} */
export function findChromium() {
  const given = process.env.CHROMIUM_PATH;
  if (given) return given;
  const found = findProgram(["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]);
  return found ?? (existsSync(MAC_APP) ? MAC_APP : undefined);
}

/** Debian's own package works in a container. Ubuntu's is a door to a snap, which does not. */
export async function bringChromium() {
  return isDebian() ? bringFromSystem({ "apt-get": ["chromium"] }, findChromium) : undefined;
}
