// The witness's page /r/{receipt}/send with script: picking a file starts its upload while the questions are asked, answers
// are kept as they are given, and every trouble is said in words. Without script the same form is sent whole.
import { FINAL, Queue, connection, type Item } from './queue';
import { say, size } from './words';
import type { Place } from './map';

const form = document.getElementById('send') as HTMLFormElement;
const data = form.dataset;
const receipt = data['receipt'] ?? '';
const list = byId('files');
const total = byId('total');
const bar = byId('bar') as HTMLProgressElement;
const status = byId('status');
const alertBox = byId('alert');
const pauseButton = byId('pause') as HTMLButtonElement;
const sendButton = byId('send-button') as HTMLButtonElement;
const rows = new Map<Item, HTMLElement>();
let finishing = false;
let told = false;
let saved = '';

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(id);
  return found;
}

function make(tag: string, className: string, text = ''): HTMLElement {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = text;
  return e;
}

function showAlert(text: string | null): void {
  alertBox.textContent = text;
  alertBox.className = text ? 'alert' : '';
}

const queue = new Queue(data['id'] ?? '', receipt, (item) => { if (item && queue.items.includes(item)) draw(item); drawAll(); });

// --- the list ---------------------------------------------------------------------------------------------------------

function draw(item: Item): void {
  let row = rows.get(item);
  if (!row) {
    row = make('li', 'file');
    const name = make('bdi', 'name', item.file.name);
    const progress = document.createElement('progress');
    progress.max = Math.max(1, item.file.size);
    progress.setAttribute('aria-label', item.file.name);
    row.append(name, make('span', 'muted', size(item.file.size)), make('span', 'word'), progress, make('span', 'buttons'));
    if (item.file.type.startsWith('image/') && item.file.size < 30_000_000) {
      const picture = document.createElement('img');
      picture.alt = '';
      picture.src = URL.createObjectURL(item.file);
      picture.onload = () => { URL.revokeObjectURL(picture.src); };
      // What this browser does not draw (HEIC, mostly) is sent all the same, and is not shown as if it were broken.
      picture.onerror = () => { URL.revokeObjectURL(picture.src); picture.remove(); };
      row.prepend(picture);
    }
    rows.set(item, row);
    list.append(row);
  }
  const [word, progress, buttons] = [row.querySelector('.word'), row.querySelector('progress'), row.querySelector('.buttons')];
  const text = item.state === 'failed' ? problemWords(item) : say(`state-${item.state}`);
  if (word && word.textContent !== text) {
    word.textContent = text;
    word.className = `word ${item.state}`;
    if (item.state === 'done') announce(say('said-done', { name: item.file.name }));
    if (item.state === 'known') announce(`${item.file.name}: ${text}`);
    if (item.state === 'failed') showAlert(queue.items.filter((i) => i.state === 'failed').map((i) => `${i.file.name}: ${problemWords(i)}`).join('\n'));
    const kind = ['failed', 'known', 'done'].includes(item.state) ? item.state : 'open';
    if (buttons && row.dataset['kind'] !== kind) {
      // Rebuilt only when what can be done changes: the focus must not be lost under somebody's fingers.
      const focused = buttons.contains(document.activeElement);
      row.dataset['kind'] = kind;
      buttons.replaceChildren(...actions(item));
      if (focused) (buttons.querySelector('button') ?? byId('media')).focus();
    }
  }
  if (progress) {
    progress.value = item.sent;
    progress.hidden = !['sending', 'trying', 'paused', 'offline', 'busy'].includes(item.state);
  }
}

function actions(item: Item): HTMLElement[] {
  const button = (key: string, act: () => void): HTMLElement => {
    const b = make('button', 'plain', say(key)) as HTMLButtonElement;
    b.type = 'button';
    b.setAttribute('aria-label', `${say(key)}: ${item.file.name}`);
    b.onclick = act;
    return b;
  };
  const out: HTMLElement[] = [];
  if (item.state === 'failed' && !FINAL.includes(item.problem)) out.push(button('again', () => queue.again(item)));
  if (item.state === 'known') out.push(button('send-anyway', () => queue.again(item)));
  if (item.state !== 'done') out.push(button('remove', () => { queue.remove(item); rows.get(item)?.remove(); rows.delete(item); byId('media').focus(); }));
  return out;
}

function problemWords(item: Item): string {
  const known = say(`problem-${item.problem}`);
  return known === `problem-${item.problem}` ? say('problem') : known;
}

// --- the whole ----------------------------------------------------------------------------------------------------------

let quarter = 0;
const pace: [number, number][] = [];

function drawAll(): void {
  const items = queue.items.filter((i) => i.state !== 'known');
  const bytes = items.reduce((n, i) => n + i.file.size, 0);
  const sent = items.reduce((n, i) => n + (i.state === 'done' ? i.file.size : i.sent), 0);
  const done = items.filter((i) => i.state === 'done').length;
  byId('sending').hidden = queue.items.length === 0;
  bar.max = Math.max(1, bytes);
  bar.value = sent;
  const offline = !navigator.onLine && queue.open.length > 0;
  total.textContent = offline ? say('offline') : say('total', { done, all: items.length, sent: size(sent), bytes: size(bytes), left: left(sent, bytes) });
  pauseButton.hidden = queue.open.length === 0;
  pauseButton.textContent = say(queue.paused ? 'resume' : 'pause');
  const now = bytes ? Math.floor((4 * sent) / bytes) : 0;
  if (now !== quarter && queue.open.length > 0) { quarter = now; if (now > 0) announce(total.textContent ?? ''); }
  void awake(queue.open.length > 0 && !queue.paused);
  const broken = items.filter((i) => i.state === 'failed').length;
  if (broken > 0 && queue.open.length === 0) total.textContent = say(queue.mendable.length > 0 ? 'partial' : 'partial-final', { n: broken, done, all: items.length });
  // Nothing moves until the phone is on Wi-Fi, or its owner says so.
  const waiting = queue.open.length > 0 && queue.open.every((i) => i.state === 'wifi');
  if (finishing && waiting) {
    finishing = false;
    sendButton.disabled = false;
    showAlert(say('wifi-waits'));
    byId('wifi-only').focus();
  }
  if (finishing && queue.open.length === 0) void finish();
}

/** Minutes left at the pace of the last twenty seconds. */
function left(sent: number, bytes: number): string {
  if (!queue.items.some((i) => i.state === 'sending')) { pace.length = 0; return ''; }
  const now = performance.now();
  pace.push([now, sent]);
  // What was there before this page is no pace.
  if (pace.length > 0 && sent - (pace[pace.length - 1]?.[1] ?? 0) > 50_000_000) pace.length = 0;
  while (pace.length > 2 && now - (pace[0]?.[0] ?? now) > 20_000) pace.shift();
  const [then, before] = pace[0] ?? [now, sent];
  const rate = (sent - before) / Math.max(1, now - then);
  if (rate <= 0 || sent >= bytes) return '';
  return say('left', { n: Math.max(1, Math.round((bytes - sent) / rate / 60_000)) });
}

let said = 0;
function announce(text: string): void {
  // A fresh element each time: the same text twice in a row is read twice.
  status.replaceChildren(make('p', '', text));
  said++;
  status.dataset['said'] = String(said);
}

let lock: { release(): Promise<void>; released?: boolean } | null = null;
async function awake(on: boolean): Promise<void> {
  const wakeLock = (navigator as { wakeLock?: { request(kind: 'screen'): Promise<{ release(): Promise<void> }> } }).wakeLock;
  if (!wakeLock) return;
  if (on && !lock && document.visibilityState === 'visible') {
    const asking = { release: async () => undefined };
    lock = asking;
    try {
      const given = await wakeLock.request('screen');
      // Everything may have been sent, or the page hidden, before it was given.
      if (lock === asking) lock = given;
      else await given.release();
    } catch {
      if (lock === asking) lock = null;
    }
  } else if (!on && lock) {
    const held = lock;
    lock = null;
    await held.release();
  }
}
document.addEventListener('visibilitychange', () => {
  // The lock goes with the page's visibility, and so may a connection that slept.
  lock = null;
  if (document.visibilityState === 'visible') queue.restart();
  else void save();
});

addEventListener('beforeunload', (e) => { if (queue.open.length > 0) { e.preventDefault(); e.returnValue = true; } });

// --- the answers ----------------------------------------------------------------------------------------------------------

const shownWhen = String(new FormData(form).get('when') ?? '');
const value = (name: string): string => String(new FormData(form).get(name) ?? '').trim();

function statement(): Record<string, unknown> {
  // In words: what they mean in time is the server's to say.
  const chosen = value('when');
  const when = chosen === 'at' ? value('at') : chosen === 'unknown' && shownWhen === 'unknown' ? '' : chosen;
  const pinned = pinRadius > 0 && value('at_place') !== 'yes' && !value('no_place');
  return {
    own: value('own') || 'unknown', edited: value('edited') || 'unknown', at_place: value('at_place') || 'unknown',
    place_words: value('place_words'), words: value('words'),
    // What this page cannot show again is named only when it is said again: absent means as before.
    // Empty takes back what was left before; left out, it stays.
    ...(value('contact') ? { contact: value('contact') } : (document.getElementById('no-contact') as HTMLInputElement | null)?.checked ? { contact: '' } : {}),
    ...(pinned ? { lat: Number(value('lat')), lon: Number(value('lon')), radius_m: pinRadius } : {}),
    ...(value('no_place') ? { no_place: true } : {}),
    ...(when ? { when } : {}),
  };
}

async function saveNow(): Promise<boolean> {
  const body = JSON.stringify(statement());
  if (body === saved) return true;
  try {
    const answer = await fetch(`/api/v1/submissions/${data['id']}/statement`, {
      method: 'PUT', body, keepalive: true, headers: { authorization: `Bearer ${receipt}`, 'content-type': 'application/json' },
    });
    if (answer.ok) saved = body;
    return answer.ok;
  } catch { return false; }
}

// One at a time, so that an older answer never lands last.
let saves: Promise<boolean> = Promise.resolve(true);
function save(): Promise<boolean> {
  saves = saves.then(saveNow, saveNow);
  return saves;
}

let saving = 0;
form.addEventListener('input', (e) => {
  if ((e.target as HTMLInputElement).type === 'file') return;
  const at = form.querySelector<HTMLInputElement>('input[name=when][value=at]');
  if (at && (e.target as HTMLInputElement).name === 'at' && value('at')) at.checked = true;
  clearTimeout(saving);
  saving = window.setTimeout(() => void save(), 1200);
});

// --- the place ------------------------------------------------------------------------------------------------------------

/** Zero until the place is marked on this page: one from before stays as it was said. */
let pinRadius = 0;
const forget = form.elements.namedItem('no_place') as HTMLInputElement;
forget.onchange = () => { byId('pinned').textContent = ''; };
let pinMap: { set(place: Place): void } | null = null;

function pinned(place: Place, radius = 50): void {
  pinRadius = Math.min(100_000, Math.max(50, radius));
  (form.elements.namedItem('lat') as HTMLInputElement).value = place.lat.toFixed(6);
  (form.elements.namedItem('lon') as HTMLInputElement).value = place.lon.toFixed(6);
  byId('pinned').textContent = say('pinned', { lat: place.lat.toFixed(5), lon: place.lon.toFixed(5) });
  byId('forget').hidden = false;
  forget.checked = false;
  const elsewhere = form.querySelector<HTMLInputElement>('input[name=at_place][value=no]');
  if (elsewhere) elsewhere.checked = true;
  form.dispatchEvent(new Event('input'));
}

async function showMap(): Promise<void> {
  const box = byId('map');
  box.hidden = false;
  if (pinMap) return;
  const style = document.createElement('link');
  style.rel = 'stylesheet';
  style.href = '/assets/leaflet.css';
  document.head.append(style);
  try {
    const url = '/assets/map.js';
    const { openMap } = (await import(url)) as typeof import('./map');
    pinMap = openMap(box, {
      centre: { lat: Number(data['lat']), lon: Number(data['lon']) }, radiusM: Number(data['radius']),
      tiles: data['tiles'] ?? '', attribution: '', label: say('map-label'), start: value('lat') ? { lat: Number(value('lat')), lon: Number(value('lon')) } : null,
      picked: (place) => pinned(place),
    });
    box.focus();
  } catch { byId('pinned').textContent = say('map-failed'); }
}

byId('show-map').onclick = () => void showMap();
byId('my-place').onclick = () => {
  navigator.geolocation?.getCurrentPosition(
    (p) => { const place = { lat: p.coords.latitude, lon: p.coords.longitude }; pinned(place, p.coords.accuracy); pinMap?.set(place); },
    () => { byId('pinned').textContent = say('no-place'); },
    { enableHighAccuracy: true, timeout: 15_000 },
  );
};

// --- the phone took the place out ------------------------------------------------------------------------------------------

/** Whether there is no place in a file, as far as can be told: a JPEG's GPS block is missing or was emptied, which is what
 *  Android hands to web pages; of other files nothing is known, so that it is better asked. */
async function placeRemoved(file: File): Promise<boolean> {
  if (file.type !== 'image/jpeg') return true;
  try {
    const view = new DataView(await file.slice(0, 131_072).arrayBuffer());
    for (let at = 2; at + 4 < view.byteLength;) {
      const marker = view.getUint16(at);
      if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return !hasPlace(view, at + 10);
      if ((marker & 0xff00) !== 0xff00 || marker === 0xffda) break;
      at += 2 + view.getUint16(at + 2);
    }
  } catch { /* a file that ends early says nothing */ }
  return true;
}

function hasPlace(view: DataView, tiff: number): boolean {
  const little = view.getUint16(tiff) === 0x4949;
  const entries = (ifd: number): [number, number][] =>
    Array.from({ length: Math.min(200, view.getUint16(ifd, little)) }, (_, n) => [view.getUint16(ifd + 2 + n * 12, little), ifd + 2 + n * 12]);
  const gps = entries(tiff + view.getUint32(tiff + 4, little)).find(([tag]) => tag === 0x8825);
  if (!gps) return false;
  const latitude = entries(tiff + view.getUint32(gps[1] + 8, little)).find(([tag]) => tag === 2);
  if (!latitude) return false;
  const at = tiff + view.getUint32(latitude[1] + 8, little);
  return [0, 8, 16].some((n) => view.getUint32(at + n, little) !== 0);
}

// --- Wi-Fi only, where the phone says how it is connected -----------------------------------------------------------------------

const network = connection();
if (network?.type) {
  const box = byId('wifi-only') as HTMLInputElement;
  byId('wifi').hidden = false;
  box.onchange = () => { queue.wifiOnly = box.checked; queue.wake(); };
  network.addEventListener?.('change', () => queue.wake());
}

// --- picking and sending -----------------------------------------------------------------------------------------------------

async function pick(input: HTMLInputElement): Promise<void> {
  const files = Array.from(input.files ?? []);
  input.value = '';
  if (files.length === 0) return;
  const added = queue.add(files);
  if (added > 0) announce(say('said-picked', { n: added }));
  if (alertBox.textContent === say('nothing-picked')) showAlert('');
  const removed = await Promise.all(files.map(placeRemoved));
  if (removed.some(Boolean)) byId('place-removed').hidden = false;
}

for (const id of ['media', 'any']) {
  const input = byId(id) as HTMLInputElement;
  // The files go by themselves: the form that is sent without script must not send them again.
  input.removeAttribute('name');
  input.onchange = () => void pick(input);
  // Chosen before this script had come.
  if (input.files?.length) void pick(input);
}

pauseButton.onclick = () => (queue.paused ? queue.resume() : queue.pause());

form.addEventListener('submit', (e) => {
  e.preventDefault();
  if (queue.items.length === 0 && queue.files.length === 0 && !value('words')) { showAlert(say('nothing-picked')); byId('media').focus(); return; }
  showAlert('');
  finishing = true;
  sendButton.disabled = true;
  if (queue.paused) queue.resume();
  void save();
  if (queue.open.length > 0) { announce(say('finishing')); byId('sending').scrollIntoView({ block: 'center' }); }
  drawAll();
});

async function finish(): Promise<void> {
  if (!finishing) return;
  finishing = false;
  sendButton.disabled = false;
  if (!(await save())) { showAlert(say('answers-not-saved')); return; }
  // What may still be mended keeps the page; what never will be is told here, once: the next press leads on.
  if (queue.mendable.length > 0 || (queue.items.some((i) => i.state === 'failed') && !told)) {
    told = true;
    showAlert(total.textContent);
    // It stands at the top of a long page, and whoever pressed the button is at its end.
    alertBox.tabIndex = -1;
    alertBox.focus();
    alertBox.scrollIntoView({ block: 'center' });
    return;
  }
  location.assign(`/r/${receipt}`);
}

void (async () => {
  document.documentElement.classList.add('script');
  // Without script the files come last, so that the answers arrive before them; here they begin at once.
  form.prepend(byId('pick'));
  const unfinished = await queue.load();
  if (unfinished.length > 0) {
    const box = byId('unfinished');
    box.hidden = false;
    byId('unfinished-list').replaceChildren(...unfinished.map((u) =>
      make('li', '', `${u.name} · ${u.length === null ? size(u.offset) : `${size(u.offset)} / ${size(u.length)}`}`)));
  }
})();
