// One person: profile, looks, what is set for them alone, export and erasure. Without an id: somebody new.

import { get, may, post, put, del, save } from './api.js';
import { ask, busy, button, card, check, choice, empty, failed, field, fill, h, head, note, tag, tell, toast, when } from './ui.js';
import { address, mark } from './people.js';
import { atTheDoor, outcome, pictures, upload, webcam } from './looks.js';
import { STATUS } from './words.js';

const names = (text) => text.split(',').map((t) => t.trim()).filter(Boolean);
const dayStart = (day) => (day ? new Date(`${day}T00:00:00`).toISOString() : null);
const dayEnd = (day) => (day ? new Date(`${day}T23:59:59`).toISOString() : null);
const dayOf = (moment) => (moment ? new Date(moment).toLocaleDateString('sv') : '');

export async function show(box, { args, again }) {
  return args[0] ? known(box, args[0], again) : fresh(box);
}

/** Inputs of a profile; `read` gives what the door takes. */
function profile(person) {
  const input = (value, more = {}) => h('input', { value: value || '', ...more });
  const f = {
    name: input(person?.name, { required: true, maxlength: '128', autocomplete: 'off' }),
    groups: input(person?.groups.join(', '), { placeholder: 'staff, cleaners', autocomplete: 'off' }),
    from: input(dayOf(person?.valid_from), { type: 'date' }),
    until: input(dayOf(person?.valid_until), { type: 'date' }),
    notes: h('textarea', { maxlength: '512', value: person?.notes || '' }),
    status: choice([['active', 'Active'], ['inactive', 'Switched off']], person?.status === 'inactive' ? 'inactive' : 'active'),
  };
  const read = () => {
    const found = { name: f.name.value.trim(), groups: names(f.groups.value), notes: f.notes.value };
    if (f.from.value) found.valid_from = dayStart(f.from.value);
    if (f.until.value) found.valid_until = dayEnd(f.until.value);
    if (person && person.status !== 'pending') found.status = f.status.value;
    return found;
  };
  const fields = h('div', { class: 'fields' },
    field('Name', f.name, 'As the door greets them'),
    field('Groups', f.groups, 'From the rules, separated by commas'),
    field('Valid from', f.from), field('Valid until', f.until),
    person && person.status !== 'pending' && field('State', f.status),
    field('Notes', f.notes));
  return { fields, read };
}

/** Three ways to a look; the one in use ends when another is chosen. */
function ways(kinds) {
  const panel = h('div', { role: 'tabpanel' });
  let now = null;
  const tabs = kinds.map(([title, make], i) => h('button', {
    type: 'button', role: 'tab', 'aria-selected': String(i === 0),
    onclick: () => choose(i),
  }, title));
  const choose = (i) => {
    now?.end();
    tabs.forEach((tab, at) => tab.setAttribute('aria-selected', String(at === i)));
    now = kinds[i][1]();
    fill(panel, now.box);
  };
  choose(0);
  return { box: h('div', { class: 'stack' }, h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Where the picture comes from' }, tabs), panel), end: () => now?.end() };
}

function fresh(box) {
  const form = profile(null);
  const id = h('input', { maxlength: '64', pattern: '[A-Za-z0-9._@\\-]*', autocomplete: 'off', placeholder: 'made by the door' });
  const consent = h('input', { required: true, maxlength: '64', placeholder: 'signed form of 3 March', autocomplete: 'off' });
  const chosen = pictures();
  const result = h('div', {});
  const idNow = () => id.value.trim() || undefined;
  const wish = async () => {
    if (!whole.reportValidity()) throw new Error('Fill in the name and the consent first.');
    return { ...form.read(), consent: consent.value.trim(), ...(idNow() && { id: idNow() }) };
  };
  const ended = (enrolled) => { toast(`${form.read().name} is enrolled.`); location.hash = address(enrolled.person); };
  const way = ways([
    ['Pictures', () => upload(chosen.add)],
    ['This camera', () => webcam(chosen.add)],
    ['The door\'s camera', () => atTheDoor(wish, ended)],
  ]);
  const send = async (allow) => {
    const body = { profile: { ...form.read(), consent: consent.value.trim() }, images: await chosen.take(), allow_duplicate: allow };
    if (idNow()) body.id = idNow();
    try {
      const enrolled = await post('/v1/persons', body);
      if (enrolled.images.some((one) => one.template === null)) {
        await tell('Enrolled, but not with every picture', outcome(enrolled, chosen.chosen.map((c) => c.name)));
      }
      ended(enrolled);
    } catch (error) {
      const twin = error.code === 'duplicate' && error.person && error.person !== idNow();
      fill(result, note(error.message, 'bad'),
        twin && h('div', { class: 'row' }, h('a', { class: 'button', href: address(error.person) }, 'Show that person'),
          button('These are two people: enrol anyway', busy(() => send(true)))));
    }
  };
  const whole = h('form', { onsubmit: (event) => { event.preventDefault(); } },
    card('Who', form.fields, h('div', { class: 'fields' },
      field('On what ground is the face kept?', consent, 'Consent or contract; kept with the date and your name'),
      field('Id', id, 'Letters, digits and . _ @ -; leave it empty if you have none'))),
    card('Face', way.box, chosen.box), result,
    h('div', { class: 'row' }, h('button', {
      class: 'main big', onclick: (event) => { if (whole.reportValidity()) busy(() => send(false))(event); },
    }, 'Add this person'), h('a', { class: 'button', href: '#/people' }, 'Cancel')));
  fill(box, head('Add a person'), whole);
  return () => way.end();
}

async function known(box, id, again) {
  const path = `/v1/persons/${encodeURIComponent(id)}`;
  const person = await get(path);
  const access = await get(`/v1/access/persons/${encodeURIComponent(id)}`);
  const form = profile(person);
  const keep = h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      await put(path, { presence: 'known', profile: form.read() }).then(() => { toast('Saved.'); return again(); }).catch(failed);
    },
  }, form.fields, h('div', { class: 'row' }, h('button', { class: 'main' }, 'Save')));
  const looks = looksOf(person, path, again);
  fill(box,
    head(person.name, tag(...(STATUS[person.status] || [person.status])), h('a', { class: 'button', href: '#/people' }, 'All people')),
    h('p', { class: 'row soft' }, mark(person), h('span', { class: 'mono' }, person.id)),
    card('Profile', keep, h('dl', {},
      h('dt', {}, 'Consent'), h('dd', {}, person.consent?.replace(/\d{4}-\d\d-\d\dT[\d:]+Z/, (t) => when(t)) || note('None is written down.', 'warn')),
      h('dt', {}, 'Added'), h('dd', {}, when(person.create_date)), h('dt', {}, 'Changed'), h('dd', {}, when(person.modified_date)))),
    looks.box, alone(access, id, again), ending(person, path));
  return () => looks.end();
}

function looksOf(person, path, again) {
  const chosen = pictures();
  const result = h('div', {});
  const way = ways([
    ['Pictures', () => upload(chosen.add)],
    ['This camera', () => webcam(chosen.add)],
    ['The door\'s camera', () => atTheDoor(async () => ({ id: person.id, name: person.name }), () => { toast('Enrolled.'); again(); })],
  ]);
  const send = busy(async () => {
    if (!chosen.count()) throw new Error('Choose or take a picture first.');
    try {
      const enrolled = await put(path, { presence: 'known', images: await chosen.take() });
      await tell('What became of the pictures', outcome(enrolled, chosen.chosen.map((c) => c.name)));
      await again();
    } catch (error) { fill(result, note(error.message, 'bad')); }
  });
  const kept = person.images
    ? h('div', { class: 'thumbs' }, Array.from({ length: person.images }, (_, i) => h('figure', {}, h('img', { src: `${path}/image?n=${i}`, alt: `Kept picture ${i + 1} of ${person.name}` }))))
    : h('p', { class: 'soft' }, 'No picture is kept, only templates.');
  return {
    end: () => way.end(),
    box: card('Looks', person.templates ? kept : empty('No face yet', 'The door does not know this person until a look is added.'),
      person.needs_reenrolment && note('The door\'s models have changed and no face is kept of these looks: the door does not know this person until one is added.', 'bad'),
      person.looks.length > 0 && h('ul', { class: 'soft small' }, person.looks.map((look) => h('li', {}, look))),
      h('details', { open: person.templates ? null : true }, h('summary', {}, 'Add a look'), h('div', { class: 'stack' }, way.box, chosen.box, result,
        h('div', { class: 'row' }, button('Add these pictures', send, 'main'))))),
  };
}

/** What holds for this person alone. */
function alone(access, id, again) {
  const box = (key) => h('input', { type: 'checkbox', checked: access[key], name: key });
  const marks = [['blocked', 'Blocked: never let in'], ['any_time', 'At any time: no schedule is asked'], ['alone', 'Alone: needs no second person'],
    ['no_anti_passback', 'Anti-passback is not asked'], ['accessible', 'More time at the door']].map(([key, text]) => [key, box(key), text]);
  const pin = h('input', { inputmode: 'numeric', pattern: '[0-9]{4,16}', autocomplete: 'off', placeholder: access.pin ? 'unchanged' : 'none' });
  return card('For this person alone', h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const body = Object.fromEntries(marks.map(([key, input]) => [key, input.checked]));
      if (pin.value) body.pin = pin.value;
      await put(`/v1/access/persons/${encodeURIComponent(id)}`, body).then(() => { toast('Saved.'); return again(); }).catch(failed);
    },
  }, h('div', {}, marks.map(([, input, text]) => check(text, input))), h('div', { class: 'fields' }, field('New PIN', pin, '4 to 16 digits')),
  h('div', { class: 'row' }, h('button', {}, 'Save'), may('admin') && h('a', { class: 'button', href: `#/explain/${encodeURIComponent(id)}` }, 'May they pass now?'))));
}

function ending(person, path) {
  const erase = () => ask(`Erase ${person.name}?`, h('div', { class: 'stack' },
    h('p', {}, 'Profile, templates and pictures are erased from the disk for good, and the door searches its own file to prove it.'),
    h('p', { class: 'soft' }, 'The journal keeps the id, not the name.')), 'Erase', () => del(path), 'main bad').then(gone);
  const withdraw = () => ask(`${person.name} withdraws consent?`, h('div', { class: 'stack' },
    h('p', {}, 'Everything that is kept of this person is erased from the disk at once and for good, and the door searches its own file to prove it. The door does not know them any more.'),
    h('p', { class: 'soft' }, 'The journal keeps the id, and that consent was withdrawn.')), 'Withdraw and erase', () => post(`${path}/consent/withdraw`), 'main bad').then(gone);
  const gone = async (receipt) => {
    if (!receipt?.person) return;
    await tell('Erased', h('dl', {}, [['Templates', receipt.templates], ['Pictures', receipt.images], ['Crops', receipt.crops],
      ['Bytes searched', receipt.bytes_searched.toLocaleString()], ['Traces found before', receipt.found_before], ['Traces left', receipt.occurrences]]
      .map(([k, v]) => [h('dt', {}, k), h('dd', { class: 'num' }, String(v))])));
    location.hash = '#/people';
  };
  return card('Export and erasure', h('div', { class: 'row' },
    may('admin') && button('Export all that is held', busy(async () => save(`${person.id}.json`, JSON.stringify(await get(`${path}/export`), null, 2), 'application/json'))),
    may('audit') && h('a', { class: 'button', href: `#/audit?person=${encodeURIComponent(person.id)}` }, 'Who looked?'),
    button('Consent withdrawn…', withdraw, 'bad'), button('Erase this person…', erase, 'bad')));
}
