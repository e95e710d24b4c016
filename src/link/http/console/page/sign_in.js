// The way in: name, password and code; or the first sign-in with a code from the display or an invitation.

import { load, post, session } from './api.js';
import { button, field, fill, h, note } from './ui.js';

export function show(main, done) {
  if (session.first) first(main, done, '');
  else usual(main, done);
}

function gate(main, title, ...content) {
  fill(main, h('div', { class: 'gate stack' },
    h('div', { class: 'brand row' }, h('img', { src: '/console/icon.svg', alt: '' }), 'Ostiary'),
    h('section', { class: 'card' }, h('h1', {}, title), content)));
  main.querySelector('input')?.focus();
}

/** A form that says what went wrong and may be sent again. */
function sender(label, fields, send) {
  const problem = h('div', {});
  const go = h('button', { class: 'main' }, label);
  return h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      go.disabled = true;
      fill(problem);
      try {
        await send();
      } catch (error) {
        fill(problem, note(error.message, 'bad'));
      }
      go.disabled = false;
    },
  }, fields, problem, go);
}

const digits = () => h('input', {
  name: 'totp', inputmode: 'numeric', autocomplete: 'one-time-code', pattern: '[0-9 ]{6,7}', required: true, maxlength: '7',
});

async function entered(done) {
  await load();
  await done();
}

function usual(main, done) {
  const name = h('input', { name: 'name', autocomplete: 'username', required: true, maxlength: '32', autocapitalize: 'none' });
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const totp = digits();
  gate(main, 'Sign in', sender('Sign in', [
    field('Name', name), field('Password', password), field('Code', totp, 'The six digits in your authenticator app'),
  ], async () => {
    try {
      Object.assign(session, await post('/console/login', { name: name.value.trim(), password: password.value, totp: totp.value }));
    } catch (error) {
      totp.value = '';
      throw error;
    }
    await entered(done);
  }), h('div', { class: 'row' }, button('I have an invitation code', () => first(main, done, 'invited'), 'plain')));
}

function first(main, done, how) {
  const invited = how === 'invited' || !session.first;
  const name = h('input', { name: 'name', autocomplete: 'username', required: true, maxlength: '32', pattern: '[A-Za-z0-9._@\\-]+', autocapitalize: 'none' });
  const code = h('input', { name: 'code', required: true, autocomplete: 'off', maxlength: '24', class: 'mono' });
  gate(main, invited ? 'Your first sign-in' : 'Welcome to your door',
    h('p', { class: 'soft' }, invited
      ? 'Type your name and the code you were given.'
      : 'Nobody can sign in yet. The door\'s display shows a code of eight digits: with it you make the first account, an administrator\'s.'),
    sender('Go on', [
      field('Name', name, 'Letters, digits and . _ @ -'),
      field(invited ? 'Invitation code' : 'Code on the display', code),
    ], async () => {
      const begun = await post('/console/begin', { name: name.value.trim(), code: code.value });
      second(main, done, name.value.trim(), code.value, begun);
    }),
    session.first && h('div', { class: 'row' }, button(invited ? 'I see a code on the display' : 'I have an invitation code',
      () => first(main, done, invited ? '' : 'invited'), 'plain')),
    !session.first && h('div', { class: 'row' }, button('Back to signing in', () => usual(main, done), 'plain')));
}

function second(main, done, name, code, begun) {
  const user = h('input', { autocomplete: 'username', value: name, hidden: true, 'aria-hidden': 'true', tabindex: '-1', readonly: true });
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'new-password', required: true, minlength: '10', maxlength: '128' });
  const again = h('input', { name: 'again', type: 'password', autocomplete: 'new-password', required: true });
  const totp = digits();
  const spaced = begun.key.replace(/(.{4})/g, '$1 ').trim();
  gate(main, 'Password and second factor',
    h('p', {}, 'Add this key to an authenticator app, for example Aegis, FreeOTP or Google Authenticator. It will show six digits that change every 30 seconds.'),
    h('p', { class: 'key mono', id: 'totp-key' }, spaced),
    h('p', { class: 'small' }, h('a', { href: begun.address }, 'Open in the authenticator on this device')),
    sender('Finish', [
      user,
      field('Choose a password', password, 'At least 10 characters; three or four words make a good one'),
      field('The password again', again),
      field('Six digits of the authenticator', totp),
    ], async () => {
      if (password.value !== again.value) throw new Error('The two passwords are not the same.');
      Object.assign(session, await post('/console/finish', { name, code, password: password.value, totp: totp.value }));
      await entered(done);
    }));
}
