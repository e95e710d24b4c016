// What an office manager does on a first day, in headless Chromium; every page is photographed and looked through by axe.
// Started by main.rs, which says where the door is; ends with "all done", or with what was not as it should be.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { TOOLS, BASE, CODE, FILM, LOOK, SHOTS } = process.env;
const load = createRequire(join(TOOLS, 'x.js'));
const puppeteer = load('puppeteer-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
const PASSWORD = 'four calm green words';
const DESK = { width: 1280, height: 860 };
const PHONE = { width: 390, height: 844 };

const browser = await puppeteer.launch({
  executablePath: '/usr/bin/chromium',
  headless: true,
  acceptInsecureCerts: true,
  args: ['--no-sandbox', '--disable-gpu', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${FILM}`, '--lang=en-GB', '--force-color-profile=srgb'],
});
const page = await browser.newPage();
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
const complaints = [];
page.on('console', (message) => {
  // Refusals that the page itself tells of are no faults of the page.
  if (message.type() === 'error' && !message.text().includes('status of')) complaints.push(message.text());
});
page.on('pageerror', (error) => complaints.push(String(error)));

const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
const fail = (text) => { throw new Error(text); };

/** RFC 6238. */
function totp(key, ahead = 0) {
  let bits = '';
  for (const c of key.replace(/\s/g, '')) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  const secret = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const hash = createHmac('sha1', secret).update(step).digest();
  const at = hash[19] & 15;
  return String((hash.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const text = (words) => page.waitForFunction((w) => document.body.innerText.includes(w), {}, words);
const named = (label) => page.locator(`::-p-aria([name="${label}"])`);
const press = (label) => page.locator(`::-p-xpath(//*[self::button or self::a or self::summary][normalize-space()="${label}"])`).click();
const inDialog = (label) => page.locator(`::-p-xpath(//dialog//button[normalize-space()="${label}"])`).click();
const type = async (label, value) => { const input = await page.waitForSelector(`::-p-xpath(//label[span[normalize-space()="${label}"]]//*[self::input or self::textarea])`); await input.click({ count: 3 }); await input.type(value); return input; };
const pick = async (label, value) => { const input = await page.waitForSelector(`::-p-xpath(//label[span[normalize-space()="${label}"]]//select)`); await input.select(value); };

async function go(hash) {
  await page.evaluate((h) => { location.hash = h; }, hash);
  await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.loading'));
  await page.waitForNetworkIdle({ idleTime: 250, timeout: 4_000, concurrency: 3 }).catch(() => {});
}

/** A picture at both widths, and no serious fault of accessibility in light or dark. */
async function look(name, { axeToo = true } = {}) {
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

async function signedIn(secret) {
  // First of all the way in: what is wrong is said, what is right opens.
  await page.goto(BASE);
  await text('Sign in');
  await look('sign-in');
  await press('I have an invitation code');
  await type('Name', 'marta');
  await type('Invitation code', 'WRONG');
  await press('Go on');
  await text('The code is not for this name');
  await type('Invitation code', CODE);
  await press('Go on');
  await page.waitForSelector('#totp-key');
  secret.key = await page.$eval('#totp-key', (e) => e.textContent);
  await look('first-sign-in');
  await type('Choose a password', PASSWORD);
  await type('The password again', PASSWORD);
  await type('Six digits of the authenticator', totp(secret.key));
  await press('Finish');
  await page.waitForSelector('nav.nav');
  const cookies = await browser.cookies();
  const cookie = cookies.find((c) => c.name === '__Host-ostiary') || fail('no cookie');
  if (!cookie.httpOnly || !cookie.secure || cookie.sameSite !== 'Strict') fail(`a cookie of other marks: ${JSON.stringify(cookie)}`);
  const bare = await page.evaluate(() => fetch('/v1/door/open', { method: 'POST' }).then((r) => r.status));
  if (bare !== 403) fail(`a change without the session's token was answered ${bare}`);
  say('signed in');
}

async function enrolled() {
  await go('#/people');
  await text('Nobody is enrolled yet');
  await look('people-empty');
  await go('#/person');
  await type('Name', 'Visitor One');
  await type('On what ground is the face kept?', 'signed form 1');
  await type('Id', 'visitor-1');
  const [chooser] = await Promise.all([page.waitForFileChooser(), press('Choose files')]);
  await chooser.accept([LOOK]);
  await page.waitForSelector('.thumbs img');
  await look('person-new');
  await press('Add this person');
  await text('is enrolled');
  await text('Export and erasure');
  await look('person');
  say('enrolled by upload');

  await go('#/person');
  await type('Name', 'Visitor Two');
  await type('On what ground is the face kept?', 'signed form 2');
  await type('Id', 'visitor-2');
  await press('This camera');
  await page.waitForFunction(() => document.querySelector('video')?.videoWidth > 0);
  await page.waitForFunction(() => [...document.querySelectorAll('button')].some((b) => b.textContent === 'Take a picture' && !b.disabled));
  await press('Take a picture');
  await page.waitForSelector('.thumbs img');
  await press('Add this person');
  await text('Export and erasure');
  say('enrolled by the camera of the browser');

  await go('#/people');
  await text('Visitor Two');
  await type('Search', 'visitor-2');
  await page.waitForFunction(() => !document.body.innerText.includes('Visitor One'));
  await page.reload();
  await text('Visitor One');
  await look('people');
}

async function watched() {
  await go('#/live');
  await page.waitForFunction(() => document.querySelector('.camera img')?.naturalWidth > 0);
  await page.waitForFunction(() => document.body.innerText.includes('Let in') && document.body.innerText.includes('Visitor One'));
  await page.waitForSelector('.face:not([hidden])');
  await look('live', { axeToo: true });
  say('seen at the door');
  await press('Open door');
  await text('Open the door?');
  await look('live-open');
  await inDialog('Open now');
  await text('Done.');
  await page.waitForFunction(() => /Unlocked · operator|operator/i.test(document.querySelector('.feed').innerText) || document.querySelector('.feed').innerText.includes('Unlocked'));
  await press('Lockdown…');
  await inDialog('Lock down');
  await page.waitForFunction(() => document.querySelector('.state').textContent === 'Lockdown');
  await press('Back to normal');
  await inDialog('Back to normal');
  await page.waitForFunction(() => document.querySelector('.state').textContent !== 'Lockdown');
  say('opened, locked down, back to normal');
}

async function ruled() {
  await go('#/rules');
  await press('Add a schedule');
  await page.waitForSelector('dialog input');
  await page.type('dialog input', 'office');
  await inDialog('Add');
  await page.waitForSelector('.week');
  await type('Friday', '8:00-12:00, 22:00-02:00');
  await pick('Attendance kiosk', 'toggle');
  await look('rules');
  await press('Keep and put in force');
  await text('In force at once.');
  await go('#/explain/visitor-1');
  await page.waitForSelector('.verdict');
  await look('explain');
  say('rules kept and asked');
}

async function attended() {
  await go('#/attendance');
  for (let i = 0; i < 60 && !(await page.$('table')); i += 1) {
    await new Promise((r) => setTimeout(r, 1000));
    await go('#/people');
    await go('#/attendance');
  }
  await text('Visitor One');
  await look('attendance');
  const csv = await page.evaluate(async () => (await fetch(document.querySelector('[data-export="CSV"]').href)).text());
  if (!csv.startsWith('number,person,time') || !csv.includes('visitor-1')) fail(`the export holds no punch: ${csv}`);
  await press('Add a missing punch…');
  await page.waitForSelector('dialog');
  const type_in = (label, value) => page.waitForSelector(`::-p-xpath(//dialog//label[span[normalize-space()="${label}"]]//input)`).then((e) => e.evaluate((n, v) => { n.value = v; }, value));
  await type_in('Who (id)', 'visitor-1');
  await type_in('When', new Date(Date.now() - 3_600_000).toISOString().slice(0, 16));
  await type_in('Why', 'forgot');
  await inDialog('Add');
  await text('Added.');
  say('attendance exported and corrected');
}

async function read() {
  await go('#/events');
  await text('Let in');
  await press('Verify the journal');
  await text('The chain holds');
  await look('events');
  await pick('What', 'enroll_ok');
  await page.waitForFunction(() => [...document.querySelectorAll('tbody tr')].length === 2);
  await go('#/health');
  await text('Everything works.');
  await look('health');
  await go('#/settings');
  await text('marta');
  await press('Add an account…');
  await type('Name to sign in with', 'ben');
  await inDialog('Add');
  await text('A code for ben');
  await look('settings-code', { axeToo: true });
  await inDialog('Close');
  await look('settings');
  await go('#/tokens');
  await text('No keys');
  await look('tokens');
  await go('#/import');
  await look('import');
  say('read events, health, settings, keys, import');
}

async function erased() {
  await go('#/person/visitor-1');
  await press('Erase this person…');
  await inDialog('Erase');
  await text('Traces left');
  const left = await page.evaluate(() => [...document.querySelectorAll('dialog dt')].find((t) => t.textContent === 'Traces left').nextSibling.textContent);
  if (left !== '0') fail(`${left} traces left`);
  await look('erased', { axeToo: true });
  await inDialog('Close');
  await go('#/people');
  await page.waitForFunction(() => !document.body.innerText.includes('Visitor One'));
  say('erased');
}

/** Whoever was erased stands before the door still, and is enrolled there. */
async function enrolledAtTheDoor() {
  await go('#/person');
  await type('Name', 'Visitor Three');
  await type('On what ground is the face kept?', 'signed form 3');
  await type('Id', 'visitor-3');
  await press("The door's camera");
  await press('Begin at the door');
  await page.waitForFunction(() => document.querySelector('.camera img')?.naturalWidth > 0);
  await look('door-camera');
  await page.waitForFunction(() => document.body.innerText.includes('Export and erasure'), { timeout: 75_000 });
  await text('3: quality');
  say('enrolled at the door');
}

async function out(secret) {
  await press('Sign out');
  await text('authenticator app');
  const status = await page.evaluate(() => fetch('/v1/status').then((r) => r.status));
  if (status !== 401) fail(`signed out, and the door still answers ${status}`);
  await type('Name', 'marta');
  await type('Password', PASSWORD);
  await type('Code', '000000');
  await press('Sign in');
  await text('Name, password or code is wrong');
  await type('Password', PASSWORD);
  // The digits of now may have been used; those of the next half minute count already.
  await type('Code', totp(secret.key, 1));
  await press('Sign in');
  await page.waitForSelector('nav.nav');
  say('signed out and in again');
}

const secret = {};
try {
  await signedIn(secret);
  await enrolled();
  await watched();
  await ruled();
  await attended();
  await read();
  await erased();
  await enrolledAtTheDoor();
  await out(secret);
  if (complaints.length) fail(`the browser complains: ${complaints.join('\n')}`);
  say('all done');
} catch (error) {
  await page.screenshot({ path: join(SHOTS, 'failed.png') }).catch(() => {});
  console.log(String(error?.stack || error), await page.evaluate(() => document.body.innerText.slice(0, 1500)).catch(() => ''), complaints.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
