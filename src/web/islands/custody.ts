// The checks of `src/domain/custody` and `src/attest/{verify,check}.rs` once more, for browsers: receipts, files and bundles, with
// WebCrypto and nothing else. `tests/golden/custody-vectors.json` holds both to the same answers.
//
// Nothing here asks the network, and nothing that is checked is believed before it is.

export type Result = 'proven' | 'undecided' | 'contradicted' | 'unusable';
export interface Finding { check: string; result: Result; detail: string }
export interface Verdict { result: Result; findings: Finding[] }
/** A file that somebody gives: by name, in pieces. */
export interface Given { path: string; size: number; read: (from: number, to: number) => Promise<Uint8Array> }

const ENTRY_BYTES_MAX = 65_536;
const PROOF_HASHES_MAX = 64;
const TEXT_BYTES_MAX = 64 << 20;
const LINES_MAX = 200_000;
const SKEW_US = 300_000_000n;

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

export function fromBase64(t: string): Uint8Array | null {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(t) || t.length % 4 !== 0) return null;
  try {
    const bytes = Uint8Array.from(atob(t), (c) => c.charCodeAt(0));
    // Only the one spelling.
    return toBase64(bytes) === t ? bytes : null;
  } catch {
    return null;
  }
}

export function toBase64(bytes: Uint8Array): string {
  let s = '';
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s);
}

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
const same = (a: Uint8Array | null | undefined, b: Uint8Array | null | undefined): boolean =>
  !!a && !!b && a.length === b.length && a.every((x, i) => x === b[i]);

export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) { all.set(p, at); at += p.length; }
  return all;
}

// ---- SHA-256 of what does not fit into memory (FIPS 180-4); WebCrypto only takes a whole.

const K = Uint32Array.from(primes(64), (p) => (Math.cbrt(p) % 1) * 2 ** 32);
function primes(n: number): number[] {
  const found: number[] = [];
  for (let c = 2; found.length < n; c += 1) if (found.every((p) => c % p !== 0)) found.push(c);
  return found;
}

export class Sha256 {
  private h = Uint32Array.from(primes(8), (p) => (Math.sqrt(p) % 1) * 2 ** 32);
  private rest = new Uint8Array(64);
  private held = 0;
  private length = 0;

  update(bytes: Uint8Array): void {
    this.length += bytes.length;
    let at = 0;
    if (this.held > 0) {
      const take = Math.min(64 - this.held, bytes.length);
      this.rest.set(bytes.subarray(0, take), this.held);
      this.held += take;
      at = take;
      if (this.held < 64) return;
      this.block(this.rest, 0);
      this.held = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.block(bytes, at);
    this.rest.set(bytes.subarray(at), 0);
    this.held = bytes.length - at;
  }

  finish(): Uint8Array {
    const tail = new Uint8Array(this.held < 56 ? 64 : 128);
    tail.set(this.rest.subarray(0, this.held));
    tail[this.held] = 0x80;
    const view = new DataView(tail.buffer);
    view.setBigUint64(tail.length - 8, BigInt(this.length) * 8n);
    for (let at = 0; at < tail.length; at += 64) this.block(tail, at);
    const out = new DataView(new ArrayBuffer(32));
    this.h.forEach((word, i) => out.setUint32(i * 4, word));
    return new Uint8Array(out.buffer);
  }

  private w = new Uint32Array(64);
  private block(bytes: Uint8Array, at: number): void {
    const w = this.w;
    for (let i = 0; i < 16; i += 1) {
      const j = at + i * 4;
      w[i] = (bytes[j]! << 24) | (bytes[j + 1]! << 16) | (bytes[j + 2]! << 8) | bytes[j + 3]!;
    }
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15]!, y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.h as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((v, i) => { this.h[i] = this.h[i]! + v; });
  }
}

/** SHA-256 of a file: by WebCrypto when it is small, else piece by piece. */
export async function hashFile(file: Given, progress: (bytes: number) => void = () => {}): Promise<Uint8Array> {
  const piece = 8 << 20;
  if (file.size <= piece) {
    const digest = await sha256(await file.read(0, file.size));
    progress(file.size);
    return digest;
  }
  const hash = new Sha256();
  for (let at = 0; at < file.size; at += piece) {
    const bytes = await file.read(at, Math.min(at + piece, file.size));
    hash.update(bytes);
    progress(bytes.length);
  }
  return hash.finish();
}

// ---- JSON: from strangers without doubled keys, and RFC 8785 back.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Parses strictly: what JSON.parse takes, without doubled keys, and integers only. */
export function parseStrict(source: string): Json | undefined {
  let value: Json;
  try { value = JSON.parse(source) as Json; } catch { return undefined; }
  // A doubled key makes the text hold more keys than the value does.
  let keys = 0;
  for (const m of source.matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)/gs)) if (m[1]) keys += 1;
  const count = (v: Json): number => {
    if (v === null || typeof v !== 'object') return 0;
    if (Array.isArray(v)) return v.reduce<number>((n, x) => n + count(x), 0);
    return Object.values(v).reduce<number>((n, x) => n + 1 + count(x), 0);
  };
  const whole = (v: Json): boolean =>
    typeof v === 'number' ? Number.isSafeInteger(v) : v === null || typeof v !== 'object' ? true : Object.values(v).every(whole);
  return keys === count(value) && whole(value) ? value : undefined;
}

export function canonical(v: Json): string {
  if (v === null || typeof v !== 'object') return JSON.stringify(v);
  if (Array.isArray(v)) return `[${v.map(canonical).join(',')}]`;
  return `{${Object.keys(v).sort().map((k) => `${JSON.stringify(k)}:${canonical(v[k]!)}`).join(',')}}`;
}

const at = (v: Json | undefined, ...path: (string | number)[]): Json | undefined => {
  let here: Json | undefined = v;
  for (const p of path) {
    if (here === null || typeof here !== 'object') return undefined;
    here = Array.isArray(here) ? (typeof p === 'number' ? here[p] : undefined) : typeof p === 'string' && Object.hasOwn(here, p) ? here[p] : undefined;
  }
  return here;
};
const str = (v: Json | undefined): string => (typeof v === 'string' ? v : '');
const list = (v: Json | undefined): Json[] => (Array.isArray(v) ? v : []);

export interface Opening { path: string; salt: string; value: Json }

/** `SHA-256("evidence-commit/v1" ‖ 0x00 ‖ JCS([salt, path, value]))` */
export async function commitment(o: Opening): Promise<string> {
  return toBase64(await sha256(joined(utf8.encode('evidence-commit/v1\0'), utf8.encode(canonical([o.salt, o.path, o.value])))));
}

function openings(v: Json | undefined): Opening[] | null {
  if (!Array.isArray(v)) return null;
  const all = v.map((o) => ({ path: str(at(o, 'path')), salt: str(at(o, 'salt')), value: at(o, 'value') }));
  return all.every((o) => o.path !== '' && o.value !== undefined) ? (all as Opening[]) : null;
}

// ---- RFC 6962 and RFC 9162

export const leafHash = (entry: Uint8Array): Promise<Uint8Array> => sha256(joined(Uint8Array.of(0), entry));
const nodeHash = (l: Uint8Array, r: Uint8Array): Promise<Uint8Array> => sha256(joined(Uint8Array.of(1), l, r));

/** RFC 9162 §2.1.3.2 */
export async function verifyInclusion(leaf: Uint8Array, index: bigint, size: bigint, proof: Uint8Array[], root: Uint8Array): Promise<boolean> {
  if (index >= size || proof.length > PROOF_HASHES_MAX) return false;
  let [fn, sn, r] = [index, size - 1n, leaf];
  for (const p of proof) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      r = await nodeHash(p, r);
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      r = await nodeHash(r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && same(r, root);
}

/** RFC 9162 §2.1.4.2 */
export async function verifyConsistency(old: bigint, size: bigint, proof: Uint8Array[], oldRoot: Uint8Array, root: Uint8Array): Promise<boolean> {
  if (old === 0n || old > size || proof.length > PROOF_HASHES_MAX) return false;
  if (old === size) return proof.length === 0 && same(oldRoot, root);
  let path = proof;
  if ((old & (old - 1n)) === 0n) path = [oldRoot, ...path];
  let [fn, sn] = [old - 1n, size - 1n];
  while (fn & 1n) { fn >>= 1n; sn >>= 1n; }
  const first = path[0];
  if (!first) return false;
  let [fr, sr] = [first, first];
  for (const c of path.slice(1)) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      fr = await nodeHash(c, fr);
      sr = await nodeHash(c, sr);
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else {
      sr = await nodeHash(sr, c);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && same(fr, oldRoot) && same(sr, root);
}

// ---- Signed notes, checkpoints, policies

export interface Key { name: string; id: Uint8Array; raw: Uint8Array }

async function parseKey(line: string, kind: number): Promise<Key | null> {
  const [name, id, ...rest] = line.split('+');
  const bytes = fromBase64(rest.join('+'));
  if (!name || /\s/.test(name) || !bytes || bytes.length !== 33 || bytes[0] !== kind) return null;
  const own = (await sha256(joined(utf8.encode(`${name}\n`), bytes))).subarray(0, 4);
  return hex(own) === id ? { name, id: own, raw: bytes.subarray(1) } : null;
}

/** Whether this browser can check Ed25519; without it signatures stay undecided. */
export async function signs(): Promise<boolean> {
  try {
    await crypto.subtle.importKey('raw', new Uint8Array(32).fill(1), { name: 'Ed25519' }, false, ['verify']);
    return true;
  } catch (e) {
    return !(e instanceof DOMException && e.name === 'NotSupportedError');
  }
}

async function ed25519(raw: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey('raw', raw as Uint8Array<ArrayBuffer>, { name: 'Ed25519' }, false, ['verify']);
    return await crypto.subtle.verify({ name: 'Ed25519' }, key, signature as Uint8Array<ArrayBuffer>, message as Uint8Array<ArrayBuffer>);
  } catch {
    return false;
  }
}

interface Note { text: string; lines: { name: string; bytes: Uint8Array }[] }

function splitNote(note: string): Note | null {
  const end = note.lastIndexOf('\n\n');
  if (end < 0) return null;
  const lines = note.slice(end + 2).split('\n').flatMap((l) => {
    const m = /^\u2014 (\S+) (\S+)$/.exec(l);
    const bytes = m && fromBase64(m[2]!);
    return m && bytes ? [{ name: m[1]!, bytes }] : [];
  });
  return { text: note.slice(0, end + 1), lines };
}

export async function signedBy(note: string, key: Key): Promise<boolean> {
  const n = splitNote(note);
  if (!n) return false;
  for (const l of n.lines) {
    if (l.name === key.name && l.bytes.length === 68 && same(l.bytes.subarray(0, 4), key.id) && await ed25519(key.raw, l.bytes.subarray(4), utf8.encode(n.text))) return true;
  }
  return false;
}

async function cosignedBy(note: string, key: Key): Promise<boolean> {
  const n = splitNote(note);
  if (!n) return false;
  for (const l of n.lines) {
    if (l.name !== key.name || l.bytes.length !== 76 || !same(l.bytes.subarray(0, 4), key.id)) continue;
    const time = new DataView(l.bytes.buffer, l.bytes.byteOffset + 4, 8).getBigUint64(0);
    if (await ed25519(key.raw, l.bytes.subarray(12), utf8.encode(`cosignature/v1\ntime ${time}\n${n.text}`))) return true;
  }
  return false;
}

export interface Checkpoint { origin: string; size: bigint; root: Uint8Array }

export function parseCheckpoint(note: string): Checkpoint | null {
  const n = splitNote(note);
  const [origin, size, root] = n?.text.split('\n') ?? [];
  const hash = fromBase64(root ?? '');
  if (!origin || !/^(0|[1-9]\d{0,18})$/.test(size ?? '') || hash?.length !== 32) return null;
  return { origin, size: BigInt(size!), root: hash };
}

type Member = { key: Key } | { needed: number; members: string[] };
export interface Policy { logs: { key: Key; until: bigint | null }[]; members: Map<string, Member>; quorum: string }

export async function parsePolicy(source: string): Promise<Policy | null> {
  const policy: Policy = { logs: [], members: new Map(), quorum: '' };
  let until: bigint | null = null;
  for (const line of source.split('\n')) {
    const words = line.split(/[ \t\r]+/).filter(Boolean);
    const [kind, name, third, ...rest] = words;
    if (kind === '#until' && name && /^\d+$/.test(name) && words.length === 2) { until = BigInt(name); continue; }
    if (!kind || kind.startsWith('#')) continue;
    const fresh = name !== undefined && name !== 'none' && !policy.members.has(name);
    if (kind === 'log' && name && words.length <= 3) {
      const key = await parseKey(name, 1);
      if (!key) return null;
      policy.logs.push({ key, until });
      until = null;
    } else if (kind === 'witness' && fresh && third && rest.length <= 1) {
      const key = await parseKey(third, 4);
      if (!key) return null;
      policy.members.set(name, { key });
    } else if (kind === 'group' && fresh && third && rest.length > 0) {
      const needed = third === 'any' ? 1 : third === 'all' ? rest.length : /^\d+$/.test(third) ? Number(third) : 0;
      if (needed < 1 || needed > rest.length || rest.some((m) => !policy.members.has(m))) return null;
      policy.members.set(name, { needed, members: rest });
    } else if (kind === 'quorum' && name && words.length === 2 && !policy.quorum) {
      if (name !== 'none' && !policy.members.has(name)) return null;
      policy.quorum = name;
    } else {
      return null;
    }
  }
  return policy.quorum ? policy : null;
}

async function witnessed(policy: Policy, name: string, note: string): Promise<boolean> {
  const member = policy.members.get(name);
  if (!member) return name === 'none';
  if ('key' in member) return cosignedBy(note, member.key);
  let held = 0;
  for (const m of member.members) if (await witnessed(policy, m, note)) held += 1;
  return held >= member.needed;
}

async function signature(note: string, cp: Checkpoint, own: string, policy: Policy | null): Promise<[Result, string]> {
  if (!(await signs())) return ['undecided', 'this browser cannot check Ed25519 signatures'];
  if (!policy) {
    const key = await parseKey(own, 1);
    return key && key.name === cp.origin && (await signedBy(note, key))
      ? ['undecided', 'signed only by the key that came along'] : ['contradicted', 'not even the key that came along signed this checkpoint'];
  }
  const known = policy.logs.filter((l) => l.key.name === cp.origin);
  if (known.length === 0) return ['undecided', `the policy knows no log named ${cp.origin}`];
  const signing = [];
  for (const l of known) if (await signedBy(note, l.key)) signing.push(l);
  if (signing.length === 0) return ['contradicted', `no key that the policy trusts for ${cp.origin} signed this checkpoint`];
  if (signing.every((l) => l.until !== null && cp.size > l.until)) return ['contradicted', 'signed only by a key that was replaced before this checkpoint'];
  return (await witnessed(policy, policy.quorum, note)) ? ['proven', cp.origin] : ['undecided', 'not cosigned by the witnesses that the policy asks for'];
}

// ---- Receipts

interface Proof { extra: Uint8Array | null; index: bigint; hashes: Uint8Array[]; checkpoint: string }

export function parseProof(source: string): Proof | null {
  const head = 'c2sp.org/tlog-proof@v1\n';
  const gap = source.indexOf('\n\n');
  if (source.length > 262_144 || !source.startsWith(head) || gap < 0) return null;
  const lines = source.slice(head.length, gap).split('\n');
  let extra: Uint8Array | null = null;
  if (lines[0]?.startsWith('extra ')) {
    extra = fromBase64(lines.shift()!.slice(6));
    if (!extra) return null;
  }
  const index = /^index (0|[1-9]\d{0,18})$/.exec(lines.shift() ?? '');
  const hashes = lines.map(fromBase64);
  if (!index || hashes.some((h) => h?.length !== 32) || hashes.length > PROOF_HASHES_MAX) return null;
  return { extra, index: BigInt(index[1]!), hashes: hashes as Uint8Array[], checkpoint: source.slice(gap + 2) };
}

function worst(findings: Finding[]): Result {
  const order: Result[] = ['proven', 'undecided', 'unusable', 'contradicted'];
  return findings.reduce<Result>((w, f) => (order.indexOf(f.result) > order.indexOf(w) ? f.result : w), findings.length ? 'proven' : 'unusable');
}

export async function verifyReceipt(source: string, files: Given[], policy: Policy | null, progress: (n: number) => void = () => {}): Promise<Verdict> {
  const findings: Finding[] = [];
  const note = (check: string, result: Result, detail: string): void => { findings.push({ check, result, detail }); };
  const done = (): Verdict => ({ result: worst(findings), findings });
  const proof = parseProof(source);
  if (!proof) {
    note('format', source.startsWith('c2sp.org/tlog-proof@') ? 'contradicted' : 'unusable', 'not a readable tlog-proof');
    return done();
  }
  let receipt: Json | undefined;
  try { receipt = proof.extra ? parseStrict(text(proof.extra)) : undefined; } catch { /* said below */ }
  const entry = fromBase64(str(at(receipt, 'entry')));
  const open = openings(at(receipt, 'openings'));
  const cp = parseCheckpoint(proof.checkpoint);
  if (!receipt || !entry || entry.length > ENTRY_BYTES_MAX || !open || !cp) {
    note('format', 'contradicted', 'the entry or checkpoint cannot be read');
    return done();
  }
  const included = await verifyInclusion(await leafHash(entry), proof.index, cp.size, proof.hashes, cp.root);
  note('inclusion', included ? 'proven' : 'contradicted', `${proof.index} / ${cp.size}`);
  note('signature', ...(await signature(proof.checkpoint, cp, str(at(receipt, 'vkey')), policy)));
  let said: Json | undefined;
  try { said = parseStrict(text(entry)); } catch { /* nothing it says counts */ }
  const committed = new Set(list(at(said, 'd')).map(str));
  for (const o of open) note('opening', committed.has(await commitment(o)) ? 'proven' : 'contradicted', `${o.path} = ${canonical(o.value)}`);
  const since = at(receipt, 'since');
  if (since !== undefined) {
    const old = parseCheckpoint(str(at(since, 'checkpoint')));
    const hashes = list(at(since, 'hashes')).map((h) => fromBase64(str(h)));
    const grown = old && hashes.every((h) => h?.length === 32)
      // Of another name it may be: a log that was closed, which this one carries on with. The trees decide.
      && (await verifyConsistency(old.size, cp.size, hashes as Uint8Array[], old.root, cp.root));
    const [signed] = old ? await signature(str(at(since, 'checkpoint')), old, '', policy) : ['contradicted' as Result];
    note('since', !grown ? 'contradicted' : signed === 'proven' ? 'proven' : 'undecided', String(old?.size ?? '?'));
  }
  const end = at(receipt, 'erased');
  if (end !== undefined) {
    const stone = fromBase64(str(at(end, 'entry')));
    const hashes = list(at(end, 'hashes')).map((h) => fromBase64(str(h)));
    const index = at(end, 'index');
    const told = stone ? parseStrict(text(stone)) : undefined;
    const fits = stone && typeof index === 'number' && hashes.every((h) => h?.length === 32) && at(told, 'type') === 'erasure.executed'
      && str(at(told, 'subj', 0, 'id')) !== '' && at(told, 'subj', 0, 'id') === at(said, 'subj', 0, 'id')
      && (await verifyInclusion(await leafHash(stone), BigInt(index), cp.size, hashes as Uint8Array[], cp.root));
    note('erased', fits ? 'proven' : 'contradicted', String(index));
  }
  const opened = (path: string): Json | undefined => open.find((o) => o.path === path)?.value;
  for (const file of files) {
    const [sha, size] = [opened('sha256'), opened('size')];
    if (typeof sha !== 'string' || typeof size !== 'number') note('file', 'undecided', file.path);
    else note('file', size === file.size && hex(await hashFile(file, progress)) === sha ? 'proven' : 'contradicted', file.path);
  }
  return done();
}

// ---- Bundles

/** Parses a manifest (RFC 8493): path to hash. */
function manifest(source: string): Map<string, string> | null {
  const files = new Map<string, string>();
  for (const line of source.split('\n').filter(Boolean)) {
    const m = /^([0-9a-f]{64})[ \t]+\*?([\s\S]+)$/.exec(line);
    const path = m?.[2]!.replace(/%0D/gi, '\r').replace(/%0A/gi, '\n').replace(/%25/g, '%');
    if (!m || !path || files.has(path) || /[\\\0:]/.test(path) || path.split('/').some((p) => p === '' || p === '.' || p === '..' || p.startsWith('~'))) return null;
    files.set(path, m[1]!);
  }
  return files;
}

/** A signature file as `ssh-keygen -Y sign` makes it: key and signature, of this namespace. */
async function sshSigned(armored: string, namespace: string, message: Uint8Array, keys: Key[]): Promise<boolean> {
  const m = /-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----/.exec(armored);
  const blob = m && fromBase64(m[1]!.replace(/\s/g, ''));
  if (!blob || text(blob.subarray(0, 6).map((b) => b & 127)) !== 'SSHSIG') return false;
  let at = 10;
  const field = (): Uint8Array => {
    const n = new DataView(blob.buffer, blob.byteOffset).getUint32(at);
    const value = blob.subarray(at + 4, at + 4 + n);
    at += 4 + n;
    return value;
  };
  try {
    const [publicKey, space, reserved, algorithm, sig] = [field(), field(), field(), field(), field()];
    if (text(space) !== namespace || text(algorithm) !== 'sha512' || at !== blob.length) return false;
    const raw = publicKey.subarray(publicKey.length - 32);
    const key = keys.find((k) => same(k.raw, raw));
    const short = (b: Uint8Array): Uint8Array => joined(Uint8Array.of(0, 0, 0, b.length), b);
    if (!key || !same(publicKey, joined(short(utf8.encode('ssh-ed25519')), short(raw)))) return false;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-512', message as Uint8Array<ArrayBuffer>));
    const signed = joined(utf8.encode('SSHSIG'), short(space), short(reserved), short(algorithm), short(digest));
    return await ed25519(raw, sig.subarray(sig.length - 64), signed);
  } catch {
    return false;
  }
}

const micros = (t: string): bigint | null => {
  const m = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/.exec(t);
  const ms = m ? Date.parse(`${m[1]}Z`) : NaN;
  return Number.isNaN(ms) ? null : BigInt(ms) * 1000n + BigInt((m![2] ?? '').padEnd(6, '0'));
};

/** Checks a bundle's folder, given as its files with paths inside it. */
export async function verifyBundle(files: Given[], policy: Policy | null, progress: (n: number) => void = () => {}): Promise<Verdict> {
  const findings: Finding[] = [];
  const failed = new Map<string, number>();
  const bad = (check: string, detail: string): void => {
    const n = (failed.get(check) ?? 0) + 1;
    failed.set(check, n);
    if (n <= 20) findings.push({ check, result: 'contradicted', detail });
  };
  const held = (check: string, detail: string): void => { if (!findings.some((f) => f.check === check)) findings.push({ check, result: 'proven', detail }); };
  const unusable = (why: string): Verdict => ({ result: 'unusable', findings: [...findings, { check: 'format', result: 'unusable', detail: why }] });
  const byPath = new Map(files.map((f) => [f.path, f]));
  const read = async (path: string): Promise<string | null> => {
    const file = byPath.get(path);
    if (!file || file.size > TEXT_BYTES_MAX) return null;
    try { return text(await file.read(0, file.size)); } catch { return null; }
  };
  if ((await read('bagit.txt')) !== 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n') return unusable('bagit.txt');
  const [payloadText, tagText, sigText, note] = [await read('manifest-sha256.txt'), await read('tagmanifest-sha256.txt'), await read('tagmanifest-sha256.txt.sig'), await read('custody/checkpoint')];
  const [payload, tags, cp] = [manifest(payloadText ?? '!'), manifest(tagText ?? '!'), parseCheckpoint(note ?? '')];
  if (!payload || !tags || payloadText === null || tagText === null || sigText === null || !cp || note === null) return unusable('a manifest, its signature or the checkpoint');
  for (const [map, isPayload] of [[payload, true], [tags, false]] as const) {
    for (const [path, expected] of map) {
      if (path.startsWith('data/') !== isPayload) bad('bag', `${path}: wrong manifest`);
      const file = byPath.get(path);
      const wrong = !file ? 'missing' : hex(await hashFile(file, isPayload ? progress : undefined)) !== expected ? 'changed' : '';
      if (wrong) bad('bag', `${path}: ${wrong}`);
      if (wrong && isPayload) bad('payload', path);
    }
  }
  // The second manifest of what is not payload stands in no other: it has to follow from the files.
  const seconds = new Set<string>();
  for (const path of tags.keys()) {
    const file = byPath.get(path);
    if (!file || file.size > TEXT_BYTES_MAX) continue;
    const digest = hex(new Uint8Array(await crypto.subtle.digest('SHA-512', (await file.read(0, file.size)) as BufferSource)));
    seconds.add(`${digest}  ${path.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')}`);
  }
  const told = new Set(((await read('tagmanifest-sha512.txt')) ?? '').split('\n').filter(Boolean));
  if (told.size !== seconds.size || [...told].some((line) => !seconds.has(line))) bad('bag', 'tagmanifest-sha512.txt');
  for (const path of byPath.keys()) if (!payload.has(path) && !tags.has(path) && !['tagmanifest-sha256.txt', 'tagmanifest-sha512.txt', 'tagmanifest-sha256.txt.sig'].includes(path)) bad('bag', `${path}: in no manifest`);
  held('bag', String(payload.size + tags.size));

  const ownPolicy = await parsePolicy((await read('custody/policy')) ?? '');
  const own = ownPolicy?.logs[0]?.key ?? null;
  const message = utf8.encode(tagText);
  if (!(await signs())) findings.push({ check: 'bundle', result: 'undecided', detail: 'this browser cannot check Ed25519 signatures' });
  else if (policy && (await sshSigned(sigText, 'evidence-export', message, policy.logs.filter((l) => l.key.name === cp.origin && (l.until === null || cp.size <= l.until)).map((l) => l.key)))) held('bundle', cp.origin);
  else if (!policy?.logs.some((l) => l.key.name === cp.origin) && own && (await sshSigned(sigText, 'evidence-export', message, [own]))) findings.push({ check: 'bundle', result: 'undecided', detail: 'signed only by the key that came along' });
  else bad('bundle', 'tagmanifest-sha256.txt.sig');
  const ownLine = own ? `${own.name}+${hex(own.id)}+${toBase64(joined(Uint8Array.of(1), own.raw))}` : '';
  const [result, detail] = await signature(note, cp, ownLine, policy);
  findings.push({ check: 'signature', result, detail });

  // Events, each against the tree.
  interface Event { index: bigint; leaf: Uint8Array; said: Json; open: Map<string, Json> }
  const events: Event[] = [];
  const seen = new Set<bigint>();
  const lines = ((await read('custody/events.jsonl')) ?? '').split('\n');
  if (lines.pop() !== '') return unusable('custody/events.jsonl');
  if (lines.length === 0 || lines.length > LINES_MAX) return unusable('custody/events.jsonl');
  for (const line of lines) {
    const told = parseStrict(line);
    if (Object.keys((told ?? {}) as object).sort().join(' ') !== 'entry index openings withheld') { bad('inclusion', 'an event that cannot be read'); continue; }
    const entry = fromBase64(str(at(told, 'entry')));
    const open = openings(at(told, 'openings'));
    const [number, withheld] = [at(told, 'index'), at(told, 'withheld')];
    let said: Json | undefined;
    try { said = entry && entry.length <= ENTRY_BYTES_MAX ? parseStrict(text(entry)) : undefined; } catch { /* said below */ }
    if (!entry || said === undefined || !open || typeof number !== 'number' || typeof withheld !== 'number') { bad('inclusion', 'an event that cannot be read'); continue; }
    const index = BigInt(number);
    if (seen.has(index)) bad('inclusion', `${index}: twice`);
    seen.add(index);
    const leaf = await leafHash(entry);
    const proof = parseProof((await read(`custody/proofs/${index}.tlog-proof`)) ?? '');
    if (!proof || proof.index !== index || proof.checkpoint !== note || !(await verifyInclusion(leaf, index, cp.size, proof.hashes, cp.root))) bad('inclusion', `${index}`);
    const committed = new Set(list(at(said, 'd')).map(str));
    const opened = new Map<string, Json>();
    for (const o of open) {
      if (!committed.has(await commitment(o)) || opened.has(o.path)) bad('opening', `${index}: ${o.path}`);
      opened.set(o.path, o.value);
    }
    if (open.length + withheld !== list(at(said, 'd')).length) bad('opening', `${index}: facts are not accounted for`);
    events.push({ index, leaf, said, open: opened });
  }
  events.sort((a, b) => (a.index < b.index ? -1 : 1));
  held('inclusion', `${events.length} / ${cp.size}`);
  held('opening', '');
  let latest = -(2n ** 62n);
  for (const e of events) {
    const t = micros(str(at(e.said, 't')));
    if (t === null || t + SKEW_US < latest) bad('time', `${e.index}`);
    if (t !== null && t > latest) latest = t;
  }
  held('time', '');

  // Histories, closed by the export.
  const digest = hex(await sha256(utf8.encode(payloadText)));
  const made = events.filter((e) => at(e.said, 'type') === 'export.created' && e.open.get('manifest_sha256') === digest);
  if (made.length !== 1) {
    bad('export', `${made.length} exports`);
    return { result: worst(findings), findings };
  }
  const chains = new Map<string, Event[]>(list(made[0]!.open.get('exhibits')).map((id) => [str(id), []]));
  for (const e of events) {
    let ours = at(e.said, 'type') === 'export.created';
    for (const s of list(at(e.said, 'subj'))) {
      // One event can be about several exhibits, of which not all are here.
      const chain = at(s, 'k') === 'exhibit' ? chains.get(str(at(s, 'id'))) : undefined;
      if (chain) { chain.push(e); ours = true; }
    }
    if (!ours) bad('export', `${e.index}: about nothing in this bundle`);
  }
  for (const [id, chain] of chains) {
    if (chain.length > 0) continue;
    bad('export', id);
    chains.delete(id);
  }
  const makes = (e: Event, hash: string): boolean => at(e.said, 'type') === 'derivative.created' && (e.open.get('view_sha256') === hash || e.open.get('thumbnail_sha256') === hash);
  let originals = 0;
  for (const [path, hash] of payload) {
    if (path.startsWith('data/original/')) { originals += 1; continue; }
    const id = path.startsWith('data/derivative/') ? path.slice('data/derivative/'.length).split('-D1-VIEW__')[0]! : '';
    if (!(chains.get(id) ?? []).some((e) => makes(e, hash))) bad('payload', `${path}: neither an original nor made of one`);
  }
  if (originals !== chains.size) bad('payload', `${originals} / ${chains.size}`);
  if (payload.size > originals) held('derivative', String(payload.size - originals));
  for (const [id, chain] of chains) {
    chain.forEach((e, n) => {
      const subject = list(at(e.said, 'subj')).find((s) => at(s, 'id') === id);
      const before = n === 0 ? at(subject, 'p') === undefined : same(fromBase64(str(at(subject, 'p'))), chain[n - 1]!.leaf);
      if (at(subject, 'n') !== n || !before) bad('history', `${id}: ${e.index}`);
    });
    const last = chain[chain.length - 1]!;
    const closed = at(last.said, 'type') === 'exhibit.exported' && last.open.get('manifest_sha256') === digest && last.open.has('export') && last.open.get('export') === made[0]?.open.get('export');
    if (!closed) bad('history', `${id}: not closed by this export`);
    const mine = [...payload].filter(([path]) => path.startsWith(`data/original/${id}__`));
    const received = chain[0]!.open.get('sha256');
    if (mine.length !== 1 || at(chain[0]!.said, 'type') !== 'exhibit.received') bad('payload', id);
    else if (typeof received !== 'string') findings.push({ check: 'payload', result: 'undecided', detail: id });
    else if (mine[0]![1] !== received) bad('payload', id);
  }
  for (const check of ['history', 'payload', 'export']) held(check, check === 'payload' ? String(payload.size) : '');
  return { result: worst(findings), findings };
}

/**
 * The files of a ZIP as Témoin delivers bundles: stored plain files in one folder, one behind the other, nothing else in it. Null when it is
 * another: readers of ZIP files differ, and what one of them would take for something else is not judged.
 */
export async function unzip(zip: Given): Promise<Given[] | null> {
  const tail = await zip.read(Math.max(0, zip.size - 98), zip.size);
  const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);
  const [t, end] = [view(tail), tail.length - 22];
  if (end < 0 || t.getUint32(end, true) !== 0x06054b50 || t.getUint32(end + 4, true) !== 0 || t.getUint16(end + 20, true) !== 0) return null;
  let [count, size, offset, behind] = [t.getUint16(end + 10, true), t.getUint32(end + 12, true), t.getUint32(end + 16, true), end];
  if (t.getUint16(end + 8, true) !== count) return null;
  if (end >= 20 && t.getUint32(end - 20, true) === 0x07064b50) {
    behind = end - 76;
    if (behind < 0 || t.getUint32(behind, true) !== 0x06064b50 || t.getBigUint64(behind + 4, true) !== 44n || t.getUint32(behind + 12, true) !== 0x002d032d
      || t.getBigUint64(behind + 16, true) !== 0n || t.getBigUint64(behind + 24, true) !== t.getBigUint64(behind + 32, true)
      || t.getUint32(end - 16, true) !== 0 || t.getUint32(end - 4, true) !== 1) return null;
    const [all, bytes, from] = [t.getBigUint64(behind + 32, true), t.getBigUint64(behind + 40, true), t.getBigUint64(behind + 48, true)];
    const shown = (n: bigint, most: bigint): number => Number(n < most ? n : most);
    if (count !== shown(all, 0xffffn) || size !== shown(bytes, 0xffffffffn) || offset !== shown(from, 0xffffffffn)) return null;
    if (all < 0xffffn && bytes < 0xffffffffn && from < 0xffffffffn) return null;
    [count, size, offset] = [Number(all), Number(bytes), Number(from)];
    if (t.getBigUint64(end - 12, true) !== BigInt(offset + size)) return null;
  }
  if (size > TEXT_BYTES_MAX || offset + size !== zip.size - tail.length + behind) return null;
  const central = await zip.read(offset, offset + size);
  const v = view(central);
  const files = new Map<string, Given>();
  let [p, next, top] = [0, 0, ''];
  for (let n = 0; n < count; n += 1) {
    if (p + 46 > central.length || v.getUint32(p, true) !== 0x02014b50) return null;
    const [nameLength, extraLength] = [v.getUint16(p + 28, true), v.getUint16(p + 30, true)];
    const [nameEnd, e] = [p + 46 + nameLength, p + 46 + nameLength + extraLength];
    if (e > central.length) return null;
    let length = v.getUint32(p + 24, true);
    const [big, far] = [length === 0xffffffff, next >= 0xffffffff];
    // Made by version 4.5 on UNIX, plain files that everybody may read, UTF-8, stored, no comment.
    const needs = big || far ? 45 : 20;
    if (v.getUint16(p + 4, true) !== 0x032d || v.getUint16(p + 6, true) !== needs || v.getUint16(p + 8, true) !== 0x0800 || v.getUint16(p + 10, true) !== 0
      || v.getUint32(p + 12, true) !== 0x00210000 || v.getUint32(p + 20, true) !== length || v.getUint32(p + 32, true) !== 0 || v.getUint16(p + 36, true) !== 0
      || v.getUint32(p + 38, true) !== 0x81a40000 || v.getUint32(p + 42, true) !== (far ? 0xffffffff : next)) return null;
    const numbers = (big ? 2 : 0) + (far ? 1 : 0);
    if (extraLength !== (numbers > 0 ? 4 + 8 * numbers : 0)) return null;
    if (numbers > 0 && (v.getUint16(nameEnd, true) !== 1 || v.getUint16(nameEnd + 2, true) !== 8 * numbers)) return null;
    if (big) {
      length = Number(v.getBigUint64(nameEnd + 4, true));
      if (length < 0xffffffff || v.getBigUint64(nameEnd + 12, true) !== BigInt(length)) return null;
    }
    if (far && v.getBigUint64(nameEnd + (big ? 20 : 4), true) !== BigInt(next)) return null;
    // The member's own header has to say the same.
    const head = joined(Uint8Array.of(0x50, 0x4b, 3, 4, big ? 45 : 20, 0), central.subarray(p + 8, p + 30), Uint8Array.of(big ? 20 : 0, 0), central.subarray(p + 46, nameEnd),
      big ? joined(Uint8Array.of(1, 0, 16, 0), central.subarray(nameEnd + 4, nameEnd + 20)) : new Uint8Array());
    if (!same(head, await zip.read(next, next + head.length))) return null;
    const from = next + head.length;
    next = from + length;
    if (next > offset) return null;
    const name = text(central.subarray(p + 46, nameEnd));
    const parts = name.split('/');
    if (parts.length < 2 || /[\\\0:]/.test(name) || parts.some((part) => part === '' || part === '.' || part === '..' || part.startsWith('~'))) return null;
    top ||= parts[0]!;
    const path = parts.slice(1).join('/');
    if (parts[0] !== top || files.has(path)) return null;
    files.set(path, { path, size: length, read: (a, b) => zip.read(from + a, from + b) });
    p = e;
  }
  return p === central.length && next === offset ? [...files.values()] : null;
}
