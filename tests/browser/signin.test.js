// Signing in as people do: with a passkey (a virtual authenticator of the browser), by single sign-on at a provider that others wrote
// (oidc-provider, certified by the OpenID Foundation), and with what a vault's key opens in the browser alone.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import { PASSWORD, freePort, look, newAppeal, startBrowser, startServer, until } from './support.js';

let server, insisting, browser, provider, idpPort, listening;
// Subjects, and the names under which the provider knows them.
const people = { ines: 'ines.moreau', mallory: 'ines.moreau', nobody: 'nobody' };

before(async () => {
  idpPort = await freePort();
  const port = await freePort();
  const otherPort = await freePort();
  const issuer = `http://localhost:${idpPort}`;
  const client = (client_id, port) => ({ client_id, token_endpoint_auth_method: 'none', redirect_uris: [`http://localhost:${port}/login/sso/back`], response_types: ['code'], grant_types: ['authorization_code'], require_auth_time: true });
  provider = new Provider(issuer, {
    clients: [client('temoin', port), client('insisting', otherPort)],
    pkce: { required: () => true, methods: ['S256'] },
    acrValues: ['two-factors'],
    claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email'], acr: null },
    conformIdTokenClaims: false,
    findAccount: (_ctx, id) => people[id] && { accountId: id, claims: () => ({ sub: id, preferred_username: people[id] }) },
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ['only for this test'] },
  });
  provider.on('server_error', (_ctx, e) => console.error('the provider', e));
  listening = provider.listen(idpPort);
  const start = (client_id, port, more = {}) => startServer({ env: {
    TEMOIN_LISTEN: `127.0.0.1:${port}`, TEMOIN_PUBLIC_URL: `http://localhost:${port}`, TEMOIN_ACCOUNTS__SECOND_FACTOR: 'required',
    TEMOIN_OIDC__ISSUER: issuer, TEMOIN_OIDC__CLIENT_ID: client_id, TEMOIN_OIDC__NAME: 'Sign in with Police ID', ...more,
  }, port });
  server = await start('temoin', port);
  insisting = await start('insisting', otherPort, { TEMOIN_OIDC__ACR: 'two-factors' });
  browser = await startBrowser();
  server.cli(['user', 'add', 'ines', '--role', 'investigator', '--password-stdin'], PASSWORD);
  server.cli(['user', 'add', 'root', '--role', 'administrator', '--password-stdin'], PASSWORD);
  server.cli(['user', 'add', 'chief', '--role', 'supervisor', '--password-stdin'], PASSWORD);
  newAppeal(server, 'SIGNIN');
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await insisting?.stop();
  listening?.close();
});

/** A browser of its own with an authenticator in it, as a phone has one. */
async function person(language = 'en-GB') {
  const context = await browser.newContext({ locale: language });
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { context, page, cdp, authenticatorId };
}

async function signIn(page, name, password = PASSWORD) {
  await page.goto(`${server.base}/login`);
  await page.fill('#name', name);
  await page.fill('#password', password);
  await page.click('form button');
}

async function addPasskey(page) {
  await page.fill('#passkey-name', 'Phone');
  await page.click('#passkey-new button');
  await page.waitForSelector('text=Phone ·');
}

test('a passkey: added, used without a name, asked for again, taken away', async () => {
  const { context, page, cdp, authenticatorId } = await person();
  await signIn(page, 'ines');
  assert.equal(new URL(page.url()).pathname, '/account');
  await look(page, 'account-half');
  await addPasskey(page);
  assert.equal((await cdp.send('WebAuthn.getCredentials', { authenticatorId })).credentials.length, 1);
  await page.goto(`${server.base}/`);
  assert.equal(new URL(page.url()).pathname, '/purpose', 'let in whole');
  await page.goto(`${server.base}/account`);
  await look(page, 'account');
  // The password alone shows the account's own page and nothing else from now on, and adds no other factor.
  const other = await browser.newContext();
  const thief = await other.newPage();
  await signIn(thief, 'ines');
  assert.equal(new URL(thief.url()).pathname, '/account');
  await thief.goto(`${server.base}/account/authenticator`);
  assert.equal(new URL(thief.url()).pathname, '/prove');
  await thief.goto(`${server.base}/appeals`);
  assert.equal(new URL(thief.url()).pathname, '/account');
  await other.close();
  // Signed out, and in again with nothing typed.
  await page.click('header button');
  await page.waitForURL('**/login');
  await look(page, 'login');
  await page.click('#passkey-login button');
  await page.waitForURL('**/purpose');
  // Proved once more with it.
  await page.goto(`${server.base}/prove?to=/account`);
  await look(page, 'prove');
  await page.click('#passkey-login button');
  await page.waitForURL('**/account');
  // One whose owner is not verified is not enough.
  await page.click('header button');
  await page.waitForURL('**/login');
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.click('#passkey-login button');
  await page.waitForSelector('#passkey-problem:not([hidden])');
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true });
  await page.click('#passkey-login button');
  await page.waitForURL('**/purpose');
  // A passkey is its account's: somebody with a hand in the database who writes another's name over it makes nobody of it.
  await page.goto(`${server.base}/prove?to=/account`);
  server.sql(`UPDATE passkey SET account_id = (SELECT id FROM account WHERE name = 'root')`);
  await page.click('#passkey-login button');
  await page.waitForSelector('#passkey-problem:not([hidden])');
  await page.click('header button');
  await page.waitForURL('**/login');
  await page.click('#passkey-login button');
  await page.waitForSelector('#passkey-problem:not([hidden])');
  server.sql(`UPDATE passkey SET account_id = (SELECT id FROM account WHERE name = 'ines')`);
  await page.click('#passkey-login button');
  await page.waitForURL('**/purpose');
  await page.goto(`${server.base}/account`);
  await page.click('text=Remove >> nth=0');
  await page.waitForSelector('text=You have none yet');
  await page.click('header button');
  await page.waitForURL('**/login');
  await page.click('#passkey-login button');
  await page.waitForSelector('#passkey-problem:not([hidden])');
  await context.close();
});

/** At the provider's own pages. */
async function atProvider(page, login) {
  await page.waitForURL(`http://localhost:${idpPort}/**`);
  await page.fill('input[name="login"]', login);
  await page.fill('input[name="password"]', 'whatever');
  await page.click('button[type="submit"]');
  await page.waitForSelector('button[type="submit"]');
  await page.click('button[type="submit"]');
}

test('single sign-on: who an administrator has named, tied to the first who came', async () => {
  const admin = await person();
  await signIn(admin.page, 'root');
  await addPasskey(admin.page);
  await admin.page.goto(`${server.base}/accounts`);
  await admin.page.click('tr:has-text("ines") summary');
  await look(admin.page, 'accounts');
  await admin.page.fill('tr:has-text("ines") input[name="sso_name"]', 'ines.moreau');
  await admin.page.click('tr:has-text("ines") button[value="sso"]');
  await admin.page.waitForSelector('tr:has-text("ines.moreau")');

  const { context, page } = await person();
  await page.goto(`${server.base}/login`);
  await page.click('text=Sign in with Police ID');
  await atProvider(page, 'ines');
  // One factor there, and the operator asks for two: her own account's page, where she adds a passkey.
  await page.waitForURL('**/account');
  await addPasskey(page);
  await page.goto(`${server.base}/`);
  assert.equal(new URL(page.url()).pathname, '/purpose');
  // Proved anew: the provider is told to ask her again, and does.
  await page.goto(`${server.base}/prove?to=/account/authenticator`);
  await page.click('text=Sign in with Police ID');
  await page.fill('input[name="login"]', 'ines');
  await page.fill('input[name="password"]', 'whatever');
  await page.click('button[type="submit"]');
  await page.waitForURL('**/account/authenticator');
  // A session that somebody left open at the provider is no proof: neither where the wish to be asked is taken out on the way
  // and the provider saw her an hour ago, nor where the provider does not say when.
  const authTime = provider.Session.prototype.authTime;
  for (const seen of [function () { return authTime.call(this) - 3600; }, () => undefined]) {
    provider.Session.prototype.authTime = seen;
    const away = await page.request.get(`${server.base}/login/sso?to=/account/authenticator`, { maxRedirects: 0 });
    const url = new URL(away.headers().location);
    assert.deepEqual([url.searchParams.get('prompt'), url.searchParams.get('max_age')], ['login', '0']);
    url.searchParams.delete('prompt');
    url.searchParams.delete('max_age');
    await page.goto(url.href);
    await page.waitForSelector('text=The single sign-on did not work');
  }
  provider.Session.prototype.authTime = authTime;
  await context.close();

  // Another subject under the same name opens nothing, and neither does one that nobody has named.
  for (const login of ['mallory', 'nobody']) {
    const stranger = await person();
    await stranger.page.goto(`${server.base}/login`);
    await stranger.page.click('text=Sign in with Police ID');
    await atProvider(stranger.page, login);
    await stranger.page.waitForSelector('text=The single sign-on did not work');
    await stranger.page.goto(`${server.base}/account`);
    assert.equal(new URL(stranger.page.url()).pathname, '/login');
    await stranger.context.close();
  }

  // What comes back without having gone away from this browser, or with another state, is not taken.
  const forged = await person();
  await forged.page.goto(`${server.base}/login/sso/back?code=x&state=y`);
  await forged.page.waitForSelector('text=The single sign-on did not work');
  await look(forged.page, 'sso-failed');
  await forged.context.close();
  await admin.context.close();
});

test('single sign-on with a second factor: where the provider says so, and only then', async () => {
  insisting.cli(['user', 'add', 'ines', '--role', 'investigator', '--password-stdin'], PASSWORD);
  insisting.sql(`UPDATE account SET sso_name = 'ines.moreau'`);
  // What the provider says of how it knew her: the pages of its development mode do not ask for more than a name.
  let level;
  Object.defineProperty(provider.Session.prototype, 'acr', { configurable: true, get: () => level, set() {} });
  for (const [said, lands] of [[undefined, '/account'], ['one-factor', '/account'], ['two-factors', '/purpose']]) {
    level = said;
    const { context, page } = await person();
    const asked = [];
    page.on('request', (r) => { if (r.url().startsWith(`http://localhost:${idpPort}/auth?`)) asked.push(new URL(r.url()).searchParams.get('acr_values')); });
    await page.goto(`${insisting.base}/login`);
    await page.click('text=Sign in with Police ID');
    await atProvider(page, 'ines');
    // (There by itself: the page in between goes on, and another address asked for meanwhile would be cut off.)
    await page.waitForURL(`${insisting.base}${lands}`);
    await page.goto(`${insisting.base}/`);
    assert.equal(new URL(page.url()).pathname, lands, `the provider said ${said}`);
    assert.equal(asked[0], 'two-factors', 'it is asked for');
    await context.close();
  }
  delete provider.Session.prototype.acr;
});

test('a sealed contact opens in the browser with the key that somebody brings', async () => {
  const open = await (await fetch(`${server.base}/api/v1/appeals/SIGNIN/submissions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ contact: 'jeanne@example.org, é' }) })).json();
  const sent = await (await fetch(`${server.base}/api/v1/submissions/${open.id}/files`, { method: 'POST', headers: { authorization: `Bearer ${open.token}` }, body: Buffer.from('hello') })).json();
  const key = join(server.data, 'taken-away.key');
  renameSync(join(server.data, 'keys', 'vault.key'), key);
  const { context, page } = await person();
  await signIn(page, 'chief');
  await addPasskey(page);
  await page.goto(`${server.base}/purpose`);
  await page.fill('input[name="reason"], textarea[name="reason"]', 'Affaire 12/2026');
  await page.click('main button');
  const away = [];
  page.on('request', (r) => { if (r.method() !== 'GET') away.push(r.postData() ?? ''); });
  await page.goto(`${server.base}/exhibits/${sent.exhibit}`);
  await page.click('#contact summary');
  await page.fill('#contact-reason', 'Convocation, affaire 12/2026');
  await page.click('#contact form button');
  await page.waitForSelector('#vault:not([hidden])');
  await page.setInputFiles('#vault-key', { name: 'wrong.key', mimeType: 'text/plain', buffer: Buffer.from('AGE-SECRET-KEY-1NONSENSE') });
  await page.waitForSelector('text=This file does not open it');
  await page.setInputFiles('#vault-key', key);
  await page.waitForSelector('text=jeanne@example.org, é');
  await look(page, 'contact-sealed');
  const secret = readFileSync(key, 'utf8').split('\n').find((l) => l.startsWith('AGE-SECRET-KEY'));
  await until('nothing left the page', () => !away.some((body) => body.includes(secret) || body.includes('jeanne')), 1);
  await context.close();
});
