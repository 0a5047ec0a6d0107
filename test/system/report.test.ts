import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BatchBody, ClipBody } from "@reelq/contract";
import { htmlReport, livePage, livePolicy, type ReportParts } from "@reelq/report";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { clip as clipBytes } from "../../apps/simulator/src/clips.ts";
import { browserProgram, complaintsOf, openBrowser } from "../support/browser.ts";
import { aBatch, aClip, aNight, bedtime, oneByOne } from "../support/night.ts";

/** The machine may be busy with others. */
const eventually = <Value>(look: () => Promise<Value> | Value) => expect.poll(look, { timeout: 30_000 });

const phone = { width: 375, height: 812 };
const desk = { width: 1280, height: 900 };

describe.skipIf(browserProgram === undefined)("a batch's pages in a browser", () => {
  let browser: Browser;
  let folder: string;
  let picture: string;
  const clips = aNight(130);
  const batch = aBatch(clips, { name: "Autumn campaign, night 1", budget: 450_000_000 });

  beforeAll(async () => {
    browser = await openBrowser();
    folder = await mkdtemp(join(tmpdir(), "reelq-report-"));
    const bytes = await readFile(new URL("../../apps/simulator/clips/64x64.webp", import.meta.url));
    picture = `data:image/webp;base64,${bytes.toString("base64")}`;
    await writeFile(join(folder, "clip.mp4"), await clipBytes("64x64", 1));
  });

  afterAll(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function openPage(options: BrowserContextOptions = {}, origin = "null") {
    const context = await browser.newContext({ viewport: desk, ...options });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const requests: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) requests.push(request.url());
    });
    return { page, requests, complaints: complaintsOf(page, origin) };
  }

  /** Writes a report into a file and opens it from there, as somebody would who was sent it. */
  async function openReport(parts: Partial<ReportParts> = {}, options: BrowserContextOptions = {}) {
    const file = join(folder, `${randomBytes(4).toString("hex")}.html`);
    const written: ReportParts = {
      batch,
      clips: oneByOne(clips),
      fileUrl: () => "clip.mp4",
      thumbnail: async ({ number }) => (number % 5 === 0 ? null : picture),
      writtenAt: bedtime,
      ...parts,
    };
    await writeFile(file, htmlReport(written));
    const opened = await openPage(options);
    await opened.page.goto(pathToFileURL(file).href);
    return { ...opened, address: pathToFileURL(file).href };
  }

  const shown = (page: Page) => page.locator(".clip:visible");
  const overflow = (page: Page): Promise<number> =>
    page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");

  describe("the report", () => {
    test("on a phone and at a desk, by day and by night, it fits, can be read, and asks nobody for anything", async () => {
      const { page, requests, complaints, address } = await openReport({}, { viewport: phone });
      const ground = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])";
      for (const viewport of [phone, desk]) {
        for (const colorScheme of ["light", "dark"] as const) {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          expect(await overflow(page)).toBe(0);
          expect(await page.evaluate(hardToRead)).toEqual([]);
          expect((await page.evaluate<number>(ground)) < 100).toBe(colorScheme === "dark");
        }
      }
      const pictured = clips.filter(({ file, number }) => file && number % 5 !== 0).length;
      expect(await page.locator(".clip img").count()).toBe(pictured);
      expect(requests).toEqual([address]);
      expect(complaints).toEqual([]);
    });

    test("on paper it is light, whole and without its tools", async () => {
      const { page } = await openReport({}, { viewport: { width: 794, height: 1123 }, colorScheme: "dark" });
      await page.emulateMedia({ media: "print" });
      expect(await overflow(page)).toBe(0);
      expect(await page.evaluate(hardToRead)).toEqual([]);
      expect(await page.getByRole("group", { name: "Show" }).isVisible()).toBe(false);
      expect(await page.getByRole("button", { name: "Copy" }).count()).toBe(0);
      expect(await shown(page).count()).toBe(130);
      const sheets = (await page.pdf({ format: "A4" })).toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
      expect(sheets).toBeGreaterThan(5);
    });

    test("without scripts everything is there and in its order, and the filters work", async () => {
      const { page, complaints } = await openReport({}, { javaScriptEnabled: false });
      expect(await page.getByRole("heading", { level: 1 }).innerText()).toMatch(/^124.of.130.stored, 4.failed/);
      const headings = await page.getByRole("heading", { level: 2 }).all();
      const placed = await Promise.all(
        headings.map(async (one) => ({ text: await one.innerText(), box: await one.boundingBox() })),
      );
      expect(placed.toSorted((one, other) => placeOf(one.box) - placeOf(other.box)).map(({ text }) => text)).toEqual([
        "What needs a person",
        "Money",
        "Clips",
        "Why clips failed",
        "Lanes",
        "Course",
        "Contact sheet",
      ]);
      expect(await shown(page).count()).toBe(130);
      await page.getByRole("radio", { name: /failed/ }).check();
      expect(await shown(page).count()).toBe(4);
      await page.getByRole("radio", { name: /reused/ }).check();
      expect(await shown(page).count()).toBe(clips.filter(({ origin }) => origin === "reused").length);
      await page.getByRole("radio", { name: /all/ }).check();
      expect(await shown(page).count()).toBe(130);
      const first = shown(page).first();
      expect(await first.locator("a[data-play]").getAttribute("href")).toBe("clip.mp4");
      await first.locator("summary").click();
      expect(await first.getByText(clips[0]?.file?.sha256 ?? "").isVisible()).toBe(true);
      // What only scripts can do is not offered.
      expect(await page.getByRole("searchbox").count()).toBe(0);
      expect(await page.getByRole("button").count()).toBe(0);
      expect(complaints).toEqual([]);
    });

    test("a click plays the file in its place, and the next one takes its turn", async () => {
      const { page, complaints } = await openReport();
      expect(await page.locator("video").count()).toBe(0);
      const playing = `new Promise((resolve) => {
        const video = document.querySelector("video");
        const done = () => resolve(video.videoWidth);
        if (video.readyState > 2) done();
        else video.addEventListener("playing", done);
      })`;
      await page.getByRole("link", { name: "Play s01-001" }).click();
      await page.locator("#clip-1 video").waitFor();
      expect(await page.evaluate(playing)).toBe(64);
      await page.getByRole("link", { name: "Play s01-002" }).click();
      await page.locator("#clip-2 video").waitFor();
      expect(await page.evaluate(playing)).toBe(64);
      expect(await page.locator("video").count()).toBe(1);
      await page.keyboard.press("Escape");
      expect(await page.locator("video").count()).toBe(0);
      await page.getByRole("link", { name: "Play s01-001" }).waitFor();
      expect(complaints).toEqual([]);
    });

    test("a file that is not there any more says so, and how to get at it", async () => {
      const { page } = await openReport({ fileUrl: () => "gone.mp4" });
      await page.getByRole("link", { name: "Play s01-001" }).click();
      await page.getByRole("alert").getByText("This file does not play here.").waitFor();
      expect(await page.getByRole("link", { name: "Open it" }).getAttribute("href")).toContain("gone.mp4");
    });

    test("a search finds words of a clip, within what is filtered", async () => {
      const { page } = await openReport();
      await page.getByRole("searchbox", { name: "Search" }).fill("lighthouse BACKLIT");
      const expected = clips.filter(({ prompt }) => /lighthouse/.test(prompt) && /backlit/.test(prompt)).length;
      expect(expected).toBeGreaterThan(0);
      await eventually(() => shown(page).count()).toBe(expected);
      expect(await page.getByRole("status").innerText()).toBe(`${expected} of 130 shown`);
      await page.getByRole("searchbox", { name: "Search" }).fill("likeness");
      await eventually(() => shown(page).count()).toBe(1);
      await page.getByRole("radio", { name: /stored/ }).check();
      expect(await shown(page).count()).toBe(0);
    });

    test("a person gets from what is wrong to the clip, and copies the command", async () => {
      const { page } = await openReport({}, { permissions: ["clipboard-read", "clipboard-write"] });
      await page.getByRole("radio", { name: /stored/ }).check();
      const needs = page.getByRole("region", { name: "What needs a person" });
      await needs.getByRole("link", { name: "s01-012" }).first().click();
      expect(await page.locator("#clip-12").isVisible()).toBe(true);
      await needs.getByRole("button", { name: "Copy" }).first().click();
      await needs.getByRole("button", { name: "Copied" }).waitFor();
      expect(await page.evaluate("navigator.clipboard.readText()")).toBe(`reelq batch retry ${batch.id}`);
    });

    test("the keyboard meets things in the order in which they are read", async () => {
      const { page } = await openReport();
      await page.keyboard.press("Tab");
      expect(await page.evaluate("document.activeElement.closest('section').getAttribute('aria-labelledby')")).toBe(
        "needs",
      );
    });

    test("hostile words run nothing and widen nothing", async () => {
      const hostile = `</script><script>document.title="taken"</script><img src=x onerror='document.title="taken"'>\u202e\u0007${"w".repeat(2_000)}`;
      const clip = aClip({ custom_id: hostile, prompt: hostile, model: hostile, lane: hostile, tags: [hostile] });
      const { page, requests, complaints, address } = await openReport(
        {
          batch: aBatch([clip], { name: hostile, project: hostile }),
          clips: oneByOne([clip]),
          fileUrl: () => `javascript:document.title="taken"`,
        },
        { viewport: phone },
      );
      await page.locator("summary").click();
      expect(await page.title()).not.toBe("taken");
      expect(await page.locator("script").count()).toBe(1);
      expect(await page.locator("[onerror]").count()).toBe(0);
      expect(await page.locator(".prompt").innerText()).toContain("</script><script>document.title");
      expect(await overflow(page)).toBe(0);
      // Even what would come to stand in the page is not run.
      const stopped = await page.evaluate(`new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
        document.body.append(Object.assign(document.createElement("script"), { textContent: "document.title = 'taken'" }));
      })`);
      expect(stopped).toBe("script-src-elem");
      expect(requests).toEqual([address]);
      expect(complaints.filter((one) => !one.includes("Content Security Policy"))).toEqual([]);
    });
  });

  describe("the live page", () => {
    const nonce = "c29tZSBub25jZQ";
    let server: Server;
    let url: string;
    let followers: ServerResponse[];
    let now: { batch: BatchBody; clips: readonly ClipBody[] };

    const waiting = (number: number): ClipBody =>
      aClip({
        number,
        status: "queued",
        file: null,
        money: { estimated: 1_000_000, reserved: 0, charged: 0, unknown: 0 },
        prompt: `A prompt of ${number}`,
      });
    const lane = { lane: "gateway/sora-2", waiting: 4, in_flight: 2, places: 5, obstacle: null };
    const progress = (stored: number, reelq: Partial<BatchBody["reelq"]> = {}) => {
      const some = Array.from({ length: 10 }, (_, index) =>
        index < stored ? aClip({ number: index + 1 }) : waiting(index + 1),
      );
      const forecast = {
        ends_at: null,
        fits: null,
        unfit: 0,
        of: 10,
        sentence: `${10 - stored} more to come.`,
        at: "2026-11-22T22:00:00.000Z",
      };
      return {
        clips: some,
        batch: aBatch(some, { state: "running", budget: 20_000_000, forecast, lanes: [lane], ...reelq }),
      };
    };
    const send = (batch: BatchBody): void => {
      for (const follower of followers) follower.write(`event: batch\ndata: ${JSON.stringify(batch)}\n\n`);
    };

    beforeAll(async () => {
      followers = [];
      now = progress(3);
      server = createServer((request, response) => {
        if (request.url === "/events") {
          response.writeHead(200, { "content-type": "text/event-stream" }).write("retry: 500\n\n");
          followers.push(response);
          request.on("close", () => (followers = followers.filter((one) => one !== response)));
        } else if (request.url === "/batches/b") {
          response.writeHead(200, { "content-type": "text/html", "content-security-policy": livePolicy(nonce) });
          response.end(
            livePage({
              ...now,
              eventsUrl: "/events",
              reportUrl: "/report",
              nonce,
              fileUrl: () => null,
              thumbnailUrl: () => picture,
            }),
          );
        } else response.writeHead(204).end();
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });

    afterAll(() => {
      server.closeAllConnections();
      server.close();
    });

    async function openLive(options: BrowserContextOptions = {}) {
      const opened = await openPage(options, url);
      const follows = options.javaScriptEnabled === false ? undefined : opened.page.waitForResponse(`${url}/events`);
      await opened.page.goto(`${url}/batches/b`);
      await follows;
      return opened;
    }

    const words =
      "[...document.querySelectorAll('[data-w], [data-lanes], .bar rect')].map((one) => one.localName === 'rect' ? one.getAttribute('x') + ' ' + one.getAttribute('width') : one.textContent)";

    test("what it shows after an event is what the server would have written", async () => {
      now = progress(3);
      const { page, complaints } = await openLive();
      const { page: fresh } = await openLive();
      const command = `reelq batch resume ${now.batch.id}`;
      const reason = {
        code: "stop_loss" as const,
        message: "5 in a row failed.",
        since: "2026-11-22T23:00:00.000Z",
        command,
      };
      for (const next of [
        progress(5),
        progress(6, {
          lanes: [
            { ...lane, obstacle: "all 5 places are taken" },
            { ...lane, lane: "studio/veo-3.1", places: null },
          ],
        }),
        progress(6, { state: "paused", reason, forecast: null }),
        progress(7),
      ]) {
        send(next.batch);
        await eventually(() => page.title()).toBe(`${next.batch.reelq.counts.stored}0 % · shots`);
        now = next;
        await fresh.goto(`${url}/batches/b`);
        await eventually(() => page.evaluate(words)).toEqual(await fresh.evaluate(words));
        expect(await page.title()).toBe(await fresh.title());
        const stop = page.getByRole("region", { name: "Why it waits" });
        await eventually(() => stop.isVisible()).toBe(next.batch.reelq.reason !== null);
      }
      expect(complaints).toEqual([]);
    });

    test("nothing jumps, new clips come in, and in the end it leads to the report and listens no more", async () => {
      now = progress(1);
      const { page, complaints } = await openLive({ viewport: phone });
      await eventually(() => page.getByText("Live", { exact: true }).count()).toBe(1);
      const top = "document.querySelector('.sheet').getBoundingClientRect().top";
      const before = await page.evaluate(top);
      now = progress(4);
      send(now.batch);
      await page.locator('.clip[data-s="stored"]').nth(3).waitFor();
      expect(await page.evaluate(top)).toBe(before);
      now = progress(10, { state: "completed" });
      send(now.batch);
      await page.getByRole("link", { name: "Read the report" }).waitFor();
      await eventually(() => page.locator('.clip[data-s="stored"]').count()).toBe(10);
      expect(await page.title()).toBe("Finished · shots");
      await eventually(() => followers.length).toBe(0);
      expect(complaints).toEqual([]);
    });

    test("a lost connection is said, and comes back", async () => {
      now = progress(2);
      const { page } = await openLive();
      await page.getByText("Live", { exact: true }).waitFor();
      for (const follower of followers) follower.destroy();
      await page.getByText("Not connected, trying again").waitFor();
      await page.getByText("Live", { exact: true }).waitFor();
      await eventually(() => followers.length).toBe(1);
      expect(await page.getByText("Not connected").count()).toBe(0);
    });

    test.each([
      ["a phone", phone, "light"],
      ["a desk by night", desk, "dark"],
    ] as const)("on %s it fits and can be read, also without scripts", async (_where, viewport, colorScheme) => {
      now = progress(5);
      const { page, complaints } = await openLive({ viewport, colorScheme, javaScriptEnabled: false });
      expect(await overflow(page)).toBe(0);
      expect(await page.evaluate(hardToRead)).toEqual([]);
      expect(await page.locator(".clip").count()).toBe(10);
      expect(await page.locator('noscript meta[http-equiv="refresh"], meta[http-equiv="refresh"]').count()).toBe(1);
      expect(complaints).toEqual([]);
    });
  });
});

/** From above to below, and from left to right. */
const placeOf = (box: { readonly x: number; readonly y: number } | null): number => (box ? box.y * 10_000 + box.x : -1);

/** Texts whose contrast with what is behind them is below what WCAG calls AA. */
const hardToRead = `(() => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, index) => sum + c * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(one).backgroundColor);
      if (a === 1 && r !== undefined) return [r, g, b];
    }
    return matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches ? [0, 0, 0] : [255, 255, 255];
  };
  const found = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || element.closest("svg, script, style, noscript") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(channels(style.color)), light(behind(element))].sort((a, b) => b - a);
    const size = Number.parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < needed) found.add(element.localName + "." + element.className + " " + contrast.toFixed(2) + " " + style.color);
  }
  return [...found];
})()`;
