// Each role in the browser: which pages it is shown, that each of them works, and that the door refuses the rest.

import { BASE, PASSWORD, fail, go, inDialog, look, page, pick, press, say, text, totp, type } from './browser.mjs';

/** Role: pages of the menu, orders that it may give, something that it really does. */
const ROLES = {
  operator: [['Live', 'Events', 'Health'], ['open'], opens],
  enroller: [['People', 'Health'], ['people'], adds],
  attendance_clerk: [['Events', 'Attendance', 'Health'], ['correct'], corrects],
  auditor: [['Events', 'Who looked', 'Health'], ['audit'], audits],
  admin: [['Live', 'People', 'Events', 'Attendance', 'Who looked', 'Rules', 'Health', 'Settings'], ['open', 'people', 'correct', 'audit', 'config', 'rules'], null],
};

/** Orders by name: method, address, body. What is wrong in a body is found after who asks. */
const ORDERS = {
  open: ['POST', '/v1/door/open'], people: ['GET', '/v1/persons'], correct: ['POST', '/v1/attendance/corrections', {}],
  audit: ['GET', '/v1/audit'], config: ['PUT', '/v1/config', {}], rules: ['PUT', '/v1/access/rules', { nonsense: 1 }],
};

const ask = (method, path, body) => page.evaluate(async ([m, p, b]) => {
  const { csrf } = await (await fetch('/console/session')).json();
  const response = await fetch(p, { method: m, headers: { 'x-csrf-token': csrf || '', 'content-type': 'application/json' }, body: m === 'GET' ? undefined : JSON.stringify(b || {}) });
  const told = await response.text();
  return { status: response.status, body: told.startsWith('{') ? JSON.parse(told) : told };
}, [method, path, body]);

async function opens() {
  await go('#/live');
  await press('Open door');
  await inDialog('Open now');
  await text('Done.');
}

async function adds() {
  await go('#/person');
  await type('Name', 'Visitor Nine');
  await type('On what ground is the face kept?', 'signed form 9');
  await type('Id', 'visitor-9');
  await press('Add this person');
  await text('Export and erasure');
  await look('role-enroller');
}

async function corrects() {
  await go('#/attendance');
  await press('Add a missing punch…');
  await page.waitForSelector('dialog');
  const write = (label, value) => page.waitForSelector(`::-p-xpath(//dialog//label[span[normalize-space()="${label}"]]//input)`).then((e) => e.evaluate((n, v) => { n.value = v; }, value));
  await write('Who (id)', 'visitor-2');
  await write('When', new Date(Date.now() - 7_200_000).toISOString().slice(0, 16));
  await write('Why', 'was at the dentist');
  await inDialog('Add');
  await text('Added.');
  await look('role-clerk');
}

async function audits() {
  await go('#/audit');
  await text('marta');
  await text('Visitor Two');
  await look('audit');
  await type('Caller', 'account marta');
  await page.waitForFunction(() => [...document.querySelectorAll('tbody tr')].every((r) => r.cells[1].innerText === 'marta'));
  await type('Of whom', 'visitor-2');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length > 1);
  await go('#/events');
  await press('Verify the journal');
  await text('The chain holds');
  await pick('What', 'person_deleted');
  await text('consent withdrawn, by account marta');
}

export async function roles() {
  const invited = {};
  for (const role of Object.keys(ROLES)) {
    const { status, body } = await ask('POST', '/v1/accounts', { name: `the-${role}`.replace('attendance_', ''), role });
    if (!body.code || !body.account) fail(`no invitation for ${role}: ${status} ${JSON.stringify(body)}`);
    invited[role] = body;
  }
  for (const [role, [pages, orders, work]] of Object.entries(ROLES)) {
    const { account, code } = invited[role];
    await ask('POST', '/console/logout');
    const begun = await ask('POST', '/console/begin', { name: account.name, code });
    const done = await ask('POST', '/console/finish', { name: account.name, code, password: PASSWORD, totp: totp(begun.body.key) });
    if (done.status !== 200 || done.body.role !== role) fail(`${role} cannot sign in: ${JSON.stringify(done)}`);
    await page.goto(BASE);
    await page.waitForSelector('nav.nav a');
    const menu = await page.$$eval('nav.nav a', (all) => all.map((a) => a.textContent));
    if (menu.join() !== pages.join()) fail(`${role} is shown ${menu.join(', ')}`);
    for (const hash of await page.$$eval('nav.nav a', (all) => all.map((a) => a.getAttribute('href')))) {
      await go(hash);
      const alarm = await page.evaluate(() => [...document.querySelectorAll('[role=alert]')].map((n) => n.innerText).join());
      if (alarm) fail(`${role} at ${hash}: ${alarm}`);
    }
    // An address that is typed leads to a page of one's own.
    for (const hash of ['#/live', '#/people', '#/person/visitor-2', '#/import', '#/events', '#/attendance', '#/audit', '#/rules', '#/explain', '#/settings', '#/tokens']) {
      await go(hash);
      const shown = await page.$eval('nav.nav', (n) => n.querySelector('[aria-current]')?.textContent || '');
      if (shown && !pages.includes(shown)) fail(`${role} got to ${hash}`);
    }
    for (const [name, order] of Object.entries(ORDERS)) {
      const { status } = await ask(...order);
      if ((status === 403) === orders.includes(name)) fail(`${role}: ${name} was answered ${status}`);
    }
    await work?.();
    say(`${role} does its own, and nothing else`);
  }
}
