import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTestApi, type TestApi } from "../support/api.ts";
import { browserProgram, complaintsOf, openBrowser } from "../support/browser.ts";
import { startRedis, type TestRedis } from "../support/redis.ts";

const key = "studio-key-1";

describe.skipIf(browserProgram === undefined)("/docs in a browser", () => {
  let redis: TestRedis;
  let api: TestApi;
  let browser: Browser;

  beforeAll(async () => {
    redis = await startRedis();
    api = await startTestApi({ redisUrl: redis.url, keys: [{ name: "studio", key }] });
    browser = await openBrowser();
  });

  afterAll(async () => {
    await browser?.close();
    await api.close();
    await redis.stop();
  });

  /** The page with its calls shown, watched from its first request on. */
  async function openDocs(options: BrowserContextOptions = {}): Promise<{ page: Page; complaints: readonly string[] }> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const complaints = complaintsOf(page, api.url);
    await page.goto(`${api.url}/docs`);
    await call(page, "videos-createVideo").waitFor();
    return { page, complaints };
  }

  const call = (page: Page, id: string) => page.locator(`#operations-${id}`);

  async function unlock(page: Page): Promise<void> {
    await page.getByRole("button", { name: "Authorize" }).first().click();
    const dialog = page.locator(".dialog-ux");
    await dialog.locator("input").fill(key);
    await dialog.getByRole("button", { name: /^Apply credentials|^Authorize/ }).click();
    await dialog.getByRole("button", { name: "Close" }).click();
  }

  /** Opens a call and makes it as it stands there. */
  async function tryOut(page: Page, id: string): Promise<{ status: string; body: unknown }> {
    const block = call(page, id);
    await block.locator(".opblock-summary-control").click();
    await block.getByRole("button", { name: "Try it out" }).click();
    await block.getByRole("button", { name: "Execute" }).click();
    const live = block.locator(".live-responses-table .response").first();
    await live.waitFor();
    return {
      status: ((await live.locator(".response-col_status").textContent()) ?? "").slice(0, 3),
      body: JSON.parse((await live.locator(".highlight-code code").first().textContent()) ?? ""),
    };
  }

  test("it shows every call and every webhook, asks nobody but its own server, and makes calls with a key", async () => {
    const { page, complaints } = await openDocs();
    const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
      paths: Record<string, object>;
      webhooks: object;
    };
    const calls = Object.values(document.paths).reduce((sum, one) => sum + Object.keys(one).length, 0);
    await expect.poll(() => page.locator(".opblock").count()).toBe(calls + Object.keys(document.webhooks).length);

    await unlock(page);
    const created = await tryOut(page, "videos-createVideo");
    expect(created).toMatchObject({ status: "200", body: { object: "video", status: "queued", size: "1280x720" } });
    const listed = await tryOut(page, "videos-listVideos");
    expect(listed).toMatchObject({ status: "200", body: { data: [{ id: (created.body as { id: string }).id }] } });
    const create = call(page, "videos-createVideo");
    await create.locator(".opblock-section-request-body select").first().selectOption("multipart/form-data");
    await create.locator('input[type="file"]').waitFor();
    expect(complaints).toEqual([]);

    const kept = "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])";
    expect(await page.evaluate(kept)).not.toContain(key);
    await page.goto(`${api.url}/docs`);
    await call(page, "videos-listVideos").waitFor();
    const refused = await tryOut(page, "videos-listVideos");
    expect(refused).toMatchObject({ status: "401", body: { error: { code: "unauthorized" } } });
    expect(complaints.filter((one) => !one.includes("401"))).toEqual([]);
  });

  test("an opened call has short refusals, each code with its own example, and a button to copy its path", async () => {
    const { page } = await openDocs();
    expect(await page.locator(".webhooks h2").allTextContents()).toEqual(["Events that are sent"]);
    expect(await page.getByText("MIT", { exact: true }).isVisible()).toBe(false);

    const create = call(page, "videos-createVideo");
    await create.locator(".opblock-summary-control").click();
    const refused = create.locator('.response[data-code="400"]');
    await refused.locator("select.examples-select-element").selectOption("unknown_field");
    await refused.getByText("did you mean").waitFor();
    const codes = await create.locator('.response[data-code^="4"] .highlight-code').allTextContents();
    expect(codes).toContainEqual(expect.stringContaining('"code": "unauthorized"'));
    expect(codes).toContainEqual(expect.stringContaining('"code": "idempotency_conflict"'));

    const stream = call(page, "events-streamEvents");
    await stream.locator(".opblock-summary-control").click();
    await stream.locator("table.parameters").waitFor();
    for (const [width, highest] of [
      [1280, 4_000],
      [375, 5_600],
    ] as const) {
      await page.setViewportSize({ width, height: 900 });
      const button = create.locator(".opblock-summary .copy-to-clipboard");
      await expect.poll(async () => (await button.boundingBox())?.width).toBeGreaterThanOrEqual(24);
      expect((await create.boundingBox())?.height).toBeLessThan(highest);
      const [needed, given] = await page.evaluate<number[]>(
        "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('#operations-events-streamEvents .table-container'))",
      );
      expect(needed).toBe(given);
    }
  });

  test("on a phone nothing is wider than the screen, by night it is dark, and nothing runs but what its server sends", async () => {
    const { page, complaints } = await openDocs({ viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await call(page, "videos-createVideo").locator(".opblock-summary-control").click();
    await call(page, "videos-createVideo").locator(".responses-wrapper").waitFor();
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    const [red] = await page.evaluate<number[]>(
      "getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)",
    );
    expect(red).toBeLessThan(60);
    expect(complaints).toEqual([]);

    const policy = (await fetch(`${api.url}/docs`)).headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const stopped = await page.evaluate(`new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
      const script = document.createElement("script");
      script.textContent = "document.title = 'taken over'";
      document.body.append(script);
    })`);
    expect(stopped).toBe("script-src-elem");
    expect(await page.title()).toBe("reelq: the API");
  });
});
