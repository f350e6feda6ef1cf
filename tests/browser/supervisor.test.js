// What a supervisor answers for: what a person asks about data of theirs, from its opening to its answer, by keyboard; bundles of many; periods,
// partners, contacts, lost accounts. Every page in both languages, judged by axe; and pages under Trusted Types.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { PASSWORD, look, newAppeal, startBrowser, startServer, until } from './support.js';

let server, browser, opened;
const exhibits = [];

/** A picture of its own colour, as PNG, made by the browser. */
const picture = (page, n) => page.evaluate(async (n) => {
  const canvas = new OffscreenCanvas(160, 120);
  const ink = canvas.getContext('2d');
  ink.fillStyle = `hsl(${n * 70} 70% 50%)`;
  ink.fillRect(0, 0, 160, 120);
  ink.fillStyle = 'black';
  ink.fillRect(20 + 30 * n, 20, 40, 60);
  return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
}, n);

before(async () => {
  server = await startServer({ env: { TEMOIN_ACCOUNTS__BUNDLE_ALONE_MAX: '1' } });
  browser = await startBrowser();
  newAppeal(server, 'ANSWER');
  server.cli(['agency', 'new', 'Gendarmerie', '--vault', server.cli(['vault', 'make-key', `${server.data}/partner.key`]).match(/age1\w+/)[0]]);
  for (const [name, role] of [['sue', 'supervisor'], ['bea', 'supervisor'], ['root', 'administrator']]) server.cli(['user', 'add', name, '--role', role, '--password-stdin'], PASSWORD);
  opened = await (await fetch(`${server.base}/api/v1/appeals/ANSWER/submissions`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ words: 'A white van', contact: 'jeanne@example.org' }),
  })).json();
  const page = await browser.newPage();
  for (let n = 0; n < 3; n++) {
    const sent = await fetch(`${server.base}/api/v1/submissions/${opened.id}/files`, { method: 'POST', headers: { authorization: `Bearer ${opened.token}` }, body: new Uint8Array(await picture(page, n)) });
    exhibits.push((await sent.json()).exhibit);
  }
  await page.close();
  await until('everything is examined', async () => (await (await fetch(`${server.base}/readyz`)).json()).jobs_waiting === 0);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function signIn(name, locale = 'en-GB') {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale });
  const page = await context.newPage();
  page.on('pageerror', (e) => { throw e; });
  await page.goto(`${server.base}/login`);
  await page.fill('#name', name);
  await page.fill('#password', PASSWORD);
  await page.press('#password', 'Enter');
  await page.waitForURL((url) => url.pathname !== '/login');
  if (new URL(page.url()).pathname === '/purpose') {
    await page.fill('#reason', 'Affaire 12/2026');
    await page.press('#reason', 'Enter');
    await page.waitForURL((url) => url.pathname === '/appeals');
  }
  return page;
}

async function open(page, kind) {
  await page.goto(`${server.base}/requests`);
  await page.check(`input[name=kind][value=${kind}]`);
  await page.fill('#appeal', 'answer');
  await page.fill('#of', opened.receipt);
  await page.fill('#asked', 'What do you have of me?');
  await page.fill('#identified', 'Came in with the receipt');
  await page.press('#identified', 'Enter');
  await page.waitForURL(/\/requests\/[0-9a-f-]{36}$/);
}

test('a person asks what is held of them, and is answered', async () => {
  const page = await signIn('sue');
  await page.goto(`${server.base}/requests`);
  assert.match(await page.textContent('.notice'), /Nobody has asked/);
  await look(page, 'requests-none');
  await open(page, 'access');
  await look(page, 'request-access');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('button[value=disclose]')]);
  const held = JSON.parse(Buffer.concat(await (await download.createReadStream()).toArray()).toString());
  assert.equal(held.files.length, 3);
  assert.match(download.suggestedFilename(), /^held-.*\.json$/);
  await page.check('input[name=outcome][value=granted]');
  await page.fill('#answer', 'Handed over on paper');
  await page.press('button[value=close]', 'Enter');
  await page.waitForSelector('[role=status]');
  assert.match((await page.textContent('[role=status]')).replace(/[\u2068\u2069]/gu, ''), /Answered: Granted/);
  assert.equal(await page.locator('form[action^="/requests/"]').count(), 0, 'what is answered is not answered again');
  await look(page, 'request-answered');
  await page.context().close();
});

test('a restriction hides the pictures and is lifted again', async () => {
  const page = await signIn('sue');
  await open(page, 'restriction');
  await page.fill('#why-restrict', 'Accuracy is contested');
  await page.press('#why-restrict', 'Enter');
  await page.waitForSelector('#why-lift');
  assert.equal(await page.locator('li:has-text("restricted")').count(), 3);
  await look(page, 'request-restricted');
  await page.goto(`${server.base}/exhibits/${exhibits[0]}`);
  await page.waitForSelector('text=kept and not used');
  assert.equal(await page.locator('img[src*="/view"], img[src*="/thumbnail"]').count(), 0);
  await look(page, 'exhibit-restricted');
  await page.goBack();
  await page.fill('#why-lift', 'Accuracy was settled');
  await page.click('button[value=lift]');
  await page.waitForSelector('#why-restrict');
  await page.context().close();
});

test('an erasure of everything waits for two others', async () => {
  const page = await signIn('sue');
  await open(page, 'erasure');
  await page.fill('#why-erase', 'Withdrawn by its witness');
  await page.click('button[value=erase]');
  await page.waitForSelector('a[href="/erasures"]:has-text("3")');
  await look(page, 'request-erasure');
  await page.context().close();
});

test('a bundle of many is asked for by one and agreed to by another', async () => {
  const page = await signIn('sue');
  await page.goto(`${server.base}/appeals/ANSWER/export?numbers=1,2`);
  await page.fill('#recipient', 'Tribunal de Paris');
  await page.fill('#reason', 'commission rogatoire 26/1234');
  await page.click('form.stack button');
  await page.waitForURL((url) => url.pathname === '/exports');
  assert.match(await page.textContent('main'), /Waits for a second person/);
  assert.equal(await page.locator('button[value=agree]').count(), 0);
  await look(page, 'exports-awaits');
  const other = await signIn('bea', 'fr-FR');
  await other.goto(`${server.base}/exports`);
  await look(other, 'exports-agree-fr');
  await other.click('button[value=agree]');
  await other.waitForSelector('a[href$="bundle.zip"]', { timeout: 60_000 });
  await page.reload();
  await page.waitForSelector('a[href$="bundle.zip"]');
  await page.context().close();
  await other.context().close();
});

test('a colleague whom one person made waits for another\'s word', async () => {
  const root = await signIn('root');
  for (const name of ['Cne Petit', 'Cdt Moreau']) {
    await root.goto(`${server.base}/accounts`);
    await root.fill('#name', name);
    await root.selectOption('#role', 'supervisor');
    await root.fill('#password', PASSWORD);
    await root.click('form[action="/accounts"] button');
    await root.waitForSelector(`tr:has-text("${name}"):has-text("waits for another person")`);
  }
  await look(root, 'administrator-accounts-waits');
  // Who made it is shown that it waits, and cannot vouch for it.
  await root.goto(`${server.base}/recoveries`);
  assert.equal(await root.locator('section:has-text("Cne Petit") button[value="vouch"]').count(), 0);
  const sue = await signIn('sue');
  await sue.goto(`${server.base}/recoveries`);
  await sue.focus('section:has-text("Cne Petit") button[value="vouch"]');
  await sue.keyboard.press('Enter');
  await sue.waitForSelector('section:has-text("Cne Petit")', { state: 'detached' });
  // Of the other one she says that there is nobody.
  await sue.focus('section:has-text("Cdt Moreau") button[value="refuse"]');
  await sue.keyboard.press('Enter');
  await sue.waitForSelector('section:has-text("Cdt Moreau")', { state: 'detached' });
  await root.goto(`${server.base}/accounts`);
  await root.waitForSelector('tr:has-text("Cdt Moreau"):has-text("nobody knows this colleague")');
  await look(root, 'administrator-accounts-refused');
  // A password that somebody else chose opens one's own page and nothing else.
  const petit = await signIn('Cne Petit');
  assert.equal(new URL(petit.url()).pathname, '/account');
  await look(petit, 'account-given');
  await petit.goto(`${server.base}/appeals`);
  assert.equal(new URL(petit.url()).pathname, '/account');
  await petit.fill('#old', PASSWORD);
  await petit.fill('#new', 'known to nobody but me');
  await petit.press('#new', 'Enter');
  await petit.waitForSelector('[role="alert"]', { state: 'detached' });
  await petit.waitForLoadState('load');
  await petit.goto(`${server.base}/appeals`);
  assert.equal(new URL(petit.url()).pathname, '/appeals');
  for (const page of [root, sue, petit]) await page.context().close();
});

test('every page of a supervisor and an administrator stands in both languages', async () => {
  for (const locale of ['en-GB', 'fr-FR']) {
    const page = await signIn('sue', locale);
    for (const path of ['/requests', '/retention', '/identities', '/erasures', '/exports', '/recoveries', '/appeals/ANSWER/sharing']) {
      await page.goto(`${server.base}${path}`);
      await look(page, `supervisor-${locale.slice(0, 2)}-${path.replaceAll('/', '-').slice(1)}`);
    }
    await page.goto(`${server.base}/requests`);
    await page.click('tbody a');
    await look(page, `supervisor-${locale.slice(0, 2)}-request`);
    await page.context().close();
    const root = await signIn('root', locale);
    await root.goto(`${server.base}/recoveries`);
    await look(root, `administrator-${locale.slice(0, 2)}-recoveries`);
    await root.goto(`${server.base}/accounts`);
    await look(root, `administrator-${locale.slice(0, 2)}-accounts`);
    await root.context().close();
  }
});

test('nothing becomes markup that no policy made', async () => {
  const page = await signIn('sue');
  const said = () => page.evaluate(() => {
    const box = document.createElement('div');
    box.id = 'probe';
    document.body.append(box);
    try { box.innerHTML = '<img src=x onerror=alert(1)>'; return 'written'; } catch (e) { return e.name; }
  });
  await page.goto(`${server.base}/requests`);
  assert.equal(await said(), 'TypeError');
  // Where there is a map, a policy turns markup into text.
  await page.goto(`${server.base}/appeals/ANSWER`);
  await page.waitForSelector('.leaflet-container');
  assert.equal(await said(), 'written');
  assert.equal(await page.locator('#probe img').count(), 0);
  await page.context().close();
});
