// The attendance book: a day or a month, what is wrong in it, corrections, exports.

import { get, may, names, post, query } from './api.js';
import { ask, button, card, choice, count, empty, field, fill, h, head, hours, long, tag, toast, today } from './ui.js';
import { PUNCH } from './words.js';

const FLAWS = { no_way_in: 'no way in', no_way_out: 'no way out yet', clock: 'clock was not set' };
const clockOf = (text) => (text ? text.slice(11, 16) : '–');

export async function show(box) {
  const span = choice([['day', 'Day'], ['month', 'Month']], 'day');
  const day = h('input', { type: 'date', value: today() });
  const month = h('input', { type: 'month', value: today().slice(0, 7) });
  const person = h('input', { placeholder: 'Everybody', autocomplete: 'off' });
  const when = h('div', { class: 'field' });
  const body = h('div', { class: 'stack' });
  const exports = h('div', { class: 'row' });

  const range = () => (span.value === 'day' ? day.value : month.value) || today();
  const draw = async () => {
    fill(when, field(span.value === 'day' ? 'Date' : 'Month', span.value === 'day' ? day : month));
    const which = { from: range(), person: person.value.trim() };
    fill(exports, [['CSV', `/v1/attendance.csv${query(which)}`, `attendance-${range()}.csv`],
      ['JSON', `/v1/attendance${query({ ...which, form: 'json' })}`, `attendance-${range()}.json`],
      ['ERPNext', `/v1/attendance${query({ ...which, form: 'erpnext' })}`, `erpnext-${range()}.json`]]
      .map(([text, href, name]) => h('a', { class: 'button', href, download: name, data: { export: text } }, text)));
    const sheet = await get(`/v1/attendance${query(which)}`);
    const lines = await get(`/v1/attendance${query({ ...which, form: 'json' })}`);
    const name = await names([...sheet.days, ...lines].slice(0, 5000).map((l) => l.person));
    if (!sheet.days.length && !lines.length) {
      fill(body, h('div', { class: 'card' }, empty('Nobody has punched', `There is nothing in the book for ${range()}. Punches come from the door when its rules switch the kiosk on.`)));
      return;
    }
    fill(body,
      span.value === 'month' && card('Totals', long('Totals of the month', [
        ['Who', (t) => name(t.person)], ['Days', (t) => String(t.days)], ['Worked', (t) => hours(t.worked_s)], ['Breaks', (t) => hours(t.break_s)],
        ['Overtime', (t) => hours(t.overtime_s)], ['To look at', (t) => (t.flaws ? tag(String(t.flaws), 'warn') : '–')],
      ], sheet.totals)),
      card('Days', long('Days', [
        ['Who', (d) => name(d.person)], ['Day', (d) => d.date], ['First in', (d) => h('span', { class: 'num' }, clockOf(d.first_in))],
        ['Last out', (d) => h('span', { class: 'num' }, clockOf(d.last_out))], ['Worked', (d) => hours(d.worked_s)], ['Breaks', (d) => hours(d.break_s)],
        ['To look at', (d) => d.shifts.filter((s) => s.flaw).map((s) => tag(FLAWS[s.flaw] || s.flaw, 'warn'))],
      ], sheet.days), h('p', { class: 'soft small' }, `Times of ${sheet.time_zone}.`)),
      card('Book', long('Lines of the book', [
        ['When', (l) => h('span', { class: 'num' }, l.local_time.slice(0, 16).replace('T', ' '))], ['Who', (l) => name(l.person)],
        ['What', (l) => [PUNCH[l.kind] || l.kind || 'taken back', l.job ? ` (job ${l.job})` : '']],
        ['How', (l) => [l.source === 'manual' ? tag('manual', 'warn') : tag('door'), l.taken_back && tag('taken back', 'bad'), l.why && h('span', { class: 'soft small' }, ` ${l.why}`)]],
        ['', (l) => may('attendance') && !l.taken_back && l.kind && button('Take back…', () => back(l, name, again), 'plain'), 'act'],
      ], lines), h('p', { class: 'soft small' }, `${count(lines.length, 'line', 'lines')}. Nothing is ever edited: a correction is a line of its own.`)));
  };
  const again = () => draw().catch((error) => fill(body, h('p', { role: 'alert' }, error.message)));
  [span, day, month, person].forEach((input) => input.addEventListener('change', again));
  fill(box, head('Attendance', may('attendance') && button('Add a missing punch…', () => missing(person.value, again), 'main')),
    h('div', { class: 'toolbar' }, field('Show', span), when, field('Who (id)', person), h('div', { class: 'field' }, h('span', {}, 'Export'), exports)), body);
  await draw();
}

function missing(id, again) {
  const who = h('input', { required: true, value: id, autocomplete: 'off' });
  const at = h('input', { type: 'datetime-local', required: true });
  const kind = choice(Object.entries(PUNCH), 'check_in');
  const why = h('input', { required: true, maxlength: '256', placeholder: 'forgot to punch' });
  ask('Add a missing punch', h('div', { class: 'stack' }, field('Who (id)', who), field('When', at, 'By the door\'s local time'), field('What', kind), field('Why', why)), 'Add', () =>
    post('/v1/attendance/corrections', { person: who.value.trim(), at: at.value, kind: kind.value, why: why.value })).then((done) => done && (toast('Added.'), again()));
}

function back(line, name, again) {
  const why = h('input', { required: true, maxlength: '256' });
  ask('Take this punch back?', h('div', { class: 'stack' }, h('p', {}, `${name(line.person)}, ${line.local_time.slice(0, 16).replace('T', ' ')}, ${PUNCH[line.kind]}. The line stays in the book, marked as taken back.`), field('Why', why)), 'Take back', () =>
    post('/v1/attendance/corrections', { person: line.person, takes_back: line.number, why: why.value })).then((done) => done && (toast('Taken back.'), again()));
}
