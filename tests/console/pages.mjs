// How long each page takes until its data is on the screen, at a door of any size. Started by tests/scale.rs.

import { BASE, CODE, PASSWORD, browser, page, say, totp } from './browser.mjs';

const { NAME } = process.env;
const LIMIT_MS = 1000;

/** Address, and what must be on the screen. */
const PAGES = [
  ['#/people', 'tbody tr'], ['#/people?page=2000', 'tbody tr'], ['#/people?q=castillo', 'tbody tr'], ['#/people?q=employee-04999', 'tbody tr'],
  ['#/person/employee-00042', 'fieldset, form'], ['#/live', '.state'], ['#/events', 'tbody tr'], ['#/attendance', 'tbody tr'], ['#/audit', 'tbody tr'],
  ['#/rules', 'form, button.main'], ['#/health', '.figure'], ['#/settings', 'pre'], ['#/tokens', 'tbody tr'], ['#/import', '#csv'],
];

const post = (path, body) => page.evaluate((p, b) => fetch(p, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(b) }).then((r) => r.json()), path, body);

let slow = 0;
try {
  await page.goto(BASE);
  const begun = await post('/console/begin', { name: NAME, code: CODE });
  await post('/console/finish', { name: NAME, code: CODE, password: PASSWORD, totp: totp(begun.key) });
  for (const [hash, wanted] of PAGES) {
    // From nothing: the program's files, the session, the page, its data.
    await page.goto('about:blank');
    const from = performance.now();
    await page.goto(`${BASE}/${hash}`, { waitUntil: 'commit' }).catch(() => page.goto(`${BASE}/${hash}`));
    await page.waitForSelector(wanted, { timeout: 60_000 });
    const took = Math.round(performance.now() - from);
    if (took > LIMIT_MS) slow += 1;
    say(`${hash.padEnd(34)} ${String(took).padStart(6)} ms${took > LIMIT_MS ? '  slow' : ''}`);
  }
} finally {
  await browser.close();
}
process.exitCode = slow ? 1 : 0;
