// Why, and what if: every rule's verdict on one person at one time.

import { get, query } from './api.js';
import { card, field, fill, h, head, note, table, tag } from './ui.js';
import { REASONS, RULES } from './words.js';

const BRINGS = { pin: 'the PIN', id: 'the id', second_person: 'a second person' };

export async function show(box, { args }) {
  const person = h('input', { required: true, value: args[0] || '', autocomplete: 'off' });
  const at = h('input', { type: 'datetime-local' });
  const groups = h('input', { placeholder: 'their own', autocomplete: 'off' });
  const result = h('div', { class: 'stack' });
  const go = async () => {
    try {
      const found = await get(`/v1/access/explain${query({ person: person.value.trim(), at: at.value, groups: groups.value.replaceAll(' ', '') })}`);
      draw(result, found);
    } catch (error) { fill(result, note(error.message, 'bad')); }
  };
  fill(box, head('Who may pass', h('a', { class: 'button', href: '#/rules' }, 'Rules')),
    card('The question', h('form', { onsubmit: (event) => { event.preventDefault(); go(); } },
      h('div', { class: 'fields' }, field('Who (id)', person), field('When', at, 'Now, if empty'), field('If they were in these groups', groups, 'Separated by commas')),
      h('div', { class: 'row' }, h('button', { class: 'main' }, 'Ask the door')))), result);
  if (args[0]) await go();
}

function draw(result, found) {
  const brings = found.brings.map((b) => BRINGS[b] || b).join(' and ');
  fill(result, card(null,
    h('p', { class: 'verdict' }, found.admitted ? `May pass${brings ? `, bringing ${brings}` : ''}.` : `May not pass: ${REASONS[found.reason] || found.reason}.`),
    h('p', { class: 'soft' }, found.local ? `On the door's clock: ${found.local}.` : 'The door does not know the time.'),
    table('Every rule', [
      ['Rule', (r) => RULES[r.rule] || r.rule],
      ['Verdict', (r) => tag({ passes: 'Passes', denies: 'Denies', asks: 'Asks' }[r.verdict], { passes: 'good', denies: 'bad', asks: 'warn' }[r.verdict])],
      ['Why', (r) => r.because],
    ], found.rules)));
}
