// People: searched and paged by the door, and the way to add somebody.

import { get, query, session } from './api.js';
import { button, choice, count, dateOf, empty, field, fill, h, head, settled, table, tag } from './ui.js';
import { STATUS } from './words.js';

const LIMIT = 25;

/** Somebody's picture, or the first letters of their name. */
export function mark(person) {
  const letters = person.name.split(/\s+/).map((w) => [...w][0] || '').slice(0, 2).join('').toUpperCase();
  const plain = () => h('span', { class: 'face-mark', 'aria-hidden': 'true' }, letters);
  if (!person.images) return plain();
  const image = h('img', { class: 'face-mark', alt: '', loading: 'lazy', src: `/v1/persons/${encodeURIComponent(person.id)}/image` });
  image.addEventListener('error', () => image.replaceWith(plain()));
  return image;
}

export const address = (id) => `#/person/${encodeURIComponent(id)}`;

export async function show(box, { query: asked }) {
  let page = Math.max(1, Number.parseInt(asked.get('page'), 10) || 1);
  const search = h('input', { type: 'search', value: asked.get('q') || '', placeholder: 'Name or id', autocomplete: 'off' });
  const status = choice([['', 'Everybody'], ['active', 'Active'], ['pending', 'No face yet'], ['inactive', 'Switched off']], '');
  const list = h('div', { class: 'card', 'aria-busy': 'true' });
  fill(box,
    head('People',
      h('a', { class: 'button', href: '#/import' }, 'Import a list'),
      h('a', { class: 'button main', href: '#/person' }, 'Add a person')),
    h('div', { class: 'toolbar' }, field('Search', search), field('Show', status)), list);

  let asking = 0;
  const draw = async () => {
    const mine = ++asking;
    list.setAttribute('aria-busy', 'true');
    const found = await get(`/v1/persons${query({ page, limit: LIMIT, q: search.value.trim(), status: status.value })}`);
    if (mine !== asking) return;
    list.setAttribute('aria-busy', 'false');
    if (!found.total) {
      const searched = search.value.trim() || status.value;
      fill(list, searched
        ? empty('Nobody found', 'Nobody matches this. Try a part of the name, or show everybody.')
        : empty('Nobody is enrolled yet', 'Add the first person: with a picture, with this computer\'s camera, or at the door.',
          h('a', { class: 'button main', href: '#/person' }, 'Add a person')));
      return;
    }
    const last = Math.ceil(found.total / LIMIT);
    fill(list, table('People', [
      ['Name', (p) => h('span', { class: 'who' }, mark(p), h('span', {}, h('a', { href: address(p.id) }, p.name), h('br'), h('span', { class: 'soft small mono' }, p.id)))],
      ['State', (p) => tag(...(STATUS[p.status] || [p.status]))],
      ['Groups', (p) => p.groups.join(', ') || '–'],
      ['Looks', (p) => (p.needs_reenrolment ? tag('Enrol again', 'warn') : h('span', { class: 'num' }, String(p.templates)))],
      ['Valid until', (p) => dateOf(p.valid_until)],
    ], found.data),
    h('div', { class: 'pager' },
      h('span', { class: 'soft small', role: 'status' }, `${count(found.total, 'person', 'people')}, page ${page} of ${last}`),
      h('span', { class: 'row' },
        button('Back', () => { page -= 1; go(); }, '', { disabled: page <= 1 }),
        button('Next', () => { page += 1; go(); }, '', { disabled: page >= last }))));
  };
  const go = () => draw().catch((error) => session.signed_in && fill(list, h('p', { role: 'alert' }, error.message)));
  const anew = settled(250, () => { page = 1; go(); });
  search.addEventListener('input', anew);
  status.addEventListener('change', anew);
  await draw();
}
