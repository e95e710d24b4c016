// Looks of a person: from files, from this computer's camera, or at the door's own camera with live guidance.

import { base64, del, get, picture, post } from './api.js';
import { button, count, every, fill, h, note } from './ui.js';
import { GUIDANCE, QUALITY } from './words.js';

const MOST = 3;

/** Pictures chosen so far: shown small, each can be taken away again. Gives the box and `take()`. */
export function pictures() {
  const chosen = [];
  const box = h('div', { class: 'thumbs' });
  const said = h('p', { class: 'soft small', role: 'status' }, `Up to ${MOST} pictures, one face each, large and from the front.`);
  const draw = () => {
    fill(box, chosen.map((one, i) => h('figure', {}, h('img', { src: one.url, alt: `Picture ${i + 1}` }),
      h('figcaption', {}, one.name),
      button('Take away', () => { URL.revokeObjectURL(one.url); chosen.splice(i, 1); draw(); }, 'plain'))));
  };
  const add = (blob, name) => {
    if (chosen.length >= MOST) { said.textContent = `${MOST} pictures are enough; take one away first.`; return; }
    if (blob.size > 5_000_000) { said.textContent = `${name} has more than 5 MB; save it smaller.`; return; }
    chosen.push({ blob, name, url: URL.createObjectURL(blob) });
    draw();
  };
  return { box: h('div', { class: 'stack' }, box, said), add, count: () => chosen.length, chosen, take: () => Promise.all(chosen.map((one) => base64(one.blob))) };
}

/** Files, dropped or chosen. */
export function upload(onPicture) {
  const input = h('input', { type: 'file', accept: 'image/jpeg,image/png', multiple: true, id: 'files', class: 'sr' });
  const take = (files) => [...files].forEach((file) => onPicture(file, file.name));
  input.addEventListener('change', () => { take(input.files); input.value = ''; });
  const drop = h('div', { class: 'drop' }, h('p', {}, 'Drop pictures here'), button('Choose files', () => input.click()),
    h('label', { for: 'files', class: 'sr' }, 'Pictures of the person'), input, h('p', { class: 'soft small' }, 'JPEG or PNG, at most 5 MB'));
  drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => { event.preventDefault(); drop.classList.remove('over'); take(event.dataTransfer.files); });
  return { box: drop, end: () => {} };
}

/** This computer's camera. */
export function webcam(onPicture) {
  const video = h('video', { autoplay: true, playsinline: true, muted: true });
  const off = h('div', { class: 'off' }, 'Asking for the camera.');
  const shoot = button('Take a picture', () => {
    const canvas = h('canvas', { width: String(video.videoWidth), height: String(video.videoHeight) });
    canvas.getContext('2d').drawImage(video, 0, 0);
    canvas.toBlob((blob) => blob && onPicture(blob, 'camera'), 'image/jpeg', 0.92);
  }, 'main', { disabled: true });
  let stream = null;
  let ended = false;
  const begin = async () => {
    if (!navigator.mediaDevices) throw new Error('This browser gives its camera to pages over HTTPS alone.');
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: 'user' } });
    if (ended) { end(); return; }
    video.srcObject = stream;
    await video.play();
    off.hidden = true;
    shoot.disabled = false;
  };
  const end = () => { ended = true; stream?.getTracks().forEach((track) => track.stop()); };
  begin().catch((error) => {
    off.textContent = error.name === 'NotAllowedError' ? 'The browser may not use the camera: allow it in the address bar, then open this again.'
      : error.name === 'NotFoundError' ? 'This computer has no camera.' : error.message;
  });
  return { box: h('div', { class: 'stack' }, h('div', { class: 'camera' }, video, off), h('div', { class: 'row' }, shoot)), end };
}

/** The door's camera: `wish` gives what is to be enrolled; `done` gets what came of it. */
export function atTheDoor(wish, done) {
  const frame = h('div', { class: 'camera' }, h('div', { class: 'off' }, 'The person stands before the door and looks into its camera. The door takes three looks by itself.'));
  const said = h('p', { role: 'status', 'aria-live': 'polite' });
  const bar = h('progress', { max: '3', value: '0', hidden: true, 'aria-label': 'Looks taken' });
  const stop = button('Stop', () => del('/v1/enroll/camera').catch(() => {}), '', { hidden: true });
  let ends = [];
  const end = () => { ends.forEach((one) => one()); ends = []; };
  const begin = button('Begin at the door', async () => {
    begin.disabled = true;
    fill(said);
    try {
      await post('/v1/enroll/camera', { ...await wish(), looks: 3, within_s: 60 });
    } catch (error) {
      fill(said, note(error.message, 'bad'));
      begin.disabled = false;
      return;
    }
    stop.hidden = bar.hidden = false;
    const image = h('img', { alt: 'What the door\'s camera sees' });
    fill(frame, image);
    let guidance = 'look_here';
    ends.push(every(350, async () => {
      const { url, seen } = await picture('/v1/enroll/camera/picture');
      const old = image.src;
      image.src = url;
      await image.decode().catch(() => {});
      if (old) URL.revokeObjectURL(old);
      if (seen.screen?.kind === 'enrol') guidance = seen.screen.guidance;
    }), every(500, async () => {
      const now = await get('/v1/enroll/camera', { background: true });
      bar.max = now.wanted;
      bar.value = now.taken;
      said.textContent = `${GUIDANCE[guidance] || ''} – ${now.taken} of ${count(now.wanted, 'look', 'looks')}`;
      if (now.stage !== 'done' && now.stage !== 'failed') return;
      end();
      stop.hidden = true;
      begin.disabled = false;
      if (now.stage === 'done') { said.textContent = 'Enrolled.'; done(now.enrolled); return; }
      const why = (now.refusal?.reasons || []).map((r) => QUALITY[r] || r).join(', ');
      fill(said, note(`${now.refusal?.message || 'It did not work.'}${why ? ` Last seen: ${why}.` : ''} Try again.`, 'bad'));
    }));
  }, 'main');
  return { box: h('div', { class: 'stack' }, frame, bar, said, h('div', { class: 'row' }, begin, stop)), end };
}

/** What became of pictures, row by row, and who looks alike. */
export function outcome(enrolled, pictureNames = []) {
  const rows = enrolled.images.map((one, i) => {
    const name = pictureNames[i] || one.file || `Picture ${i + 1}`;
    return one.template !== null
      ? note(`${name}: taken, quality ${one.quality} of 100`, 'good')
      : note(`${name}: not taken. ${one.reasons.join('; ')}`, 'warn');
  });
  const near = enrolled.nearest_other;
  const close = near && near.distance_to_threshold !== null && near.distance_to_threshold < 0.1;
  return h('div', { class: 'stack' }, rows,
    close && note(`Looks much like ${near.person || 'another person'}: the door may ask the two to come closer, and lets neither in when it cannot tell.`, 'warn'));
}
