// The three people, in a real browser: the witness on a phone with JavaScript off and on, the investigator, the auditor.
// axe checks every page they meet. The server is the real program, started by this file.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PASSWORD, PHONE, look, startBrowser, startServer, until } from './support.js';

let data, base, server, browser, cli;

before(async () => {
  server = await startServer({ args: ['--demo'] });
  ({ data, base, cli } = server);
  for (const role of ['investigator', 'supervisor', 'auditor', 'administrator']) cli(['user', 'add', `test-${role}`, '--role', role, '--password-stdin'], PASSWORD);
  await server.fed();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function photo() {
  const page = await browser.newPage();
  const bytes = await page.screenshot({ type: 'jpeg' });
  await page.close();
  return bytes;
}

for (const [javaScriptEnabled, locale, words] of [[false, 'fr-FR', 'Bien reçu. Merci.'], [true, 'en-GB', 'Received. Thank you.']]) {
  test(`a witness on a phone, JavaScript ${javaScriptEnabled ? 'on' : 'off'}, ${locale}`, async () => {
    const context = await browser.newContext({ ...PHONE, locale, javaScriptEnabled });
    const page = await context.newPage();
    const broken = [];
    page.on('console', (m) => { if (m.type() === 'error') broken.push(m.text()); });
    const name = `witness-${locale}`;
    await page.goto(`${base}/a/DEMO-26`);
    assert.match(await page.textContent('body'), /DEMO DATA/);
    await look(page, `${name}-1-appeal`, { script: javaScriptEnabled });
    await page.click('button.main');
    await look(page, `${name}-2-send`, { script: javaScriptEnabled });
    await page.check('input[name=own][value=yes]');
    await page.check('input[name=at_place][value=yes]');
    await page.check('input[name=when][value=during]');
    await page.fill('#contact', `jeanne-${locale}@example.org`);
    const bytes = await photo();
    await page.setInputFiles('#media', [{ name: 'été.jpg', mimeType: 'image/jpeg', buffer: bytes }]);
    await page.click('button.main');
    await page.waitForURL(/\/r\/[A-Z2-7-]{31}$/);
    assert.equal(await page.textContent('h1'), words);
    const text = await page.textContent('main');
    assert.ok(text.includes(createHash('sha256').update(bytes).digest('hex')), 'the fingerprint of the file as received');
    assert.ok(text.includes('été.jpg'));
    await look(page, `${name}-3-receipt`, { script: javaScriptEnabled });
    // Later, and with the code alone.
    const code = (await page.textContent('#receipt-code')).trim();
    await page.goto(`${base}/r/${code.toLowerCase()}`);
    assert.ok((await page.textContent('main')).includes(code));
    assert.deepEqual(broken, [], 'no errors in the console');
    // Some must not be found with it.
    await page.click('details:has(form[action$="/forget"]) > summary');
    await look(page, `${name}-4-forget`, { script: javaScriptEnabled });
    await page.click('form[action$="/forget"] button');
    await page.waitForURL(/\/forget$/);
    assert.match(await page.textContent('main'), /[0-9A-F]{4}-[0-9A-F]{4}/);
    assert.ok(!(await page.content()).includes(code), 'the page says nothing of what was forgotten');
    await look(page, `${name}-5-forgotten`, { script: javaScriptEnabled });
    assert.equal((await page.goto(`${base}/r/${code}`)).status(), 404);
    await context.close();
  });
}

async function signIn(role) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: 'en-GB' });
  const page = await context.newPage();
  await page.goto(`${base}/login`);
  await look(page, 'login');
  await page.fill('#name', `test-${role}`);
  await page.fill('#password', PASSWORD);
  await page.press('#password', 'Enter');
  await page.waitForURL((url) => url.pathname !== '/login');
  if (new URL(page.url()).pathname === '/purpose') {
    await look(page, `purpose-${role}`);
    await page.fill('#reason', 'Affaire 12/2026');
    await page.press('#reason', 'Enter');
    await page.waitForURL((url) => url.pathname === '/appeals');
  }
  return page;
}

test('an investigator filters, opens, and decides by keyboard', async () => {
  const page = await signIn('investigator');
  assert.equal(new URL(page.url()).pathname, '/appeals');
  await look(page, 'investigator-1-appeals');
  await page.click('section.card h2 a');
  await page.waitForSelector('.cell');
  await page.click('.ws-bar a[href$="/exhibits"]');
  await page.locator('.grid img').nth(39).waitFor();
  const loaded = await page.$$eval('.grid img', async (all) => {
    await Promise.all(all.slice(0, 8).map((i) => i.decode()));
    return all.length;
  });
  assert.ok(loaded >= 40, `${loaded} thumbnails`);
  await look(page, 'investigator-2-queue');
  await page.click('a[rel=next]');
  assert.match(page.url(), /cursor=/);
  await page.goBack();
  await page.selectOption('#kind', 'video');
  await page.click('.filter button');
  await page.waitForURL(/kind=video/);
  assert.equal(await page.locator('.tile').count(), 4);
  await page.click('.tile');
  await page.waitForSelector('#decision');
  assert.equal(await page.locator('video').count(), 1);
  await look(page, 'investigator-3-video');
  // What was played is told when somebody turns away.
  await page.evaluate(async () => {
    const video = document.querySelector('video');
    await video.play();
    await new Promise((played) => { video.addEventListener('timeupdate', () => { if (video.currentTime > 0.3) played(); }); });
    video.pause();
  });
  const clip = page.url();
  await page.goto(`${base}/appeals`);
  let told = '';
  for (let n = 0; n < 20 && !told.includes('exhibit.view_ended'); n += 1) {
    await page.goto(clip);
    told = await page.textContent('main');
  }
  assert.match(told, /Parts that were played 0:00\u{2013}0:0\d/u);
  // The keyboard alone.
  await page.focus('#note');
  await page.keyboard.type('White van, 22:10');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#decision .state.relevant');
  await page.reload();
  const custody = await page.textContent('main');
  for (const event of ['exhibit.received', 'exhibit.examined', 'exhibit.viewed', 'exhibit.decided']) assert.ok(custody.includes(event), event);
  await look(page, 'investigator-4-decided');
  const decided = page.url();
  // Who the witness is: asked for with a reason, and on record.
  await page.goto(`${base}/appeals/DEMO-26/exhibits?order=received`);
  await page.click('.tile');
  await page.waitForSelector('#contact');
  assert.ok(!(await page.textContent('main')).includes('jeanne-'));
  await page.click('#contact > summary');
  await page.fill('#contact-reason', 'Convocation, affaire 12/2026');
  await look(page, 'investigator-7-contact-asked');
  await page.press('#contact-reason', 'Enter');
  await page.waitForURL(/\/contact$/);
  assert.match(await page.textContent('main'), /jeanne-(en|fr)-(GB|FR)@example\.org/);
  await look(page, 'investigator-8-contact');
  await page.click('main a');
  await page.waitForSelector('#decision');
  await page.waitForLoadState('load');
  assert.match(await page.textContent('main'), /identity\.unmasked/);
  await page.goto(decided);
  await page.goto(page.url().replace(/\/exhibits\/(.*)$/, (_, id) => `/appeals/DEMO-26/bulk?exhibit=${id.split('?')[0]}`));
  assert.match(await page.textContent('main'), /submission/);
  await look(page, 'investigator-6-bulk');
  await page.goto(`${base}/appeals/DEMO-26/exhibits?place=unknown`);
  assert.ok((await page.locator('.tile').count()) > 0);
  await page.goto(`${base}/appeals/DEMO-26/exhibits?from=x`);
  await look(page, 'error-filter');
  await page.setViewportSize({ width: 320, height: 700 });
  await page.goto(`${base}/appeals/DEMO-26/exhibits`);
  await look(page, 'investigator-5-narrow');
  await page.context().close();
});

test('an investigator asks for a bundle and an erasure, a supervisor holds and judges', async () => {
  const page = await signIn('investigator');
  await page.goto(`${base}/appeals/DEMO-26/exhibits`);
  const exhibit = (await page.getAttribute('.grid a', 'href')).match(/\/exhibits\/([0-9a-f-]{36})/)[1];
  await page.goto(`${base}/appeals/DEMO-26/export?exhibit=${exhibit}`);
  await look(page, 'investigator-7-export');
  await page.fill('#recipient', 'Tribunal de Paris');
  await page.fill('#reason', 'commission rogatoire 26/1234');
  await page.click('form.stack button');
  await page.waitForURL((url) => url.pathname === '/exports');
  await page.waitForSelector('a[href$="bundle.zip"]', { timeout: 60_000 });
  await look(page, 'investigator-8-exports');
  await page.goto(`${base}/exhibits/${exhibit}`);
  await page.click('#retention summary');
  await page.fill('#erasure-reason', 'le témoin la retire');
  await page.click('#retention form[action$="erasure"] button');
  await page.waitForSelector('#retention .notice');
  await page.context().close();
  const chief = await signIn('supervisor');
  await chief.goto(`${base}/erasures`);
  await look(chief, 'supervisor-1-erasures');
  await chief.click('button[value=approve]');
  await chief.waitForSelector('button[value=refuse]');
  assert.equal(await chief.locator('button[value=approve]').count(), 0, 'once is enough from one person');
  await chief.goto(`${base}/exhibits/${exhibit}`);
  await chief.click('#retention summary');
  await chief.fill('#hold-reason', 'recours pendant');
  await chief.click('#retention button[value=set]');
  await chief.waitForSelector('#retention button[value=release]', { state: 'attached' });
  await look(chief, 'supervisor-2-held');
  await chief.context().close();
});

test('an auditor checks a receipt and sees no media', async () => {
  const opened = await (await fetch(`${base}/api/v1/appeals/DEMO-26/submissions`, { method: 'POST' })).json();
  const bytes = await photo();
  const sent = await (await fetch(`${base}/api/v1/submissions/${opened.id}/files`, { method: 'POST', headers: { authorization: `Bearer ${opened.token}` }, body: bytes })).json();
  let proof;
  await until('its proof', async () => (proof = await fetch(`${base}/r/${opened.receipt}/proof/${sent.exhibit}`)).ok);
  const receipt = await proof.text();
  const page = await signIn('auditor');
  assert.equal(new URL(page.url()).pathname, '/audit');
  assert.ok(Number(await page.textContent('#log-size')) > 600);
  await look(page, 'auditor-1-integrity');
  await page.click('form[action="/audit/now"] button[value=log]');
  for (let n = 0; n < 100 && !(await page.textContent('#replay ~ p')).includes('·'); n += 1) {
    await new Promise((r) => setTimeout(r, 200));
    await page.goto(`${base}/audit`);
  }
  assert.match(await page.textContent('#replay ~ p'), /\u2068?0\u2069? contradictions/);
  await page.goto(`${base}/audit/log?kind=exhibit.received`);
  await look(page, 'auditor-1b-access');
  assert.ok((await page.$$('tbody tr')).length >= 100);
  await page.click('tbody a');
  await look(page, 'auditor-1c-custody');
  assert.match(await page.textContent('.verdict h2'), /none missing/);
  await page.goto(`${base}/audit/compare`);
  await page.fill('#one', receipt);
  await page.click('form.stack button');
  await look(page, 'auditor-1d-compare');
  assert.equal(await page.textContent('.verdict h2'), 'Proven');
  await page.goto(`${base}/audit/verify`);
  const check = async (text, file) => {
    await page.setInputFiles('#receipt', { name: 'r.tlog-proof', mimeType: 'text/plain', buffer: Buffer.from(text) });
    await page.setInputFiles('#file', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: file });
    await page.click('form.stack button');
    return page.textContent('.verdict h2');
  };
  assert.equal(await check(receipt, bytes), 'Proven');
  await look(page, 'auditor-2-proven');
  assert.match(await check(receipt, Buffer.concat([bytes, Buffer.from('x')])), /Contradicted/);
  await look(page, 'auditor-3-contradicted');
  await page.goto(`${base}/audit/verify`);
  await page.fill('#hash', sent.sha256);
  await page.click('form.stack button');
  await page.waitForSelector(`main:has-text("${sent.exhibit}")`);
  assert.equal((await page.goto(`${base}/exhibits/${sent.exhibit}`)).status(), 403);
  assert.equal((await page.goto(`${base}/exhibits/${sent.exhibit}/view`)).status(), 403);
  // Offline, with the program alone.
  writeFileSync(join(data, 'a.jpg'), bytes);
  writeFileSync(join(data, 'a.jpg.tlog-proof'), receipt);
  writeFileSync(join(data, 'policy'), await (await fetch(`${base}/log/policy`)).text());
  assert.match(cli(['verify', join(data, 'a.jpg'), '--trust', join(data, 'policy')]), /PROVEN/);
  await page.context().close();
});

test('an administrator makes an account', async () => {
  const page = await signIn('administrator');
  await look(page, 'administrator-1-accounts');
  await page.fill('#name', 'Omar');
  await page.selectOption('#role', 'investigator');
  await page.fill('#password', PASSWORD);
  await page.click('form[action="/accounts"] button');
  await page.waitForSelector('tr:has-text("Omar")');
  await page.context().close();
});

test('the stylesheet and a page stay small', async () => {
  const css = readFileSync(new URL('../../src/web/assets/app.css', import.meta.url));
  const html = await (await fetch(`${base}/a/DEMO-26`)).arrayBuffer();
  const { brotliCompressSync } = await import('node:zlib');
  assert.ok(brotliCompressSync(css).length + brotliCompressSync(Buffer.from(html)).length < 20_000);
});
