import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BatchBody, batchStates } from "@reelq/contract";
import {
  cookieSecretOf,
  openApiKeys,
  openBatches,
  openEngine,
  openFleet,
  openKeyring,
  openPerson,
  openStorage,
  producerOn,
  startWorker,
} from "@reelq/engine";
import { readManifest } from "@reelq/manifest";
import { openReelq } from "@reelq/sdk";
import { checkHealth } from "@reelq/service";
import { openUpstream } from "@reelq/upstream";
import { openWeb } from "@reelq/web";
import * as fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { openOutside } from "../../apps/api/src/outside.ts";
import { startApi } from "../../apps/api/src/server.ts";
import { changesBetween } from "../../apps/cli/src/batch/news.ts";
import { pictureOf } from "../../apps/cli/src/batch/picture.ts";
import { openScreen } from "../../apps/cli/src/batch/screen.ts";
import { openLines } from "../../apps/cli/src/batch/view.ts";
import { startSimulator } from "../../apps/simulator/src/simulator.ts";
import { quickTimings, tinyModel, tinyModels, tinyRenders } from "../support/engine.ts";
import { aBatch, aNight, bedtime } from "../support/night.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

afterEach(() => void vi.useRealTimers());

type Facts = Partial<BatchBody["reelq"]>;

/** A batch of 300 in the middle of its night. */
const midway = (facts: Facts = {}): BatchBody =>
  aBatch(
    aNight(),
    {
      state: "running",
      name: "shots.csv",
      counts: { ...counts, ...facts.counts },
      money: { estimated: 30_000_000, reserved: 1_200_000, charged: 21_400_000, unknown: 100_000 },
      budget: 40_000_000,
      window: {
        text: "22:00-06:30 Europe/Berlin",
        is_open: true,
        opens_at: null,
        closes_at: new Date(bedtime + 130 * 60_000).toISOString(),
        at_end: "carry",
      },
      forecast: {
        ends_at: null,
        fits: true,
        unfit: 0,
        of: 84,
        sentence: "All 300 should be stored by 03:40, 2 h 50 min before the window closes.",
        at: new Date(bedtime).toISOString(),
      },
      lanes: Array.from({ length: 12 }, (_, index) => ({
        lane: `upstream-${index}/sora-2`,
        waiting: 12 - index,
        in_flight: 3,
        places: 3,
        obstacle: "all its places are taken",
      })),
      ...facts,
    },
    { completed_at: null },
  );

const counts: BatchBody["reelq"]["counts"] = {
  total: 300,
  queued: 70,
  submitting: 1,
  in_doubt: 1,
  rendering: 11,
  downloading: 1,
  stored: 213,
  failed: 3,
  cancelled: 0,
  reused: 12,
  skipped: 0,
  waived: 0,
};

const page = "http://127.0.0.1:8787/batches/batch_0193";
const parts = (batch: BatchBody, facts: object = {}) => ({
  batch,
  news: [
    { at: bedtime, text: "shot-001 failed: refused: No." },
    { at: bedtime, text: "shot-002 failed: refused: No." },
  ],
  notice: undefined,
  page,
  now: bedtime,
  ...facts,
});

describe("the picture of a batch", () => {
  test("shows how far it is, money, lanes, the forecast and the latest news", () => {
    const lines = pictureOf(parts(midway()), { columns: 120, rows: 24 });
    expect(lines.slice(0, 7)).toEqual([
      "shots.csv: running, 0 s",
      "███████████████████████████████████████████▓▓░░░░░░░░░░░░░░×  72 %  213 of 300 stored",
      "clips   70 queued, 1 being sent, 1 in doubt, 11 rendering, 1 downloading, 3 failed, 12 rendered before",
      "money   ███████████░░░░░░░░░  $22.70 of $40.00: $21.40 charged, $1.20 reserved, $0.10 not known",
      "window  22:00-06:30 Europe/Berlin: open, closes in 2 h 10 min",
      "ends    All 300 should be stored by 03:40, 2 h 50 min before the window closes.",
      "lane    upstream-0/sora-2   3 of 3 in flight, 12 waiting; all its places are taken",
    ]);
    expect(lines.at(-3)).toMatch(/^\d\d:\d\d:\d\d {2}shot-001 failed: refused: No\.$/);
    expect(lines.at(-1)).toBe(`${page}   Ctrl-C leaves it running`);
  });

  test("fits every screen, and leaves out on a low one what matters least", () => {
    const sentence = fc.string({ maxLength: 200, unit: "grapheme" });
    const cases = fc.record({
      state: fc.constantFrom(...batchStates),
      columns: fc.integer({ min: 10, max: 200 }),
      rows: fc.integer({ min: 1, max: 60 }),
      name: sentence,
      why: sentence,
    });
    fc.assert(
      fc.property(cases, ({ state, columns, rows, name, why }) => {
        const reason = { code: "budget", message: why, since: "2026-11-22T20:47:00.000Z", command: why } as const;
        const batch = midway({ state, name, reason });
        const lines = pictureOf(parts(batch, { notice: why }), { columns, rows });
        expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(columns);
        // oxlint-disable-next-line no-control-regex
        for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
    expect(pictureOf(parts(midway()), { columns: 80, rows: 4 }).map((line) => line.split(" ", 1)[0])).toEqual([
      "shots.csv:",
      expect.stringContaining("█"),
      "clips",
    ]);
  });

  test("breaks sentences between words, and has the amounts before all", () => {
    const lines = pictureOf(parts(midway()), { columns: 64, rows: 40 });
    expect(lines).toContain("money   ███████████░░░░░░░░░  $22.70 of $40.00: $21.40 charged,");
    expect(lines).toContain("        $1.20 reserved, $0.10 not known");
    expect(lines.join(" ")).toContain("2 h 50 min");
    expect(lines.slice(-2)).toEqual([page, "Ctrl-C leaves it running"]);
  });

  test("says why it stands still, and what goes on", () => {
    const reason = {
      code: "stop_loss",
      message: "5 clips in a row were refused.",
      since: "2026-11-22T20:47:00.000Z",
      command: "reelq batch resume batch_0193",
    } as const;
    const lines = pictureOf(parts(midway({ state: "paused", reason })), { columns: 100, rows: 24 });
    expect(lines).toContain("why     5 clips in a row were refused.");
    expect(lines).toContain("go on   reelq batch resume batch_0193");
    expect(lines.filter((line) => line.startsWith("ends "))).toEqual([]);
  });

  test("gives whatever there is at least one character of the bar", () => {
    const few = { ...counts, queued: 49_994, stored: 1, failed: 1, rendering: 1, submitting: 0, in_doubt: 0 };
    const batch = midway({ counts: { ...few, downloading: 0, cancelled: 3, total: 50_000 } });
    const [, bar = ""] = pictureOf(parts(batch), { columns: 80, rows: 24 });
    const [glyphs = ""] = bar.split("  ");
    expect(glyphs).toMatch(/^█▓░+×-$/);
    expect(bar.length).toBeLessThanOrEqual(80);
  });
});

/** As much of a terminal as the view uses: what is on its screen after all that was written. */
function aTerminal(columns: number, rows: number) {
  let grid: string[][] = Array.from({ length: rows }, () => []);
  let [row, column, wraps] = [0, 0, true];
  const feed = (): void => {
    column = 0;
    row += 1;
    if (row < rows) return;
    grid = [...grid.slice(1), []];
    row = rows - 1;
  };
  const controls: Readonly<Record<string, (amount: number) => void>> = {
    A: (amount) => (row = Math.max(0, row - amount)),
    // Behind a full line, the cursor is still on its last character.
    K: () => grid[row]!.splice(Math.min(column, columns - 1)),
    J: () => grid.forEach((line, at) => at > row && line.splice(0)) ?? grid[row]!.splice(column),
    h: () => (wraps = true),
    l: () => (wraps = false),
  };
  return {
    columns,
    rows,
    isTerminal: true,
    write(text: string) {
      // oxlint-disable-next-line no-control-regex
      for (const [piece, amount, letter] of text.matchAll(/\u001b\[\??(\d*)([A-Za-z])|[^]/gu)) {
        if (letter !== undefined) controls[letter]!(Number(amount || 1));
        else if (piece === "\n") feed();
        else if (piece === "\r") column = 0;
        else {
          if (column >= columns && wraps) feed();
          column = Math.min(column, columns - 1);
          grid[row]![column] = piece;
          column += 1;
        }
      }
    },
    screen: () => grid.map((line) => Array.from(line, (cell) => cell ?? " ").join("")),
  };
}

describe("the screen", () => {
  test("is drawn over in place, with nothing left of what was longer", () => {
    const terminal = aTerminal(20, 6);
    const screen = openScreen(terminal);
    terminal.write("$ reelq batch watch\n");
    screen.draw(["as wide as it can be", "and wider than it can be", "third", "fourth"]);
    const drawn = ["$ reelq batch watch", "as wide as it can be", "and wider than it ce", "third", "fourth", ""];
    expect(terminal.screen()).toEqual(drawn);
    screen.draw(["short", "two"]);
    expect(terminal.screen()).toEqual(["$ reelq batch watch", "short", "two", "", "", ""]);
    screen.draw(["a", "b", "c"]);
    expect(terminal.screen()).toEqual(["$ reelq batch watch", "a", "b", "c", "", ""]);
  });

  test("stays in place at the screen's foot", () => {
    const terminal = aTerminal(20, 4);
    const screen = openScreen(terminal);
    terminal.write("one\ntwo\nthree\n");
    for (const round of [1, 2, 3]) screen.draw([`first ${round}`, `second ${round}`]);
    expect(terminal.screen()).toEqual(["three", "first 3", "second 3", ""]);
  });
});

describe("news", () => {
  const reason = (code: "budget" | "person", message: string) =>
    ({ code, message, since: "2026-11-22T21:00:00.000Z", command: null }) as const;

  test.each<[string, Facts | undefined, Facts, string[]]>([
    ["a manifest that is good", { state: "validating" }, {}, ["Its manifest is accepted: 300 clips."]],
    [
      "a pause",
      {},
      { state: "paused", reason: reason("person", "Somebody paused it.") },
      ["It is paused: Somebody paused it."],
    ],
    ["what goes on", { state: "paused" }, {}, ["It goes on."]],
    ["a cancel", {}, { state: "cancelling" }, ["It is being cancelled: what is paid for finishes."]],
    ["the end of the clips", {}, { state: "finalizing" }, ["Every clip has ended; its report is being written."]],
    ["a cap", {}, { reason: reason("budget", "The budget is used up.") }, ["The budget is used up."]],
    [
      "half of the budget",
      { money: { estimated: null, reserved: 0, charged: 19_999_999, unknown: 0 } },
      { money: { estimated: null, reserved: 1, charged: 19_999_999, unknown: 0 } },
      ["50 % of the budget of $40.00 are spent or reserved."],
    ],
    [
      "a leap over several marks, once",
      { money: { estimated: null, reserved: 0, charged: 0, unknown: 0 } },
      { money: { estimated: null, reserved: 0, charged: 33_000_000, unknown: 0 } },
      ["80 % of the budget of $40.00 are spent or reserved."],
    ],
    [
      "canaries that are good",
      { canary: { count: 2, state: "running" } },
      { canary: { count: 2, state: "passed" } },
      ["The first 2 clips are good; the rest is sent."],
    ],
    [
      "a doubt",
      { counts: { ...counts, in_doubt: 0 } },
      {},
      ["A clip is in doubt: sent, and the fate is not known yet."],
    ],
    [
      "a window that closes",
      {},
      {
        window: {
          text: "22:00-06:30 Europe/Berlin",
          is_open: false,
          opens_at: new Date(bedtime + 3_600_000).toISOString(),
          closes_at: new Date(bedtime + 7_200_000).toISOString(),
          at_end: "carry",
        },
      },
      ["Its window is closed, and opens in 1 h; what is paid for goes on."],
    ],
    [
      "a forecast that turned",
      {},
      { forecast: { ...midway().reelq.forecast!, fits: false, sentence: "74 of 300 will not fit." } },
      ["74 of 300 will not fit."],
    ],
    ["nothing", {}, {}, []],
    ["nothing where more are stored", {}, { counts: { ...counts, stored: 214, rendering: 10 } }, []],
    [
      "a pause that it was found in",
      undefined,
      { state: "paused", reason: reason("person", "A.") },
      ["It is paused: A."],
    ],
  ])("tell of %s", (_, before, after, texts) => {
    const news = changesBetween(before && midway(before), midway(after), bedtime);
    expect(news.map(({ text }) => text)).toEqual(texts);
  });
});

describe("lines", () => {
  test("tell each change at once, and how far it is at most every ten seconds", () => {
    vi.useFakeTimers();
    const written: string[] = [];
    const lines = openLines({ write: (text) => void written.push(text.slice(10)) }, { showsProgress: true });
    const stored = (count: number) => midway({ counts: { ...counts, stored: count }, forecast: null });
    for (let count = 100; count < 110; count += 1) {
      lines.update(stored(count), count === 105 ? [{ at: Date.now(), text: "It goes on." }] : []);
      vi.advanceTimersByTime(500);
    }
    expect(written.map((line) => line.slice(0, 19))).toEqual(["100 of 300 stored, ", "It goes on.\n"]);
    vi.advanceTimersByTime(10_000);
    expect(written.at(-1)).toMatch(/^109 of 300 stored, 70 queued, .*; \$21\.40 charged, .*\n$/);
    expect(written).toHaveLength(3);
    lines.update(stored(109), []);
    vi.advanceTimersByTime(60_000);
    expect(written).toHaveLength(3);
    lines.update(stored(110), []);
    lines.update(stored(111), []);
    lines.end();
    vi.advanceTimersByTime(60_000);
    expect(written.at(-1)).toMatch(/^110 of/);
  });

  test("leave out how far it is where only changes are wanted", () => {
    const written: string[] = [];
    const lines = openLines({ write: (text) => void written.push(text.slice(10)) }, { showsProgress: false });
    lines.update(midway(), [{ at: bedtime, text: "It is paused." }]);
    lines.setAway(true);
    lines.setAway(false);
    lines.end();
    expect(written).toEqual([
      "It is paused.\n",
      "The API does not answer; what workers do goes on without it, and it is asked again and again.\n",
      "The API answers again.\n",
    ]);
  });
});

const app = (path: string): string => fileURLToPath(new URL(`../../apps/${path}`, import.meta.url));
const room = await mkdtemp(join(tmpdir(), "reelq-cli-batch-"));
const nowhere = "http://127.0.0.1:9";
const unknown = "batch_0199a000-0000-7000-8000-000000000000";

let redis: TestRedis;
let studio: Studio;
/** Renders one clip at a time, and takes longer than any test. */
let slow: Studio;

beforeAll(async () => {
  redis = await startRedis();
  [studio, slow] = await Promise.all([openStudio(), openStudio({ places: 1, renderMs: 600_000 })]);
});

afterAll(async () => {
  await Promise.all([studio.close(), slow.close()]);
  await redis.stop();
  await rm(room, { recursive: true, force: true });
});

type Studio = Awaited<ReturnType<typeof openStudio>>;

interface StudioOptions {
  /** Renders at once. */
  readonly places?: number;
  /** How long each takes. */
  readonly renderMs?: number;
}

/** A simulator, a worker and the API in this process; a clip costs ten cents. */
async function openStudio({ places, renderMs = 200 }: StudioOptions = {}) {
  const simulator = await startSimulator({ ...tinyRenders, renderMs });
  const folder = await mkdtemp(join(tmpdir(), "reelq-studio-"));
  const engine = openEngine({
    redisUrl: redis.url,
    fleet: openFleet({
      upstreams: {
        main: { url: simulator.url, models: [tinyModel], limits: places === undefined ? {} : { inFlight: places } },
      },
      models: { [tinyModel]: { ...tinyModels[tinyModel], price: { perClipUsd: 0.1 } } },
      timings: quickTimings,
    }),
    storage: openStorage(`file:${folder}`, {}),
    patient: false,
    prefix: `{cli-batch-${process.pid}-${(studios += 1)}}`,
  });
  const producer = producerOn(engine);
  const upstream = openUpstream({ name: "main", url: simulator.url, key: "studio-key" });
  const outside = openOutside(openWeb({ allow: [] }), []);
  const batches = openBatches(engine, { producer, outside, readManifest });
  const worker = await startWorker(engine, {
    name: "worker",
    stages: ["submit", "poll", "download"],
    concurrency: 8,
    upstreams: [upstream],
    doubtPolicy: "hold",
  });
  const surprises: unknown[] = [];
  const listen = (port: number) =>
    startApi({
      engine,
      producer,
      person: openPerson(engine, producer),
      batches,
      keyring: openKeyring({ apiKeys: openApiKeys(engine), clock: engine.clock, given: [], mayBeOpen: true }),
      cookieSecret: () => cookieSecretOf(engine),
      rateLimit: 0,
      corsOrigins: [],
      batchLookMs: 100,
      health: () => checkHealth({ redis: () => engine.ping() }),
      host: "127.0.0.1",
      port,
      onError: (error) => void surprises.push(error),
    });
  let api = await listen(0);
  const { url } = api;
  return {
    url,
    simulator,
    engine,
    surprises,
    reelq: openReelq({ url }),
    posts: (words: string) => simulator.posts().filter(({ prompt }) => prompt?.includes(words)).length,
    stop: () => api.close(0),
    async start() {
      api = await listen(Number(new URL(url).port));
    },
    async close() {
      await api.close(0);
      await worker.close(1_000);
      await batches.close();
      await engine.close();
      await simulator.close();
      await upstream.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

let studios = 0;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface StartOptions {
  readonly at?: Pick<Studio, "url">;
  readonly stdin?: string;
  readonly cwd?: string;
}

interface Running {
  readonly process: ChildProcess;
  /** Resolves once these words were printed, to either output, with all that was. */
  printed(words: string): Promise<string>;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], { at = studio, stdin = "", cwd = tmpdir() }: StartOptions = {}): Running {
  const child = spawn(process.execPath, [app("cli/src/main.ts"), "batch", ...args], {
    cwd,
    // Most of a short command's time goes into reading the same sources again.
    env: { REELQ_URL: at.url, NODE_COMPILE_CACHE: join(room, "compiled") },
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
        const look = () => (stdout + stderr).includes(words) && resolve(stdout + stderr);
        child.stdout.on("data", look);
        child.stderr.on("data", look);
        look();
        void ended.then(() => reject(new Error(`It ended without printing ${words}: ${stdout}${stderr}`)));
      }),
  };
}

const reelq = (args: readonly string[], options?: StartOptions): Promise<Ended> => start(args, options).ended;

const batchOf = ({ stdout }: Ended): BatchBody => JSON.parse(stdout) as BatchBody;

/** A folder of its own with these files in it. */
async function aFolder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await mkdtemp(join(room, "shots-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

let shots = 0;

/** CSV of so many shots that nobody asked for before. */
function someShots(count: number, words = `night ${(shots += 1)}`): { csv: string; words: string } {
  const rows = Array.from({ length: count }, (_, index) => `s${index + 1},"${words}: shot ${index + 1}"`);
  return { words, csv: `# model: ${tinyModel}\nid,prompt\n${rows.join("\n")}\n` };
}

describe.concurrent("a manifest", () => {
  test("is planned, run and waited for; again, nothing is rendered twice", async () => {
    const { csv, words } = someShots(3);
    const cwd = await aFolder({ [`${words}.csv`]: csv });
    const planned = await reelq(["plan", `${words}.csv`, "--budget", "1"], { cwd });
    expect(planned).toMatchObject({ code: 0, stderr: "" });
    expect(planned.stdout).toContain(`${words}.csv: 3 lines, 3 clips: 3 to render\n`);
    expect(planned.stdout).toContain("price     $0.30, of a budget of $1.00\n");
    // Nothing stays behind of what was only planned.
    const { data } = await studio.reelq.files.list({ limit: 100 });
    expect(data.filter(({ filename }) => filename === `${words}.csv`)).toEqual([]);

    const short = await reelq(["plan", `${words}.csv`, "--budget", "0.25"], { cwd });
    expect(short).toMatchObject({ code: 1, stderr: "It does not fit its budget: $0.30 of $0.25.\n" });

    const ran = await reelq(["run", `${words}.csv`, "--budget", "1", "--wait"], { cwd });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain(`${words}.csv: completed after`);
    expect(ran.stdout).toContain("  clips     3 of 3 stored\n");
    expect(ran.stdout).toContain("  money     $0.30 charged; estimated $0.30; budget $1.00\n");
    expect(studio.posts(words)).toBe(3);

    const again = await reelq(["run", "-", "--wait", "--json"], { stdin: csv });
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(batchOf(again).reelq).toMatchObject({ state: "completed", name: "stdin", counts: { stored: 3, reused: 3 } });
    expect(studio.posts(words)).toBe(3);
    const replanned = await reelq(["plan", `${words}.csv`, "--json"], { cwd });
    expect(JSON.parse(replanned.stdout)).toMatchObject({ ok: true, reused: 3, to_render: 0, price: 0 });
  });

  test("with mistakes is refused as a whole, those of this machine's files among them", async () => {
    const cwd = await aFolder({
      "wrong.csv": `# model: ${tinyModel}\nid,prompt,seconds,reference\na,"one\ntwo",7,no.png\nb,,,\nc,a cat,,no.png\n`,
    });
    for (const command of ["plan", "run"]) {
      const { code, stdout, stderr } = await reelq([command, "wrong.csv"], { cwd });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr.split("\n")).toEqual([
        expect.stringMatching(/^wrong\.csv:3: seconds: .*"7".*1, 2/),
        `wrong.csv:3: reference: "no.png" cannot be read from ${join(cwd, "no.png")}: there is no such file. 1 more line names it.`,
        expect.stringMatching(/^wrong\.csv:5: prompt: /),
        "wrong.csv has 3 mistakes; nothing of it was accepted.",
        "",
      ]);
    }
    const { data } = await studio.reelq.batches.list({ limit: 100 });
    expect(data.map(({ reelq }) => reelq.name)).not.toContain("wrong.csv");
  });

  test("with very many mistakes tells the first fifty, and how many more", async () => {
    const lines = Array.from({ length: 60 }, (_, index) => `{"id":"s${index}","prompt":"a cat","seconds":7}\n`).join(
      "",
    );
    const { code, stderr } = await reelq(["run", "-", "--model", tinyModel], { stdin: lines });
    expect(code).toBe(1);
    const told = stderr.trimEnd().split("\n");
    expect(told).toHaveLength(52);
    expect(told[49]).toMatch(/^stdin:50: seconds: /);
    expect(told.slice(50)).toEqual(["… and 10 more.", "stdin has 60 mistakes; nothing of it was accepted."]);
  });

  test("brings the images that it names, each once", async () => {
    const dusk = await readFile(app("cli/demo/dusk.png"));
    const { words } = someShots(0);
    const rows = ["a.png", "b/other.png", "a.png"].map((path, at) => `${at},${words} ${at},${path}`).join("\n");
    const cwd = await aFolder({
      "night/shots.csv": `id,prompt,reference\n${rows}\n`,
      "night/a.png": dusk,
      "night/b/other.png": dusk,
    });
    const before = await images();
    const ran = await reelq(["run", "night/shots.csv", "--model", tinyModel, "--wait", "--json"], { cwd });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    const clips = await studio.reelq.batches.clips(batchOf(ran).id);
    expect(clips.data).toHaveLength(3);
    for (const clip of clips.data) expect(clip.reference_sha256).toBe(createHash("sha256").update(dusk).digest("hex"));
    expect((await images()) - before).toBe(1);
  });
});

const images = async (): Promise<number> =>
  (await studio.reelq.files.list({ purpose: "vision", limit: 100 })).data.length;

describe.concurrent("what needs a person", () => {
  test("clips that fail are named, reported, and tried again with other words", async () => {
    const { words, csv } = someShots(3);
    studio.simulator.addFault({
      on: "create",
      do: "fail_task",
      times: 0,
      prompt: `${words}: shot 2`,
      with: { code: "moderation_blocked", message: "The filter says no." },
    });
    const cwd = await aFolder({ "shots.csv": csv, "softer.json": `{"s2": "${words}: softer"}` });
    const name = `${words} "a/b"`;
    const ran = await reelq(["run", "shots.csv", "--name", name, "--watch"], { cwd });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/^\d\d:\d\d:\d\d {2}s2 failed: \w+: The filter says no\./m);
    expect(ran.stdout).toMatch(/^ {2}failed {4}s2: \w+: The filter says no\./m);
    expect(ran.stdout).toMatch(/^try again {3}reelq batch retry batch_/m);
    expect(ran.stderr).toBe("1 of 3 clips failed.\n");

    const reported = await reelq(["report", name], { cwd });
    expect(reported).toMatchObject({ code: 1, stderr: "1 of 3 clips failed.\n" });
    const folder = `reelq-report-${words.replaceAll(" ", "-")}-a-b`;
    expect(reported.stdout.trimEnd().split("\n")).toEqual(
      ["html", "csv", "json"].map((format) => join(folder, `${folder}.${format}`)),
    );
    expect((await readdir(join(cwd, folder))).toSorted()).toEqual(
      ["csv", "html", "json"].map((format) => `${folder}.${format}`),
    );
    expect(await readFile(join(cwd, folder, `${folder}.html`), "utf8")).toMatch(/^<!doctype html>/i);

    const retried = await reelq(["retry", name, "--prompts", "softer.json", "--insist"], { cwd });
    expect(retried).toMatchObject({ code: 0, stderr: "" });
    expect(retried.stdout).toMatch(/^1 clip is tried again\nbatch_/);
    expect(await reelq(["wait", name])).toMatchObject({ code: 0, stderr: "" });
    const printed = await reelq(["report", name, "--format", "csv", "--out", "-"]);
    expect(printed).toMatchObject({ code: 0, stderr: "" });
    expect(printed.stdout).toContain(`${words}: softer`);
  });

  test("a cap stops it, and says the command that goes on", async () => {
    const { words, csv } = someShots(3);
    const stopped = await reelq(["run", "-", "--name", words, "--budget", "0.25", "--wait"], { stdin: csv });
    expect(stopped.code).toBe(1);
    expect(stopped.stdout).toContain("  clips     2 of 3 stored, 1 queued\n");
    expect(stopped.stdout).toMatch(/^go on {7}reelq batch set batch_\S+ --budget /m);
    expect(stopped.stderr).toMatch(/^It stands still: /);

    const raised = await reelq(["set", words, "--budget", "$0.30", "--json"]);
    expect(batchOf(raised).reelq.budget).toBe(300_000);
    expect(await reelq(["wait", words])).toMatchObject({ code: 0, stderr: "" });
    expect(studio.posts(words)).toBe(3);
  });
});

describe("a batch that takes its time", () => {
  test("is left running by Ctrl-C, paused, resumed, waived and cancelled", async () => {
    const { words, csv } = someShots(3);
    const running = start(["run", "-", "--name", words, "--watch"], { at: slow, stdin: csv });
    const [id = ""] = /batch_\S+(?= {2}follow)/.exec(await running.printed("0 of 3 stored")) ?? [];
    for await (const { reelq } of slow.reelq.batches.watch(id)) if (reelq.counts.rendering === 1) break;
    running.process.kill("SIGINT");
    const interrupted = await running.ended;
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr.trim().split("\n")).toEqual([
      "The batch goes on without you.",
      `  come back  reelq batch watch ${id}`,
      `  pause it   reelq batch pause ${id}`,
      `  stop it    reelq batch cancel ${id}`,
    ]);

    const paused = await reelq(["pause", "last"], { at: slow });
    expect(paused).toMatchObject({ code: 0, stderr: "" });
    expect(paused.stdout).toMatch(new RegExp(`^${id} {2}paused {6}${words}: 0 of 3 stored, 2 queued, 1 rendering; `));
    const waited = await reelq(["wait", id], { at: slow });
    expect(waited.code).toBe(1);
    expect(waited.stdout).toContain(`reelq batch resume ${id}\n`);
    expect(batchOf(await reelq(["resume", words, "--json"], { at: slow })).reelq.state).toBe("running");
    const waived = await reelq(["waive", words, "s3"], { at: slow });
    expect(waived.stdout).toMatch(/^1 clip is done without\n/);
    const cancelled = await reelq(["cancel", id], { at: slow });
    expect(cancelled.stdout).toMatch(new RegExp(`^${id} {2}cancelling {2}`));
  });

  test("is watched through a restart of the API", async () => {
    const { csv } = someShots(2);
    const running = start(["run", "-", "--wait"], { at: slow, stdin: csv });
    const [id = ""] = /batch_\S+/.exec(await running.printed("follow it at")) ?? [];
    await slow.stop();
    await running.printed("The API does not answer");
    await slow.start();
    await running.printed("The API answers again.");
    await slow.reelq.batches.pause(id);
    expect(await running.ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/^It stands still: /) });
  });

  test("says what comes next where nobody waits, and is shown and listed", async () => {
    const { words, csv } = someShots(2);
    const args = ["run", "-", "--name", words, "--budget", "5", "--tag", "one", "--tag", "two", "--priority", "-3"];
    const ran = await reelq(args, { at: slow, stdin: csv });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    const [id = ""] = /^batch_\S+/.exec(ran.stdout) ?? [];
    expect(ran.stdout).toMatch(new RegExp(`^${id} {2}running {2}${words}: 0 of 2 stored, `));
    expect(ran.stdout).toContain(`page        ${slow.url}/batches/${id}\n`);
    const { data } = await slow.reelq.batches.clips(id);
    expect(data.map(({ tags }) => tags)).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);

    const shown = await reelq(["show", words], { at: slow });
    expect(shown.stdout).toMatch(/^budget {6}\$5\.00, then what is paid finishes and the rest waits$/m);
    expect(shown.stdout).toMatch(/^order {7}priority -3, weight 1$/m);
    const listed = await reelq(["list", "--limit", "1"], { at: slow });
    expect(listed.stdout).toMatch(new RegExp(`^${id} {2}running .* 0/2 .* \\$5\\.00 {2}${words}$`, "m"));
    expect(listed.stdout).toContain(`There are more: add --after ${id}\n`);

    const twin = await reelq(["run", "-", "--name", words, "--json"], { at: slow, stdin: csv });
    const { code, stderr } = await reelq(["show", words], { at: slow });
    expect(code).toBe(2);
    expect(stderr).toContain("2 batches have this name; give the id of one:\n");
    for (const one of [id, batchOf(twin).id]) expect(stderr).toContain(one);
  });
});

describe.concurrent("wrong usage", () => {
  test.each([
    [["run", "shots.csv", "--budget", "ten"], "Write US dollars, like 25 or 12.50."],
    [["run", "shots.csv", "--canary", "two"], "Write a whole number, like 2."],
    [["run", "no-such.csv"], "no-such.csv cannot be read: there is no such file."],
    [["plan", "."], ". cannot be read: it is a folder."],
    [["run", "-", "--window", "22:00-06:30"], "window"],
    [["show", unknown], unknown],
    [["show", "nobody"], 'There is no batch "nobody"'],
    [["set", "last"], "Say what is to be different"],
    [["report", "last", "--out", "-"], "add --format html"],
  ])("%j is told what is wrong", async (args, words) => {
    const { code, stdout, stderr } = await reelq(args, { stdin: someShots(1).csv });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(words);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  test("nobody is there", async () => {
    const ended = await reelq(["plan", "-"], { at: { url: nowhere }, stdin: someShots(1).csv });
    expect(ended).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining(nowhere) });
  });
});
