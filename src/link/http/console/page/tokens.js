// Keys with which programs use this door.

import { del, get, post } from './api.js';
import { ask, button, card, check, empty, field, fill, h, head, table, tag, tell, toast, when } from './ui.js';

const SCOPES = {
  search: 'compare and search faces', enroll: 'enrol faces', onetoN: 'the 1:N endpoints of the Face API', persons: 'read and change people',
  admin: 'configuration, rules, keys, accounts', door: 'move the door and see its camera', events: 'read events and attendance', scores: 'see scores', attendance: 'correct attendance', audit: 'see who looked at what',
};

export async function show(box, { again }) {
  const { tokens } = await get('/v1/tokens');
  fill(box, head('Keys for programs', h('a', { class: 'button', href: '#/settings' }, 'Settings'), button('Make a key…', () => make(again), 'main')),
    h('div', { class: 'card' }, tokens.length ? table('Keys', [
      ['Name', (t) => h('span', {}, h('strong', {}, t.name), h('br'), h('span', { class: 'soft small mono' }, t.id))],
      ['May', (t) => t.scopes.join(', ')],
      ['Until', (t) => (t.expired ? tag('expired', 'bad') : t.expires ? when(t.expires) : 'without end')],
      ['', (t) => button('Revoke', () => revoke(t, again), 'plain bad', { 'aria-label': `Revoke ${t.name}` }), 'act'],
    ], tokens) : empty('No keys', 'A program that uses this door needs a key: a payroll, a building system, a script.')));
}

async function make(again) {
  const name = h('input', { required: true, maxlength: '64', autocomplete: 'off', placeholder: 'payroll' });
  const until = h('input', { type: 'date' });
  const scopes = Object.entries(SCOPES).map(([scope, does]) => [scope, h('input', { type: 'checkbox' }), `${scope}: ${does}`]);
  const made = await ask('Make a key', h('div', { class: 'stack' }, field('What it is for', name), field('Good until', until, 'Without end, if empty'), h('fieldset', {}, h('legend', {}, 'It may'), scopes.map(([, input, text]) => check(text, input)))), 'Make', () => {
    const chosen = scopes.filter(([, input]) => input.checked).map(([scope]) => scope);
    if (!chosen.length) throw new Error('Choose at least one thing that it may do.');
    return post('/v1/tokens', { name: name.value.trim(), scopes: chosen, ...(until.value && { expires: new Date(`${until.value}T23:59:59`).toISOString() }) });
  });
  if (!made?.secret) return;
  await tell('The key', h('p', {}, 'Keep it now: it is not stored and cannot be shown again.'), h('p', { class: 'key mono' }, made.secret));
  await again();
}

async function revoke(token, again) {
  const done = await ask(`Revoke ${token.name}?`, h('p', {}, 'Programs that use this key are refused at once.'), 'Revoke', () => del(`/v1/tokens/${token.id}`), 'main bad');
  if (done) { toast('Revoked.'); await again(); }
}
