// The files of one submission on their way: two at a time, photos before videos, each chunk under a SHA-256 that the server
// checks. What breaks is tried again by itself for as long as the page is open; what was half sent, here or on another
// device, goes on where it stands.
import { Upload, type UploadOptions } from 'tus-js-client';

export type State = 'checking' | 'waiting' | 'sending' | 'offline' | 'trying' | 'paused' | 'done' | 'known' | 'failed';

export interface Item {
  file: File;
  mark: string;
  state: State;
  sent: number;
  /** Why it failed: the server's stable code. */
  problem: string;
  upload: Upload | null;
  sha256: string;
  chunk: number;
}

interface Unfinished { upload: string; name: string; length: number | null; offset: number; fingerprint: string | null }
interface Sent { name: string; size: number; sha256: string; fingerprint: string | null }
interface Submission { files: Sent[]; unfinished: Unfinished[] }

/** Chunks: whole files cost least, but a checksum needs the chunk in memory, and a cellular network breaks often. */
const CHUNK = 16_000_000;
const CHUNK_CELLULAR = 4_000_000;
const CHUNK_SLOW = 1_000_000;
/** Files up to this are hashed whole before they are sent, to recognise a repeat. */
const WHOLE_HASH_MAX = 64_000_000;
/** A chunk under a checksum counts whole or not at all: when the network breaks in one, the next is half as long. */
const CHUNK_MIN = 250_000;
const AT_ONCE = 2;
const ENDS = 262_144;

export class Queue {
  items: Item[] = [];
  paused = false;
  private known: Submission = { files: [], unfinished: [] };

  constructor(
    private readonly id: string,
    private readonly receipt: string,
    private readonly changed: (item: Item | null) => void,
  ) {
    addEventListener('online', () => this.wake());
    addEventListener('offline', () => this.changed(null));
  }

  /** What the server has of this submission, so that nothing is sent twice and halves are finished. */
  async load(): Promise<Unfinished[]> {
    try {
      const answer = await fetch(`/api/v1/submissions/${this.id}`, { headers: { authorization: `Bearer ${this.receipt}` } });
      if (answer.ok) this.known = (await answer.json()) as Submission;
    } catch { /* without a network there is nothing to know yet */ }
    return this.known.unfinished;
  }

  add(files: Iterable<File>): void {
    for (const file of files) {
      const item: Item = { file, mark: '', state: 'checking', sent: 0, problem: '', upload: null, sha256: '', chunk: chunk() };
      if (this.items.some((i) => i.file.name === file.name && i.file.size === file.size && i.file.lastModified === file.lastModified)) continue;
      this.items.push(item);
      void this.check(item);
    }
    this.changed(null);
  }

  /** Whole-file SHA-256 for small files, a mark of size and both ends for large ones. */
  private async check(item: Item): Promise<void> {
    const { file } = item;
    try {
      item.mark = await hex(new Blob([`${file.size}:`, file.slice(0, ENDS), file.slice(-ENDS)]));
      if (file.size <= WHOLE_HASH_MAX) item.sha256 = await hex(file);
    } catch {
      this.fail(item, 'unreadable');
      return;
    }
    const same = (s: Sent): boolean => (item.sha256 ? s.sha256 === item.sha256 : s.fingerprint === item.mark && s.size === file.size);
    const twin = this.items.find((i) => i !== item && i.mark === item.mark && i.mark !== '' && i.state !== 'failed' && i.state !== 'checking');
    item.state = this.known.files.some(same) || twin ? 'known' : 'waiting';
    this.changed(item);
    this.wake();
  }

  wake(): void {
    if (this.paused || !navigator.onLine) { this.changed(null); return; }
    const waiting = this.items.filter((i) => i.state === 'waiting').sort((a, b) => weight(a.file) - weight(b.file));
    let free = AT_ONCE - this.items.filter((i) => i.state === 'sending' || i.state === 'trying').length;
    for (const item of waiting) {
      if (free-- <= 0) break;
      this.send(item);
    }
    this.changed(null);
  }

  private send(item: Item): void {
    const { file } = item;
    item.state = 'sending';
    const half = this.known.unfinished.find((u) => u.fingerprint === item.mark && (u.length === null || u.length === file.size));
    const options: UploadOptions = {
      endpoint: '/api/v1/uploads',
      uploadUrl: item.upload?.url ?? half?.upload ?? null,
      chunkSize: item.chunk,
      headers: { authorization: `Bearer ${this.receipt}` },
      metadata: { submission: this.id, filename: file.name, filetype: file.type, fingerprint: item.mark, ...(item.sha256 ? { sha256: item.sha256 } : {}) },
      retryDelays: [1000, 2000, 5000, 10_000, 20_000, 30_000],
      storeFingerprintForResuming: false,
      uploadDataDuringCreation: file.size <= item.chunk,
      onBeforeRequest: async (request) => {
        const method = request.getMethod();
        if (method !== 'PATCH' && !(method === 'POST' && options.uploadDataDuringCreation)) return;
        if (!globalThis.crypto?.subtle || file.size === 0) return;
        const from = method === 'POST' ? 0 : Number(request.getHeader('Upload-Offset') ?? 0);
        const digest = await crypto.subtle.digest('SHA-256', await file.slice(from, from + item.chunk).arrayBuffer());
        request.setHeader('Upload-Checksum', `sha256 ${btoa(String.fromCharCode(...new Uint8Array(digest)))}`);
      },
      onProgress: (sent) => { item.sent = sent; if (item.state === 'trying') item.state = 'sending'; this.changed(item); },
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        // 460: the chunk was damaged on the way, and dropped. 4xx else is an answer, not an accident.
        const again = status === 0 || status >= 500 || [408, 409, 423, 429, 460].includes(status);
        if (again && status === 0 && navigator.onLine && item.upload) {
          item.chunk = Math.max(CHUNK_MIN, Math.floor(item.chunk / 2));
          item.upload.options.chunkSize = item.chunk;
        }
        if (again) { item.state = navigator.onLine ? 'trying' : 'offline'; this.changed(item); }
        return again;
      },
      onSuccess: () => { item.state = 'done'; item.sent = file.size; this.changed(item); this.wake(); },
      onError: (error) => this.broken(item, error),
    };
    item.upload = new Upload(file, options);
    item.upload.start();
    this.changed(item);
  }

  private broken(item: Item, error: Error): void {
    const response = 'originalResponse' in error ? (error.originalResponse as { getStatus(): number; getBody(): string } | null) : null;
    const status = response?.getStatus() ?? 0;
    if (status === 404 || status === 410) {
      // The half that we went on with is gone: begin anew, once.
      const code = problem(response);
      if (code !== 'appeal-closed' && item.upload?.url) {
        this.known.unfinished = this.known.unfinished.filter((u) => u.fingerprint !== item.mark);
        item.upload = null;
        item.sent = 0;
        item.state = 'waiting';
        this.wake();
        return;
      }
    }
    if (status === 0 || status >= 500 || status === 409 || status === 429) {
      // All tries are used up: wait a little, then begin to try again, for as long as the page is open.
      item.state = navigator.onLine ? 'trying' : 'offline';
      this.changed(item);
      setTimeout(() => { if (item.state === 'trying' || item.state === 'offline') { item.state = 'waiting'; this.wake(); } }, 15_000);
      return;
    }
    this.fail(item, problem(response));
  }

  private fail(item: Item, why: string): void {
    item.state = 'failed';
    item.problem = why;
    this.changed(item);
    this.wake();
  }

  pause(): void {
    this.paused = true;
    for (const item of this.items) {
      if (item.state !== 'sending' && item.state !== 'trying') continue;
      void item.upload?.abort();
      item.state = 'paused';
    }
    this.changed(null);
  }

  resume(): void {
    this.paused = false;
    for (const item of this.items) if (item.state === 'paused' || item.state === 'offline') item.state = 'waiting';
    this.wake();
  }

  /** Takes a file out that has not arrived; what came of it is given up. */
  remove(item: Item): void {
    if (item.upload && item.state !== 'done') void item.upload.abort(true).catch(() => undefined);
    this.items = this.items.filter((i) => i !== item);
    this.wake();
  }

  again(item: Item): void {
    item.problem = '';
    item.state = 'waiting';
    this.wake();
  }

  get open(): Item[] {
    return this.items.filter((i) => !['done', 'known', 'failed'].includes(i.state));
  }
}

/** Photos before videos, small before large. */
function weight(file: File): number {
  return (file.type.startsWith('image/') ? 0 : 1e15) + file.size;
}

function chunk(): number {
  const c = (navigator as { connection?: { type?: string; effectiveType?: string } }).connection;
  if (c?.effectiveType === '2g' || c?.effectiveType === 'slow-2g') return CHUNK_SLOW;
  return c?.type === 'cellular' || c?.effectiveType === '3g' ? CHUNK_CELLULAR : CHUNK;
}

function problem(response: { getBody(): string } | null): string {
  try { return (JSON.parse(response?.getBody() ?? '') as { type: string }).type.split('/').pop() ?? ''; } catch { return ''; }
}

async function hex(blob: Blob): Promise<string> {
  if (!globalThis.crypto?.subtle) return '';
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return Array.from(digest, (b) => b.toString(16).padStart(2, '0')).join('');
}
