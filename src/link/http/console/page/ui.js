// Building blocks: elements, dialogs, messages, times. No markup is ever made from text.

/** An element: properties, `class`, `on...` handlers, `data`, anything else as attribute; then children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'class') element.className = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(element.dataset, value);
    else if (key === 'value' || key === 'checked' || key === 'disabled') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  add(element, children);
  return element;
}

export function add(element, children) {
  for (const child of [children].flat(9)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
  return element;
}

export const fill = (element, ...children) => { element.replaceChildren(); return add(element, children); };

/** A labelled input. */
export function field(label, input, hint) {
  return h('label', { class: 'field' }, h('span', {}, label), input, hint && h('small', {}, hint));
}

export const check = (label, input) => h('label', { class: 'check' }, input, h('span', {}, label));

export function choice(options, value, properties = {}) {
  const select = h('select', properties, options.map(([key, text]) => h('option', { value: key }, text)));
  select.value = value ?? options[0]?.[0];
  return select;
}

export const button = (text, onclick, kind = '', more = {}) => h('button', { type: 'button', class: kind, onclick, ...more }, text);

export const tag = (text, kind = '') => h('span', { class: `tag ${kind}` }, text);

export const empty = (title, text, ...more) => h('div', { class: 'empty' }, h('h2', {}, title), h('p', {}, text), more);

export const note = (text, kind = '') => h('div', { class: `note ${kind}`, role: kind === 'bad' ? 'alert' : 'status' }, text);

export const head = (title, ...more) => h('div', { class: 'head' }, h('h1', {}, title), more);

export const card = (title, ...children) => h('section', { class: 'card' }, title && h('h2', {}, title), children);

/** A table that becomes cards on a phone. `columns`: [title, row => content, class]. */
export function table(caption, columns, rows) {
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', { class: 'fold' },
      h('caption', { class: 'sr' }, caption),
      h('thead', {}, h('tr', {}, columns.map(([title]) => h('th', { scope: 'col' }, title || h('span', { class: 'sr' }, 'Actions'))))),
      h('tbody', {}, rows.map((row) => h('tr', {}, columns.map(([title, of, kind]) => {
        const shown = of(row);
        return h('td', { class: shown === '–' ? 'none' : kind, data: title ? { label: title } : {} }, shown);
      }))))));
}

/** A long table, a part at a time: thousands of rows at once would keep a browser busy for seconds. */
export function long(caption, columns, rows, part = 200) {
  if (rows.length <= part) return table(caption, columns, rows);
  const box = h('div', { class: 'stack' });
  const draw = (n) => fill(box, table(caption, columns, rows.slice(0, n)), n < rows.length && h('div', { class: 'pager' },
    h('span', { class: 'soft small', role: 'status' }, `${n.toLocaleString()} of ${rows.length.toLocaleString()}`),
    button(`Show ${Math.min(part, rows.length - n)} more`, () => draw(n + part))));
  draw(part);
  return box;
}

export function toast(text, kind = '') {
  const box = h('div', { class: `toast ${kind}` }, text);
  document.getElementById('toasts').append(box);
  setTimeout(() => box.remove(), kind === 'bad' ? 9000 : 4500);
}

export const failed = (error) => toast(error.message, 'bad');

/** A dialog with a form; `send` may throw, then the dialog stays and says why. Gives what `send` gave, or null. */
export function ask(title, content, action, send, kind = 'main') {
  return new Promise((resolve) => {
    const problem = h('div', {});
    const go = h('button', { class: kind }, action);
    const form = h('form', {
      onsubmit: async (event) => {
        event.preventDefault();
        go.disabled = true;
        try {
          const result = await send(form);
          dialog.close();
          resolve(result ?? true);
        } catch (error) {
          fill(problem, note(error.message, 'bad'));
          go.disabled = false;
        }
      },
    }, h('h2', { id: 'dialog-title' }, title), content, problem,
    h('div', { class: 'row end' }, button('Cancel', () => dialog.close()), go));
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => { dialog.remove(); resolve(null); } }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Says something in a dialog. */
export function tell(title, ...content) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', onclose: () => { dialog.remove(); resolve(); } },
      h('form', { method: 'dialog' }, h('h2', { id: 'dialog-title' }, title), content,
        h('div', { class: 'row end' }, h('button', { class: 'main', autofocus: true }, 'Close'))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Runs a button's work once at a time and says what went wrong. */
export function busy(work) {
  return async (event) => {
    const target = event?.currentTarget;
    if (target) target.disabled = true;
    try { return await work(event); } catch (error) { failed(error); return null; } finally { if (target) target.disabled = false; }
  };
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

export const when = (text) => (text ? full.format(new Date(text)) : '–');
export const timeOf = (text) => clock.format(new Date(text));
export const dateOf = (text) => (text ? dateOnly.format(new Date(text)) : '–');
/** Today as 2026-11-21, by this browser's clock. */
export const today = (date = new Date()) => `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
/** Seconds as 7:30 h. */
export const hours = (seconds) => `${Math.floor(seconds / 3600)}:${String(Math.floor(seconds / 60) % 60).padStart(2, '0')}`;
export const bytes = (n) => (n > 1e9 ? `${(n / 1e9).toFixed(1)} GB` : n > 1e6 ? `${(n / 1e6).toFixed(1)} MB` : `${Math.ceil(n / 1e3)} kB`);
export const count = (n, one, many) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** Asks again and again while the page is shown; ends with the function it gives. */
export function every(ms, work) {
  let timer = 0;
  let on = true;
  const turn = async () => {
    if (!on) return;
    if (!document.hidden) { try { await work(); } catch { /* said by the page */ } }
    if (on) timer = setTimeout(turn, ms);
  };
  turn();
  return () => { on = false; clearTimeout(timer); };
}

/** Waits until somebody stops typing. */
export function settled(ms, work) {
  let timer = 0;
  return (...values) => { clearTimeout(timer); timer = setTimeout(() => work(...values), ms); };
}
