import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";

const root = new URL("../..", import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A small checkout with our scripts in it, on a machine that has only what is put on its path. */
export interface Checkout {
  readonly dir: string;
  /** Writes a file, folders included. */
  write(path: string, content: string): Promise<void>;
  read(path: string): Promise<string>;
  /** Puts a shell script on the path. */
  program(name: string, script: string): Promise<void>;
  /** Puts a real program of this machine on the path, where it has it. */
  real(...names: string[]): Promise<void>;
  /** The lines that programs appended to the file `calls`. */
  calls(): Promise<string[]>;
  start(script: string, args?: readonly string[], env?: Record<string, string>): Running;
  run(script: string, args?: readonly string[], env?: Record<string, string>): Promise<Ended>;
  remove(): Promise<void>;
}

interface Running {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when this is in its standard output. */
  said(words: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

const LOCK = `lockfileVersion: '9.0'

importers:

  .:
    devDependencies:
      node: {}

  apps/one:
    dependencies:
      two: {}

packages: {}
`;

export async function aCheckout(): Promise<Checkout> {
  const dir = await mkdtemp(join(tmpdir(), "reelq-checkout-"));
  const at = (path: string) => join(dir, path);
  const checkout: Checkout = {
    dir,
    async write(path, content) {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(at(path), content);
    },
    read: (path) => readFile(at(path), "utf8"),
    async program(name, script) {
      await checkout.write(`path/${name}`, `#!/bin/sh\n${script}\n`);
      await chmod(at(`path/${name}`), 0o755);
    },
    async real(...names) {
      await mkdir(at("path"), { recursive: true });
      for (const name of names) await symlink(`/bin/${name}`, at(`path/${name}`));
    },
    calls: async () => (await readFile(at("calls"), "utf8").catch(() => "")).split("\n").filter((line) => line !== ""),
    start(script, args = [], env = {}) {
      const child = spawn(process.execPath, [at(`scripts/${script}`), ...args], {
        cwd: dir,
        env: { PATH: at("path"), HOME: dir, CHECKOUT: dir, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stdout = "";
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
      const parts = Promise.all([once(child, "close"), text(child.stderr)]);
      return {
        async said(words) {
          while (!stdout.includes(words)) await once(child.stdout, "data");
        },
        pid: child.pid ?? 0,
        kill: (signal) => void child.kill(signal),
        ended: parts.then(([[code, signal], stderr]) => ({ code, signal, stdout, stderr })),
      };
    },
    run: (script, args, env) => checkout.start(script, args, env).ended,
    remove: () => rm(dir, { recursive: true, force: true }),
  };
  for (const name of await readdir(join(root, "scripts")))
    if (name.endsWith(".mjs")) await cp(join(root, "scripts", name), at(`scripts/${name}`), { recursive: true });
  const manifest = { type: "module", packageManager: "pnpm@12.21.0", devDependencies: { node: "1" } };
  await checkout.write("package.json", JSON.stringify(manifest));
  await checkout.write("apps/one/package.json", JSON.stringify({ dependencies: { two: "1" } }));
  await checkout.write("pnpm-workspace.yaml", "packages:\n  - apps/*\n");
  await checkout.write("pnpm-lock.yaml", LOCK);
  await checkout.real("sh", "sleep", "mkdir", "ln", "cat", "cp", "chmod", "rm", "env");
  return checkout;
}

/** What a pnpm of ours does: answers its version, and installs by making the folders and a Node that runs. */
export const pnpmScript = (node: string): string => `
if [ "$1" = --version ]; then echo 12.21.0; exit; fi
echo "pnpm $*" >> "$CHECKOUT/calls"
mkdir -p "$CHECKOUT/node_modules/.bin" "$CHECKOUT/apps/one/node_modules"
ln -sf ${node} "$CHECKOUT/node_modules/.bin/node"`;
