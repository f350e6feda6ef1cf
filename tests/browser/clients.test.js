// Other people's clients, as they come: tus-js-client in Node, Uppy in Chromium, tuspy, curl; straight, through nginx and through Caddy
// with the configurations that we ship.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import * as tus from 'tus-js-client';
import { freePort, newAppeal, startBrowser, startServer, until } from './support.js';

let server, through, nginx, throughCaddy, caddy, dir;
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
const noise = (length) => randomFillSync(Buffer.alloc(length));

before(async () => {
  const port = await freePort();
  server = await startServer({ env: { TEMOIN_TRUSTED_PROXIES: '["127.0.0.1/32"]', TEMOIN_LIMITS__OPENINGS_PER_BLOCK_HOUR: '1000' } });
  newAppeal(server, 'CLIENTS');
  dir = mkdtempSync(join(tmpdir(), 'temoin-nginx-'));
  // The shipped configuration; only names, keys and ports are replaced.
  const conf = readFileSync(new URL('../../infra/nginx.conf', import.meta.url), 'utf8')
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/\s+ssl_certificate\S* .*;/g, '')
    .replaceAll('http://127.0.0.1:8080', server.base)
    .replace('/var/cache/nginx/temoin', join(dir, 'cache'));
  assert.ok(conf.includes('proxy_request_buffering off;') && conf.includes(server.base));
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/${n};`).join(' ');
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; pid ${dir}/pid; error_log ${dir}/error.log; user root; events {} http { access_log off; ${temp} ${conf} }`);
  nginx = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')], { stdio: 'inherit' });
  through = `http://127.0.0.1:${port}`;
  await until('nginx answers', () => fetch(`${through}/healthz`).then((r) => r.ok, () => false));
  // And Caddy's: a name without TLS on a port of its own.
  const program = join(process.env.TEMOIN_CACHE ?? join(homedir(), '.cache', 'temoin'), 'infra-1', 'usr', 'bin', 'caddy');
  assert.ok(existsSync(program), 'infra/check.sh installs Caddy');
  const caddyPort = await freePort();
  const file = readFileSync(new URL('../../infra/Caddyfile', import.meta.url), 'utf8');
  writeFileSync(join(dir, 'Caddyfile'), `{\n\tadmin off\n}\n${file}`);
  const home = { XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir, HOME: dir };
  caddy = spawn(program, ['run', '--adapter', 'caddyfile', '--config', join(dir, 'Caddyfile')], {
    env: { ...process.env, ...home, TEMOIN_SITE: `http://127.0.0.1:${caddyPort}`, TEMOIN_NODES: server.base.replace('http://', '') }, stdio: 'ignore',
  });
  throughCaddy = `http://127.0.0.1:${caddyPort}`;
  await until('Caddy answers', () => fetch(`${throughCaddy}/healthz`).then((r) => r.ok, () => false));
});

after(async () => {
  nginx?.kill();
  caddy?.kill();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function submission(base) {
  const answer = await fetch(`${base}/api/v1/appeals/CLIENTS/submissions`, { method: 'POST' });
  assert.equal(answer.status, 201);
  return answer.json();
}

async function files(base, s) {
  const answer = await fetch(`${base}/api/v1/submissions/${s.id}`, { headers: { authorization: `Bearer ${s.token}` } });
  return (await answer.json()).files;
}

for (const [name, base] of [['straight', () => server.base], ['through nginx', () => through], ['through Caddy', () => throughCaddy]]) {
  test(`tus-js-client in Node, ${name}: chunks, an abort, a resume`, async () => {
    const s = await submission(base());
    const bytes = noise(6_000_000);
    const path = join(server.data, 'tus-js.bin');
    writeFileSync(path, bytes);
    const send = (more) => new Promise((resolve, reject) => {
      const upload = new tus.Upload(createReadStream(path), {
        endpoint: `${base()}/api/v1/uploads`, uploadSize: bytes.length, chunkSize: 1_000_000, headers: { authorization: `Bearer ${s.token}` },
        metadata: { submission: s.id, filename: 'a.bin', filetype: 'application/octet-stream' }, retryDelays: [100, 500], onError: reject,
        onSuccess: () => resolve(upload.url), ...more(() => upload, resolve),
      });
      upload.start();
    });
    const url = await send((upload, resolve) => ({
      onChunkComplete: (_, sent) => { if (sent >= 2_000_000) { void upload().abort(); resolve(upload().url); } },
    }));
    assert.ok(url.startsWith(base()), `${url} leads back the way that the client came`);
    let first = 0;
    await send(() => ({ uploadUrl: url, onProgress: (sent) => { first ||= sent; } }));
    assert.ok(first >= 2_000_000, `went on at ${first}`);
    assert.deepEqual((await files(base(), s)).map((f) => [f.name, f.sha256]), [['a.bin', hash(bytes)]]);
  });

  test(`tuspy, ${name}`, async () => {
    const s = await submission(base());
    const bytes = noise(3_000_000);
    writeFileSync(join(server.data, 'tuspy.bin'), bytes);
    const script = `
import sys
from tusclient import client
c = client.TusClient(sys.argv[1] + '/api/v1/uploads', headers={'Authorization': 'Bearer ' + sys.argv[2]})
u = c.uploader(sys.argv[3], chunk_size=700_000, metadata={'filename': 'tuspy.bin'})
u.upload(stop_at=1_400_000)
url = u.url
again = c.uploader(sys.argv[3], chunk_size=700_000, url=url)
assert again.get_offset() == 1_400_000, again.get_offset()
again.upload()
sums = c.uploader(sys.argv[3], chunk_size=1_000_000, upload_checksum=True)
sums.upload()
`;
    const python = process.env.TEMOIN_TEST_TUSPY;
    assert.ok(python, 'infra/test.sh names the Python that has tuspy');
    const run = spawnSync(python, ['-c', script, base(), s.token, join(server.data, 'tuspy.bin')], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.deepEqual((await files(base(), s)).map((f) => f.sha256), [hash(bytes), hash(bytes)]);
  });

  test(`curl, both protocols, ${name}`, async () => {
    const s = await submission(base());
    const bytes = noise(2_500_000);
    const path = join(server.data, 'curl.bin');
    writeFileSync(path, bytes);
    const curl = (...args) => {
      const run = spawnSync('curl', ['-sS', '-i', '-H', `Authorization: Bearer ${s.token}`, ...args], { encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      return run.stdout;
    };
    const begun = curl('-X', 'POST', '-H', 'Tus-Resumable: 1.0.0', '-H', `Upload-Length: ${bytes.length}`, `${base()}/api/v1/uploads`);
    const url = begun.match(/^location: (.*)\r$/im)[1];
    const appended = curl('-X', 'PATCH', '-H', 'Tus-Resumable: 1.0.0', '-H', 'Upload-Offset: 0', '-H', 'Content-Type: application/offset+octet-stream', '--data-binary', `@${path}`, url);
    assert.match(appended, new RegExp(`HTTP/1.1 204[^]*upload-offset: ${bytes.length}`, 'i'));
    const whole = curl('-H', 'Upload-Complete: ?1', '-H', 'Upload-Draft-Interop-Version: 8', '-H', 'Content-Type: video/mp4', '--data-binary', `@${path}`, `${base()}/api/v1/uploads`);
    assert.match(whole, /HTTP\/1.1 201[^]*upload-complete: \?1/i);
    // One file in one request, with a body that curl does not measure in advance.
    const chunked = curl('-X', 'POST', '-H', 'Transfer-Encoding: chunked', '--data-binary', `@${path}`, `${base()}/api/v1/submissions/${s.id}/files`);
    assert.match(chunked, /HTTP\/1.1 201/);
    assert.deepEqual((await files(base(), s)).map((f) => f.sha256), Array(3).fill(hash(bytes)));
  });
}

test('Uppy in Chromium', async () => {
  const entry = `
    import Uppy from '@uppy/core';
    import Tus from '@uppy/tus';
    window.send = async (endpoint, token, length) => {
      const uppy = new Uppy().use(Tus, { endpoint, headers: { authorization: 'Bearer ' + token }, chunkSize: 1000000, allowedMetaFields: ['name', 'type'] });
      const bytes = new Uint8Array(length).map((_, n) => (n * 31) % 251);
      uppy.addFile({ name: 'uppy.mp4', type: 'video/mp4', data: new Blob([bytes], { type: 'video/mp4' }) });
      const { successful, failed } = await uppy.upload();
      return [successful.length, failed.map((f) => String(f.error))];
    };`;
  const bundled = await build({ stdin: { contents: entry, resolveDir: new URL('.', import.meta.url).pathname }, bundle: true, format: 'iife', write: false, logLevel: 'error' });
  const browser = await startBrowser();
  const page = await (await browser.newContext()).newPage();
  const s = await submission(through);
  await page.goto(`${through}/a/CLIENTS`);
  await page.evaluate(bundled.outputFiles[0].text);
  const outcome = await page.evaluate(([endpoint, token]) => window.send(endpoint, token, 3_500_000), [`${through}/api/v1/uploads`, s.token]);
  assert.deepEqual(outcome, [1, []]);
  const expected = Buffer.from(Uint8Array.from({ length: 3_500_000 }, (_, n) => (n * 31) % 251));
  assert.deepEqual((await files(through, s)).map((f) => [f.name, f.sha256]), [['uppy.mp4', hash(expected)]]);
  await browser.close();
});

// The last one: it stops the server.
test('the appeal page stands while the server is drowned', async () => {
  const ask = (language) => fetch(`${through}/a/CLIENTS`, { headers: { 'accept-language': language } });
  for (const [language, words] of [['fr', 'Envoyer'], ['en', 'Send']]) {
    const first = await ask(language);
    assert.ok((await first.text()).includes(words), language);
    const again = await ask(language);
    assert.equal(again.headers.get('x-cache-status'), 'HIT', language);
    assert.ok((await again.text()).includes(words), 'each language has its own');
  }
  assert.equal((await fetch(`${through}/a/NOWHERE`)).status, 404);
  await server.stop();
  await until('the server is gone', () => fetch(`${server.base}/healthz`).then(() => false, () => true));
  const standing = await ask('fr');
  assert.equal(standing.status, 200);
  assert.ok((await standing.text()).includes('Envoyer'));
  assert.equal((await fetch(`${through}/api/v1/appeals/CLIENTS/submissions`, { method: 'POST' })).status, 502);
});
