// Sets up, builds what producers install, and packs it: node scripts/pack.mjs. With --build-only, it packs nothing.
// Runs on Node 20.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runLogged, withFolderFirst } from "./child.mjs";
import { binaries, own, root } from "./place.mjs";
import { explainFailure, setUp } from "./setup.mjs";
import { SetUpError } from "./setup-error.mjs";

/** What a producer's program needs, each after what it is built on. */
const packages = ["contract", "sdk"];

const log = join(own, "pack.log");
const destination = join(own, "packages");

async function buildAlone() {
  await setUp({ out: process.stderr });
  await build();
}

async function pack() {
  const { pnpm } = await setUp({ pnpm: true, out: process.stderr });
  await build();
  rmSync(destination, { recursive: true, force: true });
  mkdirSync(destination, { recursive: true });
  const files = [];
  // pnpm writes the versions of the workspace into the manifests, and where the built files are.
  for (const name of packages) {
    const file = join(destination, `reelq-${name}.tgz`);
    await run([pnpm, "--ignore-scripts", "pack", "--out", file], name);
    files.push(file);
  }
  // Standard output belongs to the command that installs them.
  process.stderr.write("Packed. In your project's folder:\n");
  process.stdout.write(`npm install ${files.map(quoted).join(" ")}\n`);
}

async function build() {
  writeFileSync(log, "");
  for (const name of packages) {
    // What an earlier build left of a file that is gone would be packed as well.
    rmSync(join(folderOf(name), "dist"), { recursive: true, force: true });
    await run([join(binaries, "tsc"), "-p", "tsconfig.build.json"], name);
  }
}

async function run(command, name) {
  const env = withFolderFirst(binaries, { ...process.env, pnpm_config_pm_on_fail: "ignore" });
  const { ok, output } = await runLogged(command, { log, cwd: folderOf(name), env });
  if (!ok) throw new SetUpError(`${output.trimEnd()}\n\n@reelq/${name} could not be built or packed.`);
}

const folderOf = (name) => join(root, "packages", name);

/** For a shell, where it needs that. */
const quoted = (file) => (/^[\w./@+-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`);

try {
  await (process.argv.includes("--build-only") ? buildAlone() : pack());
} catch (error) {
  explainFailure(error);
  process.exitCode = 1;
}
