// A witness's phone on a bad day: slow, cut, offline, reloaded, its tab killed; in French and English, with and without
// script. The server is the real program; what comes between is a small proxy of this file that cuts connections.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { PHONE, look, newAppeal, startBrowser, startServer, until } from './support.js';

let server, browser;
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

before(async () => {
  server = await startServer({ env: { TEMOIN_LIMITS__FLOOD_WORK_BITS: '10' } });
  newAppeal(server, 'PONT');
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Passes bytes on at a pace, and cuts every connection after so many. Addresses in answers lead back to the proxy. */
async function badNetwork({ bytesPerSecond = 0, cutAfter = 0 }) {
  const state = { cuts: 0, cutAfter, open: new Set() };
  const listener = createServer((phone) => {
    const far = connect(server.port, '127.0.0.1');
    state.open.add(phone);
    let passed = 0;
    const end = () => { phone.destroy(); far.destroy(); state.open.delete(phone); };
    // A connection that lost a byte is dead for good: the rest of it would be garbage to the server.
    let dead = false;
    phone.on('data', (chunk) => {
      passed += chunk.length;
      dead ||= state.swallow;
      if (dead) { state.swallowed = (state.swallowed ?? 0) + chunk.length; return; }
      if (state.cutAfter && passed > state.cutAfter) { state.cuts++; phone.resetAndDestroy(); far.resetAndDestroy(); return; }
      far.write(chunk);
      if (bytesPerSecond) { phone.pause(); setTimeout(() => phone.resume(), (1000 * chunk.length) / bytesPerSecond); }
    });
    far.on('data', (chunk) => phone.write(chunk));
    phone.on('close', end).on('error', end);
    far.on('close', end).on('error', end);
  });
  await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
  return { state, base: `http://127.0.0.1:${listener.address().port}`, close: () => { for (const s of state.open) s.destroy(); listener.close(); } };
}

async function begin(base, { locale = 'en-GB', ...more } = {}) {
  const context = await browser.newContext({ ...PHONE, locale, ...more });
  const page = await context.newPage();
  const broken = [];
  page.on('pageerror', (e) => broken.push(String(e)));
  await page.goto(`${base}/a/PONT`);
  await page.click('button.main');
  // The progress frame of a page without script stays open: such a page never counts as loaded.
  await page.waitForURL(/\/send$/, { waitUntil: 'commit' });
  await page.waitForSelector('#send-button', { state: 'attached' });
  if (more.javaScriptEnabled !== false) await page.waitForSelector('html.script', { state: 'attached' });
  return { context, page, broken };
}

const state = (page, name) => page.locator('li.file', { hasText: name }).locator('.word').textContent();
const done = (page, name, word = 'Received', tries = 600) => until(`${name} did not arrive: ${name}`, async () => (await state(page, name)) === word, tries);

async function received(page) {
  await page.waitForURL(/\/r\/[A-Z2-7-]{31}$/);
  return page.textContent('main');
}

const noise = (length) => randomFillSync(Buffer.alloc(length));

for (const [locale, words] of [['en-GB', { got: 'Received', thanks: 'Received. Thank you.' }], ['fr-FR', { got: 'Reçu', thanks: 'Bien reçu. Merci.' }]]) {
  test(`files are on their way while the questions are asked, ${locale}`, async () => {
    const { context, page, broken } = await begin(server.base, { locale });
    await look(page, `upload-${locale}-1-empty`);
    const bytes = await page.screenshot({ type: 'jpeg' });
    const sums = [];
    page.on('request', (r) => { if (r.url().endsWith('/uploads') && r.method() === 'POST') sums.push(r.headers()['upload-checksum'] ?? 'none'); });
    await page.setInputFiles('#media', [{ name: 'pont.jpg', mimeType: 'image/jpeg', buffer: bytes }, { name: 'film.mp4', mimeType: 'video/mp4', buffer: noise(700_000) }]);
    // Before anything else is said or pressed, both have arrived.
    await done(page, 'pont.jpg', words.got);
    await done(page, 'film.mp4', words.got);
    // Each under a SHA-256 of its own, taken by the browser.
    assert.ok(sums.includes(`sha256 ${createHash('sha256').update(bytes).digest('base64')}`) && !sums.includes('none'), sums.join());
    // A JPEG without a place: the page says so, and asks.
    assert.ok(await page.isVisible('#place-removed'));
    await page.check('input[name=own][value=yes]');
    await page.check('input[name=when][value=during]');
    await page.click('#show-map');
    await page.waitForSelector('#map .leaflet-marker-pane', { state: 'attached' });
    await page.focus('#map');
    await page.keyboard.press('Enter');
    assert.match(await page.textContent('#pinned'), /48[.]85/);
    assert.ok(await page.isChecked('input[name=at_place][value=no]'));
    await look(page, `upload-${locale}-2-answers`);
    await page.click('#send-button');
    const text = await received(page);
    assert.ok(text.includes(words.thanks) && text.includes(hash(bytes)), text);
    // The answers are there, and nobody is asked twice.
    await page.goto(`${page.url()}/send`);
    assert.ok(await page.isChecked('input[name=own][value=yes]'));
    assert.match(await page.inputValue('input[name=lat]'), /^48[.]85/);
    // The same picture again is recognised before it is sent.
    await page.waitForSelector('html.script', { state: 'attached' });
    const sent = [];
    page.on('request', (r) => { if (r.url().includes('/uploads')) sent.push(r.method()); });
    await page.setInputFiles('#media', [{ name: 'again.jpg', mimeType: 'image/jpeg', buffer: bytes }]);
    await until('the repeat is known', async () => /already|déjà/.test(await state(page, 'again.jpg')));
    assert.deepEqual(sent, []);
    assert.deepEqual(broken, []);
    await context.close();
  });
}

for (const [locale, word] of [['en-GB', 'Received'], ['fr-FR', 'Reçu']]) test(`cut every few hundred kilobytes, everything arrives whole, ${locale}`, async () => {
  const network = await badNetwork({ cutAfter: 1_500_000 });
  const { context, page, broken } = await begin(network.base, { locale });
  const [a, b] = [noise(5_000_000), noise(3_000_000)];
  await page.setInputFiles('#any', [{ name: 'a.mp4', mimeType: 'video/mp4', buffer: a }, { name: 'b.mp4', mimeType: 'video/mp4', buffer: b }]);
  // Whole chunks never get through at first: the page makes them smaller until they do.
  await until('the network was cut', async () => network.state.cuts >= 3);
  network.state.cutAfter = 20_000_000;
  await done(page, 'a.mp4', word);
  await done(page, 'b.mp4', word);
  await page.click('#send-button');
  const text = await received(page);
  assert.ok(text.includes(hash(a)) && text.includes(hash(b)), text);
  assert.deepEqual(broken, []);
  await context.close();
  network.close();
});

for (const [locale, word, says] of [['en-GB', 'Received', /No network/], ['fr-FR', 'Reçu', /réseau/]]) test(`without a network it waits, says so, and goes on by itself, ${locale}`, async () => {
  const network = await badNetwork({ bytesPerSecond: 400_000 });
  const { context, page } = await begin(network.base, { locale });
  const bytes = noise(4_000_000);
  await page.setInputFiles('#any', [{ name: 'film.mp4', mimeType: 'video/mp4', buffer: bytes }]);
  await until('it is on its way', async () => Number(await page.getAttribute('#bar', 'value')) > 0);
  await context.setOffline(true);
  for (const s of network.state.open) s.destroy();
  await until('the page says so', async () => says.test(await page.textContent('#total')));
  await look(page, `upload-offline-${locale}`);
  await context.setOffline(false);
  await done(page, 'film.mp4', word);
  await page.click('#send-button');
  assert.ok((await received(page)).includes(hash(bytes)));
  await context.close();
  network.close();
});

test('after a reload and in another browser the half-sent file is finished', async () => {
  const network = await badNetwork({ bytesPerSecond: 3_000_000 });
  const { context, page } = await begin(network.base);
  const path = join(server.data, 'long.mp4');
  const bytes = noise(40_000_000);
  writeFileSync(path, bytes);
  await page.setInputFiles('#any', path);
  // One chunk has been acknowledged.
  await until('a chunk has arrived', async () => Number(await page.getAttribute('#bar', 'value')) > 18_000_000, 600);
  const address = page.url();
  // The tab is killed: no goodbye.
  page.on('dialog', (d) => d.accept());
  await context.close();
  network.close();

  const other = await browser.newContext({ ...PHONE, locale: 'en-GB' });
  const again = await other.newPage();
  await again.goto(address.replace(network.base, server.base));
  await again.waitForSelector('#unfinished:not([hidden])');
  assert.match(await again.textContent('#unfinished-list'), /long[.]mp4 · 16.* \/ 40/);
  await look(again, 'upload-unfinished');
  let sent = 0;
  again.on('request', (r) => { if (r.method() === 'PATCH') sent += r.postDataBuffer()?.length ?? 0; });
  let created = 0;
  again.on('request', (r) => { if (r.method() === 'POST' && r.url().endsWith('/uploads')) created++; });
  await again.setInputFiles('#any', path);
  await done(again, 'long.mp4');
  assert.equal(created, 0, 'the same upload goes on');
  assert.ok(sent <= 24_000_000, `nothing is sent twice: ${sent}`);
  await again.click('#send-button');
  assert.ok((await received(again)).includes(hash(bytes)));
  await other.close();
});

test('pause, go on, remove; a refusal is said in words', async () => {
  newAppeal(server, 'PETIT', ['--file-bytes-max', '100000']);
  const network = await badNetwork({ bytesPerSecond: 300_000 });
  const { context, page } = await begin(network.base);
  await page.setInputFiles('#any', [{ name: 'one.mp4', mimeType: 'video/mp4', buffer: noise(3_000_000) }]);
  await until('it is on its way', async () => (await state(page, 'one.mp4')) === 'Sending…');
  await page.click('#pause');
  await until('it pauses', async () => (await state(page, 'one.mp4')) === 'Paused');
  assert.equal(await page.textContent('#pause'), 'Go on');
  await page.click('#pause');
  await done(page, 'one.mp4');
  await context.close();
  network.close();

  const small = await browser.newContext({ ...PHONE, locale: 'en-GB' });
  const other = await small.newPage();
  await other.goto(`${server.base}/a/PETIT`);
  await other.click('button.main');
  await other.waitForSelector('html.script', { state: 'attached' });
  await other.setInputFiles('#any', [{ name: 'cloud.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(0) }]);
  await until('an empty file is said to be empty', async () => /is empty/.test(await state(other, 'cloud.jpg')));
  const row = other.locator('li.file', { hasText: 'cloud.jpg' });
  assert.equal(await row.getByRole('button', { name: 'Try again' }).count(), 0, 'trying again would not help');
  await row.getByRole('button', { name: 'Remove' }).click();
  await other.setInputFiles('#any', [{ name: 'large.mp4', mimeType: 'video/mp4', buffer: noise(200_000) }, { name: 'small.jpg', mimeType: 'image/jpeg', buffer: noise(50_000) }]);
  await until('the refusal is said', async () => /larger than this appeal takes/.test(await state(other, 'large.mp4')));
  await done(other, 'small.jpg');
  assert.match(await other.textContent('#alert'), /large[.]mp4/);
  await look(other, 'upload-refused');
  await other.click('#send-button');
  await until('what is missing is said', async () => /1 of 2 files arrived/.test(await other.textContent('#alert')));
  // Said where whoever pressed the button at the end of the page sees and hears it.
  assert.ok(await other.evaluate(() => document.activeElement?.id === 'alert' && document.getElementById('alert').getBoundingClientRect().top >= 0
    && document.getElementById('alert').getBoundingClientRect().top < innerHeight));
  await other.locator('li.file', { hasText: 'large.mp4' }).getByRole('button', { name: 'Remove' }).click();
  await other.click('#send-button');
  await received(other);
  await small.close();
});

test('without script the form sends everything, and the frame tells', async () => {
  const network = await badNetwork({ bytesPerSecond: 300_000 });
  const { context, page } = await begin(network.base, { locale: 'fr-FR', javaScriptEnabled: false });
  const bytes = noise(1_500_000);
  await page.check('input[name=own][value=yes]');
  await page.setInputFiles('#media', [{ name: 'petit.jpg', mimeType: 'image/jpeg', buffer: noise(100_000) }]);
  await page.setInputFiles('#any', [{ name: 'film.mp4', mimeType: 'video/mp4', buffer: bytes }]);
  let frame;
  await until('the progress frame', () => (frame = page.frames().find((f) => f.url().endsWith('/progress'))));
  // The frame's own lines, read beside it: a frame that never ends cannot be asked through the browser's protocol.
  const lines = await fetch(frame.url(), { headers: { 'accept-language': 'fr' } });
  await page.click('#send-button', { noWaitAfter: true });
  let told = '';
  for await (const chunk of lines.body) {
    told += Buffer.from(chunk).toString().replace(/[\u2068\u2069]/g, '');
    if (/1 fichier reçu/.test(told)) break;
  }
  assert.match(told, /Rien n’est encore arrivé[^]*1 fichier reçu/);
  await page.waitForURL(/\/r\/[A-Z2-7-]{31}$/).catch(async () => assert.fail(`${page.url()}: ${await page.textContent('body')}`));
  assert.ok((await page.textContent('main')).includes(hash(bytes)));
  await context.close();
  network.close();
});

test('in a flood the browser works for its place', async () => {
  server.cli(['appeal', 'flood', 'PONT', 'on']);
  const { context, page } = await begin(server.base);
  assert.match(page.url(), /\/send$/);
  await context.close();
  const plain = await browser.newContext({ ...PHONE, locale: 'en-GB', javaScriptEnabled: false });
  const waiting = await plain.newPage();
  await waiting.goto(`${server.base}/a/PONT`);
  await waiting.click('button.main');
  await waiting.waitForSelector('#flood-state');
  assert.match((await waiting.textContent('main')).replace(/[\u2068\u2069]/g, ''), /Please wait 20 seconds/);
  await look(waiting, 'flood', { script: false });
  await plain.close();
  server.cli(['appeal', 'flood', 'PONT', 'off']);
});

test('two at a time, photos first, smaller chunks on a phone network, and the screen stays on', async () => {
  const network = await badNetwork({ bytesPerSecond: 3_000_000 });
  const context = await browser.newContext({ ...PHONE, locale: 'en-GB' });
  const sums = [];
  await context.addInitScript(() => {
    window.locks = [];
    const wakeLock = { request: async (kind) => { window.locks.push(kind); return { release: async () => { window.locks.push('released'); } }; } };
    Object.defineProperty(navigator, 'wakeLock', { value: wakeLock });
    const wire = Object.assign(new EventTarget(), { type: 'cellular', effectiveType: '4g' });
    window.wire = wire;
    Object.defineProperty(navigator, 'connection', { value: wire });
  });
  const page = await context.newPage();
  await page.goto(`${network.base}/a/PONT`);
  await page.click('button.main');
  await page.waitForSelector('html.script', { state: 'attached' });
  let [live, most] = [0, 0];
  const [order, sizes] = [[], []];
  const carries = (r) => r.method() === 'PATCH' || (r.method() === 'POST' && r.url().endsWith('/uploads'));
  page.on('request', (r) => {
    if (!carries(r)) return;
    most = Math.max(most, ++live);
    if (r.method() === 'PATCH') sums.push(/^sha256 .{44}$/.test(r.headers()['upload-checksum'] ?? ''));
    sizes.push(Number(r.headers()['content-length'] ?? r.postDataBuffer()?.length ?? 0));
    const name = /filename ([^,]+)/.exec(r.headers()['upload-metadata'] ?? '')?.[1];
    if (name) order.push(Buffer.from(name, 'base64').toString());
  });
  page.on('requestfinished', (r) => { if (carries(r)) live--; });
  page.on('requestfailed', (r) => { if (carries(r)) live--; });
  const film = (name, length) => ({ name, mimeType: 'video/mp4', buffer: noise(length) });
  // The film is chosen first, and would have to wait for nothing.
  await page.check('#wifi-only', { force: true }).catch(() => assert.fail('a phone that says how it is connected has the switch'));
  await page.setInputFiles('#any', [film('film.mp4', 20_000_000), film('clip.mp4', 2_000_000), { name: 'b.jpg', mimeType: 'image/jpeg', buffer: noise(300_000) },
    { name: 'a.jpg', mimeType: 'image/jpeg', buffer: noise(200_000) }, { name: 'c.jpg', mimeType: 'image/jpeg', buffer: noise(400_000) }]);
  for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) await done(page, name);
  assert.equal(await state(page, 'film.mp4'), 'Waits for Wi-Fi');
  await look(page, 'upload-wifi');
  await page.evaluate(() => { window.wire.type = 'wifi'; window.wire.dispatchEvent(new Event('change')); });
  await until('minutes left are told', async () => /1 min/.test(await page.textContent('#total')));
  await page.evaluate(() => { window.wire.type = 'cellular'; window.wire.dispatchEvent(new Event('change')); });
  await until('back on the phone network the film waits again', async () => (await state(page, 'film.mp4')) === 'Waits for Wi-Fi');
  // Who presses Send now is told what is missing, and can choose.
  await page.click('#send-button');
  assert.match(await page.textContent('#alert'), /wait for Wi-Fi/);
  assert.ok(await page.isEnabled('#send-button'));
  assert.ok(!/minute/.test(await page.textContent('#total')), 'nothing moves, so no minutes are promised');
  await page.uncheck('#wifi-only');
  await done(page, 'clip.mp4');
  await done(page, 'film.mp4');
  assert.deepEqual(order.slice(0, 3).sort(), ['a.jpg', 'b.jpg', 'c.jpg'], 'photos before videos');
  assert.equal(most, 2, 'two at a time');
  assert.ok(sums.length >= 3 && sums.every(Boolean), 'every chunk goes under its SHA-256');
  assert.ok(Math.max(...sizes) <= 4_000_000, `chunks: ${sizes}`);
  const locks = await page.evaluate(() => window.locks);
  assert.ok(locks.includes('screen') && locks.at(-1) === 'released', locks.join());
  await context.close();
  network.close();
});

test('a connection that falls silent is given up, and the file goes on', async () => {
  const network = await badNetwork({});
  const { context, page } = await begin(network.base);
  await page.clock.install();
  const bytes = noise(3_000_000);
  // Everything that is sent from now on is swallowed, as by a phone that changed networks.
  network.state.swallow = true;
  await page.setInputFiles('#any', [{ name: 'film.mp4', mimeType: 'video/mp4', buffer: bytes }]);
  await page.clock.runFor(1_000);
  await until('it is on its way', async () => { await page.clock.runFor(500); return (await state(page, 'film.mp4')) === 'Sending…'; });
  await until('something is swallowed', async () => { await page.clock.runFor(500); return network.state.swallowed > 0; });
  network.state.swallow = false;
  await page.clock.runFor(20_000);
  assert.notEqual(await state(page, 'film.mp4'), 'Received', 'not before it is taken for dead');
  // The page's clock must not run far ahead of the network's, or the file is taken for dead while it is still being sent.
  let last;
  await until('it arrives', async () => { await page.clock.runFor(400); last = await state(page, 'film.mp4'); return last === 'Received'; }, 300).catch(() => assert.fail(`it arrives: ${last} ${JSON.stringify(network.state, (k, v) => (k === 'open' ? v.size : v))}`));
  await context.close();
  network.close();
});

test('a place is taken back, a typed time is shown again', async () => {
  const { context, page } = await begin(server.base);
  await page.click('#show-map');
  await page.waitForSelector('#map .leaflet-marker-pane', { state: 'attached' });
  await page.focus('#map');
  await page.keyboard.press('Enter');
  await page.fill('input[name=at]', '2026-07-14T22:12');
  const saved = page.waitForResponse((r) => r.url().endsWith('/statement') && r.ok());
  await page.fill('#words_field', 'a white van');
  await saved;
  await page.goto(page.url());
  await page.waitForSelector('html.script', { state: 'attached' });
  assert.equal(await page.inputValue('input[name=at]'), '2026-07-14T22:12');
  assert.ok(await page.isChecked('input[name=when][value=at]'));
  assert.match(await page.inputValue('input[name=lat]'), /^48/);
  const taken = page.waitForResponse((r) => r.url().endsWith('/statement') && r.ok());
  await page.check('input[name=no_place]');
  await taken;
  await page.goto(page.url());
  assert.equal(await page.inputValue('input[name=lat]'), '');
  assert.ok(await page.isHidden('#forget'));
  // Without script, by the same form.
  const plain = await begin(server.base, { javaScriptEnabled: false });
  await plain.page.check('input[name=when][value=before]');
  await plain.page.fill('#words_field', 'seen from afar');
  await plain.page.click('#send-button', { noWaitAfter: true });
  await plain.page.waitForURL(/\/r\/[A-Z2-7-]{31}$/);
  await plain.page.goto(`${plain.page.url()}/send`, { waitUntil: 'commit' });
  await plain.page.waitForSelector('#send-button', { state: 'attached' });
  assert.ok(await plain.page.isChecked('input[name=when][value=before]'));
  await plain.context.close();
  await context.close();
});

test('at 200 % and from right to left nothing is lost', async () => {
  const { context, page } = await begin(server.base, { viewport: { width: 320, height: 640 } });
  await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
  await page.setInputFiles('#any', [{ name: 'a-file-with-a-rather-long-name-of-a-holiday-on-the-bridge.jpg', mimeType: 'image/jpeg', buffer: noise(20_000) }]);
  await done(page, 'holiday');
  await look(page, 'upload-zoom');
  await page.evaluate(() => { document.documentElement.dir = 'rtl'; });
  await look(page, 'upload-rtl');
  await context.close();
});

test('the page is usable soon on a slow phone, and small', async () => {
  const { context, page } = await begin(server.base);
  const html = Buffer.from(await (await fetch(page.url())).arrayBuffer());
  const asset = (name) => readFileSync(new URL(`../../src/web/assets/${name}`, import.meta.url));
  const [htmlCss, js] = [brotliCompressSync(html).length + brotliCompressSync(asset('app.css')).length, gzipSync(asset('upload.js')).length];
  assert.ok(htmlCss <= 20_000, `HTML and CSS: ${htmlCss}`);
  assert.ok(js <= 25_000, `script: ${js}`);
  const served = await fetch(`${server.base}/assets/upload.js`, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(served.headers.get('content-encoding'), 'gzip');
  await context.close();
});
