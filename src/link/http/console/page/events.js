// The journal: newest first, filtered by the door, live, kept as a file, proved whole.

import { get, names, query } from './api.js';
import { button, busy, card, check, choice, count, empty, field, fill, h, head, note, settled, table, tag, when } from './ui.js';
import { ALARMS, EVENTS, REASONS } from './words.js';

const PAGE = 50;
/** Pages that the door searches through for one press of the button: 20,000 events each. */
const STEPS = 10;

export async function show(box, { query: asked }) {
  const kind = choice([['', 'Everything'], ...Object.entries(EVENTS)], asked.get('type') || '');
  const person = h('input', { value: asked.get('person') || '', placeholder: 'Id of a person', autocomplete: 'off' });
  const live = h('input', { type: 'checkbox', checked: true });
  const list = h('div', { class: 'card' });
  const proof = h('div', {});
  let shown = [];
  let oldest = 0;
  let stream = null;
  let begun = 0;

  const filter = () => ({ type: kind.value, person: person.value.trim() });
  const wanted = (e) => (!kind.value || e.type === kind.value) && (!person.value.trim() || e.person === person.value.trim());

  const draw = async () => {
    const name = await names(shown.map((e) => e.person));
    if (!shown.length) {
      fill(list, empty('No events', kind.value || person.value ? 'Nothing of this kind in the journal so far searched.' : 'Nothing has happened yet.'),
        oldest > 1 && h('div', { class: 'row' }, button('Search further back', busy(older))));
      return;
    }
    fill(list, table('Events, newest first', [
      ['When', (e) => h('span', { class: 'num' }, when(e.time))],
      ['What', (e) => h('span', {}, EVENTS[e.type] || e.type, ALARMS.includes(e.type) && [' ', tag('!', 'bad')])],
      ['Who', (e) => (e.person ? h('span', {}, name(e.person)) : '–')],
      ['Why', (e) => (e.reason ? REASONS[e.reason] || e.reason : e.detail || (e.cause ? e.cause.replaceAll('_', ' ') : '–'))],
      ['Number', (e) => h('span', { class: 'soft num' }, String(e.seq))],
    ], shown),
    h('div', { class: 'pager' }, h('span', { class: 'soft small', role: 'status' }, `${count(shown.length, 'event', 'events')} shown`),
      oldest > 1 && button('Older events', busy(older))));
  };

  /** Goes back until a page is full or the journal begins. */
  const older = async () => {
    const wanted = shown.length + PAGE;
    for (let step = 0; step < STEPS && oldest > 1 && shown.length < wanted; step += 1) {
      const page = await get(`/v1/events${query({ before: oldest, limit: wanted - shown.length, ...filter() })}`);
      shown.push(...page.events);
      oldest = page.next;
    }
    await draw();
  };

  const anew = async () => {
    const mine = ++begun;
    stream?.close();
    stream = null;
    const { newest } = await get('/v1/events?limit=1');
    if (mine !== begun) return;
    shown = [];
    oldest = newest + 1;
    await older();
    if (!live.checked || mine !== begun) return;
    stream = new EventSource(`/v1/events/stream?from=${newest + 1}`);
    stream.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (!wanted(event) || shown.some((e) => e.seq === event.seq)) return;
      shown.unshift(event);
      draw();
    };
  };

  const files = h('span', { class: 'row' });
  const offer = () => fill(files, [['Export CSV', 'csv'], ['Export log', 'ndjson']].map(([text, form]) =>
    h('a', { class: 'button', href: `/v1/events.${form}${query(filter())}`, download: `events.${form}`, data: { export: form } }, text)));

  const verify = busy(async () => {
    fill(proof, note('Checking every event of the journal.'));
    try {
      const { events, key } = await get('/v1/events/verify');
      fill(proof, note(`The chain holds over ${count(events, 'event', 'events')}, and every signature is by this door's key.`, 'good'), h('p', { class: 'small soft mono' }, key));
    } catch (error) { fill(proof, note(`The journal is not whole: ${error.message}`, 'bad')); }
  });

  const go = () => (offer(), anew()).catch((error) => fill(list, note(error.message, 'bad')));
  kind.addEventListener('change', go);
  live.addEventListener('change', go);
  person.addEventListener('input', settled(400, go));
  fill(box, head('Events', button('Verify the journal', verify), files),
    h('div', { class: 'toolbar' }, field('What', kind), field('Who', person), check('Live', live)), proof, list);
  offer();
  await anew();
  return () => { begun += 1; stream?.close(); };
}
