// Many people at once: a CSV file with their pictures beside it, or both in a ZIP archive; each row is written by itself
// and says what became of it.

import { base64, post, save } from './api.js';
import { button, card, count, fill, h, head, note, table, tag } from './ui.js';
import { open } from './zip.js';

const COLUMNS = ['id', 'name', 'groups', 'consent', 'valid_from', 'valid_until', 'notes', 'pictures'];
const SAMPLE = `${COLUMNS.join(',')}\nanna,Anna K.,staff,signed form 12,,2027-12-31,,anna1.jpg anna2.jpg\n`;

/** RFC 4180, with commas or semicolons. */
export function parse(text) {
  const clean = text.replace(/^\ufeff/, '');
  const first = clean.split('\n', 1)[0];
  const comma = first.split(';').length > first.split(',').length ? ';' : ',';
  const rows = [];
  let row = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < clean.length; i += 1) {
    const c = clean[i];
    if (quoted) {
      if (c === '"' && clean[i + 1] === '"') { cell += '"'; i += 1; } else if (c === '"') quoted = false; else cell += c;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === comma) { row.push(cell); cell = ''; } else if (c === '\n') { row.push(cell); rows.push(row); row = []; cell = ''; } else if (c !== '\r') cell += c;
  }
  if (cell || row.length) { row.push(cell); rows.push(row); }
  return rows.filter((r) => r.some((v) => v.trim()));
}

/** Rows as objects, or what is wrong with the head of the file. */
function people(text) {
  const [names, ...rows] = parse(text);
  const keys = (names || []).map((n) => n.trim().toLowerCase());
  const unknown = keys.filter((k) => !COLUMNS.includes(k));
  if (!keys.includes('name')) throw new Error('The first line must name the columns, and "name" must be among them.');
  if (unknown.length) throw new Error(`There is no column "${unknown[0]}". There are: ${COLUMNS.join(', ')}.`);
  return rows.map((row) => Object.fromEntries(keys.map((k, i) => [k, (row[i] || '').trim()])));
}

function moment(day, end) {
  const date = new Date(`${day}T${end ? '23:59:59' : '00:00:00'}`);
  if (Number.isNaN(date.getTime())) throw new Error(`"${day}" is no day; write it as 2027-12-31`);
  return date.toISOString();
}

async function write(row, pictures) {
  const profile = { name: row.name };
  if (row.groups) profile.groups = row.groups.split(/[;|]/).map((g) => g.trim()).filter(Boolean);
  if (row.consent) profile.consent = row.consent;
  if (row.notes) profile.notes = row.notes;
  if (row.valid_from) profile.valid_from = moment(row.valid_from, false);
  if (row.valid_until) profile.valid_until = moment(row.valid_until, true);
  const all = row.pictures || '';
  const wanted = all.split(/[;|]/.test(all) ? /[;|]+/ : /\s+/).map((name) => name.trim()).filter(Boolean);
  if (wanted.length > 3) throw new Error('at most three pictures a row; add further looks to the person');
  const images = [];
  for (const name of wanted) images.push(await base64(await pictures(name)));
  const body = { profile, images };
  if (row.id) body.id = row.id;
  const done = await post('/v1/persons', body);
  const refused = done.images.filter((one) => one.template === null);
  if (refused.length) return ['warn', `written; ${count(refused.length, 'picture', 'pictures')} not taken: ${refused[0].reasons[0]}`];
  return done.templates ? ['good', `enrolled with ${count(done.templates, 'look', 'looks')}`] : ['warn', 'written, no face yet'];
}

/** The list's text, and what gives a picture by the name that a row uses: from the chosen files, or from the archive. */
async function source(list, files) {
  const chosen = new Map([...files].map((file) => [file.name, file]));
  const beside = (name) => chosen.get(name) || null;
  const never = (name) => { throw new Error(`the picture ${name} was not chosen`); };
  if (!/\.zip$/i.test(list.name)) return [await list.text(), (name) => beside(name) || never(name)];
  const archive = await open(list);
  const lists = archive.names.filter((name) => /\.csv$/i.test(name));
  if (lists.length !== 1) throw new Error(lists.length ? `The archive holds ${lists.length} CSV files; there must be one.` : 'The archive holds no CSV file.');
  const folder = lists[0].includes('/') ? lists[0].slice(0, lists[0].lastIndexOf('/') + 1) : '';
  const find = (name) => {
    const exact = archive.names.find((n) => n === name || n === folder + name);
    const last = archive.names.filter((n) => n.endsWith(`/${name}`));
    if (!exact && last.length > 1) throw new Error(`the archive holds ${last.length} pictures of the name ${name}; name the folder, too`);
    return exact || last[0];
  };
  return [await (await archive.read(lists[0])).text(), (name) => {
    const found = find(name);
    if (found) return archive.read(found);
    return beside(name) || (() => { throw new Error(`the archive holds no picture ${name}`); })();
  }];
}

export function show(box) {
  const csv = h('input', { type: 'file', accept: '.csv,text/csv,.zip,application/zip', id: 'csv' });
  const images = h('input', { type: 'file', accept: 'image/jpeg,image/png', multiple: true, id: 'images' });
  const result = h('div', { class: 'stack' });
  let stop = false;
  const begin = button('Import', async () => {
    fill(result);
    let rows;
    let pictures;
    try {
      if (!csv.files[0]) throw new Error('Choose a CSV file or a ZIP archive first.');
      let text;
      [text, pictures] = await source(csv.files[0], images.files);
      rows = people(text);
      if (!rows.length) throw new Error('The file has a first line and nobody below it.');
    } catch (error) { fill(result, note(error.message, 'bad')); return; }
    begin.disabled = true;
    stop = false;
    const bar = h('progress', { max: String(rows.length), value: '0', 'aria-label': 'Rows written' });
    const said = h('p', { role: 'status' });
    const lines = [];
    fill(result, bar, said, h('div', {}, button('Stop after this row', () => { stop = true; })));
    for (const [i, row] of rows.entries()) {
      if (stop) break;
      let outcome;
      try { outcome = await write(row, pictures); } catch (error) { outcome = ['bad', error.message]; }
      lines.push({ line: i + 2, row, kind: outcome[0], text: outcome[1] });
      bar.value = i + 1;
      said.textContent = `${i + 1} of ${rows.length}`;
    }
    begin.disabled = false;
    const bad = lines.filter((l) => l.kind === 'bad').length;
    fill(result,
      note(bad ? `${count(lines.length - bad, 'person', 'people')} written, ${count(bad, 'row', 'rows')} refused. Mend those rows and import them again.` : `All ${count(lines.length, 'person', 'people')} written.`, bad ? 'warn' : 'good'),
      table('Result of the import', [
        ['Line', (l) => String(l.line)], ['Name', (l) => l.row.name || '–'], ['Id', (l) => l.row.id || '–'],
        ['Result', (l) => h('span', { class: 'row' }, tag({ good: 'Done', warn: 'Look', bad: 'Refused' }[l.kind], l.kind), l.text)],
      ], lines),
      h('div', {}, button('Keep this result as a file', () => save('import-result.csv',
        `line,name,id,result,text\r\n${lines.map((l) => [l.line, l.row.name, l.row.id || '', l.kind, l.text].map((v) => `"${String(v).replaceAll('"', '""').replace(/^([=+\-@])/, "'$1")}"`).join(',')).join('\r\n')}\r\n`, 'text/csv'))));
  }, 'main');
  fill(box, head('Import people', h('a', { class: 'button', href: '#/people' }, 'All people')),
    card('The files',
      h('p', {}, 'One person a line. Groups are separated by semicolons, pictures by spaces, or by semicolons where their names have spaces; only the name must be there. A ZIP archive holds the list and its pictures together.'),
      h('div', { class: 'fields' },
        h('label', { class: 'field', for: 'csv' }, h('span', {}, 'List (CSV), or all in one ZIP'), csv),
        h('label', { class: 'field', for: 'images' }, h('span', {}, 'Pictures named in it, beside a CSV'), images)),
      h('div', { class: 'row' }, begin, button('A file to begin with', () => save('people.csv', SAMPLE, 'text/csv')))),
    result);
  return () => { stop = true; };
}
