// The files of one submission on their way: two at a time, photos before videos, each chunk under a SHA-256 that the server
// checks. What breaks is tried again by itself for as long as the page is open; what was half sent, here or on another
// device, goes on where it stands.
import { Upload, type UploadOptions } from 'tus-js-client';

export type State = 'checking' | 'waiting' | 'wifi' | 'sending' | 'offline' | 'trying' | 'busy' | 'paused' | 'done' | 'known' | 'failed';

export interface Item {
  file: File;
  /** SHA-256 over size and both ends: tells files apart without reading them whole. */
  mark: string;
  /** SHA-256 of the whole file, for small ones. */
  sha256: string;
  state: State;
  sent: number;
  /** Why it failed: the server's stable code. */
  problem: string;
  /** Where the server has it. */
  url: string | null;
  chunk: number;
  /** The attempt that counts. Others are over, whatever they still say. */
  attempt: Attempt | null;
  /** Not before this moment, because the server asked us to wait. */
  notBefore: number;
}

interface Attempt { upload: Upload; stopped: boolean; moved: number }
interface Unfinished { upload: string; name: string; length: number | null; offset: number; fingerprint: string | null }
interface Sent { name: string; size: number; sha256: string; fingerprint: string | null }
interface Submission { files: Sent[]; unfinished: Unfinished[] }

/** A chunk under a checksum counts whole or not at all: when the network breaks in one, the next is half as long. */
const CHUNK = 16_000_000;
const CHUNK_PHONE = 4_000_000;
const CHUNK_SLOW = 1_000_000;
const CHUNK_MIN = 250_000;
/** Files up to this are hashed whole before they are sent, to recognise a repeat. */
const WHOLE_HASH_MAX = 24_000_000;
const AT_ONCE = 2;
const ENDS = 262_144;
/** Silence after which a connection is taken for dead: a phone that changed networks is not told. */
const SILENCE_MS = 30_000;
const TRIES = 4;
const ACTIVE: State[] = ['sending', 'trying'];
/** Refusals that the same file will meet again. */
export const FINAL = ['empty', 'too-large', 'quota-exceeded', 'kind-refused', 'appeal-closed', 'not-found'];

export class Queue {
  items: Item[] = [];
  paused = false;
  /** Videos wait while the phone is on a cellular network. */
  wifiOnly = false;
  files: Sent[] = [];
  private unfinished: Unfinished[] = [];
  private loaded = false;
  private checks: Promise<void> = Promise.resolve();
  private timer = 0;

  constructor(
    private readonly id: string,
    private readonly receipt: string,
    private readonly changed: (item: Item | null) => void,
  ) {
    addEventListener('online', () => this.restart());
    addEventListener('offline', () => this.changed(null));
    setInterval(() => this.watch(), 5_000);
  }

  /** What the server has of this submission, so that nothing is sent twice and halves are finished. */
  async load(): Promise<Unfinished[]> {
    try {
      const answer = await fetch(`/api/v1/submissions/${this.id}`, { headers: { authorization: `Bearer ${this.receipt}` } });
      if (answer.ok) {
        const known = (await answer.json()) as Submission;
        this.files = known.files;
        this.unfinished = known.unfinished;
        this.loaded = true;
      }
    } catch { /* without a network there is nothing to know yet */ }
    return this.unfinished;
  }

  /** Takes files in; says how many are new. */
  add(files: Iterable<File>): number {
    let added = 0;
    for (const file of files) {
      const same = this.items.find((i) => i.file.name === file.name && i.file.size === file.size && i.file.lastModified === file.lastModified);
      if (same && same.state !== 'failed') continue;
      added++;
      if (same) {
        // Chosen again after a failure: the phone may be able to read this one.
        same.file = file;
        this.again(same);
        continue;
      }
      const item: Item = { file, mark: '', sha256: '', state: 'checking', sent: 0, problem: '', url: null, chunk: chunk(), attempt: null, notBefore: 0 };
      this.items.push(item);
      this.check(item);
    }
    this.changed(null);
    return added;
  }

  /** One after another: a phone has no memory for thirty videos at once. */
  private check(item: Item): void {
    item.state = 'checking';
    this.checks = this.checks.then(() => this.checkNow(item)).catch(() => this.fail(item, 'unreadable'));
    this.changed(item);
  }

  private async checkNow(item: Item): Promise<void> {
    if (!this.items.includes(item)) return;
    const { file } = item;
    // What lies in a cloud and not on the phone may come as nothing at all.
    if (file.size === 0) { this.fail(item, 'empty'); return; }
    if (!this.loaded) await this.load();
    item.mark = await hex(new Blob([`${file.size}:`, file.slice(0, ENDS), file.slice(-ENDS)]));
    if (file.size <= WHOLE_HASH_MAX) item.sha256 = await hex(file);
    if (!this.items.includes(item) || item.state !== 'checking') return;
    item.state = this.has(item) || this.twin(item) ? 'known' : 'waiting';
    this.changed(item);
    this.wake();
  }

  /** Whether the server has received this file from this witness. */
  private has(item: Item): boolean {
    if (item.mark === '') return false;
    return this.files.some((s) => (item.sha256 ? s.sha256 === item.sha256 : s.fingerprint === item.mark && s.size === item.file.size));
  }

  private twin(item: Item): boolean {
    return item.mark !== '' && this.items.some((i) => i !== item && i.mark === item.mark && !['failed', 'known', 'checking'].includes(i.state));
  }

  wake(): void {
    clearTimeout(this.timer);
    if (this.paused || !navigator.onLine) { this.changed(null); return; }
    const now = Date.now();
    const dear = this.wifiOnly && connection()?.type === 'cellular';
    for (const item of this.items) {
      const waits = dear && !item.file.type.startsWith('image/');
      if (waits && ['waiting', 'sending', 'trying', 'busy'].includes(item.state)) { this.stop(item); item.state = 'wifi'; this.changed(item); }
      if (!waits && item.state === 'wifi') { item.state = 'waiting'; this.changed(item); }
    }
    const ready = this.items.filter((i) => i.state === 'waiting' || (i.state === 'busy' && i.notBefore <= now));
    ready.sort((a, b) => weight(a.file) - weight(b.file));
    let free = AT_ONCE - this.items.filter((i) => ACTIVE.includes(i.state)).length;
    for (const item of ready) {
      if (free-- <= 0) break;
      this.send(item);
    }
    const next = Math.min(...this.items.filter((i) => i.state === 'busy').map((i) => i.notBefore));
    if (Number.isFinite(next)) this.timer = window.setTimeout(() => this.wake(), Math.max(500, next - now));
    this.changed(null);
  }

  /** Ends the attempt that runs; what it still says counts for nothing. */
  private stop(item: Item): void {
    if (!item.attempt) return;
    item.attempt.stopped = true;
    void item.attempt.upload.abort();
    item.attempt = null;
  }

  private send(item: Item): void {
    this.stop(item);
    const { file } = item;
    const half = this.unfinished.find((u) => item.mark !== '' && u.fingerprint === item.mark && (u.length === null || u.length === file.size));
    item.url ??= half?.upload ?? null;
    item.state = 'sending';
    const withData = item.url === null && file.size <= item.chunk;
    const attempt: Attempt = { stopped: false, moved: Date.now(), upload: undefined as unknown as Upload };
    const live = (): boolean => !attempt.stopped && item.attempt === attempt;
    const options: UploadOptions = {
      // Without an address to begin at, a half whose question fails is asked again, not begun anew.
      endpoint: item.url === null ? '/api/v1/uploads' : null,
      uploadUrl: item.url,
      chunkSize: item.chunk,
      headers: { authorization: `Bearer ${this.receipt}` },
      metadata: {
        submission: this.id, filename: file.name, filetype: file.type,
        ...(item.mark ? { fingerprint: item.mark } : {}), ...(item.sha256 ? { sha256: item.sha256 } : {}),
      },
      retryDelays: null,
      storeFingerprintForResuming: false,
      uploadDataDuringCreation: withData,
      onUploadUrlAvailable: () => { item.url = attempt.upload.url; attempt.upload.options.endpoint = null; },
      onBeforeRequest: async (request) => {
        const method = request.getMethod();
        attempt.moved = Date.now();
        if ((method === 'PATCH' || (method === 'POST' && withData)) && globalThis.crypto?.subtle && file.size > 0) {
          const from = method === 'POST' ? 0 : Number(request.getHeader('Upload-Offset') ?? 0);
          let bytes: ArrayBuffer;
          try { bytes = await file.slice(from, from + item.chunk).arrayBuffer(); } catch (e) { item.problem = 'unreadable'; throw e; }
          const digest = await crypto.subtle.digest('SHA-256', bytes);
          request.setHeader('Upload-Checksum', `sha256 ${btoa(String.fromCharCode(...new Uint8Array(digest)))}`);
        }
        // Paused or taken out while we were hashing: not a byte more.
        if (attempt.stopped) throw new Error('stopped');
      },
      onProgress: (sent) => {
        if (!live()) return;
        attempt.moved = Date.now();
        item.sent = sent;
        if (item.state !== 'sending') item.state = 'sending';
        this.changed(item);
      },
      onChunkComplete: () => {
        if (!live()) return;
        // The network bears it: longer chunks cost less.
        this.tries.delete(item);
        item.chunk = Math.min(chunk(), item.chunk * 2);
        attempt.upload.options.chunkSize = item.chunk;
      },
      onSuccess: () => { if (live()) this.arrived(item); },
      onError: (error) => { if (live()) void this.broken(item, error); },
    };
    attempt.upload = new Upload(file, options);
    item.attempt = attempt;
    attempt.upload.start();
    this.changed(item);
  }

  private arrived(item: Item): void {
    item.attempt = null;
    item.state = 'done';
    item.sent = item.file.size;
    this.changed(item);
    this.wake();
  }

  private tries = new Map<Item, number>();

  private async broken(item: Item, error: Error): Promise<void> {
    const response = 'originalResponse' in error ? (error.originalResponse as Answer | null) : null;
    const status = response?.getStatus() ?? 0;
    const code = problem(response);
    const attempt = item.attempt;
    if (item.problem === 'unreadable') { this.stop(item); this.fail(item, 'unreadable'); return; }
    if ((status === 404 || status === 410) && code !== 'appeal-closed') {
      if (item.url === null) { this.fail(item, code || 'not-found'); return; }
      // The half that we went on with is gone: begin anew.
      const gone = item.url;
      this.unfinished = this.unfinished.filter((u) => !gone.endsWith(u.upload));
      item.url = null;
      item.sent = 0;
      this.later(item, 0);
      return;
    }
    if (status === 429 || status === 503 || status === 507) {
      const seconds = Number(response?.getHeader('Retry-After') ?? 10);
      if (status === 507 && (this.tries.get(item) ?? 0) >= TRIES) { this.fail(item, 'no-space'); return; }
      this.tries.set(item, (this.tries.get(item) ?? 0) + 1);
      item.attempt = null;
      item.state = 'busy';
      item.notBefore = Date.now() + 1000 * Math.min(120, Number.isFinite(seconds) ? seconds : 10);
      this.changed(item);
      this.wake();
      return;
    }
    // 460: the chunk was damaged on the way, and dropped. Other refusals are answers, not accidents.
    if (status >= 400 && status < 500 && ![408, 409, 423, 460].includes(status)) { this.fail(item, code); return; }
    if (status === 0) {
      item.chunk = Math.max(CHUNK_MIN, Math.floor(item.chunk / 2));
      if (item.url === null) {
        // Our answer may be what was lost, not the file.
        await this.load();
        if (item.attempt !== attempt) return;
        if (this.has(item)) { this.arrived(item); return; }
      }
    }
    const tries = (this.tries.get(item) ?? 0) + 1;
    this.tries.set(item, tries);
    this.later(item, Math.min(30_000, 500 * 2 ** tries));
  }

  /** Tries again after a while, for as long as the page is open. */
  private later(item: Item, ms: number): void {
    this.stop(item);
    item.state = navigator.onLine ? 'trying' : 'offline';
    this.changed(item);
    setTimeout(() => {
      if (item.attempt || (item.state !== 'trying' && item.state !== 'offline')) return;
      item.state = navigator.onLine ? 'waiting' : 'offline';
      this.wake();
    }, ms);
  }

  /** A connection on which nothing moves is given up; the server keeps what came. */
  watch(limit = SILENCE_MS): void {
    const now = Date.now();
    for (const item of this.items) {
      if (item.attempt && ACTIVE.includes(item.state) && now - item.attempt.moved > limit) {
        item.chunk = Math.max(CHUNK_MIN, Math.floor(item.chunk / 2));
        this.later(item, 0);
      }
    }
  }

  /** Back on a network, or on the screen: what hangs is begun again at once. */
  restart(): void {
    this.watch(5_000);
    for (const item of this.items) if (item.state === 'offline' || (item.state === 'trying' && !item.attempt)) item.state = 'waiting';
    this.wake();
  }

  private fail(item: Item, why: string): void {
    this.stop(item);
    item.state = 'failed';
    item.problem = why;
    this.changed(item);
    // A copy that waited for this one has to go itself.
    for (const other of this.items) if (other !== item && other.state === 'known' && other.mark === item.mark && other.mark !== '') this.check(other);
    this.wake();
  }

  pause(): void {
    this.paused = true;
    for (const item of this.items) {
      if (!['sending', 'trying', 'offline', 'busy', 'waiting', 'wifi'].includes(item.state)) continue;
      this.stop(item);
      item.state = 'paused';
      this.changed(item);
    }
    this.changed(null);
  }

  resume(): void {
    this.paused = false;
    for (const item of this.items) if (item.state === 'paused') item.state = 'waiting';
    this.wake();
  }

  /** Takes a file out that has not arrived; what came of it is given up. */
  remove(item: Item): void {
    this.stop(item);
    if (item.url && item.state !== 'done') {
      void fetch(item.url, { method: 'DELETE', headers: { authorization: `Bearer ${this.receipt}`, 'tus-resumable': '1.0.0' } }).catch(() => undefined);
      const gone = item.url;
      this.unfinished = this.unfinished.filter((u) => !gone.endsWith(u.upload));
    }
    this.items = this.items.filter((i) => i !== item);
    for (const other of this.items) if (other.state === 'known' && other.mark === item.mark && other.mark !== '') this.check(other);
    this.wake();
  }

  /** Once more: after a failure, or although we seem to have it. */
  again(item: Item): void {
    item.problem = '';
    this.tries.delete(item);
    if (item.mark === '' && item.state !== 'known') { this.check(item); return; }
    item.state = 'waiting';
    this.wake();
  }

  get open(): Item[] {
    return this.items.filter((i) => !['done', 'known', 'failed'].includes(i.state));
  }

  /** Files that failed in a way that trying again may mend. */
  get mendable(): Item[] {
    return this.items.filter((i) => i.state === 'failed' && !FINAL.includes(i.problem));
  }
}

interface Answer { getStatus(): number; getBody(): string; getHeader(name: string): string | undefined }

/** Photos before videos, small before large. */
function weight(file: File): number {
  return (file.type.startsWith('image/') ? 0 : 1e15) + file.size;
}

interface Connection { type?: string; effectiveType?: string; addEventListener?(event: 'change', act: () => void): void }

/** How the phone is connected, where it says so. */
export function connection(): Connection | undefined {
  return (navigator as { connection?: Connection }).connection;
}

function chunk(): number {
  const c = connection();
  if (c?.effectiveType === '2g' || c?.effectiveType === 'slow-2g') return CHUNK_SLOW;
  // Phones that do not say how they are connected are taken to be on a cellular network.
  const phone = !c && matchMedia('(pointer: coarse)').matches;
  return phone || c?.type === 'cellular' || c?.effectiveType === '3g' ? CHUNK_PHONE : CHUNK;
}

function problem(response: Answer | null): string {
  try { return (JSON.parse(response?.getBody() ?? '') as { type: string }).type.split('/').pop() ?? ''; } catch { return ''; }
}

async function hex(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return '';
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
}
