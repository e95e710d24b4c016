// Who may pass when: schedules, levels, groups, holidays and the door's own rules, in one document that is kept at once.

import { get, put } from './api.js';
import { ask, busy, button, card, check, choice, empty, field, fill, h, head, note, table, toast } from './ui.js';
import { editor } from './week.js';

const MODES = [['face', 'Face'], ['face_pin', 'Face and PIN'], ['id_face', 'Id and face'], ['pin', 'PIN alone'], ['prohibited', 'Nobody']];
const PASSBACK = [['off', 'Not asked'], ['soft', 'Reported'], ['hard', 'Kept out']];
const KIOSK = [['off', 'Off'], ['user', 'A key each time'], ['last', 'The key pressed last'], ['toggle', 'In and out by turns'], ['fixed', 'Always the same'], ['schedule', 'By schedule']];

export async function show(box) {
  const rules = await get('/v1/access/rules');
  for (const key of ['schedules', 'levels', 'groups']) rules[key] ??= {};
  rules.holidays ??= [];
  rules.attendance ??= { mode: 'off', kind: 'check_in', same_s: 60 };
  const body = h('div', { class: 'stack' });
  const bar = h('div', { class: 'note warn stuck', hidden: true, role: 'status' });
  const changed = () => { bar.hidden = false; };
  const draw = () => fill(body, doorCard(rules, changed), schedules(rules, changed, draw), levels(rules, changed, draw), groups(rules, changed, draw), holidays(rules, changed, draw), raw(rules, changed, draw));
  const keep = busy(async () => { await put('/v1/access/rules', rules); bar.hidden = true; toast('In force at once.'); });
  fill(bar, h('div', { class: 'row spread' }, h('span', {}, 'Changes are not in force yet.'), button('Keep and put in force', keep, 'main')));
  fill(box, head('Rules', h('a', { class: 'button', href: '#/explain' }, 'Who may pass?')),
    rules.everyone && note('Everybody who is enrolled may pass at any time. Switch this off below to let groups and schedules decide.'),
    bar, body);
  draw();
}

function doorCard(rules, changed) {
  const door = rules.door;
  const names = [['', 'Never'], ['always', 'Always'], ...Object.keys(rules.schedules).map((n) => [n, n])];
  const set = (object, key, input, of = (v) => v) => { input.addEventListener('change', () => { object[key] = of(input.type === 'checkbox' ? input.checked : input.value); changed(); }); return input; };
  const maybe = (v) => v || undefined;
  const box = (value) => h('input', { type: 'checkbox', checked: value });
  return card('This door', h('div', { class: 'fields' },
    field('The door asks for', set(door, 'mode', choice(MODES, door.mode))),
    field('Held unlocked during', set(door, 'unlock', choice(names, door.unlock || ''), maybe)),
    field('Two people needed during', set(door, 'two_people', choice(names, door.two_people || ''), maybe)),
    field('A second entry without an exit', set(door, 'anti_passback', choice(PASSBACK, door.anti_passback))),
    field('The reader lets people', set(door, 'side', choice([['entry', 'in'], ['exit', 'out']], door.side))),
    field('Not again within (seconds)', set(door, 'again_after_s', h('input', { type: 'number', min: '0', max: '86400', value: String(door.again_after_s) }), Number)),
    field('Attendance kiosk', set(rules.attendance, 'mode', choice(KIOSK, rules.attendance.mode))),
    field('Time zone', set(rules, 'time_zone', h('input', { value: rules.time_zone || '', placeholder: 'the machine\'s own' }), maybe))),
  h('div', {}, check('Everybody who is enrolled may pass at any time', set(rules, 'everyone', box(rules.everyone))),
    check('Unlocked by schedule only once somebody was let in', set(door, 'first_person', box(door.first_person))),
    check('Shut while another door of the lock stands open', set(door, 'interlock', box(door.interlock)))));
}

/** Asks for the name of something new. */
async function named(what, taken) {
  const input = h('input', { required: true, maxlength: '64', autocomplete: 'off' });
  return ask(`New ${what}`, field('Name', input), 'Add', () => {
    const name = input.value.trim();
    if (!name || taken[name]) throw new Error(`There is a ${what} of that name already.`);
    return name;
  });
}

function adding(what, all, value, changed, draw) {
  return button(`Add a ${what}`, async () => {
    const name = await named(what, all);
    if (typeof name !== 'string') return;
    all[name] = value();
    changed();
    draw();
  });
}

const removing = (name, what, all, changed, draw) => button('Remove', () => { delete all[name]; changed(); draw(); }, 'plain bad', { 'aria-label': `Remove the ${what} ${name}` });

function schedules(rules, changed, draw) {
  const all = Object.entries(rules.schedules);
  return card('Schedules', all.length ? all.map(([name, schedule]) => h('details', { open: all.length === 1 || null }, h('summary', {}, name),
    h('div', { class: 'stack' }, editor(schedule, (now) => { rules.schedules[name] = now; changed(); }),
      h('div', { class: 'row' }, removing(name, 'schedule', rules.schedules, changed, draw)))))
    : empty('No schedules', 'A schedule says at which hours of the week something holds. "always" is there without being written.'),
  h('div', { class: 'row' }, adding('schedule', rules.schedules, () => ({ weekdays: ['08:00-18:00'] }), changed, draw)));
}

function levels(rules, changed, draw) {
  const all = Object.entries(rules.levels);
  const names = [['always', 'Always'], ...Object.keys(rules.schedules).map((n) => [n, n])];
  return card('Levels', all.length ? table('Levels', [
    ['Level', ([name]) => name],
    ['Doors', ([name, level]) => {
      const input = h('input', { value: level.doors.join(', '), 'aria-label': `Doors of ${name}` });
      input.addEventListener('change', () => { level.doors = input.value.split(',').map(Number).filter((n) => n > 0 && n < 256); changed(); });
      return input;
    }],
    ['When', ([name, level]) => {
      const input = choice(names, level.schedule, { 'aria-label': `Schedule of ${name}` });
      input.addEventListener('change', () => { level.schedule = input.value; changed(); });
      return input;
    }],
    ['', ([name]) => removing(name, 'level', rules.levels, changed, draw), 'act'],
  ], all) : empty('No levels', 'A level says which doors may be passed when.'),
  h('div', { class: 'row' }, adding('level', rules.levels, () => ({ doors: [1], schedule: 'always' }), changed, draw)));
}

function groups(rules, changed, draw) {
  const all = Object.entries(rules.groups);
  const levelsOf = ([name, group]) => Object.keys(rules.levels).map((level) => {
    const input = h('input', { type: 'checkbox', checked: group.levels.includes(level), 'aria-label': `${name} has the level ${level}` });
    input.addEventListener('change', () => { group.levels = input.checked ? [...group.levels, level] : group.levels.filter((l) => l !== level); changed(); });
    return check(level, input);
  });
  return card('Groups', all.length ? table('Groups', [
    ['Group', ([name]) => name], ['Levels', (row) => h('span', { class: 'row' }, levelsOf(row))],
    ['', ([name]) => removing(name, 'group', rules.groups, changed, draw), 'act'],
  ], all) : empty('No groups', 'People are put into groups; a group has levels.'),
  h('div', { class: 'row' }, adding('group', rules.groups, () => ({ levels: Object.keys(rules.levels).slice(0, 1) }), changed, draw)));
}

function holidays(rules, changed, draw) {
  const add = async () => {
    const name = h('input', { required: true, maxlength: '64' });
    const date = h('input', { required: true, pattern: '(\\d{4}-)?\\d{2}-\\d{2}', placeholder: '12-25 or 2026-12-25' });
    const days = h('input', { type: 'number', min: '1', max: '366', value: '1' });
    const done = await ask('New holiday', h('div', { class: 'stack' }, field('Name', name), field('Date', date, 'Without a year it comes every year'), field('Days in a row', days)), 'Add',
      () => ({ name: name.value, date: date.value, days: Number(days.value), groups: [1] }));
    if (done?.date) { rules.holidays.push(done); changed(); draw(); }
  };
  return card('Holidays', rules.holidays.length ? table('Holidays', [
    ['Name', (d) => d.name || '–'], ['Date', (d) => d.date], ['Days', (d) => String(d.days)],
    ['', (d) => button('Remove', () => { rules.holidays.splice(rules.holidays.indexOf(d), 1); changed(); draw(); }, 'plain bad', { 'aria-label': `Remove ${d.name || d.date}` }), 'act'],
  ], rules.holidays) : h('p', { class: 'soft' }, 'None. On a holiday schedules are shut unless they say otherwise.'), h('div', { class: 'row' }, button('Add a holiday', add)));
}

/** What has no form above is written here. */
function raw(rules, changed, draw) {
  const text = h('textarea', { class: 'mono', rows: '14', spellcheck: 'false', value: JSON.stringify(rules, null, 2), 'aria-label': 'All rules as JSON' });
  const problem = h('div', {});
  return card(null, h('details', {}, h('summary', {}, 'Everything as text (also modes by schedule, keys of the kiosk, holiday periods)'),
    h('div', { class: 'stack' }, text, problem, h('div', { class: 'row' }, button('Take this text', () => {
      try {
        const read = JSON.parse(text.value);
        for (const key of Object.keys(rules)) delete rules[key];
        Object.assign(rules, { schedules: {}, levels: {}, groups: {}, holidays: [] }, read);
        changed();
        draw();
      } catch (error) { fill(problem, note(`This is no JSON: ${error.message}`, 'bad')); }
    })))));
}
