// Who signs in here, the way to the keys, and what the configuration says.

import { del, get, post, session } from './api.js';
import { ask, busy, button, card, choice, field, fill, h, head, table, tag, tell, toast, when } from './ui.js';
import { ROLES } from './words.js';

export async function show(box, { again }) {
  const [{ accounts }, config] = await Promise.all([get('/v1/accounts'), get('/v1/config')]);
  fill(box, head('Settings', h('a', { class: 'button', href: '#/tokens' }, 'Keys for programs')),
    card('Accounts', table('Accounts', [
      ['Name', (a) => h('strong', {}, a.name)],
      ['Role', (a) => (ROLES[a.role] || [a.role])[0]],
      ['Signed in last', (a) => (a.invited ? tag('invited', 'warn') : when(a.last_login))],
      ['', (a) => h('span', { class: 'row end' }, button('Reset', busy(() => reset(a, again)), 'plain', { 'aria-label': `Reset ${a.name}` }),
        a.name !== session.name && button('Remove', () => remove(a, again), 'plain bad', { 'aria-label': `Remove ${a.name}` })), 'act'],
    ], accounts), h('div', { class: 'row' }, button('Add an account…', () => add(again), 'main'))),
    card('Configuration in force', h('p', { class: 'soft' }, 'Read from the configuration file when the door started; it is changed on the board.'), h('pre', { tabindex: '0', 'aria-label': 'Configuration' }, JSON.stringify(config, null, 2))));
}

async function add(again) {
  const name = h('input', { required: true, maxlength: '32', pattern: '[A-Za-z0-9._@\\-]+', autocomplete: 'off', autocapitalize: 'none' });
  const role = choice(Object.entries(ROLES).map(([key, [title, does]]) => [key, `${title}: ${does}`]), 'operator');
  const invited = await ask('Add an account', h('div', { class: 'stack' }, field('Name to sign in with', name), field('Role', role)), 'Add', () => post('/v1/accounts', { name: name.value.trim(), role: role.value }));
  if (!invited?.code) return;
  await hand(invited);
  await again();
}

const hand = (invited) => tell(`A code for ${invited.account.name}`,
  h('p', {}, 'Hand this code over. With it the person chooses a password and sets up an authenticator. It is shown this once.'),
  h('p', { class: 'key mono' }, `${invited.code.slice(0, 8)} ${invited.code.slice(8)}`),
  h('p', { class: 'soft' }, `Good until ${when(invited.until)}.`));

async function reset(account, again) {
  const done = await ask(`Reset ${account.name}?`, h('p', {}, 'Password and authenticator are forgotten, sessions end, and a new code is shown.'), 'Reset', () => post(`/v1/accounts/${encodeURIComponent(account.name)}/reset`));
  if (done?.code) { await hand(done); await again(); }
}

async function remove(account, again) {
  const done = await ask(`Remove ${account.name}?`, h('p', {}, 'They are signed out at once and cannot sign in again.'), 'Remove', () => del(`/v1/accounts/${encodeURIComponent(account.name)}`), 'main bad');
  if (done) { toast('Removed.'); await again(); }
}
