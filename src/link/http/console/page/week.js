// A schedule as a week: seven days, up to five periods each, drawn and typed.

import { field, fill, h } from './ui.js';

export const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];
const PERIOD = /^([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)$/;

/** The periods of a day, with what stands for several days. */
export function periods(schedule, day) {
  const weekend = day === 'saturday' || day === 'sunday';
  return schedule[day] ?? (weekend ? schedule.weekend : schedule.weekdays) ?? schedule.daily ?? [];
}

/** Periods of a text, or what is wrong with it. */
export function read(text) {
  const all = text.split(/[,;]/).map((t) => t.trim().replace(/\s*[–-]\s*/, '-').replace(/^(\d):/, '0$1:').replace(/-(\d):/, '-0$1:')).filter(Boolean);
  const wrong = all.find((t) => !PERIOD.test(t));
  if (wrong) throw new Error(`"${wrong}" is no period; write 08:00-12:00`);
  if (all.length > 5) throw new Error('A day has at most five periods.');
  return all;
}

const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/** The picture of a week; what runs over midnight goes on, paler, on the next day. */
export function grid(schedule) {
  const box = h('div', { class: 'week', role: 'img' });
  const spoken = [];
  const track = DAYS.map(() => h('div', { class: 'track' }));
  const bar = (at, from, to, over) => {
    const span = h('div', { class: over ? 'span over' : 'span' });
    span.style.left = `${from / 14.4}%`;
    span.style.width = `${(to - from) / 14.4}%`;
    track[at].append(span);
  };
  DAYS.forEach((day, at) => {
    const all = periods(schedule, day);
    spoken.push(`${day}: ${all.join(', ') || 'shut'}`);
    for (const period of all) {
      if (!PERIOD.test(period)) continue;
      const [from, to] = period.split('-').map(minutes);
      if (to > from) bar(at, from, to, false);
      else { bar(at, from, 1440, false); if (to > 0) bar((at + 1) % 7, 0, to, true); }
    }
  });
  box.setAttribute('aria-label', spoken.join('; '));
  return fill(box, DAYS.map((day, i) => [h('span', { class: 'day' }, day.slice(0, 3)), track[i]]),
    h('div', { class: 'hours' }, ['0', '6', '12', '18', '24'].map((t) => h('span', {}, t))));
}

/** Picture and seven inputs; `changed` gets the schedule with each day written by itself. */
export function editor(schedule, changed) {
  const now = { ...schedule };
  const picture = h('div', {}, grid(now));
  const inputs = DAYS.map((day) => {
    const input = h('input', { value: periods(schedule, day).join(', '), placeholder: 'shut', autocomplete: 'off' });
    input.addEventListener('change', () => {
      try {
        now[day] = read(input.value);
        input.removeAttribute('aria-invalid');
        input.setCustomValidity('');
        fill(picture, grid(now));
        changed({ ...now });
      } catch (error) {
        input.setAttribute('aria-invalid', 'true');
        input.setCustomValidity(error.message);
        input.reportValidity();
      }
    });
    return field(day[0].toUpperCase() + day.slice(1), input);
  });
  return h('div', { class: 'stack' }, picture, h('div', { class: 'fields' }, inputs));
}
