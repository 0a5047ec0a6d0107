import { readlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { aCheckout, type Checkout, pnpmScript } from "../support/checkout.ts";

const VERSION = "echo 'Redis server v=7.0.15'";

async function checkoutWithoutRedis(): Promise<Checkout> {
  const checkout = await aCheckout();
  onTestFinished(() => checkout.remove());
  await checkout.program("pnpm", pnpmScript(process.execPath));
  return checkout;
}

const redisOf = async (checkout: Checkout): Promise<unknown> =>
  (JSON.parse(await checkout.read(".reelq/setup.json")) as { redisServer?: string }).redisServer;

/** Writes its calls down; the install of `serves` works, once there was an update, and runs a script. */
const aptScript = (serves: string, then: string) => `
echo "apt-get $*" >> "$CHECKOUT/calls"
case "$*" in
  update) echo > "$CHECKOUT/updated" ;;
  *" ${serves}") [ -e "$CHECKOUT/updated" ] || exit 100; ${then} ;;
  *) exit 100 ;;
esac`;

const put = (name: string) =>
  `printf '#!/bin/sh\\n${VERSION.replaceAll("'", `'\\''`)}\\n' > "$CHECKOUT/path/${name}"; chmod +x "$CHECKOUT/path/${name}"`;

const isRoot = process.getuid?.() === 0;

test("a server on the path is used, Redis or Valkey", async () => {
  const checkout = await checkoutWithoutRedis();
  await checkout.program("valkey-server", "echo 'Valkey server v=8.0.1'");
  await checkout.run("setup.mjs");
  expect(await redisOf(checkout)).toBe("path/valkey-server");
});

test("a REDIS_URL asks for no server at all", async () => {
  const checkout = await checkoutWithoutRedis();
  await checkout.program("apt-get", aptScript("redis-tools", put("redis-server")));
  const { code } = await checkout.run("setup.mjs", [], { REDIS_URL: "redis://127.0.0.1:1" });
  expect(code).toBe(0);
  expect((await checkout.calls()).filter((call) => call.startsWith("apt-get"))).toEqual([]);
});

test.runIf(isRoot)("as root the system's own packages are used, after one update where they need it", async () => {
  const checkout = await checkoutWithoutRedis();
  await checkout.program("apt-get", aptScript("redis-tools", put("redis-check-rdb")));
  const { code, stdout } = await checkout.run("setup.mjs");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^set-up: Redis \.\.\. [\d.]+ s$/m);
  const calls = (await checkout.calls()).filter((call) => call.startsWith("apt-get"));
  expect(calls).toEqual([
    expect.stringMatching(/^apt-get install -y .* redis-tools$/),
    "apt-get update",
    expect.stringMatching(/^apt-get install -y .* redis-tools$/),
  ]);
  const ours = join(checkout.dir, ".reelq/tools/redis/redis-server");
  expect(await redisOf(checkout)).toBe(".reelq/tools/redis/redis-server");
  expect(await readlink(ours)).toBe(join(checkout.dir, "path/redis-check-rdb"));
});

test.runIf(isRoot)("where the first package is not known, the next one is tried", async () => {
  const checkout = await checkoutWithoutRedis();
  await checkout.program("apt-get", aptScript("valkey-server", put("valkey-server")));
  expect((await checkout.run("setup.mjs")).code).toBe(0);
  expect(await redisOf(checkout)).toBe("path/valkey-server");
  expect((await checkout.calls()).filter((call) => call === "apt-get update")).toHaveLength(1);
});

test("where none can be had, one sentence says what to install, and the packages are kept", async () => {
  const checkout = await checkoutWithoutRedis();
  const { code, stderr } = await checkout.run("setup.mjs");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^reelq needs a Redis server .* or set REDIS_URL to one that runs; then run this again\.\n$/);
  await checkout.program("redis-server", VERSION);
  expect(await checkout.run("setup.mjs")).toMatchObject({ code: 0, stdout: "set-up: ready\n" });
  expect((await checkout.calls()).filter((call) => call.startsWith("pnpm"))).toHaveLength(1);
});

const MAIN = `
process.on("SIGTERM", () => process.exit(7));
process.stdout.write(JSON.stringify({ args: process.argv.slice(2), path: process.env.PATH.split(":")[0] }) + "\\n");
if (process.argv[2] === "wait") setInterval(() => {}, 60_000);
process.exitCode = 3;
`;

async function checkoutWithCli(): Promise<Checkout> {
  const checkout = await checkoutWithoutRedis();
  await checkout.write("apps/cli/src/main.ts", MAIN);
  return checkout;
}

test("a client command needs no Redis; its output and exit code are its own", async () => {
  const checkout = await checkoutWithCli();
  const { code, stdout, stderr } = await checkout.run("run.mjs", ["list", "--json", "a b"]);
  expect(code).toBe(3);
  expect(JSON.parse(stdout)).toEqual({
    args: ["list", "--json", "a b"],
    path: join(checkout.dir, "node_modules/.bin"),
  });
  expect(stderr).toMatch(/^set-up: packages/);
});

test.each(["demo", "up"])("%s wants a Redis", async (command) => {
  const checkout = await checkoutWithCli();
  expect(await checkout.run("run.mjs", [command])).toMatchObject({ code: 1, stdout: "" });
  await checkout.program("redis-server", VERSION);
  expect((await checkout.run("run.mjs", [command])).code).toBe(3);
});

test("a signal is passed on, and the command's answer is the exit code", async () => {
  const checkout = await checkoutWithCli();
  const running = checkout.start("run.mjs", ["wait"]);
  await running.said("{");
  running.kill("SIGTERM");
  expect((await running.ended).code).toBe(7);
});

test("a command ends when the one that started it is killed", async () => {
  const checkout = await checkoutWithCli();
  const running = checkout.start("run.mjs", ["wait"]);
  await running.said("{");
  running.kill("SIGKILL");
  // The command holds the same pipes: they close when it is gone too.
  expect((await running.ended).signal).toBe("SIGKILL");
});
