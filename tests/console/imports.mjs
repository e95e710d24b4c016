// Many people at once: a ZIP archive with list and pictures, row by row; and archives that must not be read.

import { readFileSync, writeFileSync } from 'node:fs';

import { HOSTILE, SOUND, zip } from './archives.mjs';
import { LOOK, fail, go, look, page, press, say, text } from './browser.mjs';

async function choose(path) {
  const input = await page.waitForSelector('#csv');
  await input.uploadFile(path);
  await press('Import');
}

/** What the page's own reader makes of an archive: its names, or why not. */
const read = (bytes, name) => page.evaluate(async (coded, entry) => {
  const { open } = await import('/console/zip.js');
  const file = new File([Uint8Array.from(atob(coded), (c) => c.charCodeAt(0))], 'x.zip');
  try {
    const archive = await open(file);
    const texts = [];
    for (const one of entry ? [entry] : archive.names) texts.push(await (await archive.read(one)).text());
    return { names: archive.names, texts };
  } catch (error) { return { refused: error.message }; }
}, bytes.toString('base64'), name);

export async function imported() {
  await go('#/import');
  const sound = await read(SOUND);
  if (JSON.stringify(sound.names) !== '["people/ä.jpg","b.jpg","none.jpg"]' || !sound.texts[1].startsWith('a picture') || sound.texts[2] !== '') fail(`a sound archive: ${JSON.stringify(sound)}`);
  for (const [what, bytes, word, name] of HOSTILE) {
    const { refused } = await read(bytes, name);
    if (!refused?.includes(word)) fail(`an archive that ${what}: ${refused || 'was read'}`);
  }
  say(`${HOSTILE.length} archives refused`);

  const list = ['id,name,groups,consent,valid_until,pictures',
    'visitor-4,Visitor Four,staff;day,signed form 4,2031-12-31,four.jpg',
    'visitor-5,Visitor Five,,,,five.jpg', 'visitor-6,,,,,', 'visitor-7,Visitor Seven,,,,', 'visitor-1,Visitor One again,,,,', '"visitor 8","Visitor ""Eight""",,,,'].join('\r\n');
  writeFileSync('people.zip', zip([{ name: 'staff/people.csv', data: Buffer.from(list) }, { name: 'staff/four.jpg', data: readFileSync(LOOK), stored: true }]));
  writeFileSync('hostile.zip', HOSTILE[2][1]);
  await choose('hostile.zip');
  await text('which leads out of it. It is not read.');
  await choose('people.zip');
  await text('rows refused');
  const rows = await page.evaluate(() => [...document.querySelectorAll('tbody tr')].map((r) => [...r.cells].map((c) => c.innerText.replace(/\s+/g, ' ').trim()).join(' | ')));
  const wanted = [['2', 'visitor-4', 'already enrolled'], ['3', 'visitor-5', 'no picture five.jpg'], ['4', 'visitor-6', 'name'], ['5', 'visitor-7', 'no face yet'], ['6', 'visitor-1', 'already'], ['7', 'visitor 8', 'id']];
  wanted.forEach(([line, id, word], i) => {
    if (!rows[i]?.startsWith(`${line} |`) || !rows[i].includes(id) || !rows[i].includes(word)) fail(`row ${line} of the import: ${rows[i]}`);
  });
  await look('import-result');
  say('imported row by row');
}
