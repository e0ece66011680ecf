import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import type { Serving } from "./serving.ts";

export const CHROMIUM = "/usr/bin/chromium";
export const hasChromium = existsSync(CHROMIUM);

export async function openBrowser(): Promise<Browser> {
  // As root a browser's own sandbox is not to be had.
  return await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
}

export type Look = {
  readonly width: number;
  readonly height: number;
  readonly colorScheme: "light" | "dark";
};

/** A page of somebody who has logged in, and what went wrong on it. */
export type Opened = AsyncDisposable & {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page, and requests to anywhere else. */
  readonly wrong: string[];
  readonly go: (hash: string) => Promise<void>;
};

export async function openPage(browser: Browser, serving: Serving, look: Look): Promise<Opened> {
  const { colorScheme, ...viewport } = look;
  const context = await browser.newContext({ viewport, colorScheme, bypassCSP: true });
  const [, name, value] = /^([\w-]+)=(\S+?);/.exec(await cookieOf(serving)) ?? [];
  await context.addCookies([{ name: name!, value: value!, url: serving.url }]);
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(serving.url) && !/^(data|blob):/.test(url)) wrong.push(`asked ${url}`);
  });
  return {
    page,
    context,
    wrong,
    async go(hash) {
      await page.goto(`${serving.url}/#/${hash}`);
      await page.waitForSelector("h1");
      await page.waitForFunction('document.querySelector(".loading") === null');
      await page.waitForFunction("!/is being made/.test(document.body.textContent)");
    },
    [Symbol.asyncDispose]: async () => await context.close(),
  };
}

async function cookieOf(serving: Serving): Promise<string> {
  const response = await fetch(`${serving.url}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: serving.token("admin") }),
  });
  return response.headers.get("set-cookie") ?? "";
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What stands in the way of who uses a keyboard or a screen reader (WCAG 2.2 AA, by axe-core). */
export async function barriers(page: Page): Promise<string[]> {
  await page.addScriptTag({ path: AXE });
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: Violation[] }> };
    };
    type Violation = { id: string; nodes: { html: string; failureSummary: string }[] };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 160)}: ${failureSummary}`),
    );
  });
}
