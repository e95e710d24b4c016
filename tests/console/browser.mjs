// Headless Chromium and what the stories in it share: finding things by their labels, photographs, axe.
// Started by main.rs, which says where the door is.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const { TOOLS, BASE, CODE, FILM, LOOK, SHOTS } = process.env;
const load = createRequire(join(TOOLS, 'x.js'));
const puppeteer = load('puppeteer-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
export const PASSWORD = 'four calm green words';
const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

export const browser = await puppeteer.launch({
  executablePath: '/usr/bin/chromium',
  headless: true,
  acceptInsecureCerts: true,
  args: ['--no-sandbox', '--disable-gpu', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${FILM}`, '--lang=en-GB', '--force-color-profile=srgb'],
});
export const page = await browser.newPage();
await page.setViewport(DESK);
page.setDefaultTimeout(40_000);
if (process.env.PAGES) {
  // For whoever changes a page: files as they are on the disk, without building the program.
  await page.setRequestInterception(true);
  page.on('request', (request) => {
    const name = new URL(request.url()).pathname.match(/^\/console\/([a-z_]+\.(js|css))$/);
    if (!name) request.continue();
    else request.respond({ contentType: name[2] === 'js' ? 'text/javascript' : 'text/css', body: readFileSync(join(process.env.PAGES, name[1])) });
  });
}
export const complaints = [];
page.on('console', (message) => {
  // Refusals that the page itself tells of are no faults of the page.
  if (message.type() === 'error' && !message.text().includes('status of')) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));

export const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
export const fail = (text) => { throw new Error(text); };

/** RFC 6238. */
export function totp(key, ahead = 0) {
  let bits = '';
  for (const c of key.replace(/\s/g, '')) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  const secret = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const hash = createHmac('sha1', secret).update(step).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export const text = (words) => page.waitForFunction((w) => document.body.innerText.includes(w), {}, words);
export const named = (label) => page.locator(`::-p-xpath(//button[@aria-label="${label}"])`);
export const press = (label) => page.locator(`::-p-xpath(//*[self::button or self::a or self::summary][normalize-space()="${label}"])`).click();
export const inDialog = (label) => page.locator(`::-p-xpath(//dialog//button[normalize-space()="${label}"])`).click();
export const type = async (label, value) => { const input = await page.waitForSelector(`::-p-xpath(//label[span[normalize-space()="${label}"]]//*[self::input or self::textarea])`); await input.click({ count: 3 }); await input.type(value); return input; };
export const pick = async (label, value) => { const input = await page.waitForSelector(`::-p-xpath(//label[span[normalize-space()="${label}"]]//select)`); await input.select(value); };

export async function go(hash) {
  await page.evaluate((h) => { location.hash = h; }, hash);
  await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.loading'));
  await page.waitForNetworkIdle({ idleTime: 250, timeout: 4_000, concurrency: 3 }).catch(() => {});
}

/** A picture at both widths, and no serious fault of accessibility in light or dark. */
export async function look(name, { axeToo = true } = {}) {
  for (const theme of ['light', 'dark']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
    if (!axeToo) continue;
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const serious = found.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
    if (serious.length) fail(`${name} (${theme}): ${serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`).join('\n')}`);
    if (theme === 'dark') await page.screenshot({ path: join(SHOTS, `${name}-dark.png`) });
  }
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  await page.screenshot({ path: join(SHOTS, `${name}-desk.png`) });
  await page.setViewport(PHONE);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.screenshot({ path: join(SHOTS, `${name}-phone.png`) });
  await page.setViewport(DESK);
  if (wide > 1) fail(`${name} is ${wide} pixels too wide for a phone`);
  say(`looked at ${name}`);
}
