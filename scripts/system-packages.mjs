// The system's package manager, where it may be used without asking anyone. Runs on Node 20.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { runLogged } from "./child.mjs";
import { findProgram, setUpLog } from "./place.mjs";

/** Package managers by their program: how they install, and how they first learn what there is. */
const managers = {
  "apt-get": {
    install: ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0"],
    refresh: ["update"],
  },
  apk: { install: ["add", "--no-cache"] },
  dnf: { install: ["install", "-y"] },
  brew: { install: ["install"] },
};

/**
 * Installs the first of the packages that can be had, until one of them serves.
 * @param {Partial<Record<keyof typeof managers, string[]>>} packages by the manager that knows them by this name
 * @param {() => string | undefined} find what the package is wanted for
 * @returns {Promise<string | undefined>} what was found; nothing where no manager may be used or none could help
 */
export async function bringFromSystem(packages, find) {
  const name = Object.keys(managers).find((one) => packages[one] !== undefined && findProgram([one]));
  if (name === undefined) return undefined;
  const rights = rightsFor(name);
  if (rights === undefined) return undefined;
  const { install, refresh } = managers[name];
  const quietly = ["env", "DEBIAN_FRONTEND=noninteractive", "HOMEBREW_NO_AUTO_UPDATE=1"];
  const manage = (args) => {
    const command = [...rights, ...quietly, findProgram([name]), ...args];
    return runLogged(command, { log: setUpLog, mayOutlive: true });
  };
  let isFresh = refresh === undefined;
  for (const one of packages[name]) {
    let { ok } = await manage([...install, one]);
    if (!ok && !isFresh) {
      isFresh = true;
      await manage(refresh);
      ({ ok } = await manage([...install, one]));
    }
    // A package's own scripts may fail where no services run, with its program in place all the same.
    const found = find();
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What to put before the command; undefined where it may not be used. Homebrew refuses root and needs nobody's leave. */
function rightsFor(manager) {
  const isRoot = process.getuid?.() === 0;
  if (manager === "brew") return isRoot ? undefined : [];
  if (isRoot) return [];
  const sudo = findProgram(["sudo"]);
  if (sudo === undefined) return undefined;
  return spawnSync(sudo, ["-n", "true"], { stdio: "ignore", timeout: 20_000 }).status === 0 ? [sudo, "-n"] : undefined;
}

/** The system's family, as its own package manager's users know it. */
export function systemFamily() {
  if (process.platform === "darwin") return "macos";
  const release = readRelease();
  const ids = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, words]) => words.split(" "));
  return ["debian", "alpine", "fedora", "rhel", "arch", "suse"].find((family) => ids.includes(family));
}

/** Whether this is Debian itself: its relatives ship some things in other ways. */
export const isDebian = () => /^ID=debian$/m.test(readRelease());

function readRelease() {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
