// Every page of those who work on an appeal, at a desk and on a tablet, in both languages, with axe; the operator's own maps; and what is
// shown when an address makes no sense, an exhibit is gone, or a lease ran out.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PASSWORD, look, startBrowser, startServer, until } from './support.js';

let server, base, cli, browser, token, items;

before(async () => {
  server = await startServer({ args: ['--demo'] });
  ({ base, cli } = server);
  for (const [name, role] of [['ines', 'investigator'], ['omar', 'investigator'], ['sue', 'supervisor'], ['tom', 'supervisor'], ['ada', 'auditor'], ['root', 'administrator']]) {
    cli(['user', 'add', name, '--role', role, '--password-stdin'], PASSWORD);
  }
  token = cli(['token', 'add', 'ines', '--purpose', 'investigation', '--reason', 'Affaire 12/2026']).split('\n').pop().trim();
  await server.fed();
  items = (await (await fetch(`${base}/api/v1/appeals/DEMO-26/exhibits?limit=200`, { headers: { authorization: `Bearer ${token}` } })).json()).items;
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signIn(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.broken = [];
  page.on('console', (m) => { if (m.type() === 'error') page.broken.push(m.text()); });
  page.on('pageerror', (e) => page.broken.push(String(e)));
  await page.goto(`${base}/login`);
  await page.fill('#name', name);
  await page.fill('#password', PASSWORD);
  await page.press('#password', 'Enter');
  await page.waitForURL((url) => url.pathname !== '/login');
  if (new URL(page.url()).pathname === '/purpose') {
    await page.fill('#reason', 'Affaire 12/2026');
    await page.press('#reason', 'Enter');
    await page.waitForURL((url) => url.pathname !== '/purpose');
  }
  return page;
}

const post = (who, path, body) => fetch(`${base}/api/v1/appeals/DEMO-26/${path}`, { method: 'POST', headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
const found = async (page) => Number((await page.textContent('#ws-found')).match(/\d+/)[0]);

const SIZES = { desk: { viewport: { width: 1360, height: 900 } }, tablet: { viewport: { width: 820, height: 1180 }, hasTouch: true } };
for (const [size, options] of Object.entries(SIZES)) {
  for (const locale of ['en-GB', 'fr-FR']) {
    test(`every page of the staff, ${size}, ${locale}`, async () => {
      const photo = items.find((i) => i.kind === 'photo');
      const clip = items.find((i) => i.kind === 'video');
      const of = {
        sue: [
          '/appeals', '/appeals/DEMO-26', '/appeals/DEMO-26/exhibits', '/appeals/DEMO-26/exhibits?state=relevant&kind=audio', '/appeals/DEMO-26/board',
          `/appeals/DEMO-26/bulk?exhibit=${photo.id}`, `/appeals/DEMO-26/compare?n=${photo.number},${clip.number}`, `/appeals/DEMO-26/export?exhibit=${photo.id}`, '/exports', '/erasures',
          `/exhibits/${photo.id}`, `/exhibits/${clip.id}`, '/purpose', '/account', '/retention', '/recoveries', '/requests', '/identities', '/appeals/DEMO-26/exhibits?from=yesterday', '/exhibits/01890000-0000-7000-8000-000000000000',
        ],
        ada: ['/audit', '/audit/log', '/audit/verify', '/audit/compare', `/audit/exhibits/${photo.id}`],
        root: ['/accounts'],
      };
      for (const [name, paths] of Object.entries(of)) {
        const page = await signIn(name, { ...options, locale });
        for (const path of paths) {
          const answer = await page.goto(`${base}${path}`);
          assert.ok(answer.status() < 500, `${path}: ${answer.status()}`);
          if (path === '/appeals/DEMO-26') await page.waitForSelector('.cell img');
          await look(page, `pages-${size}-${locale.slice(0, 2)}-${path.replace(/[^a-z0-9]+/gi, '-').slice(1, 48)}`);
          assert.equal(await page.getAttribute('html', 'lang'), locale.slice(0, 2), path);
          const text = await page.textContent('main');
          // A key without its words, or a message whose value is missing, shows its name.
          assert.ok(!/\{\$|Unknown localization|No localization/.test(text), path);
        }
        await page.context().close();
      }
    });
  }
}

for (const locale of ['en-GB', 'fr-FR']) {
  test(`what stands at the foot of a witness's pages, and the front door, ${locale}`, async () => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, locale });
    const page = await context.newPage();
    await page.goto(`${base}/a/DEMO-26`);
    for (const [n, path] of ['privacy', 'accessibility', 'genuine'].entries()) {
      await page.click(`footer nav:first-of-type a:nth-of-type(${n + 1})`);
      assert.equal(new URL(page.url()).pathname, `/a/DEMO-26/${path}`);
      await look(page, `pages-foot-${locale.slice(0, 2)}-${path}`);
      assert.ok(!/\{\$|Unknown localization|No localization/.test(await page.textContent('main')), path);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} is wider than the phone`);
    }
    // A code that nobody has leads back to where it was typed.
    await page.goto(base);
    await page.fill('#code', 'ABCDE-FGHIJ-KLMNO-PQRST-UVWXY-Z');
    await page.click('form[action="/r"] button');
    await page.waitForSelector('#unknown');
    await look(page, `pages-door-${locale.slice(0, 2)}`);
    await context.close();
  });
}

test('an address that makes no sense is told, and the rest is shown', async () => {
  const page = await signIn('ines');
  await page.goto(`${base}/appeals/DEMO-26?kind=video&from=yesterday&bbox=1,2&sign=fake&family=best`);
  await page.waitForSelector('.cell');
  assert.match(await page.textContent('#ws-nonsense'), /from, bbox, sign/);
  assert.equal(await found(page), 4);
  await look(page, 'pages-nonsense');
  assert.deepEqual(page.broken, []);
  await page.context().close();
});

test('an exhibit that was erased, and one whose lease ran out', async () => {
  const [ines, sue, tom] = [await signIn('ines'), await signIn('sue'), await signIn('tom')];
  const gone = items.find((i) => i.kind === 'photo' && i.state === 'ready');
  await ines.goto(`${base}/appeals/DEMO-26?family=all&kind=photo`);
  await ines.waitForSelector('.cell img');
  const before = await found(ines);
  await ines.goto(`${base}/exhibits/${gone.id}`);
  await ines.click('#retention details summary');
  await ines.selectOption('#basis', { index: 0 });
  await ines.fill('#erasure-reason', 'The witness asked');
  await ines.press('#erasure-reason', 'Enter');
  for (const page of [sue, tom]) {
    await page.goto(`${base}/erasures`);
    await page.click('button[value=approve]');
    await page.waitForLoadState('load');
  }
  await until('the exhibit is erased', async () => (await ines.goto(`${base}/exhibits/${gone.id}`)).status() === 410);
  assert.match(await ines.textContent('h1'), /Erased/);
  await look(ines, 'pages-erased');
  // A workspace that shows it lets go of it, and keeps its place.
  await ines.goto(`${base}/appeals/DEMO-26?family=all&kind=photo`);
  await ines.waitForSelector('.cell');
  assert.equal(await found(ines), before - 1);
  // A colleague took over what one had left open: the key says who has it, and changes nothing.
  const number = Number((await ines.getAttribute('#ws-grid .active', 'aria-label')).match(/\d+/)[0]);
  await ines.focus('#ws-grid [tabindex="0"]');
  await ines.waitForTimeout(1_200);
  const omar = cli(['token', 'add', 'omar', '--purpose', 'investigation', '--reason', 'Affaire 12/2026']).split('\n').pop().trim();
  const tile = (await (await post(omar, 'tiles', { numbers: [number] })).json()).items[0];
  await post(omar, 'leases', { families: [tile.family], over: true });
  await ines.keyboard.press('p');
  await ines.waitForFunction(() => /open/.test(document.getElementById('ws-said').textContent));
  await ines.waitForSelector('#ws-over:not([hidden])');
  await look(ines, 'pages-lease-over');
  for (const page of [ines, sue, tom]) await page.context().close();
});

test('how it came, what made it, what was handed over together', async () => {
  const page = await signIn('ines');
  await page.goto(`${base}/appeals/DEMO-26?family=all`);
  await page.waitForSelector('.cell img');
  const all = await found(page);
  for (const field of ['#ws-signs', '#ws-submissions']) {
    const box = page.locator(`${field} [data-word]`).first();
    const n = Number(await box.locator('.count').textContent());
    await box.locator('input').focus();
    await page.keyboard.press(' ');
    assert.equal(await found(page), n, field);
    assert.ok(n > 0 && n < all, `${field}: ${n}`);
    assert.equal(await page.evaluate(() => document.activeElement.type), 'checkbox', 'the focus stays');
    await page.click('#ws-clear');
  }
  // Keys of the exhibit's page are one's own, too, and shared with the workspace's.
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/exhibits\//);
  await page.waitForSelector('#stage');
  await page.focus('#stage');
  await page.keyboard.press('?');
  await page.waitForSelector('#viewer-keys-dialog[open]');
  await look(page, 'pages-viewer-keys');
  await page.click('[data-act-key=rotate]');
  await page.keyboard.press('v');
  await page.click('#viewer-keys-close');
  await page.keyboard.press('v');
  await page.waitForFunction(() => /rotate\(90deg\)/.test(document.querySelector('.turn').style.transform));
  await page.uncheck('#viewer-keys');
  await page.goto(`${base}/appeals/DEMO-26`);
  await page.waitForSelector('.cell img');
  assert.equal(await page.isChecked('#ws-keys'), false, 'switched off is switched off everywhere');
  assert.deepEqual(page.broken, []);
  await page.context().close();
});

/** One tile for the whole world, at every zoom (PMTiles 3). */
function pmtiles(tile, type) {
  const varint = (n) => { const out = []; while (n > 127) { out.push((n % 128) | 128); n = Math.floor(n / 128); } out.push(n); return out; };
  const all = Array.from({ length: 16 }, (_, z) => 4 ** z).reduce((a, b) => a + b, 0);
  const root = Buffer.from([...varint(1), ...varint(0), ...varint(all), ...varint(tile.length), ...varint(1)]);
  const metadata = Buffer.from('{}');
  const head = Buffer.alloc(127);
  head.write('PMTiles', 0, 'latin1');
  head[7] = 3;
  [127, root.length, 127 + root.length, metadata.length, 0, 0, 127 + root.length + metadata.length, tile.length, all, 1, 1].forEach((n, at) => head.writeBigUInt64LE(BigInt(n), 8 + 8 * at));
  head.set([1, 1, 1, type, 0, 15], 96);
  [-1800000000, -850000000, 1800000000, 850000000].forEach((n, at) => head.writeInt32LE(n, 102 + 4 * at));
  return Buffer.concat([head, root, metadata, tile]);
}

/** A vector tile (Mapbox Vector Tile 2) whose layer `earth` is one square. */
function vector() {
  const field = (n, bytes) => [(n << 3) | 2, bytes.length, ...bytes];
  const zigzag = (n) => (n << 1) ^ (n >> 31);
  const long = (n) => { const out = []; while (n > 127) { out.push((n & 127) | 128); n >>>= 7; } out.push(n); return out; };
  const geometry = [9, zigzag(0), zigzag(0), 26, zigzag(4096), zigzag(0), zigzag(0), zigzag(4096), zigzag(-4096), zigzag(0), 15].flatMap(long);
  const feature = [0x18, 3, ...field(4, geometry)];
  const layer = [0x78, 2, ...field(1, Buffer.from('earth')), ...field(2, feature), 0x28, ...long(4096)];
  return Buffer.from(field(3, layer));
}

test('the operator’s own map and plans, without the internet', async () => {
  const folder = join(server.data, 'maps');
  mkdirSync(folder, { recursive: true });
  const page = await signIn('ines');
  const asked = [];
  page.on('request', (r) => { if (!r.url().startsWith(base)) asked.push(r.url()); });
  const drawn = await page.context().newPage();
  await drawn.setViewportSize({ width: 256, height: 256 });
  await drawn.setContent('<body style="margin:0;background:#7fb069"></body>');
  const tile = await drawn.screenshot({ type: 'png' });
  await drawn.setViewportSize({ width: 200, height: 100 });
  await drawn.setContent('<body style="margin:0;background:#c33;color:#fff;font:40px sans-serif">PLAN</body>');
  writeFileSync(join(folder, 'square.png'), await drawn.screenshot({ type: 'png' }));
  await drawn.close();
  writeFileSync(join(folder, 'map.pmtiles'), pmtiles(tile, 2));
  await page.goto(`${base}/appeals/DEMO-26`);
  await page.waitForFunction(() => [...document.querySelectorAll('#ws-map .leaflet-tile-pane img')].some((i) => i.complete && i.naturalWidth === 256), undefined, { timeout: 20_000 });
  // The same file as a map of shapes, and a plan that lies where its pins say.
  writeFileSync(join(folder, 'map.pmtiles'), pmtiles(vector(), 1));
  const [lat, lon] = items.find((i) => i.place).place.lat ? [items.find((i) => i.place).place.lat, items.find((i) => i.place).place.lon] : [48.85, 2.35];
  writeFileSync(join(folder, 'square.json'), JSON.stringify({ name: 'La halle', pins: [{ x: 0, y: 0, lat: lat + 0.001, lon: lon - 0.002 }, { x: 200, y: 0, lat: lat + 0.001, lon: lon + 0.002 }, { x: 0, y: 100, lat: lat - 0.001, lon: lon - 0.002 }] }));
  const context = page.context();
  await context.clearCookies({ name: 'none' });
  await page.goto('about:blank');
  const fresh = await signIn('omar', { locale: 'fr-FR' });
  fresh.on('request', (r) => { if (!r.url().startsWith(base)) asked.push(r.url()); });
  await fresh.goto(`${base}/appeals/DEMO-26`);
  await fresh.waitForFunction(() => [...document.querySelectorAll('#ws-map .leaflet-tile-pane canvas')].some((c) => c.getContext('2d').getImageData(100, 100, 1, 1).data[3] === 255), undefined, { timeout: 20_000 });
  const plan = fresh.locator('.plan-picture');
  await plan.waitFor();
  const box = await plan.boundingBox();
  const map = await fresh.locator('#ws-map').boundingBox();
  assert.ok(box.width > 4 && Math.abs(box.width / box.height - 2 * Math.cos((lat * Math.PI) / 180)) < 0.1, `stretched as its pins say: ${JSON.stringify(box)}`);
  assert.ok(box.x > map.x - map.width && box.x < map.x + map.width, 'on the map');
  await look(fresh, 'pages-map-fr');
  await fresh.uncheck('#ws-plans input');
  assert.equal(await plan.count(), 0);
  assert.deepEqual(asked.filter((u) => !u.startsWith('data:') && !u.startsWith('blob:') && !u.startsWith('about:')), [], 'nothing is asked of anybody else');
  assert.deepEqual(fresh.broken, []);
  rmSync(folder, { recursive: true });
  await fresh.context().close();
  await page.context().close();
});
