// Opens one page in chromium, in both themes and two widths, and prints as JSON what it saw. It judges nothing; browser.rs does.
// node look.mjs CHROMIUM PAGE FOLDER_FOR_SCREENSHOTS report|diff NAME

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, file, screenshots, kind, name] = process.argv.slice(2);
// What the filter filters, where its name stands in it, and what opens.
const { items, called, fold } = {
  report: { items: "#list > .check", called: ".name", fold: ".check > summary" },
  diff: { items: ".lines tbody tr", called: "th", fold: "details.block > summary" },
}[kind];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const address = pathToFileURL(file).href;
const wide = { width: 1280, height: 800 };
const narrow = { width: 390, height: 844 };

// No sandbox: CI runs as root in a container, and the page is our own.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const looks = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, viewport] of Object.entries({ wide, narrow })) {
      looks.push(await look(colorScheme, width, viewport));
    }
  }
  console.log(JSON.stringify({ looks, keyboard: await keyboard(), plain: await withoutScripts() }));
} finally {
  await browser.close();
}

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(address);
  return { context, page, complaints, requests };
}

async function look(colorScheme, width, viewport) {
  const { context, page, complaints, requests } = await open({ colorScheme, viewport });
  const path = (part) => `${screenshots}/${name}-${colorScheme}-${width}-${part}.png`;
  await page.screenshot({ path: path("first-screen") });
  const firstScreen = await page.evaluate(visibleText);
  const sideways = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (width === "wide") await page.screenshot({ path: path("whole"), fullPage: true });
  // Everything open, so that axe sees it all.
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  const hacked = await page.evaluate(() => window.hacked === 1);
  await context.close();
  return {
    theme: colorScheme,
    width,
    complaints,
    requests: requests.filter((url) => url !== address),
    firstScreen,
    sideways,
    hacked,
    violations: violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" | ").slice(0, 600)}`),
  };
}

// The text of the elements that lie wholly on the screen.
function visibleText() {
  return [...document.querySelectorAll("h1, h2, h3, p, dt, dd")]
    .filter((element) => {
      const { top, bottom, height } = element.getBoundingClientRect();
      return height > 0 && top >= 0 && bottom <= innerHeight;
    })
    .map((element) => element.textContent.replace(/\s+/g, " ").trim());
}

// By keys alone: to the text filter, filter, clear; to a verdict, take it away; to what is folded, open it.
async function keyboard() {
  const { context, page, complaints } = await open({ viewport: wide });
  const shown = () => page.locator(`${items}:visible`).count();
  const tabTo = async (selector) => {
    for (let presses = 1; presses <= 300; presses += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return presses;
    }
    return null;
  };
  const seen = { all: await shown() };
  seen.tabsToFilter = await tabTo("#text");
  await page.keyboard.type("nothing has this name");
  seen.withNonsense = await shown();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  const first = await page.locator(`${items} ${called}`).first().textContent();
  await page.keyboard.type(first.slice(0, -1));
  seen.withFirstName = await shown();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  seen.cleared = await shown();
  seen.verdict = kind === "report" ? await withoutVerdict(page, tabTo, shown) : null;
  seen.tabsToFold = await tabTo(fold);
  const isOpen = () => page.evaluate(() => document.activeElement.parentElement.open);
  seen.before = await isOpen();
  await page.keyboard.press("Enter");
  seen.after = await isOpen();
  seen.complaints = complaints;
  await context.close();
  return seen;
}

async function withoutVerdict(page, tabTo, shown) {
  const tabs = await tabTo("#filters input[type=checkbox]");
  const verdict = await page.evaluate(() => document.activeElement.value);
  const of = await page.locator(`${items}[data-verdict="${verdict}"]`).count();
  await page.keyboard.press("Space");
  const without = await shown();
  await page.keyboard.press("Space");
  return { tabs, of, without };
}

async function withoutScripts() {
  const { context, page } = await open({ viewport: wide, javaScriptEnabled: false });
  const seen = {
    filters: await page.locator("#filters").isVisible(),
    all: await page.locator(`${items}:visible`).count(),
  };
  await page.locator(fold).first().click();
  seen.text = (await page.locator("main").innerText()).length;
  await context.close();
  return seen;
}
