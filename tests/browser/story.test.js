// The three people, in a real browser: the witness on a phone with JavaScript off and on, the investigator, the auditor.
// axe checks every page they meet. The server is the real program, started by this file.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import AxeModule from '@axe-core/playwright';

const AxeBuilder = AxeModule.default ?? AxeModule;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'RGAAv4'];
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const PASSWORD = 'correct horse battery';
const binary = process.env.TEMOIN_TEST_BINARY;
const shots = new URL('./shots/', import.meta.url).pathname;
let data, base, server, browser, settings;

const freePort = () => new Promise((resolve) => {
  const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
});

function cli(args, input = '') {
  const done = spawnSync(binary, args, { env: settings, input, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.trim();
}

before(async () => {
  assert.ok(binary, 'TEMOIN_TEST_BINARY names the program; infra/test.sh sets it');
  mkdirSync(shots, { recursive: true });
  data = mkdtempSync(join(tmpdir(), 'temoin-browser-'));
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  settings = { ...process.env, TEMOIN_DATA: data, TEMOIN_LISTEN: `127.0.0.1:${port}`, TEMOIN_LIMITS__FREE_BYTES_MIN: '0' };
  if (process.env.TEMOIN_TEST_PAIR === 'grown') {
    const admin = process.env.TEMOIN_TEST_POSTGRES;
    assert.ok(admin, 'infra/servers.sh starts PostgreSQL and Garage');
    const name = `browser_${process.pid}`;
    assert.equal(spawnSync('psql', [admin, '-qc', `CREATE DATABASE ${name}`]).status, 0);
    settings.TEMOIN_DATABASE = admin.replace(/[^/]*$/, name);
    settings.TEMOIN_BLOBS = process.env.TEMOIN_TEST_S3.replace('PREFIX', name);
  }
  server = spawn(binary, ['serve', '--demo'], { env: settings, stdio: 'ignore' });
  for (let n = 0; ; n++) {
    try { await fetch(`${base}/healthz`); break; } catch { assert.ok(n < 300, 'the server did not start'); await new Promise((r) => setTimeout(r, 100)); }
  }
  for (const role of ['investigator', 'auditor', 'administrator']) cli(['user', 'add', `test-${role}`, '--role', role, '--password-stdin'], PASSWORD);
  // The whole demonstration is fed and examined.
  for (let n = 0; ; n++) {
    const { files } = JSON.parse(cli(['appeal', 'list', '--json']));
    const { jobs_waiting: jobs } = await (await fetch(`${base}/readyz`)).json();
    if (files >= 304 && jobs <= 1) break;
    assert.ok(n < 300, 'the demonstration is not examined');
    await new Promise((r) => setTimeout(r, 400));
  }
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run'],
  });
});

after(async () => {
  await browser?.close();
  server?.kill();
  if (data) rmSync(data, { recursive: true, force: true });
});

async function look(page, name, { script = true } = {}) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  const wide = script ? await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth) : 0;
  assert.ok(wide <= 0, `${name}: nothing scrolls sideways`);
  if (!script) return;
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`), [], name);
}

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
  return page;
}

test('an investigator filters, opens, and decides by keyboard', async () => {
  const page = await signIn('investigator');
  assert.equal(new URL(page.url()).pathname, '/appeals');
  await look(page, 'investigator-1-appeals');
  await page.click('section.card h2 a');
  await page.waitForSelector('.grid img');
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
  await page.goto(`${base}/appeals/DEMO-26/exhibits?place=unknown`);
  assert.ok((await page.locator('.tile').count()) > 0);
  await page.goto(`${base}/appeals/DEMO-26/exhibits?from=x`);
  await look(page, 'error-filter');
  await page.setViewportSize({ width: 320, height: 700 });
  await page.goto(`${base}/appeals/DEMO-26/exhibits`);
  await look(page, 'investigator-5-narrow');
  await page.context().close();
});

test('an auditor checks a receipt and sees no media', async () => {
  const opened = await (await fetch(`${base}/api/v1/appeals/DEMO-26/submissions`, { method: 'POST' })).json();
  const bytes = await photo();
  const sent = await (await fetch(`${base}/api/v1/submissions/${opened.id}/files`, { method: 'POST', headers: { authorization: `Bearer ${opened.token}` }, body: bytes })).json();
  let proof;
  for (let n = 0; n < 50; n++) {
    proof = await fetch(`${base}/r/${opened.receipt}/proof/${sent.exhibit}`);
    if (proof.ok) break;
    await new Promise((r) => setTimeout(r, 100));
  }
  const receipt = await proof.text();
  const page = await signIn('auditor');
  assert.equal(new URL(page.url()).pathname, '/audit');
  assert.ok(Number(await page.textContent('#log-size')) > 600);
  await look(page, 'auditor-1-log');
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
  await page.goto(`${base}/audit`);
  await page.fill('#hash', sent.sha256);
  await page.click('form.stack button');
  assert.ok((await page.textContent('main')).includes(sent.exhibit));
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
  await page.click('form.stack button');
  assert.ok((await page.textContent('table')).includes('Omar'));
  await page.context().close();
});

test('the stylesheet and a page stay small', async () => {
  const css = readFileSync(new URL('../../src/web/assets/app.css', import.meta.url));
  const html = await (await fetch(`${base}/a/DEMO-26`)).arrayBuffer();
  const { brotliCompressSync } = await import('node:zlib');
  assert.ok(brotliCompressSync(css).length + brotliCompressSync(Buffer.from(html)).length < 20_000);
});
