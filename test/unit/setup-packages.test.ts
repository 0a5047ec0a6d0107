import { watch } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { aCheckout, type Checkout, pnpmScript } from "../support/checkout.ts";

async function freshCheckout(): Promise<Checkout> {
  const checkout = await aCheckout();
  onTestFinished(() => checkout.remove());
  await checkout.program("redis-server", "echo 'Redis server v=7.0.15'");
  return checkout;
}

async function checkoutWithPnpm(): Promise<Checkout> {
  const checkout = await freshCheckout();
  await checkout.program("pnpm", pnpmScript(process.execPath));
  return checkout;
}

/** Stands in for npm: puts a pnpm where npm would have put it. */
const npmScript = `
echo "npm $*" >> "$CHECKOUT/calls"
mkdir -p "$CHECKOUT/.reelq/tools/node_modules/.bin"
cat > "$CHECKOUT/.reelq/tools/node_modules/.bin/pnpm" <<'END'
#!/bin/sh
${pnpmScript(process.execPath)}
END
chmod +x "$CHECKOUT/.reelq/tools/node_modules/.bin/pnpm"`;

test("a bare checkout gets the pnpm that package.json names, then the packages, with a line for each", async () => {
  const checkout = await freshCheckout();
  await checkout.program("npm", npmScript);
  const { code, stdout, stderr } = await checkout.run("setup.mjs");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^set-up: pnpm 12\.21\.0 \.\.\. [\d.]+ s\nset-up: packages \.\.\. [\d.]+ s\nset-up: ready\n$/);
  expect(await checkout.calls()).toEqual([
    expect.stringMatching(/^npm install --prefix .*\.reelq\/tools .*pnpm@12\.21\.0$/),
    "pnpm install --frozen-lockfile --pm-on-fail=ignore",
  ]);
});

test("a pnpm of that very version on the path is used, another one is not", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.program("npm", npmScript);
  await checkout.run("setup.mjs");
  expect(await checkout.calls()).toEqual([expect.stringMatching(/^pnpm install/)]);

  const other = await freshCheckout();
  await other.program("npm", npmScript);
  await other.program(
    "pnpm",
    'if [ "$1" = --version ]; then echo 11.0.0; else echo "wrong pnpm" >> "$CHECKOUT/calls"; fi',
  );
  await other.run("setup.mjs");
  expect(await other.calls()).toEqual([expect.stringMatching(/^npm install/), expect.stringMatching(/^pnpm install/)]);
});

test("a second run does nothing and needs neither npm nor pnpm", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.run("setup.mjs");
  await checkout.program("pnpm", "exit 1");
  const again = await checkout.run("setup.mjs");
  expect(again).toMatchObject({ code: 0, stdout: "set-up: ready\n", stderr: "" });
  expect(await checkout.calls()).toHaveLength(1);
});

test.each<[string, (checkout: Checkout) => Promise<void>]>([
  ["the lockfile changed", async (one) => one.write("pnpm-lock.yaml", `${await one.read("pnpm-lock.yaml")}\n`)],
  ["a package wants another dependency", (one) => one.write("apps/one/package.json", '{"dependencies":{"three":"1"}}')],
  ["Node is gone", (one) => rm(join(one.dir, "node_modules"), { recursive: true })],
  ["a package's modules are gone", (one) => rm(join(one.dir, "apps/one/node_modules"), { recursive: true })],
  ["what set-up remembers is unreadable", (one) => one.write(".reelq/setup.json", '{"packages": ')],
])("packages are brought again when %s", async (_, change) => {
  const checkout = await checkoutWithPnpm();
  await checkout.run("setup.mjs");
  await change(checkout);
  expect((await checkout.run("setup.mjs")).code).toBe(0);
  expect(await checkout.calls()).toHaveLength(2);
});

test("what lies in the checkout is remembered as seen from it, so that it can be moved", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.run("setup.mjs");
  expect(JSON.parse(await checkout.read(".reelq/setup.json"))).toMatchObject({
    node: "node_modules/.bin/node",
    redisServer: "path/redis-server",
  });
});

test("a changed script of package.json brings nothing again", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.run("setup.mjs");
  const manifest: object = JSON.parse(await checkout.read("package.json"));
  await checkout.write("package.json", JSON.stringify({ ...manifest, scripts: { new: "true" } }));
  await checkout.run("setup.mjs");
  expect(await checkout.calls()).toHaveLength(1);
});

test("a failed install shows its last lines and what to do, and is tried again by the next run", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.program("pnpm", 'if [ "$1" = --version ]; then echo 12.21.0; else echo ERR_PNPM_BROKEN; exit 1; fi');
  const failed = await checkout.run("setup.mjs");
  expect(failed.code).toBe(1);
  expect(failed.stdout).toBe("set-up: packages ... failed\n");
  expect(failed.stderr).toBe(
    "ERR_PNPM_BROKEN\n\npnpm could not install the packages. Mend what it says, then run this again. The whole output is in .reelq/setup.log.\n",
  );
  await checkout.program("pnpm", pnpmScript(process.execPath));
  expect((await checkout.run("setup.mjs")).code).toBe(0);
});

test("without a network the message says so", async () => {
  const checkout = await freshCheckout();
  await checkout.program("npm", "echo npm error code ENOTFOUND; exit 1");
  const { code, stderr } = await checkout.run("setup.mjs");
  expect(code).toBe(1);
  expect(stderr).toContain("npm could not bring pnpm. The npm registry could not be reached");
});

test("without npm the message says so", async () => {
  const { code, stderr } = await (await freshCheckout()).run("setup.mjs");
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: "npm is not on the path. Install Node with npm, then run this again.\n",
  });
});

test.each([
  ["unset", ""],
  ["not there", "/nonexistent/home"],
])("a home that is %s is replaced by one in the checkout", async (_, home) => {
  const checkout = await checkoutWithPnpm();
  const say = 'echo "HOME=$HOME cache=$npm_config_cache" >> "$CHECKOUT/calls"';
  await checkout.program("pnpm", `${pnpmScript(process.execPath)}\n${say}`);
  await checkout.run("setup.mjs", [], { HOME: home, npm_config_cache: "/nonexistent/cache" });
  const own = join(checkout.dir, ".reelq/home");
  expect(await checkout.calls()).toContain(`HOME=${own} cache=${own}/.npm`);
});

test("production's NODE_ENV does not leave out the development packages", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.program("pnpm", `${pnpmScript(process.execPath)}\necho "NODE_ENV=$NODE_ENV" >> "$CHECKOUT/calls"`);
  await checkout.run("setup.mjs", [], { NODE_ENV: "production" });
  expect(await checkout.calls()).toContain("NODE_ENV=");
});

test("where the Node that was brought does not run, the one at hand does if it is new enough", async () => {
  const checkout = await checkoutWithPnpm();
  await checkout.program("pnpm", pnpmScript("/bin/false"));
  expect((await checkout.run("setup.mjs")).code).toBe(0);
  expect(JSON.parse(await checkout.read(".reelq/setup.json"))).toMatchObject({ node: process.execPath });
});

test("two set-ups at once install once", async () => {
  const checkout = await checkoutWithPnpm();
  const both = await Promise.all([checkout.run("setup.mjs"), checkout.run("setup.mjs")]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(await checkout.calls()).toHaveLength(1);
  expect(await readdir(join(checkout.dir, ".reelq"))).not.toContain("setup.lock");
});

test("the lock of a set-up that died is taken over", async () => {
  const checkout = await checkoutWithPnpm();
  // No process has this pid: it is above what any system hands out.
  await checkout.write(".reelq/setup.lock", JSON.stringify({ pid: 99_999_999, host: hostname() }));
  expect((await checkout.run("setup.mjs")).code).toBe(0);
});

test("a set-up that is killed takes its children along, and the next one starts over", async () => {
  const checkout = await checkoutWithPnpm();
  await mkdir(join(checkout.dir, "marks"));
  const marks = watchFor(join(checkout.dir, "marks"));
  // Says when it starts and, by its trap, when it is ended.
  const slow = `trap 'echo ended > "$CHECKOUT/marks/ended"; exit 1' TERM
echo started > "$CHECKOUT/marks/started"
sleep 60 & wait`;
  await checkout.program("pnpm", `if [ "$1" = --version ]; then echo 12.21.0; exit; fi\n${slow}`);
  const running = checkout.start("setup.mjs");
  await marks("started");
  running.kill("SIGKILL");
  await running.ended;
  await marks("ended");
  await checkout.program("pnpm", pnpmScript(process.execPath));
  expect((await checkout.run("setup.mjs")).code).toBe(0);
});

/** Resolves when a file of that name is in the folder. */
function watchFor(folder: string): (name: string) => Promise<void> {
  return async (name) => {
    const watcher = watch(folder);
    try {
      await new Promise<void>((settle, refuse) => {
        const look = () => readdir(folder).then((names) => names.includes(name) && settle(), refuse);
        watcher.on("change", look);
        void look();
      });
    } finally {
      watcher.close();
    }
  };
}

test("an old Node is refused in one sentence", async () => {
  const checkout = await checkoutWithPnpm();
  const old = join(checkout.dir, "old-node.cjs");
  await writeFile(old, 'Object.defineProperty(process.versions, "node", { value: "18.20.0" });');
  const { code, stderr } = await checkout.run("setup.mjs", [], { NODE_OPTIONS: `--require ${old}` });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^reelq needs Node 20 or later to set itself up; this is .*\.\n$/);
});
