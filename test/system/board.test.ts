import { fileURLToPath } from "node:url";
import type { Status, VideoBody } from "@reelq/contract";
import { type Engine, openEngine, type StageWorkers, startWorker } from "@reelq/engine";
import { openUpstream, type Upstream } from "@reelq/upstream";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Simulator, startSimulator } from "../../apps/simulator/src/simulator.ts";
import { startTestApi, type TestApi, videoOf } from "../support/api.ts";
import { browserProgram, complaintsOf, openBrowser } from "../support/browser.ts";
import { until } from "../support/facts.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

/** Takes the picture of the README anew: `BOARD_PICTURE=1 vitest run test/system/board.test.ts`. */
const picture = process.env.BOARD_PICTURE
  ? fileURLToPath(new URL("../../docs/images/board.png", import.meta.url))
  : undefined;

const queueNames = [
  "submit gateway sora-2",
  "submit gateway sora-2-pro",
  "submit studio veo-3.1",
  "submit studio wan-2.5",
  "poll",
  "download",
];

const fivePlaces = { limits: { inFlight: 5 } };
const models = { "wan-2.5": { seconds: [5, 10], sizes: ["1280x720" as const] } };

describe.skipIf(browserProgram === undefined)("Bull Board in a browser", () => {
  let redis: TestRedis;
  let simulator: Simulator;
  let api: TestApi;
  let engine: Engine;
  let upstreams: Upstream[];
  let worker: StageWorkers;
  let browser: Browser;
  let rendering: VideoBody[];

  beforeAll(async () => {
    redis = await startRedis();
    simulator = await startSimulator({ renderMs: 600_000, minimumBytes: 1_000_000, models });
    const { url } = simulator;
    api = await startTestApi({
      redisUrl: redis.url,
      upstreams: {
        gateway: { url, models: { "sora-2": fivePlaces, "sora-2-pro": fivePlaces } },
        studio: { url, key: "studio-key", models: ["veo-3.1", "wan-2.5"] },
      },
      models,
    });
    const { fleet, storage, keys } = api.engine;
    engine = openEngine({ redisUrl: redis.url, fleet, storage, patient: true, prefix: keys.prefix });
    upstreams = Object.keys(fleet.upstreams).map((name) => openUpstream({ name, url, key: "some-key" }));
    worker = await startWorker(engine, {
      name: "worker",
      stages: ["submit", "poll", "download"],
      concurrency: 8,
      upstreams,
      doubtPolicy: "hold",
    });
    browser = await openBrowser();
    await fillQueues();
  });

  afterAll(async () => {
    await browser?.close();
    await worker.close(100);
    await engine.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    await simulator.close();
    await api.close();
    await redis.stop();
  });

  /** Some of everything: stored, on its way into storage, rendering, and waiting for a lane. */
  async function fillQueues(): Promise<void> {
    simulator.addFault({ on: "create", do: "throttle", model: "veo-3.1", times: 0, with: { retryAfterSeconds: 600 } });
    simulator.addFault({ on: "content", do: "slow", prompt: "lighthouse", times: 0, with: { bytesPerSecond: 100 } });
    const done = [
      await order("A fox in the snow, first light", "sora-2-pro"),
      await order("Waves break against a lighthouse", "sora-2-pro"),
    ];
    for (const { id } of done) await reached(id, "rendering");
    simulator.complete();
    rendering = [
      await order("A cat walks on the street at dusk"),
      await order("A potter shapes a bowl, hands close up"),
      await order("Steam over a ramen counter, neon in the window"),
      await order("A paper boat crosses a puddle in the rain"),
      await order("Night train, the landscape lit by lightning"),
    ];
    for (const prompt of ["A kite above the dunes", "Rain on a tin roof, a dog asleep below it"]) await order(prompt);
    for (const prompt of [
      "Time-lapse of a market, dawn to noon",
      "Bees at work in a lavender field",
      "An old harbour, seen from above",
    ])
      await order(prompt, "veo-3.1");
    const more = [await order("Ink blooms in water", "wan-2.5"), await order("A swing that nobody sits on", "wan-2.5")];
    for (const { id } of [...rendering, ...more]) await reached(id, "rendering");
    await reached(done[0]?.id ?? "", "stored");
    await reached(done[1]?.id ?? "", "downloading");
  }

  async function order(prompt: string, model = "sora-2"): Promise<VideoBody> {
    const body = JSON.stringify({ prompt, model });
    const headers = { "Content-Type": "application/json" };
    return videoOf(await fetch(`${api.url}/v1/videos`, { method: "POST", body, headers }));
  }

  async function reached(id: string, status: Status): Promise<void> {
    const moved = until(
      engine.facts,
      "moved",
      ({ video }) => video.id === id && video.status === status,
      `${id} ${status}`,
      60_000,
    );
    moved.catch(() => undefined);
    const video = await videoOf(await fetch(`${api.url}/v1/videos/${id}`));
    if (video.reelq.status !== status) await moved;
  }

  /** A page that is watched from its first call on. */
  async function openPage(
    options: BrowserContextOptions = {},
    origin = api.url,
  ): Promise<{ page: Page; complaints: readonly string[] }> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    return { page, complaints: complaintsOf(page, origin) };
  }

  const countsOf = (name: string): Promise<Record<string, number>> =>
    api.engine.queues.all.find((queue) => queue.name === name)?.getJobCounts() ?? Promise.reject(new Error(name));

  const pathOf = (queue: string, query = ""): string => `${api.url}/board/queue/${encodeURIComponent(queue)}${query}`;

  test("every queue is there, with as many jobs as Redis has", async () => {
    const { page, complaints } = await openPage();
    await page.goto(`${api.url}/board`);
    expect(await page.title()).toBe("reelq");
    for (const name of queueNames) {
      await page.getByRole("navigation").getByRole("link", { name, exact: true }).waitFor();
      const card = page.locator("[class*=card]").filter({ has: page.getByRole("link", { name, exact: true }) });
      // The queues go on working while they are looked at.
      await expect
        .poll(
          async () => {
            await page.reload();
            const shown = await card.getByText(/^\d+ Jobs?$/).textContent();
            const total = Object.values(await countsOf(name)).reduce((sum, count) => sum + count, 0);
            return Number.parseInt(shown ?? "", 10) - total;
          },
          { timeout: 60_000 },
        )
        .toBe(0);
    }
    expect(api.engine.queues.all.map((queue) => queue.name)).toEqual(queueNames);
    expect(complaints).toEqual([]);
  });

  test.each([
    ["submit gateway sora-2", /2 wait, 5 in flight\. In its way: all 5 places of its lane are taken\./],
    ["submit studio veo-3.1", /3 wait, 0 in flight\. In its way: its lane rests for (\d+ s|\d+ min) \(throttled: /],
    ["submit studio wan-2.5", /0 wait, 2 in flight\. Nothing is in the way\./],
  ])("the queue %s says what is in its lane's way", async (name, words) => {
    const { page } = await openPage();
    await page.goto(pathOf(name));
    await expect.poll(() => page.getByText(words).count(), { timeout: 20_000 }).toBeGreaterThan(0);
  });

  test.each([
    ["submit gateway sora-2", ["completed"]],
    ["submit studio veo-3.1", ["waiting"]],
    ["poll", ["delayed"]],
    ["download", ["active", "completed"]],
  ])("the queue %s counts its jobs by what they do", async (name, some) => {
    const { page, complaints } = await openPage();
    await page.goto(pathOf(name));
    const states = ["active", "waiting", "prioritized", "completed", "failed", "delayed"];
    const shown = async (): Promise<Record<string, number>> => {
      await page.reload();
      const tabs = states.map(async (state) => {
        const text = await page.getByRole("link", { name: new RegExp(`^${state}\\W*\\d*$`, "i") }).textContent();
        return [state, Number(/\d*$/.exec(text ?? "")?.[0])] as const;
      });
      return Object.fromEntries(await Promise.all(tabs));
    };
    const differences = async (): Promise<string[]> => {
      const [seen, counts] = [await shown(), await countsOf(name)];
      return states.filter((state) => seen[state] !== counts[state]);
    };
    await expect.poll(differences, { timeout: 60_000 }).toEqual([]);
    const counts = await countsOf(name);
    for (const state of some) expect(counts[state]).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
  });

  test("each job is known by its video and its prompt, and leads to the video's record", async () => {
    const { page, complaints } = await openPage();
    await page.goto(pathOf("poll", "?status=delayed"));
    for (const { id, prompt } of rendering) {
      const beginning = prompt.length > 36 ? `${prompt.slice(0, 35)}…` : prompt;
      const card = page.locator("[class*=card]").filter({ hasText: id });
      await card.getByRole("heading", { name: beginning, exact: true }).waitFor();
    }
    const [video] = rendering;
    if (!video) throw new Error("Nothing renders.");
    await page.getByRole("link", { name: new RegExp(`^${video.id}`) }).click();
    await page.waitForURL(/\/queue\/poll\/video_/);
    const opened = page.waitForEvent("popup");
    await page.getByRole("link", { name: "The video's record" }).click();
    const shown = await opened;
    await shown.waitForLoadState();
    expect(new URL(shown.url()).pathname).toBe(`/v1/videos/${video.id}`);
    expect(JSON.parse(await shown.locator("body").innerText())).toMatchObject({ id: video.id, prompt: video.prompt });
    expect(complaints).toEqual([]);
  });

  describe("where keys are set", () => {
    const admin = { name: "admin", key: "admin-key-333" };
    let locked: TestApi;
    beforeAll(async () => {
      locked = await startTestApi({ redisUrl: redis.url, keys: [admin, { name: "studio", key: "studio-key-1" }] });
    });
    afterAll(() => locked.close());

    const keyField = (page: Page) => page.getByLabel("An admin's API key");
    const logIn = async (page: Page, key: string): Promise<void> => {
      await keyField(page).fill(key);
      await page.getByRole("button", { name: "Log in" }).click();
    };

    test("it is locked, and an admin's key opens it and the records it links to until the log-out", async () => {
      const { id } = await locked.aVideo("queued");
      const { page, complaints } = await openPage({}, locked.url);
      const queue = `${locked.url}/board/queue/${encodeURIComponent("submit main sora-2")}`;
      await page.goto(queue);
      expect(new URL(page.url()).pathname).toBe("/login");
      // Whoever comes here has come to type it.
      expect(await page.locator("#key:focus").count()).toBe(1);
      await logIn(page, admin.key);
      await page.waitForURL(queue);
      const opened = page.waitForEvent("popup");
      await page.getByRole("link", { name: "The video's record" }).click();
      const shown = await opened;
      await shown.waitForLoadState();
      expect(JSON.parse(await shown.locator("body").innerText())).toMatchObject({ id });

      await page.goto(`${locked.url}/logout`);
      await page.getByRole("button", { name: "Log out" }).click();
      await page.waitForURL(`${locked.url}/login`);
      // What is asked for from here on may be refused.
      expect(complaints).toEqual([]);
      await page.goto(queue);
      expect(new URL(page.url()).pathname).toBe("/login");
      expect((await shown.reload())?.status()).toBe(401);
    });

    test.each([
      ["a key that nobody gave out", "wrong-key-1", "Nobody gave out this key."],
      ["a key that is no admin's", "studio-key-1", "This key is not an admin's."],
    ])("%s does not open it, and another one may be tried", async (_what, key, complaint) => {
      const { page } = await openPage({}, locked.url);
      await page.goto(`${locked.url}/board`);
      await logIn(page, key);
      expect(await page.getByRole("alert").textContent()).toBe(complaint);
      await logIn(page, admin.key);
      await page.waitForURL(`${locked.url}/board`);
    });

    test("the log-in works without encryption at a name that a browser does not trust", async () => {
      // Such a page's forms go out without Sec-Fetch headers.
      const name = "reelq.test";
      const distrustful = await chromium.launch({
        ...(browserProgram === undefined ? {} : { executablePath: browserProgram }),
        args: ["--headless", "--no-sandbox", "--no-proxy-server", `--host-resolver-rules=MAP ${name} 127.0.0.1`],
      });
      onTestFinished(() => distrustful.close());
      const page = await distrustful.newPage();
      const url = locked.url.replace("127.0.0.1", name);
      await page.goto(`${url}/board`);
      const sent = page.waitForRequest((request) => request.method() === "POST");
      await logIn(page, admin.key);
      expect(await (await sent).allHeaders()).not.toHaveProperty("sec-fetch-site");
      await page.waitForURL(`${url}/board`);
      expect(await page.title()).toBe("reelq");
    });
  });

  test.skipIf(picture === undefined)("the picture of the README is taken", async () => {
    const { page } = await openPage();
    await page.goto(`${api.url}/board`);
    await page
      .getByText(/^\d+ Jobs?$/)
      .first()
      .waitFor();
    const bytes = await page.screenshot(picture === undefined ? {} : { path: picture });
    expect(bytes.length).toBeLessThan(200_000);
  });
});
