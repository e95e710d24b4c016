// How the door fares: camera, recognition at this size, journal and queue, disk, clock, version.

import { get } from './api.js';
import { bytes, card, every, fill, h, head, note, tag } from './ui.js';

export async function show(box) {
  const problems = h('div', { class: 'stack', role: 'status' });
  const cards = h('div', { class: 'cards' });
  fill(box, head('Health'), problems, cards);
  let last = null;
  let rate = null;
  const draw = (s) => {
    const door = s.door;
    const since = last ? (Date.now() - last.at) / 1000 : 0;
    if (door && since > 2) rate = (door.frames - last.frames) / since;
    if (door && (!last || since > 2)) last = { frames: door.frames, at: Date.now() };
    fill(problems, faults(s).map((text) => note(text, 'bad')));
    if (!problems.children.length) fill(problems, note('Everything works.', 'good'));
    fill(cards,
      card('Camera', door ? figure(rate === null ? 'Measuring' : `${rate.toFixed(1)} frames/s`, door.camera_fault ? ['Fault', 'bad'] : ['Delivers', 'good']) : h('p', {}, 'No door runs.'),
        door && rows([['Frames', door.frames.toLocaleString()], ['Looked at', door.looks.toLocaleString()], ['Overtaken by newer ones', door.overwritten.toLocaleString()]])),
      card('Recognition', figure(`${s.people.toLocaleString()} people`, s.expected_fpir <= s.fpir_target * 1.05 ? ['On target', 'good'] : ['Above target', 'warn']),
        rows([['Templates', s.templates.toLocaleString()], ['Strangers taken for somebody', `${exponent(s.expected_fpir)} a look`], ['Target', exponent(s.fpir_target)],
          ['Threshold', `cosine ${s.threshold.toFixed(3)}, margin ${s.margin.toFixed(3)}`], s.extrapolated && ['Note', 'beyond what was measured for these networks']])),
      card('Journal', figure(`${s.events.toLocaleString()} events`, s.lost ? [`${s.lost} lost`, 'warn'] : ['Whole', 'good']),
        rows([['Wait for the broker', s.queued.toLocaleString()], ['Disk takes events', door && !door.journal_ok ? 'no' : 'yes'], ['File', bytes(s.file_bytes)]])),
      card('Clock', figure(s.clock === 'trusted' ? 'Right' : 'Not set', s.clock !== 'trusted' ? ['Set it', 'bad'] : ['Believed', 'good'])),
      card('Program', h('p', { class: 'figure' }, s.version), rows([['Models', s.models], s.change && ['Changing', `to ${s.change.models}: ${s.change.done} of ${s.change.total} faces`], ['Embedder', h('span', { class: 'mono' }, s.embedder.slice(0, 16))], ['Gallery revision', s.revision.toLocaleString()]])));
  };
  draw(await get('/v1/status'));
  return every(3000, async () => draw(await get('/v1/status', { background: true })));
}

const figure = (text, [state, kind]) => h('p', { class: 'row spread' }, h('span', { class: 'figure' }, text), tag(state, kind));
const rows = (all) => h('dl', {}, all.filter(Boolean).map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));
const exponent = (n) => n.toExponential(1).replace('e-', ' × 10⁻').replace(/⁻(\d+)$/, (_, d) => `⁻${[...d].map((c) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]).join('')}`);

/** What is wrong, with what to do. */
function faults(s) {
  const found = [];
  if (!s.door) found.push('No door runs on this gallery. Start it: ostiary run --board FILE.');
  if (s.door?.camera_fault) found.push(`The camera delivers nothing: ${s.door.camera_fault}. Check its cable.`);
  if (s.door && !s.door.journal_ok) found.push('The disk takes no events; nobody is let in by face until it does. Free space or change the card.');
  if (s.clock !== 'trusted') found.push('The clock is not believed: schedules keep everybody out. Set it, then run on the board: ostiary door trust-clock.');
  if (s.change?.fault) found.push(`The change of models stands still and the old ones serve: ${s.change.fault}`);
  if (s.needs_reenrolment) found.push(`${s.needs_reenrolment.toLocaleString()} people are unknown to these models and must be enrolled again; the list of people marks them.`);
  if (s.lost) found.push(`${s.lost} events were dropped before anybody took them: check the broker.`);
  return found;
}
