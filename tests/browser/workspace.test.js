// The workspace: the browser's answers are the server's, a triage by keyboard alone, what a colleague does meanwhile, a lost network.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { PASSWORD, look, startBrowser, startServer, until } from './support.js';

const web = new URL('../../src/web/', import.meta.url).pathname;
let server, base, cli, browser, token;

before(async () => {
  server = await startServer({ args: ['--demo'] });
  ({ base, cli } = server);
  for (const name of ['ines', 'omar']) {
    cli(['user', 'add', name, '--role', 'investigator', '--password-stdin'], PASSWORD);
  }
  token = cli(['token', 'add', 'ines', '--purpose', 'investigation', '--reason', 'Affaire 12/2026']).split('\n').pop().trim();
  await server.fed();
  await until('every exhibit is examined', async () => (await (await get('/api/v1/appeals/DEMO-26/exhibits?state=received')).json()).items.length === 0);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signIn(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  await page.goto(`${base}/login`);
  await page.fill('#name', name);
  await page.fill('#password', PASSWORD);
  await page.press('#password', 'Enter');
  await page.waitForURL((url) => url.pathname === '/purpose');
  await page.fill('#reason', 'Affaire 12/2026');
  await page.press('#reason', 'Enter');
  await page.waitForURL((url) => url.pathname === '/appeals');
  return page;
}

const get = async (path) => {
  const answer = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, path);
  return answer;
};

const post = (path, body) => fetch(`${base}/api/v1/appeals/DEMO-26/${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });

test('the browser finds what the server finds', async () => {
  const out = join(mkdtempSync(join(tmpdir(), 'temoin-index-')), 'index.mjs');
  await build({
    stdin: { contents: "export * from './filter'; export { Index } from './columns';", resolveDir: join(web, 'islands/workspace'), loader: 'ts' },
    bundle: true, format: 'esm', outfile: out, logLevel: 'silent',
  });
  const { Index, iAm, read, select, sort } = await import(pathToFileURL(out).href);
  // Tags and batches, so that there is something to ask for.
  const { header } = new Index(await (await get('/api/v1/appeals/DEMO-26/exhibits.index')).arrayBuffer());
  const mine = header.people.find(([, name]) => name === 'ines')[0];
  iAm(mine);
  for (const [numbers, what] of [
    [[3, 5, 8, 13, 21, 34, 55, 89, 144, 233], { act: 'tag', tag: 'white van' }], [[5, 6, 7], { act: 'tag', tag: 'second-look' }],
    [[10, 20, 30], { act: 'tag', tag: 'graphic' }], [Array.from({ length: 60 }, (_, n) => n * 5 + 1), { act: 'assign', to: mine }],
  ]) assert.equal((await post('acts', { numbers, what })).status, 200);
  const index = new Index(await (await get('/api/v1/appeals/DEMO-26/exhibits.index')).arrayBuffer());
  assert.ok(index.rows >= 304);
  let seed = 7;
  const chance = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 2147483648; };
  const one = (list) => list[Math.floor(chance() * list.length)];
  const [lat, lon] = index.header.centre.map((v) => v / 1e7);
  const near = (wide) => [(lat + (chance() - 0.5) * wide).toFixed(6), (lon + (chance() - 0.5) * wide).toFixed(6)];
  let hits = 0;
  for (let n = 0; n < 150; n++) {
    const asked = {};
    if (chance() < 0.4) {
      const from = index.header.from + Math.floor((chance() - 0.5) * 7200);
      asked.from = new Date(from * 1000).toISOString();
      if (chance() < 0.5) asked.to = new Date((from + Math.floor(chance() * 5400)) * 1000).toISOString();
    } else if (chance() < 0.2) asked.time = 'unknown';
    const place = Math.floor(chance() * 6);
    if (place === 0) { const [[s, w], [no, e]] = [near(0.01), near(0.01)]; asked.bbox = [w, Math.min(s, no), e, Math.max(s, no)].join(','); }
    if (place === 1) { asked.near = near(0.006).join(','); asked.radius_m = String(Math.floor(50 + chance() * 700)); }
    if (place === 2) asked.within = Array.from({ length: 3 + Math.floor(chance() * 6) }, () => near(0.012).join(',')).join(';');
    if (place === 3 && chance() < 0.5) asked.place = 'unknown';
    if (chance() < 0.3) asked.kind = one(['photo', 'video', 'photo,video', 'other']);
    if (chance() < 0.2) asked.state = one(['ready', 'relevant,undecided', 'quarantined', 'ready,quarantined']);
    if (chance() < 0.3) asked.grade = one(['A', 'B,C', 'D']);
    if (chance() < 0.15) asked.tag = one(['second-look', 'graphic', 'white van', 'graphic,white van']);
    if (chance() < 0.15) asked.assigned = one(['nobody', 'me']);
    if (chance() < 0.15) asked.sign = one(['own', 'received,messenger,screen', 'edited', 'clock,place,broken', 'credentials,generated']);
    if (chance() < 0.1) asked.submission = one(['1', '4', '9']);
    else if (chance() < 0.1) asked.device = String(one(index.header.devices.map(([number]) => number)));
    if (chance() < 0.3) asked.family = one(['best', 'best', '1', '17']);
    if (chance() < 0.5) asked.order = one(['closeness', 'time', 'received']);
    const query = new URLSearchParams(asked);
    const here = sort(index, select(index, read(query)), asked.order ?? 'closeness');
    const theirs = [];
    for (let cursor = ''; ;) {
      const page = await (await get(`/api/v1/appeals/DEMO-26/exhibits?limit=200&${query}${cursor && `&cursor=${cursor}`}`)).json();
      theirs.push(...page.items.map((i) => i.number));
      if (!page.next) break;
      cursor = page.next;
    }
    const sorted = (list) => [...list].sort((a, b) => a - b);
    assert.deepEqual(sorted([...here].map((row) => index.number[row])), sorted(theirs), query.toString());
    hits += theirs.length;
  }
  assert.ok(hits > 3_000, `the questions find something: ${hits}`);
  // As it was, for the stories that follow.
  for (const [numbers, what] of [
    [[3, 5, 8, 13, 21, 34, 55, 89, 144, 233], { act: 'untag', tag: 'white van' }], [[5, 6, 7], { act: 'untag', tag: 'second-look' }],
    [[10, 20, 30], { act: 'untag', tag: 'graphic' }], [Array.from({ length: 60 }, (_, n) => n * 5 + 1), { act: 'assign' }],
  ]) assert.equal((await post('acts', { numbers, what })).status, 200);
});

const said = (page) => page.textContent('#ws-said');
const found = async (page) => Number((await page.textContent('#ws-found')).match(/\d+/)[0]);

test('a triage by keyboard alone', async () => {
  const page = await signIn('ines');
  const broken = [];
  page.on('console', (m) => { if (m.type() === 'error') broken.push(m.text()); });
  await page.click('section.card h2 a');
  await page.waitForSelector('.cell img');
  const contents = await found(page);
  assert.ok(contents > 200 && contents < 304, `${contents}: each content once`);
  await page.waitForFunction(() => [...document.querySelectorAll('.cell img')].filter((i) => i.complete && i.naturalWidth > 0).length >= 6);
  await look(page, 'workspace-1');
  await page.focus('#ws-grid [tabindex="0"]');
  const first = await page.getAttribute('#ws-grid .active', 'aria-label');
  await page.keyboard.press('p');
  await page.waitForFunction(() => document.getElementById('ws-said').textContent !== '');
  assert.match(await said(page), /exhibits?: relevant\./);
  const second = await page.getAttribute('#ws-grid .active', 'aria-label');
  assert.notEqual(first, second, 'it goes on by itself');
  assert.equal(await page.evaluate(() => document.activeElement.classList.contains('active')), true, 'the focus stays in the grid');
  await page.keyboard.press('x');
  await page.waitForFunction(() => /not relevant/.test(document.getElementById('ws-said').textContent));
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => /Taken back/.test(document.getElementById('ws-said').textContent));
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => document.querySelectorAll('.cell .state.relevant').length === 0);
  // The next key is meant for what was taken back.
  const numberOf = (label) => label.match(/[0-9]+/)[0];
  assert.equal(numberOf(await page.getAttribute('#ws-grid .active', 'aria-label')), numberOf(first));
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => /nothing of yours/.test(document.getElementById('ws-said').textContent));
  // Letters can be switched off.
  await page.uncheck('#ws-keys');
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('p');
  await page.waitForTimeout(300);
  assert.match(await said(page), /nothing of yours/);
  await page.check('#ws-keys');
  // Far away and back; the active tile keeps the focus.
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement.closest('#ws-grid') !== null);
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  // All copies of one content, and back.
  await page.keyboard.press('f');
  await page.waitForURL(/family=\d+/);
  await page.keyboard.press('f');
  await page.waitForURL(/family=best/);
  // One that is decided does not hide that its copies are not.
  await page.click('.cell:has(.rank)');
  const label = () => page.getAttribute('#ws-grid .active', 'aria-label');
  const wait = /\d+ cop(y|ies) not reviewed/;
  assert.doesNotMatch(await label(), wait, 'nothing of it is decided');
  await page.keyboard.press('f');
  await page.waitForURL(/family=\d+/);
  await page.click('.cell:not([aria-label*=" copy"])');
  const whole = numberOf(await label());
  await page.keyboard.press('p');
  await page.waitForFunction(() => /relevant/.test(document.getElementById('ws-said').textContent));
  await page.keyboard.press('f');
  await page.waitForURL(/family=best/);
  assert.equal(numberOf(await label()), whole);
  assert.match(await label(), wait);
  await page.uncheck('#ws-advance');
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('p');
  await page.waitForFunction(() => !/not reviewed/.test(document.querySelector('#ws-grid .active').getAttribute('aria-label')));
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => /cop(y|ies) not reviewed/.test(document.querySelector('#ws-grid .active').getAttribute('aria-label')));
  await page.keyboard.press('Control+z');
  await page.waitForFunction(() => document.querySelectorAll('.cell .state.relevant').length === 0);
  await page.check('#ws-advance');
  // Questions stand in the address.
  await page.check('#ws-kinds [data-word=video] input');
  assert.match(page.url(), /kind=video/);
  assert.equal(await found(page), 4);
  await page.reload();
  await page.waitForSelector('.cell');
  assert.equal(await found(page), 4);
  await page.click('#ws-clear');
  assert.equal(await found(page), contents);
  await page.uncheck('#ws-best');
  assert.match(page.url(), /family=all/);
  assert.equal(await found(page), 304);
  await page.click('#ws-no-place');
  assert.match(page.url(), /place=unknown/);
  await page.click('#ws-clear');
  await page.fill('#ws-from', '2030-01-01T00:00:00');
  await page.press('#ws-from', 'Tab');
  await page.waitForSelector('#ws-empty:not([hidden])');
  await look(page, 'workspace-2-empty');
  await page.click('#ws-clear');
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/exhibits\/[0-9a-f-]{36}$/);
  assert.deepEqual(broken, [], 'no errors in the console');
  await page.context().close();
});

test('a brush, a cluster, a colleague, a lost network', async () => {
  const page = await signIn('ines', { locale: 'fr-FR', viewport: { width: 1024, height: 900 } });
  await page.goto(`${base}/appeals/DEMO-26`);
  await page.waitForSelector('.cell img');
  await look(page, 'workspace-3-tablet-fr');
  await page.evaluate(() => window.scrollTo(0, 0));
  const bars = await page.locator('#ws-histogram').boundingBox();
  const before = await found(page);
  await page.mouse.move(bars.x + bars.width * 0.4, bars.y + 30);
  await page.mouse.down();
  await page.mouse.move(bars.x + bars.width * 0.6, bars.y + 30, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/, { timeout: 30_000 }).catch(() => assert.fail(`no stretch chosen: ${JSON.stringify(bars)} ${page.url()}`));
  assert.ok((await found(page)) < before);
  await page.click('#ws-clear');
  await page.click('#ws-view');
  assert.match(page.url(), /bbox=/);
  await page.click('#ws-clear');
  // A colleague decides on what this page shows as open.
  await page.check('#ws-best');
  const number = Number((await page.getAttribute('#ws-grid .active', 'aria-label')).match(/\d+/)[0]);
  const omar = cli(['token', 'add', 'omar', '--purpose', 'investigation', '--reason', 'Affaire 12/2026']).split('\n').pop().trim();
  const decided = await fetch(`${base}/api/v1/appeals/DEMO-26/tiles`, { method: 'POST', headers: { authorization: `Bearer ${omar}`, 'content-type': 'application/json' }, body: JSON.stringify({ numbers: [number] }) });
  const { items: [{ version, family }] } = await decided.json();
  await page.focus('#ws-grid [tabindex="0"]');
  // Between the key and the server: the colleague's comes first, however quickly the page is told of it.
  let act;
  await page.route('**/decisions', async (route) => {
    const body = { items: [{ number, version }], decision: 'undecided' };
    act = (await fetch(`${base}/api/v1/appeals/DEMO-26/leases`, { method: 'POST', headers: { authorization: `Bearer ${omar}`, 'content-type': 'application/json' }, body: JSON.stringify({ families: [family], over: true }) })).status;
    assert.equal(act, 200);
    act = (await fetch(`${base}/api/v1/appeals/DEMO-26/decisions`, { method: 'POST', headers: { authorization: `Bearer ${omar}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })).status;
    await fetch(`${base}/api/v1/appeals/DEMO-26/leases`, { method: 'POST', headers: { authorization: `Bearer ${omar}`, 'content-type': 'application/json' }, body: JSON.stringify({ families: [] }) });
    await route.continue();
  }, { times: 1 });
  await page.keyboard.press('x');
  await page.waitForFunction(() => /plus rapide/.test(document.getElementById('ws-said').textContent));
  assert.equal(act, 200);
  await page.waitForSelector('.cell.active .state.undecided');
  // What arrives waits to be shown.
  const opened = await (await fetch(`${base}/api/v1/appeals/DEMO-26/submissions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).json();
  const sent = await fetch(`${base}/api/v1/submissions/${opened.id}/files`, { method: 'POST', headers: { authorization: `Bearer ${opened.token}` }, body: 'words' });
  assert.equal(sent.status, 201);
  await page.waitForSelector('#ws-new:not([hidden])', { timeout: 30_000 });
  const shown = await found(page);
  await page.click('#ws-new');
  assert.equal(await found(page), shown + 1);
  await page.context().setOffline(true);
  await page.focus('#ws-grid [tabindex="0"]');
  await page.keyboard.press('x');
  await page.waitForSelector('#ws-problem:not([hidden])');
  await look(page, 'workspace-4-offline-fr');
  await page.context().setOffline(false);
  await page.keyboard.press('u');
  await page.waitForSelector('#ws-problem', { state: 'hidden' });
  await page.context().close();
});
