// Several people on one appeal: a colleague's dot, an act on many and back, coverage, areas, keys, the viewer, comparing, a blind second opinion.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { PASSWORD, look, startBrowser, startServer, until } from './support.js';

let server, base, cli, browser;

before(async () => {
  server = await startServer({ args: ['--demo'] });
  ({ base, cli } = server);
  for (const [name, role] of [['ines', 'investigator'], ['omar', 'investigator'], ['sue', 'supervisor']]) {
    cli(['user', 'add', name, '--role', role, '--password-stdin'], PASSWORD);
  }
  await server.fed();
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
  await page.waitForURL((url) => url.pathname === '/purpose');
  await page.fill('#reason', 'Affaire 12/2026');
  await page.press('#reason', 'Enter');
  await page.waitForURL((url) => url.pathname === '/appeals');
  return page;
}

const said = (page, words) => page.waitForFunction((words) => document.getElementById('ws-said').textContent.includes(words), words);
const found = async (page) => Number((await page.textContent('#ws-found')).match(/\d+/)[0]);
const active = (page) => page.focus('#ws-grid [tabindex="0"]');

test('two people do not look at the same content', async () => {
  const [ines, omar] = [await signIn('ines'), await signIn('omar')];
  for (const page of [ines, omar]) {
    await page.goto(`${base}/appeals/DEMO-26?family=best`);
    await page.waitForSelector('.cell img');
  }
  await active(ines);
  await omar.waitForSelector('.cell.active .looking');
  await look(omar, 'together-1-looking', { docs: 'workspace' });
  await active(omar);
  await omar.keyboard.press('p');
  await said(omar, 'has this content open');
  await omar.click('#ws-over');
  await said(omar, 'yours now');
  // (He stays at it: who goes on lets go, and then it would be free.)
  await omar.uncheck('#ws-advance');
  await active(omar);
  await omar.keyboard.press('p');
  await said(omar, 'relevant');
  // What ines had is decided: her key says so, and changes nothing.
  await active(ines);
  await ines.keyboard.press('x');
  await ines.waitForFunction(() => /faster|has this content open/.test(document.getElementById('ws-said').textContent));
  // Who leaves lets go.
  const leased = omar.waitForResponse((r) => r.url().endsWith('/leases') && r.ok());
  await active(omar);
  await omar.keyboard.press('End');
  await leased;
  await ines.keyboard.press('End');
  await ines.waitForSelector('.cell.active .looking');
  await omar.goto('about:blank');
  await ines.waitForFunction(() => !document.querySelector('.cell.active .looking'), undefined, { timeout: 60_000 });
  await omar.context().close();
  // A batch of one's own.
  await ines.click('#ws-more summary');
  await ines.fill('#ws-pull-n', '5');
  await ines.click('#ws-pull button');
  await said(ines, 'yours to review');
  assert.match(ines.url(), /assigned=me/);
  assert.equal(await found(ines), 5);
  await active(ines);
  await ines.keyboard.press('Control+z');
  await said(ines, 'Taken back');
  assert.deepEqual(ines.broken, []);
  await ines.context().close();
});

test('an act on many is looked at, done, and taken back', async () => {
  const page = await signIn('ines');
  await page.goto(`${base}/appeals/DEMO-26?family=all&kind=photo`);
  await page.waitForSelector('.cell img');
  await active(page);
  await page.keyboard.press(' ');
  await page.keyboard.press('j');
  await page.keyboard.press(' ');
  assert.equal(await page.locator('.cell[aria-selected=true]').count(), 2);
  await page.click('#ws-bulk summary');
  assert.match(await page.textContent('#ws-scope'), /2 chosen/);
  await page.fill('#ws-bulk-form [name=tag]', 'white van');
  await page.click('#ws-bulk-form button:not([type=button])');
  await page.waitForSelector('[data-do]:not([hidden])');
  assert.match(await page.textContent('[data-told]'), /2 exhibits would change/);
  await look(page, 'together-2-many', { docs: 'many' });
  await page.click('[data-do]');
  await page.waitForFunction(() => /2 exhibits changed/.test(document.querySelector('[data-told]').textContent));
  await page.waitForSelector('#ws-tags [data-word="white van"]');
  await page.check('#ws-tags [data-word="white van"] input');
  assert.equal(await found(page), 2);
  await active(page);
  await page.keyboard.press('Control+z');
  await said(page, 'Taken back');
  await page.reload();
  await page.waitForSelector('#ws-empty:not([hidden])');
  await page.click('#ws-clear');
  // A bundle of what is chosen is asked for on its own page.
  await active(page);
  await page.keyboard.press(' ');
  await page.click('#ws-bulk summary');
  await page.click('[data-act=bundle]');
  await page.waitForURL(/export\?numbers=\d+$/);
  assert.match(await page.inputValue('#exhibits'), /^\d+$/);
  await page.goBack();
  await page.waitForSelector('.cell img');
  // Second look, and its queue.
  await active(page);
  await page.keyboard.press('b');
  await said(page, 'Second look');
  await page.check('#ws-tags [data-word="second-look"] input');
  assert.equal(await found(page), 1);
  // Under a name, for the next time.
  await page.click('#ws-saved summary');
  await page.fill('#ws-saved [name=name]', 'To be seen again');
  await page.click('#ws-saved form button');
  await page.waitForFunction(() => document.querySelector('#ws-saved select').selectedOptions[0]?.textContent === 'To be seen again');
  await page.click('#ws-clear');
  await page.selectOption('#ws-saved select', { label: 'To be seen again' });
  assert.equal(await found(page), 1);
  // What is marked as graphic is not shown before somebody asks.
  await active(page);
  await page.keyboard.press('g');
  await page.waitForFunction(() => /Marked as graphic/.test(document.querySelector('.cell.active').textContent));
  assert.equal(await page.locator('.cell.active img').count(), 0);
  await page.check('#ws-graphic');
  await page.waitForSelector('.cell.active img');
  await active(page);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/exhibits\//);
  assert.equal(await page.locator('.stage img').count(), 0, 'not even fetched');
  await page.click('#graphic-show');
  await page.waitForSelector('.stage img');
  assert.deepEqual(page.broken, []);
  await page.context().close();
});

test('where nobody has looked; areas drawn and typed; keys of one’s own', async () => {
  const page = await signIn('ines', { locale: 'fr-FR', viewport: { width: 1024, height: 1000 } });
  await page.goto(`${base}/appeals/DEMO-26?family=all`);
  await page.waitForSelector('.cell img');
  const all = await found(page);
  await page.click('#ws-coverage summary');
  await page.waitForSelector('#ws-coverage-table button');
  await look(page, 'together-3-coverage-fr', { docs: 'coverage-fr' });
  const cell = page.locator('#ws-coverage-table button').nth(3);
  const expected = Number((await cell.textContent()).match(/(\d+)\s*$/)[1]);
  await cell.click();
  const inCell = await found(page);
  assert.ok(Math.abs(inCell - expected) <= 2, `the cell says ${expected}, the filter finds ${inCell}`);
  await page.click('#ws-clear');
  // By drawing.
  await page.click('#ws-coverage summary');
  await page.click('#ws-area summary');
  let map;
  const at = (x, y) => [map.x + map.width * x, map.y + map.height * y];
  const draw = async (shape) => {
    await page.click(`[data-draw=${shape}]`);
    await page.locator('#ws-map').scrollIntoViewIfNeeded();
    map = await page.locator('#ws-map').boundingBox();
  };
  await draw('circle');
  await page.mouse.move(...at(0.5, 0.5));
  await page.mouse.down();
  await page.mouse.move(...at(0.6, 0.6), { steps: 3 });
  await page.mouse.up();
  await page.waitForURL(/near=.*radius_m=/);
  assert.ok((await found(page)) < all);
  await page.click('#ws-clear');
  await draw('polygon');
  for (const corner of [[0.3, 0.3], [0.7, 0.3], [0.5, 0.8]]) await page.mouse.click(...at(...corner));
  await page.focus('#ws-map');
  await page.keyboard.press('Enter');
  await page.waitForURL(/within=/);
  const drawn = await found(page);
  assert.ok(drawn > 0 && drawn < all, `${drawn}`);
  // The same by typing; nonsense is told.
  const typed = await page.inputValue('#ws-box');
  await page.click('#ws-clear');
  await page.fill('#ws-box', typed);
  await page.press('#ws-box', 'Tab');
  assert.equal(await found(page), drawn);
  await page.fill('#ws-box', 'ici');
  await page.press('#ws-box', 'Tab');
  await page.waitForSelector('#ws-problem:not([hidden])');
  await page.click('#ws-clear');
  // Another key, kept over a reload; off; back.
  await page.goto(`${base}/appeals/DEMO-26?family=best`);
  await page.waitForSelector('.cell img');
  await active(page);
  await page.keyboard.press('?');
  await page.waitForSelector('#ws-keys-dialog[open]');
  await look(page, 'together-4-keys-fr');
  await page.click('[data-act-key=undecided]');
  await page.keyboard.press('w');
  await page.click('#ws-keys-close');
  await page.reload();
  await page.waitForSelector('.cell img');
  await active(page);
  await page.keyboard.press('u');
  await page.keyboard.press('w');
  await said(page, 'indécis').catch(async () => assert.fail(await page.textContent('#ws-said')));
  await page.keyboard.press('Control+z');
  await said(page, 'Retiré');
  await page.fill('#ws-search', '12');
  await page.press('#ws-search', 'Enter');
  await page.waitForFunction(() => /12\b/.test(document.querySelector('.cell.active')?.getAttribute('aria-label') ?? ''));
  assert.deepEqual(page.broken, []);
  await page.context().close();
});

test('one exhibit after the other, zoomed, marked, decided; two side by side', async () => {
  const page = await signIn('ines');
  await page.goto(`${base}/appeals/DEMO-26?family=best&kind=photo&order=time`);
  await page.waitForSelector('.cell img');
  await active(page);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/exhibits\//);
  await page.waitForSelector('.stage img');
  const first = page.url();
  await page.focus('#stage');
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  const zoomed = await page.evaluate(() => document.querySelector('.turn').style.transform);
  assert.match(zoomed, /scale\(2\.25\)/);
  await page.keyboard.press('j');
  await page.waitForURL((url) => url.href !== first && url.pathname.startsWith('/exhibits/'));
  await page.waitForSelector('.stage img');
  assert.match(await page.evaluate(() => document.querySelector('.turn').style.transform), /scale\(2\.25\)/, 'the zoom stays');
  await look(page, 'together-5-viewer', { docs: 'exhibit' });
  // A mark lies over the picture, and in the record.
  await page.fill('#remark-words', 'A white van');
  await page.fill('#remark-form [name=region]', '100,100,300,200');
  await page.click('#remark-form button:not([type=button])');
  await page.waitForSelector('.remark[data-region="100,100,300,200"]');
  await page.waitForSelector('.marks .mark');
  await page.focus('#stage');
  const second = page.url();
  await page.keyboard.press('x');
  await page.waitForURL((url) => url.href.split('#')[0] !== second.split('#')[0]);
  await page.focus('#stage');
  await page.keyboard.press('k');
  await page.waitForURL((url) => url.href.split('#')[0] === second.split('#')[0]);
  assert.match(await page.textContent('#decision-title'), /not relevant/i);
  assert.ok(await page.locator('#beside tr').count() >= 4, 'what the witness said beside the file');
  // A clip, frame by frame.
  await page.goto(`${base}/appeals/DEMO-26?family=best&kind=video`);
  await page.waitForSelector('.cell');
  await active(page);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/exhibits\//);
  await page.waitForSelector('.stage video');
  await page.evaluate(() => { document.querySelector('video').preload = 'auto'; document.querySelector('video').load(); });
  await page.waitForFunction(() => document.querySelector('video').readyState >= 2, undefined, { timeout: 20_000 });
  await page.focus('#stage');
  await page.keyboard.press('.');
  await page.keyboard.press('.');
  await page.waitForFunction(() => document.querySelector('video').currentTime > 0.05);
  await page.keyboard.press(']');
  assert.equal(await page.evaluate(() => document.querySelector('video').playbackRate), 1.5);
  assert.equal(await page.evaluate(() => document.querySelector('video').muted), true);
  await page.keyboard.press('m');
  assert.match(await page.inputValue('#remark-form [name=from_s]'), /^0\.\d+/);
  // Two clips on one clock.
  await page.goto(`${base}/appeals/DEMO-26?family=best&kind=video`);
  await page.waitForSelector('.cell');
  await active(page);
  await page.keyboard.press(' ');
  await page.keyboard.press('j');
  await page.keyboard.press(' ');
  await page.keyboard.press('c');
  await page.waitForURL(/compare\?n=/);
  await page.waitForFunction(() => [...document.querySelectorAll('video')].every((v) => v.readyState >= 1), undefined, { timeout: 20_000 });
  for (const input of await page.locator('[name=offset]').all()) { await input.fill('0'); await input.press('Tab'); }
  await page.locator('[name=offset]').nth(1).fill('1');
  await page.locator('[name=offset]').nth(1).press('Tab');
  await page.evaluate(() => { const s = document.getElementById('compare-time'); s.value = '2'; s.dispatchEvent(new Event('input')); });
  const times = () => page.evaluate(() => [...document.querySelectorAll('video')].map((v) => Math.round(v.currentTime * 10) / 10));
  await page.waitForFunction(() => { const [a, b] = [...document.querySelectorAll('video')]; return Math.abs(a.currentTime - 2) < 0.06 && Math.abs(b.currentTime - 1) < 0.06; }, undefined, { timeout: 60_000 }).catch(async () => assert.fail(String(await times())));
  await page.click('[data-zoom=in]');
  const zooms = await page.evaluate(() => [...document.querySelectorAll('.turn')].map((t) => t.style.transform));
  assert.equal(new Set(zooms).size, 1, 'one zoom for all');
  assert.match(zooms[0], /scale\(1\.5\)/);
  await look(page, 'together-6-compare', { docs: 'compare' });
  assert.deepEqual(page.broken, []);
  await page.context().close();
});

test('a second opinion that knows nothing; the board', async () => {
  const ines = await signIn('ines');
  await ines.goto(`${base}/appeals/DEMO-26?family=all&kind=photo&state=ready`);
  await ines.waitForSelector('.cell img');
  await ines.click('#ws-bulk summary');
  await ines.selectOption('#ws-bulk-form [name=act]', 'not_relevant');
  await ines.fill('#ws-bulk-form [name=first]', '12');
  await ines.click('#ws-bulk-form button:not([type=button])');
  await ines.waitForSelector('[data-do]:not([hidden])');
  await ines.click('[data-do]');
  await ines.waitForFunction(() => /exhibits changed/.test(document.querySelector('[data-told]').textContent));
  await ines.context().close();
  const sue = await signIn('sue', { locale: 'fr-FR' });
  await sue.goto(`${base}/appeals/DEMO-26/board`);
  await sue.fill('[name=percent]', '25');
  await sue.click('#samples form button');
  await sue.waitForSelector('#samples h3');
  await look(sue, 'together-7-board-fr', { docs: 'board-fr' });
  await sue.click('#samples a[href*="/samples/"]');
  await sue.waitForSelector('form [name=decision]');
  await look(sue, 'together-8-sample-fr');
  assert.equal(await sue.locator('.state.not_relevant').count(), 0);
  for (let n = 0; n < 40 && (await sue.locator('form [name=decision]').count()) > 0; n++) {
    await sue.click(`form [name=decision][value=${n === 0 ? 'relevant' : 'not_relevant'}]`);
    await sue.waitForLoadState('load');
  }
  await sue.goto(`${base}/appeals/DEMO-26/board`);
  assert.match(await sue.textContent('#samples'), /kappa/);
  assert.equal(await sue.locator('#samples li').count(), 1, 'one opinion differs');
  assert.deepEqual(sue.broken, []);
  await sue.context().close();
});

test('forced colours and reduced motion', async () => {
  const page = await signIn('ines', { forcedColors: 'active', reducedMotion: 'reduce' });
  await page.goto(`${base}/appeals/DEMO-26`);
  await page.waitForSelector('.cell img');
  await look(page, 'together-9-forced-colours');
  const moves = await page.evaluate(() => [...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e); return parseFloat(s.transitionDuration) > 0.001 || (s.animationName !== 'none' && parseFloat(s.animationDuration) > 0.001); }).length);
  assert.equal(moves, 0, 'nothing moves by itself');
  await page.context().close();
});
