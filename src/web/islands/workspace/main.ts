// The workspace of an appeal: one selection, shown in time, on a map, in facets and as a grid, and kept in the address. Everything is
// answered from the index in the browser; decisions go to the server at once, each an event, and can be taken back.
import { say } from '../words';
import { Index, LEAD, NO_PLACE, NO_TIME, metres } from './columns';
import { NAMES, type Order, type Question, count, read, select, sort, write } from './filter';
import { Grid, type Tile } from './grid';
import { Histogram } from './histogram';
import { Plan } from './plan';
import { Zone } from './zone';

const box = document.getElementById('workspace')!;
const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const code = box.dataset.code!;
const api = `/api/v1/appeals/${encodeURIComponent(code)}`;
const POLL_MS = 10_000;
const UNUSED_MS = 10 * 60_000;

let index: Index;
let zone: Zone;
let asked: Question = read(new URLSearchParams(location.search));
let copies = new Map<number, number>();
/** Arrived, and not yet shown: the grid does not move under anybody. */
let waiting = 0;
let grid: Grid;
let histogram: Histogram;
let plan: Plan;
const undoable: { number: number; version: number }[][] = [];

class Refused extends Error {}
/** The server's own words for what it does not do. */
class Answered extends Error {}

async function ask(path: string, body?: unknown): Promise<Response> {
  const answer = await fetch(path, body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (answer.status === 401 || answer.status === 403) throw new Refused(String(answer.status));
  if (answer.status >= 400 && answer.status < 500) {
    const told = (await answer.json().catch(() => ({}))) as { title?: string; detail?: string };
    throw new Answered([told.title, told.detail].filter(Boolean).join(' ') || String(answer.status));
  }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

function problem(text: string): void {
  const p = by('ws-problem');
  p.textContent = text;
  p.hidden = text === '';
}

async function guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    const done = await work();
    problem('');
    return done;
  } catch (e) {
    problem(e instanceof Answered ? e.message : say(e instanceof Refused ? 'refused' : 'offline'));
    return undefined;
  }
}

async function whole(): Promise<void> {
  index = new Index(await (await ask(`${api}/exhibits.index`)).arrayBuffer());
}

function counted(): void {
  copies = new Map();
  for (let n = 0; n < index.rows; n++) copies.set(index.family[n]!, (copies.get(index.family[n]!) ?? 0) + 1);
}

const stateName = (row: number): string => index.header.states[index.state[row]! - 1] ?? '';
const open = (row: number): boolean => ['received', 'ready'].includes(stateName(row));

function when(row: number): string {
  const t = index.t[row]!;
  if (t === NO_TIME) return say('time-unknown');
  const end = Math.max(t, index.tHi[row]!);
  const half = Math.round((end - t) / 2);
  return `${zone.short(Math.floor((t + end) / 2))} ± ${half < 120 ? `${half} s` : `${Math.round(half / 60)} min`} (${index.header.grades[index.grade[row]! - 1]})`;
}

function where(row: number): string {
  if (index.lat[row] === NO_PLACE) return say('place-unknown');
  return say('place', { metres: Math.round(metres(index.header, index.lat[row]!, index.lon[row]!)), doubt: index.radius[row]! });
}

function lines(row: number): ReturnType<ConstructorParameters<typeof Grid>[2]['lines']> {
  const state = say(`state-${stateName(row)}`);
  const [w, p] = [when(row), where(row)];
  const kind = say(`kind-${index.header.kinds[index.kind[row]! - 1] ?? 'other'}`);
  const many = index.flags[row]! & LEAD ? copies.get(index.family[row]!) ?? 1 : 1;
  const alt = `${say('alt', { kind, number: index.number[row]!, when: w, place: p, state })}${many > 1 ? ` ${say('copies', { n: many })}` : ''}`;
  return { state, stateClass: stateName(row), when: w, place: p, alt, copies: many };
}

function show(keep = true, or = 0): void {
  const rows = select(index, asked);
  grid.show(sort(index, rows, (asked.order ?? 'closeness') as Order), keep, or);
  // What had arrived is shown now.
  waiting = 0;
  by('ws-new').hidden = true;
  by('ws-found').textContent = say('found', { n: rows.length, all: index.rows });
  const empty = by('ws-empty');
  empty.hidden = rows.length > 0;
  empty.textContent = index.rows === 0 ? say('none') : say('empty');
  const times = select(index, asked, ['from', 'to', 'time']);
  histogram.brush = asked.from && asked.to ? { from: Date.parse(asked.from) / 1000, to: Date.parse(asked.to) / 1000 } : null;
  histogram.show(index, times, open);
  let noTime = 0;
  for (const row of times) if (index.t[row] === NO_TIME) noTime++;
  toggle('ws-no-time', `${say('time-unknown')}: ${noTime}`, asked.time === 'unknown');
  const places = select(index, asked, ['bbox', 'near', 'within', 'place']);
  plan.show(index, places);
  let noPlace = 0;
  for (const row of places) if (index.lat[row] === NO_PLACE) noPlace++;
  toggle('ws-no-place', `${say('place-unknown')}: ${noPlace}`, asked.place === 'unknown');
  facet('ws-states', 'state', index.header.states, index.state);
  facet('ws-kinds', 'kind', index.header.kinds, index.kind);
  facet('ws-grades', 'grade', index.header.grades, index.grade);
  by<HTMLInputElement>('ws-best').checked = asked.family === 'best';
  by<HTMLSelectElement>('ws-order').value = asked.order ?? '';
  by<HTMLInputElement>('ws-box').value = asked.bbox ?? '';
  // (Not into a field that somebody is typing in.)
  for (const [id, value] of [['ws-from', asked.from], ['ws-to', asked.to]] as const) {
    if (document.activeElement !== by(id)) by<HTMLInputElement>(id).value = value ? zone.local(Date.parse(value) / 1000) : '';
  }
}

function toggle(id: string, text: string, pressed: boolean): void {
  by(id).textContent = text;
  by(id).setAttribute('aria-pressed', String(pressed));
}

/** Counts beside the choices of one question: of what the other questions leave. */
function facet(id: string, name: 'state' | 'kind' | 'grade', names: string[], column: Uint32Array): void {
  const field = by(id);
  const counts = count(column, select(index, asked, [name]), names.length);
  const chosen = new Set((asked[name] ?? '').split(',').filter(Boolean));
  names.forEach((word, n) => {
    let label = field.querySelector<HTMLLabelElement>(`[data-word="${word}"]`);
    if (!label) {
      label = document.createElement('label');
      label.dataset.word = word;
      const input = document.createElement('input');
      input.type = 'checkbox';
      input.addEventListener('change', () => {
        const now = new Set((asked[name] ?? '').split(',').filter(Boolean));
        if (input.checked) now.add(word);
        else now.delete(word);
        change({ [name]: [...now].join(',') || undefined });
      });
      const text = document.createElement('span');
      text.textContent = name === 'grade' ? `${word}: ${say(`grade-${word}`)}` : say(`${name}-${word}`);
      const number = document.createElement('span');
      number.className = 'count';
      label.append(input, text, number);
      field.append(label);
    }
    label.querySelector('input')!.checked = chosen.has(word);
    label.querySelector('.count')!.textContent = String(counts[n + 1]);
  });
}

/** Asks something else, and puts it into the address. */
function change(more: Question, keep = true, or = 0): void {
  asked = { ...asked, ...more };
  for (const name of Object.keys(asked) as (keyof Question)[]) if (!asked[name]) delete asked[name];
  // An address without questions means each content once; all copies have to be asked for.
  asked.family ??= 'all';
  const address = new URLSearchParams(location.search);
  for (const name of NAMES) address.delete(name);
  for (const [name, value] of write(asked)) address.set(name, value);
  history.replaceState(null, '', `?${address.toString()}`);
  show(keep, or);
}

async function tiles(numbers: number[]): Promise<Tile[]> {
  const items = await guarded(async () => ((await (await ask(`${api}/tiles`, { numbers })).json()) as { items: Tile[] }).items);
  if (items && items.length < numbers.length) queue(refresh);
  if (!items) throw new Error('no answer');
  return items;
}

/** What changed since the last question. New exhibits wait to be shown; what others decided is shown at once, in its place. */
async function refresh(): Promise<void> {
  await guarded(async () => {
    const { whole: complete, arrived, changed } = index.merge(await (await ask(`${api}/exhibits.index?since=${index.header.asked_at}`)).arrayBuffer());
    if (!complete) {
      // Some are gone. Those that stay keep their order, and nothing new comes between them.
      const before = grid.numbers;
      await whole();
      counted();
      grid.keep(before);
    }
    counted();
    waiting += arrived;
    const pill = by('ws-new');
    pill.hidden = waiting === 0;
    if (arrived > 0) {
      pill.textContent = say('new', { n: waiting });
      by('ws-live').textContent = pill.textContent;
    }
    if (changed.length > 0 || !complete) {
      grid.refresh(changed);
      quiet();
    }
  });
}

interface Changes { changed: { number: number; state: string; version: number }[]; left: number[]; stands: number[] }

function take(changes: Changes): void {
  for (const c of changes.changed) {
    const at = index.at(c.number);
    if (at < 0) continue;
    index.state[at] = index.header.states.indexOf(c.state) + 1;
    index.version[at] = c.version;
  }
}

/** One act after the other, each on what is active when its turn comes: a key that is pressed early is not lost. */
let turn: Promise<void> = Promise.resolve();
function queue(act: () => Promise<void>): void {
  turn = turn.then(act).catch(() => problem(say('offline')));
}

/** Decides on the active family (when copies are folded into it) or exhibit, and goes on. */
async function decide(decision: string, rest: 'left' | 'same' | 'not_relevant'): Promise<void> {
  let row = grid.row;
  if (row < 0) return;
  if (rest === 'not_relevant') {
    // The best copy stands for its family, whichever of it is active.
    const family = index.family[row]!;
    for (let n = 0; n < index.rows; n++) if (index.family[n] === family && index.flags[n]! & LEAD) row = n;
  }
  const number = index.number[row]!;
  const changes = await guarded(async () => (await (await ask(`${api}/decisions`, { items: [{ number, version: index.version[row]! }], decision, rest })).json()) as Changes);
  if (!changes) return;
  take(changes);
  if (changes.changed.length > 0) undoable.push(changes.changed.map((c) => ({ number: c.number, version: c.version })));
  const said: string[] = [];
  for (const state of new Set(changes.changed.map((c) => c.state))) {
    said.push(say('decided', { n: changes.changed.filter((c) => c.state === state).length, state: say(`state-${state}`) }));
  }
  if (changes.stands.length > 0) said.push(say('stands', { n: changes.stands.length }));
  if (changes.left.length > 0) {
    // A colleague was faster: what they decided is fetched and shown.
    said.push(say('left', { n: changes.left.length }));
    by('ws-said').textContent = said.join(' ');
    await refresh();
    return;
  }
  grid.refresh([]);
  if (by<HTMLInputElement>('ws-advance').checked && !grid.seek(open)) said.push(say('end'));
  by('ws-said').textContent = said.join(' ');
  quiet();
}

async function undo(): Promise<void> {
  const last = undoable.pop();
  const said = by('ws-said');
  if (!last) { said.textContent = say('nothing-to-undo'); return; }
  const changes = await guarded(async () => (await (await ask(`${api}/decisions/undo`, { items: last })).json()) as Changes);
  if (!changes) { undoable.push(last); return; }
  take(changes);
  said.textContent = changes.left.length > 0 ? say('left', { n: changes.left.length }) : say('undone', { n: changes.changed.length });
  grid.refresh([]);
  quiet();
}

/** Counts follow a decision; the grid stays as it is until somebody asks something else. */
function quiet(): void {
  histogram.show(index, select(index, asked, ['from', 'to', 'time']), open);
  facet('ws-states', 'state', index.header.states, index.state);
}

async function openExhibit(number: number): Promise<void> {
  let tile = grid.known(number);
  tile ??= (await tiles([number]).catch(() => []))[0];
  if (tile) location.assign(`/exhibits/${tile.id}`);
}

const rest = (): 'same' | 'left' => (asked.family === 'best' ? 'same' : 'left');
/** How copies were folded before a family was unfolded. */
let folded = 'best';

const acts: Record<string, () => void> = {
  relevant: () => queue(() => decide('relevant', rest())),
  not_relevant: () => queue(() => decide('not_relevant', rest())),
  undecided: () => queue(() => decide('undecided', rest())),
  best: () => queue(() => decide('relevant', 'not_relevant')),
  undo: () => queue(undo),
  open: () => grid.openActive(),
  family: () => {
    const row = grid.row;
    if (asked.family && asked.family !== 'best' && asked.family !== 'all') {
      // Back to the one that stands for it.
      let lead = 0;
      for (let n = 0; n < index.rows; n++) if (String(index.family[n]) === asked.family && index.flags[n]! & LEAD) lead = index.number[n]!;
      change({ family: folded }, true, lead);
    } else if (row >= 0) {
      folded = asked.family ?? 'best';
      change({ family: String(index.family[row]) });
    }
    grid.focus();
  },
};

const MOVES: Record<string, Parameters<Grid['move']>[0]> = {
  ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', Home: 'first', End: 'last', PageUp: 'page-up', PageDown: 'page-down', j: 'right', k: 'left',
};
const LETTERS: Record<string, string> = { p: 'relevant', x: 'not_relevant', u: 'undecided', f: 'family' };

/** Single letters act only while the grid has the focus, and can be switched off (WCAG 2.1.4). */
function key(e: KeyboardEvent): void {
  if (e.altKey || e.metaKey) return;
  if (e.ctrlKey) {
    if (e.key === 'z' && 'decide' in box.dataset) { e.preventDefault(); acts['undo']!(); }
    return;
  }
  const letters = by<HTMLInputElement>('ws-keys')?.checked ?? true;
  const rtl = getComputedStyle(box).direction === 'rtl';
  const named = rtl && e.key === 'ArrowLeft' ? 'ArrowRight' : rtl && e.key === 'ArrowRight' ? 'ArrowLeft' : e.key;
  const move = MOVES[named] ?? (letters && !e.shiftKey ? MOVES[named.toLowerCase()] : undefined);
  if (move && (named.length > 1 || letters)) { e.preventDefault(); grid.move(move); return; }
  if (e.key === 'Enter') { e.preventDefault(); acts['open']!(); return; }
  // (Whatever Caps Lock says: Shift is a key that is held.)
  const letter = e.key.toLowerCase();
  const wanted = e.shiftKey ? (letter === 'p' ? 'best' : undefined) : LETTERS[letter];
  const act = letters && 'decide' in box.dataset ? wanted : undefined;
  if (act) { e.preventDefault(); acts[act]!(); }
}

async function start(): Promise<void> {
  await whole();
  zone = new Zone(index.header.zone);
  counted();
  box.hidden = false;
  by('ws-loading').hidden = true;
  grid = new Grid(by('ws-grid'), () => index, { lines, fetch: tiles, open: (number) => void openExhibit(number), moved: () => undefined });
  histogram = new Histogram(by<HTMLCanvasElement>('ws-histogram'), zone, (brush) =>
    change({ time: undefined, from: brush ? zone.rfc(brush.from) : undefined, to: brush ? zone.rfc(brush.to) : undefined }, false));
  histogram.scale(index);
  plan = new Plan(by('ws-map'), index, box.dataset.tiles ?? '', '', {
    box: (west, south, east, north) => change({ place: undefined, near: undefined, radius_m: undefined, within: undefined, bbox: [west, south, east, north].map((v) => v.toFixed(7)).join(',') }, false),
    one: (number) => { const at = index.at(number); if (at >= 0) void openExhibit(number); },
  });
  by('ws-view').addEventListener('click', () => {
    const [west, south, east, north] = plan.sight();
    change({ place: undefined, near: undefined, radius_m: undefined, within: undefined, bbox: [Math.max(-180, west), Math.max(-90, south), Math.min(180, east), Math.min(90, north)].map((v) => v.toFixed(7)).join(',') }, false);
  });
  by('ws-no-time').addEventListener('click', () => change({ from: undefined, to: undefined, time: asked.time ? undefined : 'unknown' }, false));
  by('ws-no-place').addEventListener('click', () => change({ bbox: undefined, near: undefined, radius_m: undefined, within: undefined, place: asked.place ? undefined : 'unknown' }, false));
  by<HTMLInputElement>('ws-best').addEventListener('change', (e) => change({ family: (e.target as HTMLInputElement).checked ? 'best' : 'all' }));
  by<HTMLSelectElement>('ws-order').addEventListener('change', (e) => change({ order: (e.target as HTMLSelectElement).value || undefined }, false));
  by<HTMLInputElement>('ws-box').addEventListener('change', (e) => change({ place: undefined, bbox: (e.target as HTMLInputElement).value.trim() || undefined }, false));
  for (const [id, name] of [['ws-from', 'from'], ['ws-to', 'to']] as const) {
    by<HTMLInputElement>(id).addEventListener('change', (e) => {
      const field = e.target as HTMLInputElement;
      const at = zone.moment(field.value);
      // Half a date, or a year with three figures, while somebody types.
      if (field.validity.badInput || (at !== null && (at < 0 || at > 4_294_967_294))) return;
      change({ time: undefined, [name]: at === null ? undefined : zone.rfc(at) }, false);
    });
  }
  by('ws-clear').addEventListener('click', () => change({ ...Object.fromEntries(Object.keys(asked).map((k) => [k, undefined])), family: asked.family === 'best' ? 'best' : 'all' }, false));
  by('ws-new').addEventListener('click', () => { show(); grid.focus(); });
  box.querySelectorAll<HTMLElement>('[data-act]').forEach((b) => b.addEventListener('click', () => acts[b.dataset.act!]!()));
  by('ws-grid').addEventListener('keydown', key);
  // Families folded, unless the address asks something: each content is seen once.
  if (Object.keys(asked).length === 0) asked = { family: 'best' };
  show(false);
  // A page that nobody uses asks nothing, so that it is signed out like any other.
  let used = Date.now();
  for (const event of ['keydown', 'pointerdown', 'wheel']) document.addEventListener(event, () => { used = Date.now(); }, { passive: true });
  setInterval(() => { if (document.visibilityState === 'visible' && Date.now() - used < UNUSED_MS) queue(refresh); }, POLL_MS);
}

start().catch((e: unknown) => {
  by('ws-loading').hidden = false;
  by('ws-loading').textContent = e instanceof Answered ? e.message : say(e instanceof Refused ? 'refused' : 'offline');
});
