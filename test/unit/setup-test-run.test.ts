import { expect, onTestFinished, test } from "vitest";
import { aCheckout, type Checkout, pnpmScript } from "../support/checkout.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A checkout whose vitest is this one's, with these test files. */
async function checkoutWithTests(files: Record<string, string>): Promise<Checkout> {
  const checkout = await aCheckout();
  onTestFinished(() => checkout.remove());
  await checkout.program(
    "pnpm",
    `${pnpmScript(process.execPath)}\nln -sfn ${ROOT}/node_modules/vitest "$CHECKOUT/node_modules/vitest"`,
  );
  await checkout.program("redis-server", "echo 'Redis server v=7.0.15'");
  await checkout.program("chromium", "exit 0");
  for (const [name, content] of Object.entries(files)) await checkout.write(name, content);
  return checkout;
}

const lastLine = (output: string): string | undefined => output.trimEnd().split("\n").at(-1);

const PASS =
  'import { test } from "vitest";\ntest("fine", () => {});\ntest.skip("later", () => {});\ntest.todo("some day");\n';
const FAIL = 'import { test } from "vitest";\ntest("wrong", () => { throw new Error("no"); });\n';
const UNLOADABLE = 'import "./not-there.ts";\n';
const UNHANDLED = 'import { test } from "vitest";\ntest("fine", () => { void Promise.reject(new Error("lost")); });\n';
const BROKEN_HOOK =
  'import { beforeAll, test } from "vitest";\nbeforeAll(() => { throw new Error("no"); });\ntest("never", () => {});\n';

test.each([
  ["passes", { "test/unit/a.test.ts": PASS }, "1 passed, 0 failed, 2 skipped", 0],
  ["fails", { "test/unit/a.test.ts": PASS, "test/unit/b.test.ts": FAIL }, "1 passed, 1 failed, 2 skipped", 1],
  [
    "has a file that cannot be loaded",
    { "test/unit/a.test.ts": PASS, "test/unit/b.test.ts": UNLOADABLE, "test/unit/c.test.ts": FAIL },
    "1 passed, 2 failed, 2 skipped",
    1,
  ],
  ["has an error outside of any test", { "test/unit/a.test.ts": UNHANDLED }, "1 passed, 1 failed, 0 skipped", 1],
  ["has a hook that fails", { "test/unit/a.test.ts": BROKEN_HOOK }, "0 passed, 1 failed, 1 skipped", 1],
  ["has no tests", {}, "0 passed, 1 failed, 0 skipped", 1],
  [
    "cannot start",
    { "vitest.config.ts": "process.kill(process.pid, 'SIGKILL');\n" },
    "0 passed, 1 failed, 0 skipped",
    1,
  ],
])("the last line and the exit code of a run that %s", { timeout: 60_000 }, async (_, files, line, exitCode) => {
  const checkout = await checkoutWithTests(files);
  const { code, stdout } = await checkout.run("test.mjs", ["test/unit"]);
  expect(lastLine(stdout)).toBe(line);
  expect(code).toBe(exitCode);
});

test("a run of everything checks the code first, and each check counts as a test", { timeout: 60_000 }, async () => {
  const checkout = await checkoutWithTests({ "test/unit/a.test.ts": PASS });
  const scripts = { "format:check": "true", lint: "echo that line is wrong; false", types: "true", dead: "true" };
  const manifest: object = JSON.parse(await checkout.read("package.json"));
  await checkout.write("package.json", JSON.stringify({ ...manifest, scripts }));
  const { code, stdout } = await checkout.run("test.mjs");
  expect(stdout).toContain(
    "check: format ... ok\ncheck: lint ... failed\nthat line is wrong\n\ncheck: types ... ok\ncheck: dead code ... ok\n",
  );
  expect(lastLine(stdout)).toBe("4 passed, 1 failed, 2 skipped");
  expect(code).toBe(1);
});

test("a set-up that fails is a failed run", async () => {
  const checkout = await checkoutWithTests({ "test/unit/a.test.ts": PASS });
  await checkout.program("pnpm", 'if [ "$1" = --version ]; then echo 12.21.0; else exit 1; fi');
  const { code, stdout } = await checkout.run("test.mjs");
  expect(lastLine(stdout)).toBe("0 passed, 1 failed, 0 skipped");
  expect(code).toBe(1);
});
