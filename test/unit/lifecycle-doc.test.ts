import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { failureClasses, moves, statuses } from "@reelq/contract";
import { expect, onTestFinished, test } from "vitest";
import { lifecyclePage } from "../../scripts/lifecycle.ts";

const page = new URL("../../docs/lifecycle.md", import.meta.url);
const script = fileURLToPath(new URL("../../scripts/lifecycle.ts", import.meta.url));

const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);

async function aFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "reelq-lifecycle-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "page.md");
}

test("docs/lifecycle.md is what the contract's tables say", async () => {
  expect(await readFile(page, "utf8")).toBe(lifecyclePage());
});

test("the page has every status, every move and every failure class", () => {
  const rows = lifecyclePage()
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  expect(rows).toHaveLength(statuses.length + moves.length + Object.keys(failureClasses).length);
});

test("the drawing has every move from one status to another", () => {
  const drawn = lifecyclePage().match(/^ {4}\w+ --> \w+: /gm) ?? [];
  expect(drawn).toHaveLength(moves.filter(({ from, to }) => from !== to).length);
});

test("the check passes for a page that was just written", async () => {
  const file = await aFile();
  await run(file);
  await expect(run("--check", file)).resolves.toMatchObject({ stderr: "" });
});

test("the check of a stale or missing page ends with 1 and says what to do", async () => {
  const file = await aFile();
  const refusal = { code: 1, stderr: expect.stringContaining("run `npm run lifecycle`") as unknown };
  await expect(run("--check", file)).rejects.toMatchObject(refusal);
  await writeFile(file, lifecyclePage().replace("rendering", "rendring"));
  await expect(run("--check", file)).rejects.toMatchObject(refusal);
});
