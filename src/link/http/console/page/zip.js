// Reading a ZIP archive in the browser, within bounds: the door never sees one.
//
// What an archive says of itself is not believed: names that climb out, are absolute or come twice, entries that are
// encrypted, stored in a way not known here, overlapping or larger than a picture may be are refused, and a stream is cut
// as soon as it gives more than was announced. Formats: PKWARE APPNOTE 4.3 without ZIP64; deflate as in RFC 1951.

export const LIMITS = { archive: 512e6, entries: 5000, entry: 5e6, list: 4e6, total: 2e9, ratio: 200 };

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

const refuse = (text) => { throw new Error(text); };

/** The entries of an archive by name; nothing is unpacked yet. Folders, and what a Mac adds, are left out. */
export async function open(file, limits = LIMITS) {
  if (file.size > limits.archive) refuse(`The archive is larger than ${Math.round(limits.archive / 1e6)} MB. Divide it.`);
  const tail = await bytes(file, Math.max(0, file.size - 65_557), file.size);
  let at = tail.byteLength - 22;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) refuse('This is no ZIP archive, or it was cut short.');
  const count = tail.getUint16(at + 10, true);
  const size = tail.getUint32(at + 12, true);
  const start = tail.getUint32(at + 16, true);
  if (tail.getUint16(at + 4, true) !== 0 || tail.getUint16(at + 8, true) !== count) refuse('The archive is one of several parts. Make it in one.');
  if (count === 0xffff || start === 0xffffffff) refuse('The archive is a ZIP64 one, for more than a list of people needs. Divide it.');
  if (count > limits.entries) refuse(`The archive has more than ${limits.entries.toLocaleString('en')} files. Divide it.`);
  if (start + size > file.size) refuse('The archive was cut short.');
  const list = await bytes(file, start, start + size);
  const found = new Map();
  const places = [];
  let total = 0;
  let from = 0;
  for (let i = 0; i < count; i += 1) {
    if (from + 46 > list.byteLength || list.getUint32(from, true) !== CENTRAL) refuse('The archive\'s list of files is damaged.');
    const flags = list.getUint16(from + 8, true);
    const method = list.getUint16(from + 10, true);
    const crc = list.getUint32(from + 16, true);
    const packed = list.getUint32(from + 20, true);
    const length = list.getUint32(from + 24, true);
    const nameLength = list.getUint16(from + 28, true);
    const next = from + 46 + nameLength + list.getUint16(from + 30, true) + list.getUint16(from + 32, true);
    const kind = list.getUint32(from + 38, true) >>> 28;
    const place = list.getUint32(from + 42, true);
    if (next > list.byteLength) refuse('The archive\'s list of files is damaged.');
    const name = text(new Uint8Array(list.buffer, list.byteOffset + from + 46, nameLength));
    from = next;
    if (name.endsWith('/') || name.startsWith('__MACOSX/') || /(^|\/)\.[^/.][^/]*$/.test(name)) continue;
    if (/^[/\\]|^[A-Za-z]:|\\|\0|(^|\/)\.\.?(\/|$)/.test(name)) refuse(`The archive holds a file of the name ${shown(name)}, which leads out of it. It is not read.`);
    if (kind === 0xa) refuse(`${shown(name)} is a link, not a file. The archive is not read.`);
    if (found.has(name)) refuse(`The archive holds ${shown(name)} twice. It is not read.`);
    if (flags & 1) refuse(`${shown(name)} is encrypted. Make the archive without a password.`);
    if (method !== 0 && method !== 8) refuse(`${shown(name)} is packed in a way that is not read here. Use an ordinary ZIP.`);
    const most = /\.csv$/i.test(name) ? limits.list : limits.entry;
    if (length > most) refuse(`${shown(name)} is larger than ${most / 1e6} MB.`);
    if (length > 1000 && length > packed * limits.ratio) refuse(`${shown(name)} would grow ${Math.round(length / Math.max(1, packed))} times. The archive is not read.`);
    total += length;
    if (total > limits.total) refuse('The archive would become larger than 2 GB. Divide it.');
    places.push([place, packed, name]);
    found.set(name, { name, method, crc, packed, length, place });
  }
  places.sort((a, b) => a[0] - b[0]);
  for (let i = 0; i < places.length; i += 1) {
    const end = places[i][0] + 30 + places[i][1];
    if (end > (places[i + 1]?.[0] ?? start)) refuse(`${shown(places[i][2])} lies over another file of the archive. It is not read.`);
  }
  return { names: [...found.keys()], read: (name) => read(file, found.get(name) || refuse(`The archive holds no ${shown(name)}.`)) };
}

/** One file, unpacked; never more of it than its entry announced, and that is bounded. */
async function read(file, entry) {
  const head = await bytes(file, entry.place, entry.place + 30);
  if (head.byteLength < 30 || head.getUint32(0, true) !== LOCAL) refuse(`${shown(entry.name)} is not where the archive says.`);
  const start = entry.place + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  if (start + entry.packed > file.size) refuse(`${shown(entry.name)} was cut short.`);
  let stream = file.slice(start, start + entry.packed).stream();
  if (entry.method === 8) stream = stream.pipeThrough(new DecompressionStream('deflate-raw'));
  const reader = stream.getReader();
  const out = new Uint8Array(entry.length);
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > entry.length) { reader.cancel().catch(() => {}); refuse('more'); }
      out.set(value, at);
      at += value.length;
    }
  } catch (error) {
    refuse(error.message === 'more' ? `${shown(entry.name)} is larger than the archive says. It is not read.` : `${shown(entry.name)} is damaged.`);
  }
  if (at !== entry.length || crc32(out) !== entry.crc) refuse(`${shown(entry.name)} is damaged.`);
  return new File([out], entry.name.split('/').pop());
}

const bytes = async (file, from, to) => new DataView(await file.slice(from, to).arrayBuffer());

function text(raw) {
  // Archives without the mark for UTF-8 hold it nearly always nevertheless; what does not is read byte by byte.
  try { return new TextDecoder('utf-8', { fatal: true }).decode(raw); } catch { return String.fromCharCode(...raw); }
}

const shown = (name) => (name.length > 60 ? `${name.slice(0, 57)}…` : name).replace(/[\p{Cc}\p{Cf}]/gu, '?');

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});

function crc32(data) {
  let c = 0xffffffff;
  for (let i = 0; i < data.length; i += 1) c = (c >>> 8) ^ TABLE[(c ^ data[i]) & 255];
  return (c ^ 0xffffffff) >>> 0;
}
