import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { suite, test } from "node:test";
import { backup } from "../src/operations/backup.ts";
import { drill } from "../src/operations/drill/drill.ts";
import type { System } from "../src/operations/system.ts";
import { recordDone } from "../src/operations/record.ts";
import { lookOnce } from "../src/operations/watch/watch-health.ts";
import { barriers, hasChromium, type Look, openBrowser, openPage } from "./support/browser.ts";
import { install, onDevice } from "./support/device.ts";
import { put, textOf } from "./support/files.ts";
import { skipWithout } from "./support/servers.ts";
import { startServing } from "./support/serving.ts";
import { newSystem } from "./support/system.ts";
import { quietRun, temporaryFolder } from "./support/temporary.ts";

// Goal: every page shows what it is for, without an error and without asking anybody else, wide and narrow,
// light and dark; nothing stands in the way of a keyboard or a screen reader; and a restore goes from the
// choice of a point to Keep or Undo.
// Method: Debian's Chromium on the real service. With SCREENSHOTS=FOLDER it keeps a picture of each page.

const run = quietRun();
const skip = skipWithout(hasChromium, "chromium");
const SERVE = { serve: { listen: "127.0.0.1:0" } };
const SCREENSHOTS = process.env["SCREENSHOTS"];

const LOOKS: readonly Look[] = [
  { width: 1280, height: 900, colorScheme: "light" },
  { width: 1280, height: 900, colorScheme: "dark" },
  { width: 360, height: 740, colorScheme: "light" },
  { width: 360, height: 740, colorScheme: "dark" },
];

/** A device with releases, points, a drill, a failed deploy and what its checks said. */
async function live(system: System, folder: string): Promise<{ stamp: string; drilled: string }> {
  await install(system, folder, "1.0.0");
  await install(system, folder, "1.1.0");
  await lookOnce(system, 10, () => {}, run);
  const take = async (): Promise<string> =>
    (await backup(system, { include: [], reason: "before the fair" }, run)).stamp;
  const stamp = await take();
  await install(system, folder, "1.2.0", "500");
  await take();
  const { id } = await drill(system, { named: stamp, reason: "" }, run);
  await lookOnce(system, 10, () => {}, run);
  return { stamp, drilled: id };
}

suite("the console", { skip }, () => {
  const component = { stores: { data: { folder: "files" }, db: { sqlite: "shop.db" } } };

  onDevice(
    "each page, wide and narrow, light and dark",
    async (system, folder) => {
      const { stamp, drilled } = await live(system, folder);
      await using serving = await startServing(folder, system);
      const { value } = await serving.ask("/api/v1/incidents");
      const [incident] = value["incidents"] as { id: string }[];
      const { value: ran } = await serving.ask("/api/v1/run/validate", { body: { point: stamp } });
      await using browser = await openBrowser();
      const pages: Record<string, RegExp> = {
        "": /You can bring test back to .* in about .*; last proven .* ago|its data last proven/,
        timeline: /recovery points/,
        points: new RegExp(stamp),
        [`points/${stamp}`]: /app\/db[\s\S]*sound/,
        [`restore/${stamp}`]: /What would be lost[\s\S]*The way back, should it fail/,
        "releases/app": /1\.1\.0[\s\S]*current[\s\S]*Failed and put aside as evidence: 1\.2\.0/,
        "rollback/app/1.0.0": /From 1\.1\.0 to 1\.0\.0/,
        drills: /Recovery time of each drill/,
        [`drills/${drilled}`]: /as it was captured/,
        incidents: /deploy of app 1\.2\.0/,
        [`incidents/${incident!.id}`]: /it goes back[\s\S]*Root cause/,
        activity: /deploy[\s\S]*went back[\s\S]*Audit log/,
        configuration: /repository:/,
        [`run/${String(ran["id"])}`]: /lastgood validate/,
      };
      for (const look of LOOKS) {
        await using opened = await openPage(browser, serving, look);
        const { page, wrong, go } = opened;
        for (const [hash, shows] of Object.entries(pages)) {
          await go(hash);
          const name = `${hash.split("/")[0] || "home"}${hash.split("/").length - 1 || ""}-${look.width}-${look.colorScheme}`;
          const text = await page.locator("main").innerText();
          assert.match(text, shows, name);
          assert.deepEqual(wrong, [], name);
          const wide = Number(await page.evaluate("document.documentElement.scrollWidth"));
          assert(wide <= look.width, `${name} is ${wide} wide`);
          assert.deepEqual(await barriers(page), [], name);
          if (SCREENSHOTS === undefined) continue;
          mkdirSync(SCREENSHOTS, { recursive: true });
          await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
        }
      }
    },
    {
      component,
      rest: { ...SERVE, objectives: { "recovery-time": "15m", "data-loss": "24h" } },
      before: shop,
    },
  );

  test("a restore, from choosing the point to Undo and to Keep", { timeout: 120_000 }, async () => {
    await using temporary = await temporaryFolder();
    const folder = temporary.path;
    shop(folder);
    using system = await newSystem(folder, component, SERVE);
    await using serving = await startServing(folder, system);
    await using browser = await openBrowser();
    await using opened = await openPage(browser, serving, LOOKS[0]!);
    const { page, go, wrong } = opened;
    await go("");
    await page.getByRole("button", { name: "Back up now" }).click();
    await page.getByRole("heading", { name: /lastgood backup/ }).waitFor();
    await page.getByText(/Point \d{8}T\d{6}Z/).waitFor();
    writeFileSync(path.join(folder, "files/a"), "second");
    await go("points");
    await page.getByRole("link", { name: "Restore …" }).first().click();
    await page.getByText("What would be lost").waitFor();
    await page.getByText("lastgood restore", { exact: false }).first().waitFor();
    const begin = page.getByRole("button", { name: "Restore", exact: true });
    assert.equal(await begin.isDisabled(), true, "the name has to be typed");
    await page.getByLabel("Type test").fill("test");
    await begin.click();
    await page.getByText("Is all as it should be?").waitFor();
    assert.equal(textOf(folder, "files/a"), "first");
    await page.getByRole("button", { name: "Undo", exact: true }).click();
    await page.getByRole("heading", { name: /lastgood undo/ }).waitFor();
    await page.getByText("Is all as it should be?").waitFor();
    assert.equal(textOf(folder, "files/a"), "second");
    await page.getByRole("button", { name: "Keep", exact: true }).click();
    await page.getByRole("heading", { name: /lastgood keep/ }).waitFor();
    await page.locator(".lead", { hasText: "done" }).waitFor();
    assert.deepEqual(wrong, []);
  });

  test(
    "an incident is described by two at once, and nobody's words are lost",
    { timeout: 120_000 },
    async () => {
      await using temporary = await temporaryFolder();
      shop(temporary.path);
      using system = await newSystem(temporary.path, component, SERVE);
      recordDone(system, "backup", "", "it failed");
      await using serving = await startServing(temporary.path, system);
      await using browser = await openBrowser();
      await using opened = await openPage(browser, serving, LOOKS[0]!);
      const { page, go, wrong } = opened;
      await go("incidents");
      await page.getByRole("link", { name: /backup failed/ }).click();
      await page.getByLabel("Root cause").fill("a full disk");
      const id = page.url().split("/").at(-1) ?? "";
      const body = { impact: "nobody noticed" };
      await serving.ask(`/api/v1/incidents/${id}`, { method: "PATCH", body });
      await go("drills");
      await go(`incidents/${id}`);
      assert.equal(await page.getByLabel("Root cause").inputValue(), "a full disk", "it was kept");
      await page.getByRole("button", { name: "Save", exact: true }).click();
      await page.waitForFunction(
        "document.body.textContent.includes('**Root Cause**: a full disk')",
      );
      const { value } = await serving.ask(`/api/v1/incidents/${id}`);
      const { rootCause, impact } = value["said"] as Record<string, string>;
      assert.deepEqual([rootCause, impact], ["a full disk", "nobody noticed"]);
      assert.deepEqual(wrong, []);
    },
  );

  test(
    "by keyboard, from logging in to a backup; and what is not there is said",
    { timeout: 120_000 },
    async () => {
      await using temporary = await temporaryFolder();
      shop(temporary.path);
      using system = await newSystem(temporary.path, component, SERVE);
      await using serving = await startServing(temporary.path, system);
      await using browser = await openBrowser();
      const page = await browser.newPage();
      await page.goto(serving.url);
      await page.getByRole("textbox", { name: "Token" }).focus();
      await page.keyboard.type("lg_wrong");
      await page.keyboard.press("Enter");
      await page.getByText("no token that is known").waitFor();
      await page.getByRole("textbox", { name: "Token" }).fill(serving.token("backup"));
      await page.keyboard.press("Enter");
      await page
        .getByText("You cannot bring test back: there is no valid recovery point.")
        .waitFor();
      for (let presses = 0; presses < 40; presses++) {
        const focused = await page.evaluate("document.activeElement?.textContent");
        if (focused === "Back up now") break;
        await page.keyboard.press("Tab");
      }
      await page.keyboard.press("Enter");
      await page.getByText(/Point \d{8}T\d{6}Z/).waitFor();
      assert.equal(await page.evaluate("document.cookie"), "", "no script can read the token");
      assert.doesNotMatch(page.url(), /lg_/);
      await page.goto(`${serving.url}/#/nothing`);
      await page.getByText("There is no such page.").waitFor();
      await serving.kill("SIGTERM");
      await page.getByText("lastgood does not answer now").waitFor();
    },
  );
});

function shop(folder: string): void {
  put(folder, { "files/a": "first" });
  const database = new DatabaseSync(path.join(folder, "shop.db"));
  database.exec("CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (1), (2), (3)");
  database.close();
}
