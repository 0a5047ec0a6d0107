// Sets up, then runs all tests, the static checks included: node scripts/test.mjs. With arguments, only what
// vitest makes of them. The last line is always `N passed, N failed, N skipped`. Runs on Node 20.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runInForeground, runLogged, withFolderFirst } from "./child.mjs";
import { binaries, own, root } from "./place.mjs";
import { explainFailure, setUp } from "./setup.mjs";
import { add, countTests, none } from "./test-results.mjs";

/** Scripts of package.json, each of which counts as one test. */
const checks = { format: "format:check", lint: "lint", types: "types", "dead code": "dead" };

const counts = await runAll(process.argv.slice(2)).catch((error) => {
  explainFailure(error);
  return { ...none, failed: 1 };
});
process.exitCode = counts.failed > 0 ? 1 : 0;
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);

async function runAll(args) {
  const needs = !needsNothing(args);
  const { node, chromium } = await setUp({ redis: needs, chromium: needs });
  if (needs && chromium === undefined) process.stdout.write("set-up: no Chromium here; the page tests are skipped\n");
  const env = withFolderFirst(
    binaries,
    chromium === undefined ? process.env : { ...process.env, CHROMIUM_PATH: chromium },
  );
  const checked = args.length === 0 ? await runChecks(env) : none;
  return add(checked, await runTests(node, args, env));
}

/** A run that is narrowed to unit tests needs neither Redis nor a browser. */
function needsNothing(args) {
  const named = args.filter((arg) => !arg.startsWith("-"));
  return named.length > 0 && named.every((arg) => arg === "unit" || /^(\.\/)?test\/unit(\/|$)/.test(arg));
}

async function runChecks(env) {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  let counts = none;
  for (const [name, script] of Object.entries(checks)) {
    process.stdout.write(`check: ${name} ... `);
    const log = join(own, "check.log");
    writeFileSync(log, "");
    const { ok, output } = await runLogged(["/bin/sh", "-c", scripts[script]], { log, cwd: root, env });
    process.stdout.write(ok ? "ok\n" : `failed\n${output}\n`);
    counts = add(counts, { ...none, [ok ? "passed" : "failed"]: 1 });
  }
  return counts;
}

async function runTests(node, args, env) {
  const report = join(own, "test-results.json");
  // The last run's report must not speak for this one.
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const exitCode = await runInForeground([node, vitest, "run", ...reporters, ...args], { cwd: root, env });
  return countTests(report, exitCode);
}
