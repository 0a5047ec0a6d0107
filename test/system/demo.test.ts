import { execFile } from "node:child_process";
import { access, constants, readdir, readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { MediaJudge } from "../../packages/engine/src/media.ts";
import { startApp, temporaryFolder } from "../support/processes.ts";
import { redisServerProgram } from "../support/redis.ts";

interface Sidecar {
  readonly request: { readonly seconds: number; readonly size: string };
  readonly file: { readonly bytes: number };
}

test.skipIf(redisServerProgram === undefined)(
  "the demo renders its batch through every fault, leaves only whole files of what was asked, and exits with 0",
  async () => {
    const { path: cwd, remove } = await temporaryFolder();
    onTestFinished(remove);
    const path = `${dirname(redisServerProgram ?? "")}${delimiter}${process.env["PATH"]}`;
    const demo = startApp("cli", { args: ["demo"], cwd, env: { PATH: path } });
    onTestFinished(async () => void (await demo.kill("SIGKILL")));

    const code = await demo.exited;

    const said = demo.output();
    expect(code, said).toBe(0);
    const rows = said.split("\n").filter((line) => /\bstored\b.*\.reelq\/videos\/\S+\.mp4$/.test(line));
    expect(rows).toHaveLength(12);
    expect(said).toMatch(/^12 of 12 stored and verified in .*; 12 tasks at the upstream, 0 paid for twice\.$/m);
    const survived = [...said.matchAll(/^ +(\d+) × (.*)$/gm)];
    expect(survived.length).toBeGreaterThanOrEqual(6);
    for (const [, times, fault] of survived) expect(Number(times), fault).toBeGreaterThan(0);

    expect(await readdir(cwd)).toEqual([".reelq"]);
    const names = await readdir(join(cwd, ".reelq/videos"), { recursive: true });
    const films = names.filter((name) => name.endsWith(".mp4"));
    expect(films).toHaveLength(12);
    for (const name of films) await expectFilm(join(cwd, ".reelq/videos", name));
  },
);

/** A whole film of the length and size that its sidecar says were asked for. */
async function expectFilm(file: string): Promise<void> {
  const { request, file: stored } = JSON.parse(await readFile(`${file}.json`, "utf8")) as Sidecar;
  const [width, height] = request.size.split("x").map(Number);
  const bytes = await readFile(file);
  expect(bytes).toHaveLength(stored.bytes);
  const judge = new MediaJudge("mp4");
  judge.see(bytes);
  judge.end();
  expect(judge.media).toMatchObject({ width, height, durationMs: request.seconds * 1000 });
  if (!(await hasProbe)) return;
  const { stdout } = await promisify(execFile)("ffprobe", [...probing, file]);
  const [stream] = (JSON.parse(stdout) as { streams: Record<string, unknown>[] }).streams;
  expect(stream).toMatchObject({ codec_name: "h264", width, height });
  expect(Number(stream?.["duration"])).toBeCloseTo(request.seconds, 1);
}

const probing =
  "-v error -select_streams v:0 -show_entries stream=codec_name,width,height,duration -print_format json".split(" ");

/** A second opinion, where the machine has one. */
const hasProbe = Promise.any(
  (process.env["PATH"] ?? "").split(delimiter).map((folder) => access(join(folder, "ffprobe"), constants.X_OK)),
).then(
  () => true,
  () => false,
);
