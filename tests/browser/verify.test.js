// The browser's verifier: held to the program's own test vectors, then used by hand on a running server, and as a saved page
// without any network.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { look, newAppeal, startBrowser, startServer, until } from './support.js';

const vectors = JSON.parse(readFileSync(new URL('../golden/custody-vectors.json', import.meta.url)));
const bytes = (base64) => new Uint8Array(Buffer.from(base64, 'base64'));
let server, browser, custody, folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'temoin-verify-'));
  const out = join(folder, 'custody.mjs');
  await build({ entryPoints: [new URL('../../src/web/islands/custody.ts', import.meta.url).pathname], outfile: out, format: 'esm', bundle: true, target: 'es2022' });
  custody = await import(out);
  server = await startServer();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const given = (path, data) => ({ path, size: data.length, read: async (from, to) => new Uint8Array(data.subarray(from, to)) });

test('the same vectors, the same answers', async () => {
  for (const v of vectors.commitments) assert.equal(await custody.commitment(v.opening), v.commitment);
  for (const v of vectors.inclusion) {
    const args = [bytes(v.leaf), BigInt(v.index), BigInt(v.size), v.hashes.map(bytes), bytes(v.root)];
    assert.ok(await custody.verifyInclusion(...args), `${v.index} in ${v.size}`);
    assert.ok(!(await custody.verifyInclusion(args[0], args[1] + 1n, ...args.slice(2))), 'another place');
    assert.ok(!(await custody.verifyInclusion(args[0], args[1], args[2], [...args[3], args[0]], args[4])), 'a hash too many');
  }
  for (const v of vectors.consistency) {
    const hashes = v.hashes.map(bytes);
    assert.ok(await custody.verifyConsistency(BigInt(v.old), BigInt(v.new), hashes, bytes(v.old_root), bytes(v.root)), `${v.old} in ${v.new}`);
    if (v.old < v.new) assert.ok(!(await custody.verifyConsistency(BigInt(v.old), BigInt(v.new), hashes, bytes(v.root), bytes(v.root))));
  }
  for (const v of vectors.receipts) {
    const policy = v.policy && (await custody.parsePolicy(v.policy));
    const files = v.file ? [given('file', Buffer.from(v.file, 'base64'))] : [];
    const verdict = await custody.verifyReceipt(v.receipt, files, policy);
    assert.equal(verdict.result, v.verdict, `${v.name}: ${JSON.stringify(verdict.findings)}`);
  }
});

test('large files are hashed piece by piece', async () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 1000, (8 << 20) + 1, (17 << 20) + 13]) {
    const data = randomBytes(size);
    assert.equal(custody.hex(await custody.hashFile(given('f', data))), createHash('sha256').update(data).digest('hex'), `${size}`);
    const pieces = new custody.Sha256();
    for (let at = 0; at < data.length; at += 97_001) pieces.update(data.subarray(at, at + 97_001));
    assert.equal(custody.hex(pieces.finish()), createHash('sha256').update(data).digest('hex'), `${size} in pieces`);
  }
});

/** Everything below a folder, as a bundle's files. */
function tree(at, within = '') {
  return readdirSync(join(at, within)).flatMap((name) => {
    const path = within ? `${within}/${name}` : name;
    return statSync(join(at, path)).isDirectory() ? tree(at, path) : [given(path, readFileSync(join(at, path)))];
  });
}

test('a receipt and a bundle, on the server and on a saved page without a network', async () => {
  newAppeal(server, 'CHECK');
  const open = await (await fetch(`${server.base}/api/v1/appeals/CHECK/submissions`, { method: 'POST' })).json();
  const photo = randomBytes(3000);
  const auth = { authorization: `Bearer ${open.token}` };
  const sent = await (await fetch(`${server.base}/api/v1/submissions/${open.id}/files`, { method: 'POST', headers: { ...auth, 'content-disposition': 'attachment; filename="a.bin"' }, body: photo })).json();
  const proofAt = `${server.base}/api/v1/submissions/${open.id}/files/${sent.exhibit}/proof`;
  await until('the proof', async () => (await fetch(proofAt, { headers: auth })).ok);
  const receipt = await (await fetch(proofAt, { headers: auth })).text();
  const policyText = await (await fetch(`${server.base}/log/policy`)).text();
  const bundle = join(folder, 'bundle');
  server.cli(['export', '--appeal', 'CHECK', '--exhibit', sent.exhibit, '--profile', 'prosecution', '--recipient', 'Tribunal de Paris', '--reason', 'order 26/1234', '--to', bundle]);
  const policy = await custody.parsePolicy(policyText);
  const policyFile = join(folder, 'policy');
  writeFileSync(policyFile, policyText);
  const whole = await custody.verifyBundle(tree(bundle), policy);
  assert.equal(whole.result, 'proven', JSON.stringify(whole.findings));
  assert.equal((await custody.verifyBundle(tree(bundle), null)).result, 'undecided');
  // T21, T22: each of these is found by the browser as by the program.
  const changes = {
    'a photo': (at) => writeFileSync(join(at, 'data/original', readdirSync(join(at, 'data/original'))[0]), 'x'),
    'an event left out': (at) => {
      const path = join(at, 'custody/events.jsonl');
      writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(1).join('\n'));
    },
    'another checkpoint': (at) => {
      const path = join(at, 'custody/checkpoint');
      writeFileSync(path, readFileSync(path, 'utf8').replace(/\n(\d+)\n/, (_, n) => `\n${Number(n) + 1}\n`));
    },
    'a file more': (at) => writeFileSync(join(at, 'data/original/more.jpg'), 'x'),
  };
  for (const [name, change] of Object.entries(changes)) {
    const at = join(folder, 'changed');
    cpSync(bundle, at, { recursive: true });
    change(at);
    assert.equal((await custody.verifyBundle(tree(at), policy)).result, 'contradicted', name);
    assert.throws(() => server.cli(['verify', at]), undefined, name);
    rmSync(at, { recursive: true });
  }

  // As the server lays a ZIP file out; and as another program does, which is not judged.
  const [zip, foreign] = [join(folder, 'bundle.zip'), join(folder, 'foreign.zip')];
  execFileSync('python3', ['-c', `import os, sys, zlib, zipfile
from struct import pack
top, ours, foreign = sys.argv[1:]
paths = sorted(os.path.join(at, n) for at, _, names in os.walk(top) for n in names)
name = lambda p: "top/" + os.path.relpath(p, top)
central, count = b"", 0
with open(ours, "wb") as z:
    for p in paths:
        data, n, at = open(p, "rb").read(), name(p).encode(), z.tell()
        common = pack("<HHHIIIIH", 20, 0x800, 0, 0x210000, zlib.crc32(data), len(data), len(data), len(n))
        z.write(b"PK\\x03\\x04" + common + pack("<H", 0) + n + data)
        central += b"PK\\x01\\x02" + pack("<H", 0x32d) + common + pack("<HHHHII", 0, 0, 0, 0, 0o100644 << 16, at) + n
        count += 1
    at = z.tell()
    z.write(central + b"PK\\x05\\x06" + pack("<HHHHIIH", 0, 0, count, count, len(central), at, 0))
with zipfile.ZipFile(foreign, "w", zipfile.ZIP_STORED) as z:
    for p in paths: z.write(p, name(p))`, bundle, zip, foreign]);
  // The program reads the same two in the same way.
  server.cli(['verify', zip, '--trust', policyFile]);
  assert.throws(() => server.cli(['verify', foreign, '--trust', policyFile]));

  const judge = async (page, name) => {
    const check = async (files) => {
      await page.reload();
      for (const [id, file] of Object.entries(files)) await page.setInputFiles(`#${id}`, file);
      await page.click('#verify button');
      await page.waitForSelector('#verdict:not([hidden])');
      return page.getAttribute('#verdict', 'class');
    };
    const file = (n, buffer) => ({ name: n, mimeType: 'application/octet-stream', buffer: Buffer.from(buffer) });
    const trust = file('policy', policyText);
    assert.match(await check({ receipt: file('r', receipt), file: file('a.bin', photo), policy: trust }), /ok/);
    await look(page, `verify-${name}-proven`);
    assert.match(await check({ receipt: file('r', receipt), file: file('a.bin', randomBytes(3000)), policy: trust }), /bad/);
    assert.match(await check({ receipt: file('r', receipt), file: file('a.bin', photo) }), /doubt/);
    assert.match(await check({ zip, policy: trust }), /ok/);
    assert.match(await check({ zip: foreign, policy: trust }), /doubt/);
    assert.match(await page.textContent('#findings'), /unpack it and choose the folder|décompressez-le et choisissez le dossier/);
    assert.match(await check({ folder: bundle, policy: trust }), /ok/);
    assert.match(await check({ zip: file('x.zip', 'no zip'), policy: trust }), /doubt/);
  };
  const context = await browser.newContext({ locale: 'en-GB' });
  const page = await context.newPage();
  const asked = [];
  await page.goto(`${server.base}/verify`);
  page.on('request', (r) => { if (!/\/(verify|assets\/[a-z.]+)(\?|$)/.test(r.url())) asked.push(r.url()); });
  await judge(page, 'online');
  assert.deepEqual(asked, [], 'nothing is sent anywhere');
  for (const language of ['fr', 'en']) {
    const saved = join(folder, `temoin-verify-${language}.html`);
    writeFileSync(saved, Buffer.from(await (await fetch(`${server.base}/verify/offline?lang=${language}`)).arrayBuffer()));
    const alone = await browser.newContext();
    const kept = await alone.newPage();
    await alone.setOffline(true);
    await kept.goto(`file://${saved}`);
    await judge(kept, `saved-${language}`);
    await alone.close();
  }
  await context.close();
});
