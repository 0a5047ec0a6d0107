import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Status, Video, VideoBody, VideoId, VideoListBody } from "@reelq/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lookedAt, startTestApi, type TestApi } from "../support/api.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const app = (path: string): string => fileURLToPath(new URL(`../../apps/${path}`, import.meta.url));
const unknown = "video_0199a000-0000-7000-8000-000000000000";
const compileCache = await mkdtemp(join(tmpdir(), "reelq-cli-"));
const nowhere = "http://127.0.0.1:9";

let redis: TestRedis;
let api: TestApi;

beforeAll(async () => {
  redis = await startRedis();
  api = await startTestApi({ redisUrl: redis.url });
});

afterAll(async () => {
  await api.close();
  await redis.stop();
  await rm(compileCache, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly process: ChildProcess;
  /** Resolves once these words were printed, with all that was. */
  printed(words: string): Promise<string>;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], env: Record<string, string> = {}, stdin = "", cwd = tmpdir()): Running {
  const child = spawn(process.execPath, [app("cli/src/main.ts"), ...args], {
    cwd,
    // Most of a short command's time goes into reading the same sources again.
    env: { REELQ_URL: api.url, NODE_COMPILE_CACHE: compileCache, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.end(stdin);
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return {
    process: child,
    ended,
    printed: (words) =>
      new Promise((resolve, reject) => {
        const look = () => stdout.includes(words) && resolve(stdout);
        child.stdout.on("data", look);
        look();
        void ended.then(() => reject(new Error(`It ended without printing ${words}: ${stdout}${stderr}`)));
      }),
  };
}

const reelq = (args: readonly string[], env?: Record<string, string>, stdin?: string, cwd?: string): Promise<Ended> =>
  start(args, env, stdin, cwd).ended;

const videoOf = ({ stdout }: Ended): VideoBody => JSON.parse(stdout) as VideoBody;
const videosOf = ({ stdout }: Ended): VideoBody[] => JSON.parse(stdout) as VideoBody[];
const pageOf = ({ stdout }: Ended): VideoListBody => JSON.parse(stdout) as VideoListBody;
const record = async (id: string): Promise<Video> => {
  const video = await api.engine.ledger.read(id as VideoId);
  if (!video) throw new Error(`There is no ${id}.`);
  return video;
};

describe.concurrent("0: done", () => {
  test("list says so where there is nothing", async ({ onTestFinished }) => {
    const empty = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => empty.close());
    const env = { REELQ_URL: empty.url };
    expect(await reelq(["list"], env)).toEqual({ code: 0, stdout: "There are no such videos.\n", stderr: "" });
    expect(pageOf(await reelq(["list", "--json"], env)).data).toEqual([]);
  });

  test("create prints the video's line", async () => {
    const { code, stdout, stderr } = await reelq(["create", "A cat walks on the street"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^video_\S{36} {2}queued {7}A cat walks on the street\n$/);
  });

  test("create takes every option, and prints JSON that parses", async () => {
    const args = ["create", "a cat", "--model=sora-2-pro", "--seconds=25", "--size=1280x720", "--key=one", "--json"];
    const ended = await reelq([...args, "--ref", app("cli/demo/dusk.png")]);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    const body = videoOf(ended);
    expect(body).toMatchObject({ prompt: "a cat", model: "sora-2-pro", seconds: "25", size: "1280x720" });
    expect((await record(body.id)).request.reference?.contentType).toBe("image/png");
  });

  test("create with a key twice is one video", async () => {
    const [first, again] = [
      await reelq(["create", "a cat", "--key", "two"]),
      await reelq(["create", "a cat", "--key=two"]),
    ];
    expect(again).toEqual(first);
  });

  test("create reads the prompt from standard input", async () => {
    const storyboard = "Shot 1:\nduration: 5sec\nScene: a naïve cat 🐈\n";
    const body = videoOf(await reelq(["create", "-", "--json"], {}, storyboard));
    expect(body.prompt).toBe(storyboard.trimEnd());
  });

  test("create takes a prompt that begins with a dash after --", async () => {
    expect(videoOf(await reelq(["create", "--json", "--", "--a cat"])).prompt).toBe("--a cat");
  });

  test("create --remix starts from a stored video", async () => {
    const { id } = await api.aVideo("stored");
    const body = videoOf(await reelq(["create", "at night", "--remix", id, "--json"]));
    expect(body.remixed_from_video_id).toBe(id);
  });

  test("list shows what was asked for, and where it goes on", async ({ onTestFinished }) => {
    const other = await startTestApi({ redisUrl: redis.url });
    onTestFinished(() => other.close());
    const env = { REELQ_URL: other.url };
    const [first, second] = [await other.aVideo("failed"), await other.aVideo("failed", { prompt: "a dog" })];
    await other.aVideo("queued");
    const { stdout } = await reelq(["list", "--status", "failed", "--limit", "1"], env);
    expect(stdout).toBe(`${second.id}  failed       a dog  (refused: No.)\nThere are more: add --after ${second.id}\n`);
    const next = await reelq(["list", "--status", "failed", "--after", second.id, "--json"], env);
    expect(pageOf(next).data.map(({ id }) => id)).toEqual([first.id]);
    const longer = await other.aVideo("failed", { prompt: "a whale and her calf" });
    const oldest = await reelq(["list", "--oldest", "--status", "failed"], env);
    expect(oldest.stdout.split("\n")).toEqual([
      `${first.id}  failed       a cat                 (refused: No.)`,
      `${second.id}  failed       a dog                 (refused: No.)`,
      `${longer.id}  failed       a whale and her calf  (refused: No.)`,
      "",
    ]);
  });

  test("without REELQ_URL it asks what reelq up runs in this folder, and believes no note of one that is gone", async ({
    onTestFinished,
  }) => {
    const beside = await mkdtemp(join(tmpdir(), "reelq-beside-"));
    onTestFinished(() => rm(beside, { recursive: true }));
    await mkdir(join(beside, ".reelq"));
    const note = (pid: number | undefined) =>
      writeFile(join(beside, ".reelq/up.json"), JSON.stringify({ pid, redisUrl: redis.url, apiUrl: api.url }));
    const { id } = await api.aVideo("stored");
    const show = (env: Record<string, string>) => reelq(["show", id], { REELQ_URL: "", ...env }, "", beside);

    await note(process.pid);
    expect(await show({})).toMatchObject({ code: 0, stdout: expect.stringContaining(id) });
    expect(await show({ REELQ_URL: nowhere })).toMatchObject({ code: 3, stderr: expect.stringContaining(nowhere) });

    const gone = spawn(process.execPath, ["-e", ""]);
    await once(gone, "exit");
    await note(gone.pid);
    // Whoever may listen at the usual address has never heard of this video.
    const { code, stderr } = await show({});
    expect(stderr).toMatch(/^Nothing answers at http:\/\/127\.0\.0\.1:8787\.|^There is no video|API key/);
    expect(code).not.toBe(0);
  });

  test("list ends well when its reader has seen enough", async () => {
    const running = start(["list"]);
    running.process.stdout?.destroy();
    expect(await running.ended).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    ["stored", /^status {6}stored {2}2026\/11\/22\/video_\S+\.mp4$/m],
    ["failed", /^failure {5}refused: the upstream refused .* \(charged: no; who can act: producer\)$/m],
    ["in_doubt", /^in doubt {4}since \S+: the reply was lost$/m],
    ["rendering", /^task {8}task-of-video_\S+$/m],
  ] as const)("show tells all about a video that is %s", async (status, line) => {
    const { id } = await api.aVideo(status);
    const { code, stdout } = await reelq(["show", id]);
    expect(code).toBe(0);
    expect(stdout).toMatch(line);
    expect(stdout).toContain("asked for   sora-2, 15 s, 720x1280");
    expect(videoOf(await reelq(["show", id, "--json"]))).toMatchObject({ id, reelq: { status } });
  });

  test("a prompt cannot steer the terminal", async () => {
    const { id } = await api.aVideo("queued", { prompt: "a \u001b[31mred\u001b[0m\u0007 cat\r\nand \u009b2J more" });
    for (const args of [
      ["show", id],
      ["list", "--limit", "100"],
    ]) {
      const { stdout } = await reelq(args);
      expect(stdout).toContain("a red cat and");
      // oxlint-disable-next-line no-control-regex
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });

  test("cancel, retry and resolve do what they say", async () => {
    const [queued, failed, doubted] = [
      await api.aVideo("queued"),
      await api.aVideo("failed"),
      await api.aVideo("in_doubt"),
    ];
    expect((await reelq(["cancel", queued.id])).stdout).toMatch(/^video_\S+ {2}cancelled {4}a cat\n$/);
    expect(await reelq(["retry", failed.id, "--insist", "--json"])).toMatchObject({ code: 0 });
    expect(await reelq(["resolve", doubted.id, "--fail"])).toMatchObject({ code: 0 });
    const statuses = await Promise.all([queued, failed, doubted].map(async ({ id }) => (await record(id)).status));
    expect(statuses).toEqual(["cancelled", "queued", "failed"]);
  });

  test("cancel --abandon throws a paid render away", async () => {
    const { id } = await api.aVideo("rendering");
    expect(await reelq(["cancel", id, "--abandon"])).toMatchObject({ code: 0 });
  });
});

describe.concurrent("progress", () => {
  test("is a plain line for each change where nobody looks at a terminal", async () => {
    const running = start(["create", "a cat", "--wait"]);
    const [id = ""] = (await running.printed("queued")).split(" ");
    for (const status of ["submitting", "rendering", "downloading", "stored"] satisfies Status[]) {
      await api.moveOn(await record(id), status);
      await running.printed(status);
      // One line a change, however often it looks.
      if (status === "rendering") await lookedAt(id, 2);
    }
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.replaceAll(id, "ID").split("\n")).toEqual([
      "ID  queued       a cat",
      "ID  submitting   a cat",
      "ID  rendering    a cat  (0 %)",
      "ID  downloading  a cat",
      "ID  stored       a cat  2026/11/22/some.mp4",
      "",
    ]);
  });

  test("is left out of JSON", async () => {
    const [one, other] = [await api.aVideo("stored"), await api.aVideo("stored")];
    const bodies = videosOf(await reelq(["wait", other.id, one.id, "--json"]));
    expect(bodies.map(({ id, status }) => [id, status])).toEqual([
      [other.id, "completed"],
      [one.id, "completed"],
    ]);
  });
});

describe.concurrent("1: the work failed", () => {
  test("wait says which video did not get its file, and why", async () => {
    const [stored, failed, cancelled] = [
      await api.aVideo("stored"),
      await api.aVideo("failed"),
      await api.aVideo("cancelled"),
    ];
    const { code, stderr } = await reelq(["wait", stored.id, failed.id, cancelled.id]);
    expect(code).toBe(1);
    expect(stderr).toBe(`${failed.id} is failed  (refused: No.)\n${cancelled.id} is cancelled\n`);
  });

  test("wait --json still prints what became of them", async () => {
    const { id } = await api.aVideo("failed");
    const ended = await reelq(["wait", id, "--json"]);
    expect(ended.code).toBe(1);
    expect(videosOf(ended)).toMatchObject([{ id, status: "failed" }]);
  });

  test.each([
    ["cancel", "rendering", "it can only be abandoned"],
    ["cancel", "stored", "there is nothing left to cancel"],
    ["retry", "stored", "only a failed video can be retried"],
  ] as const)("%s of a video that is %s says why not", async (command, status, words) => {
    const { id } = await api.aVideo(status);
    const { code, stdout, stderr } = await reelq([command, id]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(words);
  });

  test("create with another request's key says what differs", async () => {
    await reelq(["create", "a cat", "--key", "three"]);
    const { code, stderr } = await reelq(["create", "a dog", "--key", "three"]);
    expect(code).toBe(1);
    expect(stderr).toContain("these differ: prompt. Use a new key.");
  });

  test("an API that cannot work says so", async ({ onTestFinished }) => {
    const server = createServer((_, response) => {
      const error = {
        message: "The ledger cannot be reached.",
        type: "server_error",
        code: "unavailable",
        param: null,
      };
      response.writeHead(503).end(JSON.stringify({ error }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const env = { REELQ_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    expect(await reelq(["list"], env)).toEqual({ code: 1, stdout: "", stderr: "The ledger cannot be reached.\n" });
  });
});

describe.concurrent("2: wrong usage or settings", () => {
  test.each([
    [["creat", "a cat"], "unknown command 'creat'", "Did you mean create?"],
    [["create", "a cat", "--secnds", "10"], "unknown option '--secnds'", "Did you mean --seconds?"],
    [["create"], "missing required argument 'prompt'", "--help"],
    [["show"], "missing required argument 'id'", "--help"],
    [["show", unknown, unknown], "too many arguments", "--help"],
    [["list", "--limit"], "argument missing", "--help"],
    [["create", "a cat", "--remix", unknown, "--model", "sora-2"], "'--remix <video>' cannot be used with", "--model"],
    [["create", ""], "prompt is empty", "say what the video shows"],
    [["create", "a cat", "--model", "sora2"], 'model "sora2" is not known', 'Did you mean "sora-2"?'],
    [["create", "a cat", "--ref", "no/such.png"], "--ref: no/such.png cannot be read", "there is no such file"],
    [["create", "a cat", "--ref", tmpdir()], "--ref:", "it is a folder"],
    [["create", "a cat", "--ref", app("cli/package.json")], "input_reference is not an image", "PNG, JPEG or WebP"],
    [["show", unknown], "There is no video", unknown],
    [["list", "--status", "done"], 'status "done" is not known', "queued, in_progress, completed, failed"],
    [["resolve", unknown], "", "--task"],
  ])("%j is told what is wrong and what would be right", async (args, wrong, right) => {
    const { code, stdout, stderr } = await reelq(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(wrong);
    expect(stderr).toContain(right);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("no command at all shows what there is", async () => {
    const { code, stderr } = await reelq([]);
    expect(code).toBe(2);
    expect(stderr).toContain("Usage: reelq");
  });

  test("settings that cannot be are named, and a key is never shown", async () => {
    const { code, stderr } = await reelq(["list"], { REELQ_URL: "localhost", REELQ_API_KEY: "sécret key" });
    expect(code).toBe(2);
    expect(stderr).toContain("REELQ_URL");
    expect(stderr).toContain("REELQ_API_KEY");
    expect(stderr).not.toContain("sécret");
  });

  test("an API that wants a key says so; with the key it opens", async ({ onTestFinished }) => {
    const locked = await startTestApi({ redisUrl: redis.url, keys: [{ name: "studio", key: "studio-key-1" }] });
    onTestFinished(() => locked.close());
    const { code, stderr } = await reelq(["list"], { REELQ_URL: locked.url });
    expect(code).toBe(2);
    expect(stderr).toContain("An API key is needed");
    expect(stderr).toContain("set REELQ_API_KEY");
    const stale = await reelq(["list"], { REELQ_URL: locked.url, REELQ_API_KEY: "studio-key-0" });
    expect(stale).toMatchObject({ code: 2, stderr: expect.stringContaining("does not know the key in REELQ_API_KEY") });
    expect(stale.stderr).not.toContain("studio-key-0");
    expect(await reelq(["list"], { REELQ_URL: locked.url, REELQ_API_KEY: "studio-key-1" })).toMatchObject({ code: 0 });
  });
});

describe.concurrent("3: nothing answered", () => {
  test.each([["list"], ["create", "a cat"], ["show", unknown], ["cancel", unknown]])(
    "%s says where nobody was, and how to change that",
    async (...args) => {
      expect(await reelq(args, { REELQ_URL: nowhere })).toEqual({
        code: 3,
        stdout: "",
        stderr: `Nothing answers at ${nowhere}. Start reelq with \`npm start\`, or set REELQ_URL to where its API listens.\n`,
      });
    },
  );
});

describe.concurrent("--help", () => {
  test.each([
    [
      [],
      [
        "First steps:",
        "Exit codes: 0 done, 1 the work failed, 2 wrong usage or settings, 3 nothing answered",
        "REELQ_URL",
      ],
    ],
    [["create"], ["reelq create - < storyboard.txt", "--seconds <n>", "--ref <file>", "idempotency key"]],
    [["doctor"], ["No secret is shown", "--json"]],
    [["audit"], ["--mend", "REDIS_URL"]],
    [["explain"], ["reelq explain video_"]],
    [["list"], ["reelq list --status in_progress", "at most 100"]],
    [["show"], ["reelq show video_"]],
    [["wait"], ["reelq wait video_", "exit code 1"]],
    [["cancel"], ["reelq cancel video_", "--abandon"]],
    [["retry"], ["reelq retry video_", "--insist"]],
    [["resolve"], ["reelq show ID", "--resubmit"]],
    [["up"], ["Without UPSTREAM_URL or REELQ_CONFIG, a simulated upstream is started", "Ctrl-C"]],
    [["demo"], [".reelq/videos"]],
    [["api"], ["PORT=8080 reelq api"]],
    [["worker"], ["reelq worker --stages poll,download"]],
    [["simulator"], ["SIM_RENDER_MS=2000 reelq simulator"]],
  ])("of %j teaches by example", async (command, words) => {
    const { code, stdout, stderr } = await reelq([...command, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`Usage: ${["reelq", ...command].join(" ")}`);
    for (const word of words) expect(stdout.replaceAll(/\s+/g, " ")).toContain(word);
  });
});
