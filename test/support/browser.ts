import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const usualProgram = "/usr/bin/chromium";

/** What set-up found or brought, else the usual one; undefined where there is none. */
export const browserProgram: string | undefined =
  process.env.CHROMIUM_PATH ?? (existsSync(usualProgram) ? usualProgram : undefined);

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    ...(browserProgram === undefined ? {} : { executablePath: browserProgram }),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Collects whatever a page should not do: errors in its console, calls that fail, and calls to any other host. */
export function complaintsOf(page: Page, origin: string): readonly string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (protocol !== "data:" && asked !== origin) complaints.push(`elsewhere: ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText ?? "";
    // A page that is left stops what it was asking for.
    if (reason !== "net::ERR_ABORTED") complaints.push(`${reason}: ${request.url()}`);
  });
  return complaints;
}
