import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

test("what is packed is all that a producer's program needs beside zod", { timeout: 60_000 }, async () => {
  const { stdout } = await run(process.execPath, [join(root, "scripts/pack.mjs")], { cwd: tmpdir() });
  const files = stdout.trimEnd().split(" ").slice(2);
  expect(stdout).toBe(`npm install ${files.join(" ")}\n`);
  expect(files.map((file) => file.replace(root, ""))).toEqual([
    ".reelq/packages/reelq-contract.tgz",
    ".reelq/packages/reelq-sdk.tgz",
  ]);

  const project = await mkdtemp(join(tmpdir(), "reelq-producer-"));
  onTestFinished(() => rm(project, { recursive: true }));
  const modules = join(project, "node_modules");
  for (const file of files) {
    const name = /reelq-(\w+)\.tgz$/.exec(file)?.[1] ?? "";
    const folder = join(modules, "@reelq", name);
    await mkdir(folder, { recursive: true });
    await run("tar", ["-xzf", file, "-C", folder, "--strip-components=1"]);
    expect(await readdir(folder)).not.toContain("src");
    const manifest = await readFile(join(folder, "package.json"), "utf8");
    expect(manifest).not.toMatch(/workspace:|catalog:/);
    expect(Object.keys((JSON.parse(manifest) as { dependencies: object }).dependencies)).toEqual([
      name === "sdk" ? "@reelq/contract" : "zod",
    ]);
  }
  await symlink(join(root, "packages/contract/node_modules/zod"), join(modules, "zod"));
  await writeFile(
    join(project, "use.mjs"),
    'import { openReelq } from "@reelq/sdk";\nconsole.log(typeof openReelq);\n',
  );
  expect((await run(process.execPath, ["use.mjs"], { cwd: project })).stdout).toBe("function\n");
});
