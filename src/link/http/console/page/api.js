// The door's own API, asked with the session's cookie. Every page goes through here.

/** Who is signed in; filled by `load`. */
export const session = { signed_in: false, first: false, scopes: [], csrf: '', name: '', role: '' };

export class ApiError extends Error {
  constructor(status, body) {
    const text = body?.message || body?.error || 'The door did not answer as expected. Load the page again.';
    super(text[0].toUpperCase() + text.slice(1));
    this.status = status;
    this.code = body?.code || '';
    this.reasons = body?.reasons || [];
    this.person = body?.person || null;
    this.parameter = body?.parameter || null;
  }
}

/**
 * Asks the door. `background` marks what the page asks by itself, which does not keep the session alive.
 */
export async function api(method, path, body, { background = false, raw = false } = {}) {
  const headers = {};
  if (method !== 'GET') headers['x-csrf-token'] = session.csrf;
  if (background) headers['x-background'] = '1';
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {
      method, headers, credentials: 'same-origin', cache: raw ? 'no-store' : 'default',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, { message: 'The door cannot be reached. Is it switched on, and are you on its network?' });
  }
  if (response.ok && raw) return response;
  const text = response.status === 204 ? '' : await response.text();
  let data = null;
  try { data = text ? JSON.parse(text) : null; } catch { data = null; }
  if (response.ok) return data;
  if (response.status === 401 && session.signed_in) {
    session.signed_in = false;
    window.dispatchEvent(new Event('signed-out'));
  }
  if (response.status === 429) {
    const wait = response.headers.get('retry-after') || '60';
    throw new ApiError(429, { ...data, message: `Too many tries. Wait ${wait} seconds, then try again.` });
  }
  throw new ApiError(response.status, data);
}

export const get = (path, options) => api('GET', path, undefined, options);
export const post = (path, body = undefined) => api('POST', path, body);
export const put = (path, body) => api('PUT', path, body);
export const del = (path) => api('DELETE', path);

/** Learns who is signed in. */
export async function load() {
  Object.assign(session, { scopes: [] }, await get('/console/session', { background: true }));
  return session;
}

export const may = (scope) => session.scopes.includes(scope) || (['attendance', 'audit'].includes(scope) && session.scopes.includes('admin'));

/** A query from an object; what is empty is left out. */
export function query(values) {
  const all = Object.entries(values).filter(([, v]) => v !== undefined && v !== null && v !== '');
  return all.length ? `?${new URLSearchParams(all)}` : '';
}

/** A file as base64, for JSON. */
export async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

const known = new Map();

/** Names of people by id, asked once each; where the caller may not know, ids stay ids. */
export async function names(ids) {
  const missing = [...new Set(ids.filter((id) => id && !known.has(id)))].slice(0, 1000);
  // An address has its length: a few dozen ids at a time, and all of these at once.
  const parts = Array.from({ length: Math.ceil(missing.length / 100) }, (_, i) => missing.slice(i * 100, i * 100 + 100));
  if (may('events')) {
    await Promise.all(parts.map(async (part) => {
      try {
        const found = await get(`/v1/names${query({ ids: part.join(',') })}`, { background: true });
        for (const id of part) known.set(id, found[id] || id);
      } catch { /* ids say enough */ }
    }));
  }
  return (id) => known.get(id) || id;
}

/** Lets the browser keep a text as a file. */
export function save(name, text, type) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** What the camera sees: an object address for an image, and what is seen in it. */
export async function picture(path) {
  const response = await api('GET', path, undefined, { background: true, raw: true });
  const coded = response.headers.get('x-ostiary-seen');
  const bytes = coded ? Uint8Array.from(atob(coded), (c) => c.charCodeAt(0)) : null;
  const seen = bytes ? JSON.parse(new TextDecoder().decode(bytes)) : null;
  return { url: URL.createObjectURL(await response.blob()), seen };
}
