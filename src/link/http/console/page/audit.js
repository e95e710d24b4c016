// Who looked at what of the people kept here: newest first, by person and by caller.

import { get, names, query } from './api.js';
import { button, busy, count, empty, field, fill, h, head, note, settled, table, when } from './ui.js';

const WHAT = {
  profile: 'Profile', list: 'List of people', picture: 'Picture', export: 'All that is held', names: 'Names', camera: 'Camera',
  search: 'Search by face', access: 'What is set', attendance: 'Attendance', events: 'Events', audit: 'This log',
};
const PAGE = 50;

/** `account marta` is marta; the board's own command line has no name. */
function caller(who) {
  if (who === 'board') return 'At the board';
  if (who.startsWith('account ')) return who.slice(8);
  return who;
}

export async function show(box, { query: asked }) {
  const person = h('input', { value: asked.get('person') || '', placeholder: 'Id of a person', autocomplete: 'off' });
  const who = h('input', { value: asked.get('who') || '', placeholder: 'account marta', autocomplete: 'off' });
  const list = h('div', { class: 'card' });
  let shown = [];
  let before = null;
  let begun = 0;

  const draw = async () => {
    const name = await names(shown.flatMap((l) => (l.person && !l.until ? [l.person] : [])));
    const whom = (l) => {
      if (l.people === null) return 'Everybody';
      if (l.until) return `${count(l.people, 'person', 'people')}, ${l.person} to ${l.until}`;
      return l.person ? name(l.person) : '–';
    };
    if (!shown.length) {
      fill(list, empty('Nobody looked', person.value || who.value ? 'Nothing of this kind in the log so far searched.' : 'Nothing was shown to anybody yet.'),
        before && h('div', { class: 'row' }, button('Search further back', busy(older))));
      return;
    }
    fill(list, table('Looks, newest first', [
      ['When', (l) => h('span', { class: 'num' }, when(l.time))],
      ['Who', (l) => caller(l.who)],
      ['At what', (l) => WHAT[l.what] || l.what],
      ['Of whom', whom],
      ['Detail', (l) => l.detail || '–'],
      ['Number', (l) => h('span', { class: 'soft num' }, String(l.number))],
    ], shown),
    h('div', { class: 'pager' }, h('span', { class: 'soft small', role: 'status' }, `${count(shown.length, 'look', 'looks')} shown`),
      before && button('Older looks', busy(older))));
  };

  const older = async () => {
    const mine = begun;
    const page = await get(`/v1/audit${query({ before, limit: PAGE, person: person.value.trim(), who: who.value.trim() })}`);
    if (mine !== begun) return;
    shown.push(...page.looks);
    before = page.before;
    await draw();
  };

  const anew = async () => {
    begun += 1;
    shown = [];
    before = null;
    await older();
  };

  const go = () => anew().catch((error) => fill(list, note(error.message, 'bad')));
  for (const input of [person, who]) input.addEventListener('input', settled(400, go));
  fill(box, head('Who looked'),
    h('p', { class: 'soft' }, 'Each time somebody, or a program, was shown what is kept of people. The same look of the same caller is written once a quarter of an hour, an export every time; reading this log is a look, too.'),
    h('div', { class: 'toolbar' }, field('Of whom', person), field('Caller', who)), list);
  await anew();
  return () => { begun += 1; };
}
