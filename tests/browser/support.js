// Starts the real program for a test file, on the pair that TEMOIN_TEST_PAIR names, and a browser beside it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import AxeModule from '@axe-core/playwright';

const AxeBuilder = AxeModule.default ?? AxeModule;
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'RGAAv4'];
const binary = process.env.TEMOIN_TEST_BINARY;
export const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const PASSWORD = 'correct horse battery';
export const shots = new URL('./shots/', import.meta.url).pathname;

export const freePort = () => new Promise((resolve) => {
  const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
});

export const until = async (what, holds, tries = 300, ms = 100) => {
  for (let n = 0; n < tries; n++) {
    if (await holds()) return;
    await new Promise((r) => setTimeout(r, ms));
  }
  assert.fail(what);
};

let servers = 0;

export async function startServer({ args = [], env = {}, port = 0 } = {}) {
  assert.ok(binary, 'TEMOIN_TEST_BINARY names the program; infra/test.sh sets it');
  mkdirSync(shots, { recursive: true });
  const data = mkdtempSync(join(tmpdir(), 'temoin-browser-'));
  port ||= await freePort();
  const base = env.TEMOIN_PUBLIC_URL ?? `http://127.0.0.1:${port}`;
  const settings = { ...process.env, TEMOIN_DATA: data, TEMOIN_LISTEN: `127.0.0.1:${port}`, TEMOIN_LIMITS__FREE_BYTES_MIN: '0', TEMOIN_ACCOUNTS__SECOND_FACTOR: 'optional', ...env };
  if (process.env.TEMOIN_TEST_PAIR === 'grown') {
    const admin = process.env.TEMOIN_TEST_POSTGRES;
    assert.ok(admin, 'infra/servers.sh starts PostgreSQL and Garage');
    const name = `browser_${process.pid}_${servers++}`;
    assert.equal(spawnSync('psql', [admin, '-qc', `CREATE DATABASE ${name}`]).status, 0);
    settings.TEMOIN_DATABASE = admin.replace(/[^/]*$/, name);
    assert.equal(spawnSync(binary, ['vault', 'make-key', join(data, 'keys', 'vault.key')], { env: settings }).status, 0);
    settings.TEMOIN_BLOBS = process.env.TEMOIN_TEST_S3.replace('PREFIX', name);
  }
  const cli = (words, input = '') => {
    const done = spawnSync(binary, words, { env: settings, input, encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout.trim();
  };
  // Straight on the database, as somebody with a hand in it would.
  const sql = (text) => {
    const [tool, words] = settings.TEMOIN_DATABASE ? ['psql', [settings.TEMOIN_DATABASE, '-qc', text]] : ['sqlite3', ['-cmd', '.timeout 120000', join(data, 'temoin.db'), text]];
    const done = spawnSync(tool, words, { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
  };
  const child = spawn(binary, ['serve', ...args], { env: settings, stdio: 'ignore' });
  await until('the server did not start', () => fetch(`${base}/healthz`).then(() => true, () => false));
  // It writes to the end: what it writes into is removed when it has ended.
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => { child.kill(); await ended; rmSync(data, { recursive: true, force: true }); };
  /** Waits until the demonstration is fed and examined: drawing, sending and examining 304 files takes minutes on a small machine. */
  const fed = () => {
    let all = false;
    return until('the whole demonstration is fed and examined', async () => {
      all ||= JSON.parse(cli(['appeal', 'list', '--json'])).files >= 304;
      // (One that is too busy to say how many says nothing of them.)
      return all && (await (await fetch(`${base}/readyz`)).json()).jobs_waiting === 0;
    }, 600, 2_000);
  };
  return { base, port, data, cli, sql, stop, fed };
}

/** An open appeal around 48.85, 2.35. */
export function newAppeal(server, code, extra = []) {
  server.cli(['appeal', 'new', code, '--title', 'Essai sur le pont', '--what', 'Quelque chose', '--place', 'Le pont', '--from', '2026-07-14T22:00:00+02:00',
    '--to', '2026-07-14T22:30:00+02:00', '--near', '48.85,2.35', '--open', ...extra]);
}

export function startBrowser() {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run'],
  });
}

/**
 * A picture of the page, nothing that scrolls sideways, and axe without a finding. With `docs` the picture stands in `docs/screens` under that
 * name: made anew when TEMOIN_TEST_SHOTS is set, so that it shows what the program shows.
 */
export async function look(page, name, { script = true, docs = '' } = {}) {
  if (docs && process.env.TEMOIN_TEST_SHOTS) {
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: new URL(`../../docs/screens/${docs}.jpg`, import.meta.url).pathname, type: 'jpeg', quality: 70 });
  }
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  const wide = script ? await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth) : 0;
  assert.ok(wide <= 0, `${name}: nothing scrolls sideways`);
  if (!script) return;
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`), [], name);
}
