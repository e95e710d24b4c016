// What an office manager does on a first day, in headless Chromium; every page is photographed and looked through by axe.
// Started by main.rs; ends with "all done", or with what was not as it should be.

import { join } from 'node:path';

import { BASE, CODE, LOOK, PASSWORD, SHOTS, browser, complaints, fail, go, inDialog, look, named, page, pick, press, say, text, totp, type } from './browser.mjs';
import { imported } from './imports.mjs';
import { roles } from './roles.mjs';

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
  await page.waitForSelector('nav.nav a', { visible: true });
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

/** Settings are changed while the door runs, and what needs a restart says so. */
async function settled() {
  await go('#/settings');
  await type('Strike released', '99');
  await named('Change door…').click();
  await inDialog('Change');
  await text('strike');
  await page.waitForFunction(() => document.querySelector('dialog .note.bad'));
  await look('settings-refused');
  await inDialog('Cancel');
  await type('Strike released', '7');
  await named('Change door…').click();
  await text('Strike released: 5 → 7');
  await text('This holds from the next start of the door on.');
  await look('settings-change');
  await inDialog('Change');
  await text('1 setting waits for a restart of the door: strike released');
  await type('Who looked', '400');
  await named('Change how long it is kept…').click();
  await text('This holds at once.');
  await inDialog('Change');
  await text('Changed, and in force.');
  await press('Remove now what is due…');
  await inDialog('Remove');
  await text('Nothing was due');
  await inDialog('Close');
  await look('settings-changed');
  const stray = await page.evaluate(async () => {
    const { csrf } = await (await fetch('/console/session')).json();
    const put = (body) => fetch('/v1/config', { method: 'PUT', headers: { 'x-csrf-token': csrf, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    const refused = await put({ http: { clear: true } });
    return [refused.status, (await refused.json()).message];
  });
  if (stray[0] !== 400 || !stray[1].includes('at the board')) fail(`settings took more than they may: ${stray}`);
  say('settings changed, refused and explained');
}

async function erased() {
  await go('#/person/visitor-1');
  await press('Consent withdrawn…');
  await text('withdraws consent?');
  await inDialog('Withdraw and erase');
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
  await page.waitForSelector('nav.nav a', { visible: true });
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
  await settled();
  await imported();
  await erased();
  await enrolledAtTheDoor();
  await out(secret);
  await roles();
  if (complaints.length) fail(`the browser complains: ${complaints.join('\n')}`);
  say('all done');
} catch (error) {
  await page.screenshot({ path: join(SHOTS, 'failed.png') }).catch(() => {});
  console.log(String(error?.stack || error), await page.evaluate(() => document.body.innerText.slice(0, 1500)).catch(() => ''), complaints.join('\n'));
  process.exitCode = 1;
} finally {
  await browser.close();
}
