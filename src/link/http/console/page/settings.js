// Who signs in here, the settings that may be changed while the door runs, the way to the keys.

import { del, get, post, put, session } from './api.js';
import { add as append, ask, busy, button, card, check, choice, count, failed, field, fill, h, head, note, table, tag, tell, toast, when } from './ui.js';
import { ROLES, SETTINGS } from './words.js';

export async function show(box, { again }) {
  const [{ accounts }, config, editable] = await Promise.all([get('/v1/accounts'), get('/v1/config'), get('/v1/config/editable')]);
  const pending = editable.filter((s) => s.value !== s.in_force);
  fill(box, head('Settings', h('a', { class: 'button', href: '#/tokens' }, 'Keys for programs')),
    pending.length > 0 && note(`${count(pending.length, 'setting waits', 'settings wait')} for a restart of the door: ${pending.map((s) => word(s)[0].toLowerCase()).join(', ')}. At the board: systemctl restart ostiary.`, 'warn'),
    card('Accounts', table('Accounts', [
      ['Name', (a) => h('strong', {}, a.name)],
      ['Role', (a) => (ROLES[a.role] || [a.role])[0]],
      ['Signed in last', (a) => (a.invited ? tag('invited', 'warn') : when(a.last_login))],
      ['', (a) => h('span', { class: 'row end' }, button('Reset', busy(() => reset(a, again)), 'plain', { 'aria-label': `Reset ${a.name}` }),
        a.name !== session.name && button('Remove', () => remove(a, again), 'plain bad', { 'aria-label': `Remove ${a.name}` })), 'act'],
    ], accounts), h('div', { class: 'row' }, button('Add an account…', () => add(again), 'main'))),
    Object.entries(SETTINGS).map(([section, { title, hint, keys }]) =>
      part(section, title, hint, editable.filter((s) => s.section === section && keys[s.key]), again)),
    card('Configuration in force', h('p', { class: 'soft' }, 'As the door works now. What is not above stands in the configuration file and is changed at the board.'),
      h('pre', { tabindex: '0', 'aria-label': 'Configuration' }, JSON.stringify(config, null, 2))));
}

const word = (s) => SETTINGS[s.section]?.keys[s.key] || [s.key, ''];

/** One section of settings as a form. */
function part(section, title, hint, settings, again) {
  const inputs = settings.map((s) => {
    const input = typeof s.own === 'boolean'
      ? h('input', { type: 'checkbox', checked: s.value })
      : h('input', { type: 'number', step: Number.isInteger(s.own) && !['fpir_target', 'margin'].includes(s.key) ? '1' : 'any', required: true, value: String(Number(s.value.toPrecision(6))) });
    return { s, input, read: () => (typeof s.own === 'boolean' ? input.checked : Number(input.value)), was: typeof s.own === 'boolean' ? s.value : Number(s.value.toPrecision(6)) };
  });
  const of = ({ s, input }) => {
    const [label, unit] = word(s);
    const own = s.changed && s.value !== s.own ? `the file says ${typeof s.own === 'boolean' ? (s.own ? 'yes' : 'no') : Number(s.own.toPrecision(6))}` : '';
    const more = [unit, own, s.value !== s.in_force && 'waits for a restart'].filter(Boolean).join('; ');
    return typeof s.own === 'boolean' ? h('div', {}, check(label, input), more && h('small', { class: 'soft' }, more)) : field(label, input, more);
  };
  const problem = h('div', {});
  const form = h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      fill(problem);
      const changed = inputs.filter((i) => i.read() !== i.was);
      if (!changed.length) { toast('Nothing was changed.'); return; }
      await keep(section, title, changed, again).catch((error) => fill(problem, note(error.message, 'bad')));
    },
  }, h('div', { class: 'fields' }, inputs.filter(({ s }) => typeof s.own !== 'boolean').map(of)),
  h('div', {}, inputs.filter(({ s }) => typeof s.own === 'boolean').map(of)), problem,
  h('div', { class: 'row' }, h('button', { class: 'main', 'aria-label': `Change ${title.toLowerCase()}…` }, 'Change…'),
    settings.some((s) => s.changed) && button('Back to the file\'s own…', () => back(section, title, settings, again).catch(failed), '', { 'aria-label': `${title}: back to the file's own` }),
    section === 'retention' && button('Remove now what is due…', () => expire(again))));
  return card(title, h('p', { class: 'soft' }, hint), form);
}

const shown = (value) => (value === true ? 'yes' : value === false ? 'no' : String(value));

async function keep(section, title, changed, again) {
  const later = changed.some(({ s }) => !s.at_once);
  const done = await ask(`Change ${title.toLowerCase()}?`, h('div', { class: 'stack' },
    h('ul', {}, changed.map((i) => h('li', {}, `${word(i.s)[0]}: ${shown(i.was)} → ${shown(i.read())}`))),
    section === 'storage' && changed.some((i) => i.read() === false) && note('What is not kept any more is erased from the disk by the next daily removal, for everybody.', 'warn'),
    note(later ? 'This holds from the next start of the door on.' : 'This holds at once.', later ? 'warn' : '')), 'Change', () =>
    put('/v1/config', { [section]: Object.fromEntries(changed.map((i) => [i.s.key, i.read()])) }));
  if (!done) return;
  toast(done.at_start.length ? 'Kept. It holds from the next start on.' : 'Changed, and in force.');
  await again();
}

async function back(section, title, settings, again) {
  const changed = settings.filter((s) => s.changed);
  const done = await ask(`${title}: back to the file's own?`, h('ul', {}, changed.map((s) => h('li', {}, `${word(s)[0]}: ${shown(s.value)} → ${shown(s.own)}`))), 'Go back', () =>
    put('/v1/config', { [section]: Object.fromEntries(changed.map((s) => [s.key, null])) }));
  if (done) { toast('Done.'); await again(); }
}

async function expire(again) {
  const done = await ask('Remove now what is due?', h('p', {}, 'What is older than the times above is erased from the disk for good, and the door searches its own file to prove it.'), 'Remove', () => post('/v1/retention'), 'main bad');
  if (!done) return;
  const gone = [['Events', done.events], ['Punches', done.punches], ['Looks', done.looks], ['People', done.people], ['Pictures', done.pictures], ['Faces', done.crops]].filter(([, n]) => n);
  const list = h('dl', {});
  append(list, [...gone, ['Bytes searched', done.bytes_searched], ['Traces found before', done.found_before], ['Traces left', done.occurrences]]
    .map(([k, v]) => [h('dt', {}, k), h('dd', { class: 'num' }, Number(v).toLocaleString())]));
  await tell(gone.length ? 'Removed' : 'Nothing was due', gone.length ? list : h('p', {}, 'Nothing is older than it may be.'));
  await again();
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
