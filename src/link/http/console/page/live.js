// The door now: what the camera sees, what the visitor is told, how the door stands, what has just happened.

import { api, get, may, names, picture, post, put } from './api.js';
import { ask, button, card, choice, every, field, fill, h, head, note, tag, timeOf, toast } from './ui.js';
import { ALARMS, DOOR, screen, sentence } from './words.js';

const SHOWN = 14;

export async function show(box) {
  const ends = [];
  const left = h('div', { class: 'stack' });
  const right = h('div', { class: 'stack' });
  fill(box, head('Live'), h('div', { class: 'live' }, left, right));
  if (may('door')) ends.push(camera(left));
  ends.push(await door(right));
  if (may('events')) ends.push(await feed(right));
  return () => ends.forEach((end) => end());
}

/** The camera's picture, a few times a second, with the face in its box. */
function camera(box) {
  const image = h('img', { alt: '', hidden: true });
  const off = h('div', { class: 'off' }, 'Waiting for the camera.');
  const face = h('div', { class: 'face', hidden: true });
  const frame = h('div', { class: 'camera', role: 'img', 'aria-label': 'What the door\'s camera sees' }, image, off, face);
  const visitor = h('div', { class: 'visitor', role: 'status', 'aria-live': 'polite' }, '…');
  box.append(frame, visitor, h('p', { class: 'soft small' }, 'Nothing of this picture is kept. That you watch is written into the journal.'));
  let said = '';
  return every(400, async () => {
    try {
      const { url, seen } = await picture('/v1/camera');
      const old = image.src;
      image.src = url;
      await image.decode().catch(() => {});
      if (old) URL.revokeObjectURL(old);
      image.hidden = false;
      off.hidden = true;
      frame.style.aspectRatio = `${seen.width} / ${seen.height}`;
      frame.style.maxWidth = `${(68 * seen.width) / seen.height}vh`;
      place(face, seen);
      const [text, kind] = screen(seen.screen);
      if (text !== said) {
        said = text;
        visitor.className = `visitor ${kind}`;
        fill(visitor, h('div', {}, text, h('small', {}, 'What the visitor\'s display says')));
      }
    } catch (error) {
      image.hidden = true;
      face.hidden = true;
      off.hidden = false;
      off.textContent = error.message;
    }
  });
}

function place(face, seen) {
  face.hidden = !seen.face;
  if (!seen.face) return;
  face.className = `face ${seen.found}`;
  for (const [side, value] of [['left', seen.face.x], ['top', seen.face.y], ['width', seen.face.w], ['height', seen.face.h]]) {
    face.style[side] = `${Math.max(0, Math.min(1, value)) * 100}%`;
  }
}

/** State and orders. */
async function door(box) {
  const state = h('p', { class: 'state' }, '…');
  const detail = h('p', { class: 'soft' });
  const orders = h('div', { class: 'row' });
  box.append(card('Door', state, detail, orders));
  let now = {};
  const draw = (found) => {
    const [text, kind] = DOOR[found.state] || [found.state, ''];
    state.className = `state ${kind}`;
    state.textContent = text;
    const faults = [];
    if (found.camera_fault) faults.push(`Camera: ${found.camera_fault}.`);
    if (!found.journal_ok) faults.push('The disk takes no events: see Health.');
    detail.textContent = faults.join(' ') || (found.relay ? 'The strike is released.' : 'The strike is shut.');
    if (found.state !== now.state && may('door')) fill(orders, ordersFor(found.state, order));
    now = found;
  };
  const order = (title, text, action, send, kind = 'main') => ask(title, h('div', {}, text), action, send, kind).then((done) => {
    if (done?.state) { draw(done); toast('Done.'); }
  });
  const end = every(1000, async () => draw(await get('/v1/door', { background: true })));
  return end;
}

function ordersFor(state, order) {
  const held = ['unlocked_hold', 'lockdown', 'emergency_release'].includes(state);
  return [
    button('Open door', () => order('Open the door?', 'It is unlocked once, for a few seconds, and this is written into the journal with your name.', 'Open now', () => post('/v1/door/open')), 'main big', { disabled: state === 'lockdown' }),
    button('Lock', () => order('Lock the door?', 'Every hold ends and the door locks at once.', 'Lock now', () => post('/v1/door/lock')), 'big'),
    held
      ? button('Back to normal', () => order('Back to normal?', 'The hold or the lockdown ends; the rules decide again.', 'Back to normal', () => put('/v1/door/mode', { mode: 'normal' })))
      : button('Hold open…', () => hold(order, 'unlocked')),
    !held && button('Lockdown…', () => hold(order, 'lockdown'), 'bad'),
  ];
}

function hold(order, mode) {
  const open = mode === 'unlocked';
  const time = choice([['300', '5 minutes'], ['3600', '1 hour'], ['14400', '4 hours'], ['0', 'Until I end it']], '300', { name: 'time' });
  const text = h('span', {}, open ? 'Everybody can walk in.' : 'Nobody gets in, whoever they are. The exit button still works.');
  return order(open ? 'Hold the door open?' : 'Lock the door against everyone?', h('div', { class: 'stack' }, text, field('For', time)),
    open ? 'Hold open' : 'Lock down', () => api('PUT', '/v1/door/mode', { mode, seconds: Number(time.value) }), open ? 'main' : 'main bad');
}

/** What has just happened, newest first. */
async function feed(box) {
  const list = h('ul', { class: 'feed', 'aria-label': 'Latest events' });
  const problem = h('div', {});
  box.append(card('Just now', list, problem, h('a', { href: '#/events' }, 'All events')));
  const draw = async (events) => {
    const name = await names(events.map((e) => e.person));
    for (const event of events) {
      list.prepend(h('li', {}, h('time', { datetime: event.time }, timeOf(event.time)),
        h('span', {}, ALARMS.includes(event.type) && [tag('!', 'bad'), ' '], sentence(event, name))));
    }
    while (list.children.length > SHOWN) list.lastChild.remove();
    if (!list.children.length) fill(problem, h('p', { class: 'soft' }, 'Nothing has happened yet.'));
    else fill(problem);
  };
  const { newest } = await get('/v1/events?limit=1');
  const from = Math.max(1, newest - SHOWN + 1);
  const page = await get(`/v1/events?from=${from}&limit=${SHOWN}`);
  await draw(page.events);
  const stream = new EventSource(`/v1/events/stream?from=${page.next}`);
  stream.onmessage = (message) => draw([JSON.parse(message.data)]);
  stream.onerror = () => fill(problem, note('The connection to the door broke; trying again.', 'warn'));
  stream.onopen = () => fill(problem);
  return () => stream.close();
}
