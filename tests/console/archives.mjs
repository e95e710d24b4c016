// ZIP archives for the import: sound ones, and every kind that must be refused.

import { deflateRawSync } from 'node:zlib';

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});
const crc32 = (data) => ~data.reduce((c, b) => (c >>> 8) ^ TABLE[(c ^ b) & 255], ~0) >>> 0;

/** Entries: name, bytes, and what the archive says of them where that is not the truth. */
export function zip(entries, lies = {}) {
  const parts = [];
  const list = [];
  let at = 0;
  for (const { name, data = Buffer.alloc(0), stored = false, flags = 0x800, method, length, crc, mode = 0, place } of entries) {
    const packed = stored ? data : deflateRawSync(data);
    const file = Buffer.from(name);
    const fields = [20, flags, method ?? (stored ? 0 : 8), 0, 0];
    const sizes = [crc ?? crc32(data), packed.length, length ?? data.length];
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    fields.forEach((v, i) => local.writeUInt16LE(v, 4 + 2 * i));
    sizes.forEach((v, i) => local.writeUInt32LE(v, 14 + 4 * i));
    local.writeUInt16LE(file.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(0x0314, 4);
    fields.forEach((v, i) => central.writeUInt16LE(v, 6 + 2 * i));
    sizes.forEach((v, i) => central.writeUInt32LE(v, 16 + 4 * i));
    central.writeUInt16LE(file.length, 28);
    central.writeUInt32LE((mode << 16) >>> 0, 38);
    central.writeUInt32LE(place ?? at, 42);
    parts.push(local, file, packed);
    list.push(central, file);
    at += 30 + file.length + packed.length;
  }
  const size = list.reduce((n, b) => n + b.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(lies.count ?? entries.length, 8);
  end.writeUInt16LE(lies.count ?? entries.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...list, end]);
}

const picture = Buffer.from('a picture, for all that an archive knows');
const zeros = (n) => Buffer.alloc(n);

/** What is refused, and a word of why. The last argument names the file that is read, where opening alone finds nothing. */
export const HOSTILE = [
  ['no archive', Buffer.from('PK, but no more'), 'no ZIP archive'],
  ['cut short', zip([{ name: 'a.jpg', data: picture }]).subarray(0, 60), 'no ZIP archive'],
  ['climbs', zip([{ name: '../../etc/passwd', data: picture }]), 'leads out'],
  ['climbs in the middle', zip([{ name: 'a/../../b.jpg', data: picture }]), 'leads out'],
  ['is absolute', zip([{ name: '/etc/passwd', data: picture }]), 'leads out'],
  ['has a drive', zip([{ name: 'C:evil.jpg', data: picture }]), 'leads out'],
  ['climbs backwards', zip([{ name: '..\\evil.jpg', data: picture }]), 'leads out'],
  ['is a link', zip([{ name: 'a.jpg', data: Buffer.from('/etc/passwd'), mode: 0o120777 }]), 'is a link'],
  ['says it twice', zip([{ name: 'a.jpg', data: picture }, { name: 'a.jpg', data: picture }]), 'twice'],
  ['overlaps', zip([{ name: 'a.jpg', data: picture }, { name: 'b.jpg', data: picture, place: 0 }]), 'lies over'],
  ['is encrypted', zip([{ name: 'a.jpg', data: picture, flags: 0x801 }]), 'encrypted'],
  ['is packed otherwise', zip([{ name: 'a.jpg', data: picture, method: 12 }]), 'packed in a way'],
  ['is huge', zip([{ name: 'a.jpg', data: zeros(5_000_001) }]), 'larger than 5 MB'],
  ['is a bomb', zip([{ name: 'a.jpg', data: zeros(4_900_000) }]), 'would grow'],
  ['is many', zip([{ name: 'a.jpg', data: picture }], { count: 6000 }), 'more than 5,000 files'],
  ['is of more than there is', zip([{ name: 'a.jpg', data: picture }], { count: 9 }), 'damaged'],
  ['is a ZIP64', zip([{ name: 'a.jpg', data: picture }], { count: 0xffff }), 'ZIP64'],
  ['is a bomb that lies', zip([{ name: 'a.jpg', data: zeros(60_000_000), length: 60_000 }]), 'larger than the archive says', 'a.jpg'],
  ['is less than it says', zip([{ name: 'a.jpg', data: picture, length: 500 }]), 'damaged', 'a.jpg'],
  ['is another', zip([{ name: 'a.jpg', data: picture, crc: 7 }]), 'damaged', 'a.jpg'],
  ['is no stream', zip([{ name: 'a.jpg', data: picture, stored: true, method: 8 }]), 'damaged', 'a.jpg'],
];

export const SOUND = zip([
  { name: 'people/' }, { name: '__MACOSX/people/._a.jpg', data: picture }, { name: 'people/.DS_Store', data: picture },
  { name: 'people/ä.jpg', data: picture }, { name: 'b.jpg', data: picture, stored: true }, { name: 'none.jpg' },
]);
