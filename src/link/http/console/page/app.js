// The frame: who is signed in, which page is shown, the way between pages.

import { load, may, post, session } from './api.js';
import { add, button, failed, fill, h, note } from './ui.js';
import { ROLES } from './words.js';
import * as attendance from './attendance.js';
import * as audit from './audit.js';
import * as events from './events.js';
import * as explain from './explain.js';
import * as health from './health.js';
import * as importing from './import.js';
import * as live from './live.js';
import * as people from './people.js';
import * as person from './person.js';
import * as rules from './rules.js';
import * as settings from './settings.js';
import * as signIn from './sign_in.js';
import * as tokens from './tokens.js';

/** Address, title, page, who may, whether it is in the menu. */
const PAGES = [
  ['live', 'Live', live, () => may('door'), true],
  ['people', 'People', people, () => may('persons'), true],
  ['person', 'Person', person, () => may('persons'), false],
  ['import', 'Import people', importing, () => may('persons'), false],
  ['events', 'Events', events, () => may('events'), true],
  ['attendance', 'Attendance', attendance, () => may('attendance'), true],
  ['audit', 'Who looked', audit, () => may('audit'), true],
  ['rules', 'Rules', rules, () => may('admin'), true],
  ['explain', 'Who may pass', explain, () => may('admin'), false],
  ['health', 'Health', health, () => true, true],
  ['settings', 'Settings', settings, () => may('admin'), true],
  ['tokens', 'Keys for programs', tokens, () => may('admin'), false],
];

const main = document.getElementById('main');
const top = document.getElementById('top');
let leave = null;
let turn = 0;

function frame(current) {
  const nav = h('nav', { class: 'nav', id: 'nav', 'aria-label': 'Pages' },
    PAGES.filter(([, , , allowed, listed]) => listed && allowed()).map(([key, title]) =>
      h('a', { href: `#/${key}`, 'aria-current': key === current ? 'page' : null }, title)));
  const menu = button('Menu', () => {
    const open = nav.classList.toggle('open');
    menu.setAttribute('aria-expanded', String(open));
  }, 'menu', { 'aria-expanded': 'false', 'aria-controls': 'nav' });
  top.hidden = false;
  fill(top, h('div', { class: 'bar' },
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/console/icon.svg', alt: '' }), 'Ostiary'),
    menu, nav,
    h('div', { class: 'row who-am-i' },
      h('span', { class: 'soft small' }, `${session.name}, ${(ROLES[session.role] || [session.role])[0]}`),
      button('Sign out', signOut, 'plain'))));
}

async function signOut() {
  try { await post('/console/logout'); } catch (error) { failed(error); }
  session.signed_in = false;
  history.replaceState(null, '', location.pathname);
  await start();
}

/** The page of the address, with what stands behind it: #/person/anna?x=1 */
async function route() {
  const mine = ++turn;
  leave?.();
  leave = null;
  if (!session.signed_in) {
    top.hidden = true;
    document.title = 'Sign in – Ostiary';
    return signIn.show(main, start);
  }
  const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
  const [key, ...rest] = path.split('/').map(decodeURIComponent);
  const page = PAGES.find(([name, , , allowed]) => name === key && allowed()) || PAGES.find(([, , , allowed, listed]) => listed && allowed());
  frame(page[0]);
  document.title = `${page[1]} – Ostiary`;
  const box = h('div', { class: 'stack' });
  fill(main, box);
  try {
    const ended = await page[2].show(box, { args: rest, query: new URLSearchParams(search || ''), again: route });
    if (mine === turn) leave = ended || null;
    else ended?.();
  } catch (error) {
    if (session.signed_in) fill(box, h('h1', {}, page[1]), note(error.message, 'bad'), h('div', {}, button('Try again', route)));
  }
  if (mine === turn) main.focus({ preventScroll: true });
  return undefined;
}

async function start() {
  try {
    await load();
    await route();
  } catch (error) {
    fill(main, note(error.message, 'bad'), h('div', {}, button('Try again', start)));
  }
}

window.addEventListener('hashchange', route);
window.addEventListener('signed-out', () => {
  add(document.getElementById('toasts'), h('div', { class: 'toast' }, 'You were signed out. Sign in again to go on.'));
  start();
});
start();
