// The page that checks a receipt, a file or a bundle in the browser. Nothing that is given leaves it; saved, it works without any
// server.

import { type Finding, type Given, type Policy, type Verdict, parsePolicy, unzip, verifyBundle, verifyReceipt } from './custody';

const words = JSON.parse(document.getElementById('words')?.textContent ?? '{}') as Record<string, string>;
const say = (key: string): string => words[key] ?? key;
const $ = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

function given(file: File, path: string): Given {
  return { path, size: file.size, read: async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer()) };
}

function chosen(id: string): File[] {
  return Array.from($<HTMLInputElement>(id)?.files ?? []);
}

async function policy(): Promise<Policy | null | 'unreadable'> {
  const file = chosen('policy')[0];
  const typed = $<HTMLTextAreaElement>('policy-text').value.trim();
  const source = file ? await file.text() : typed;
  if (!source) return null;
  return (await parsePolicy(`${source}\n`)) ?? 'unreadable';
}

function show(verdict: Verdict): void {
  const card = $('verdict');
  card.hidden = false;
  card.className = `card verdict ${{ proven: 'ok', contradicted: 'bad', undecided: 'doubt', unusable: 'doubt' }[verdict.result]}`;
  $('verdict-words').textContent = say(verdict.result);
  const item = (f: Finding): HTMLLIElement => {
    const li = document.createElement('li');
    const strong = document.createElement('strong');
    strong.textContent = `${say(`result-${f.result}`)}: ${say(`check-${f.check}`)}`;
    const detail = document.createElement('bdi');
    detail.textContent = f.detail;
    li.append(strong, f.detail ? ' · ' : '', detail);
    return li;
  };
  $('findings').replaceChildren(...verdict.findings.map(item));
  $('verdict-words').focus();
}

async function check(): Promise<void> {
  const state = $('state');
  const trust = await policy();
  if (trust === 'unreadable') {
    state.textContent = say('policy-unreadable');
    return;
  }
  let read = 0;
  let told = 0;
  const progress = (n: number): void => {
    read += n;
    if (read - told > 20_000_000) {
      told = read;
      state.textContent = `${say('reading')} ${Math.round(read / 1e6)} MB`;
    }
  };
  state.textContent = say('reading');
  const [receipt] = chosen('receipt');
  const files = chosen('file');
  const folder = chosen('folder');
  const [zip] = chosen('zip');
  let verdict: Verdict;
  try {
    if (folder.length > 0) {
      verdict = await verifyBundle(folder.map((f) => given(f, f.webkitRelativePath.split('/').slice(1).join('/'))), trust, progress);
    } else if (zip) {
      const members = await unzip(given(zip, zip.name));
      verdict = members ? await verifyBundle(members, trust, progress)
        : { result: 'unusable', findings: [{ check: 'format', result: 'unusable', detail: `${zip.name}: ${say('zip-again')}` }] };
    } else if (receipt) {
      verdict = await verifyReceipt(await receipt.text(), files.map((f) => given(f, f.name)), trust, progress);
    } else {
      state.textContent = say('nothing');
      return;
    }
  } catch (e) {
    // A file that vanished, a ZIP that is cut: nothing was proven.
    verdict = { result: 'unusable', findings: [{ check: 'format', result: 'unusable', detail: e instanceof Error ? e.message : '' }] };
  }
  state.textContent = say('done');
  show(verdict);
}

const form = $<HTMLFormElement>('verify');
if (!globalThis.crypto?.subtle) {
  $('state').textContent = say('insecure');
} else {
  form.addEventListener('submit', (e) => {
    e.preventDefault();
    const button = form.querySelector('button');
    if (button) button.disabled = true;
    void check().finally(() => { if (button) button.disabled = false; });
  });
}
