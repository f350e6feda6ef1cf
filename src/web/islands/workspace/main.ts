// The workspace of an appeal: one selection, shown in time, on a map, in facets and as a grid, and kept in the address. Everything is
// answered from the index in the browser; decisions go to the server at once, each an event, and can be taken back.
import '../trusted.js';
import { say } from '../words';
import { Panel, type Done, act as bulk, undo as undoAct } from './bulk';
import { GRAPHIC, Index, LEAD, NO_PLACE, NO_TIME, SECOND_LOOK, metres } from './columns';
import { Coverage } from './coverage';
import { type Shape, shown as areaText, typed } from './draw';
import { Facets, tagText } from './facets';
import { NAMES, type Order, type Question, iAm, nonsense, read, select, sort, write } from './filter';
import { Grid, type Tile } from './grid';
import { Histogram } from './histogram';
import { Keys, OF_WORKSPACE } from './keys';
import { Live, type Pulse } from './live';
import type { PlanFile } from './overlay';
import { Plan } from './plan';
import { Saved } from './saved';
import { ask, guarded as guard, words } from './server';
import { Zone } from './zone';

const box = document.getElementById('workspace')!;
const by = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const code = box.dataset.code!;
const me = box.dataset.me!;
const may = 'decide' in box.dataset;
const api = `/api/v1/appeals/${encodeURIComponent(code)}`;
/** Transactions overtake one another: what an event stream did not tell is asked for now and then. */
const AGAIN_MS = 60_000;
/** So many numbers fit into an address. */
const BUNDLE_MAX = 1_000;
const NONE: Question = { bbox: undefined, near: undefined, radius_m: undefined, within: undefined };

let index: Index;
let zone: Zone;
let asked: Question = read(new URLSearchParams(location.search));
let copies = new Map<number, number>();
/** Of each family, how many nobody has decided. */
let undecided = new Map<number, number>();
/** Arrived, and not yet shown: the grid does not move under anybody. */
let waiting = 0;
let grid: Grid;
let histogram: Histogram;
let plan: Plan;
let coverage: Coverage;
let live: Live;
let panel: Panel | null = null;
const keys = new Keys(me, OF_WORKSPACE, (act) => act === 'help' || act === 'left' || act === 'right' || act === 'map' || act === 'search' || act === 'family' || act === 'graphic' || may);
const facets = new Facets((more) => change(more));
/** What can be taken back, the last first: decisions by what they changed, or a whole act. */
const undoable: ({ number: number; version: number }[] | { act: string })[] = [];

function problem(text: string): void {
  const p = by('ws-problem');
  p.textContent = text;
  p.hidden = text === '';
}

// Whether what is shown is what the server could not do: only that is forgotten when it can.
let troubled = false;
const trouble = (text: string): void => {
  if (text || troubled) problem(text);
  troubled = text !== '';
};
/** What was typed is none: until something else is asked. */
const wrong = (text: string): void => {
  troubled = false;
  problem(text);
};
const failed = (e: unknown): void => trouble(words(e));
const guarded = <T>(work: () => Promise<T>): Promise<T | undefined> => guard(work, trouble);

function tell(...said: string[]): void { by('ws-said').textContent = said.filter(Boolean).join(' '); }

async function whole(): Promise<void> {
  index = new Index(await (await ask(`${api}/exhibits.index`)).arrayBuffer());
}

function counted(): void {
  copies = new Map();
  undecided = new Map();
  for (let n = 0; n < index.rows; n++) {
    const family = index.family[n]!;
    copies.set(family, (copies.get(family) ?? 0) + 1);
    if (open(n)) undecided.set(family, (undecided.get(family) ?? 0) + 1);
  }
}

const stateName = (row: number): string => index.header.states[index.state[row]! - 1] ?? '';
const open = (row: number): boolean => ['received', 'ready'].includes(stateName(row));
/** Whether it waits for me: nobody has decided, no colleague has it before them, it is not somebody else's. */
function mine(row: number): boolean {
  if (!open(row) || live.looking.has(index.family[row]!)) return false;
  const whose = index.assignee[row]!;
  return whose === 0 || index.header.people[whose - 1]?.[0] === me;
}

function when(row: number): string {
  const t = index.t[row]!;
  if (t === NO_TIME) return say('time-unknown');
  const end = Math.max(t, index.tHi[row]!);
  const half = Math.round((end - t) / 2);
  return `${zone.short(Math.floor((t + end) / 2))} ± ${half < 120 ? `${half} s` : `${Math.round(half / 60)} min`} (${index.header.grades[index.grade[row]! - 1]})`;
}

function where(row: number): string {
  if (index.lat[row] === NO_PLACE) return say('place-unknown');
  // Far away the plane that distances are measured on is not the Earth any more.
  const away = metres(index.header, index.lat[row]!, index.lon[row]!);
  return away > 100_000 ? say('place-far') : say('place', { metres: Math.round(away), doubt: index.radius[row]! });
}

function lines(row: number): ReturnType<ConstructorParameters<typeof Grid>[2]['lines']> {
  const state = say(`state-${stateName(row)}`);
  const [w, p] = [when(row), where(row)];
  const kind = say(`kind-${index.header.kinds[index.kind[row]! - 1] ?? 'other'}`);
  const many = index.flags[row]! & LEAD ? copies.get(index.family[row]!) ?? 1 : 1;
  const alt = `${say('alt', { kind, number: index.number[row]!, when: w, place: p, state })}${many > 1 ? ` ${say('copies', { n: many })}` : ''}`;
  const more = index.header.tags.filter((_, bit) => (index.tags[row]! & (1 << bit)) !== 0).map(tagText);
  const whose = index.assignee[row]!;
  // A decided one that stands for copies must not hide that they wait.
  const wait = many > 1 && !open(row) ? undecided.get(index.family[row]!) ?? 0 : 0;
  if (wait > 0) more.unshift(say('copies-open', { n: wait }));
  if (whose > 0) more.push(say('assigned', { name: index.header.people[whose - 1]?.[1] ?? '?' }));
  const who = live?.looking.get(index.family[row]!);
  return { state, stateClass: stateName(row), when: w, place: p, alt, copies: many, more, looking: who ? say('looking', { name: who }) : '' };
}

function show(keep = true, or = 0): void {
  const rows = select(index, asked);
  grid.show(sort(index, rows, (asked.order ?? 'closeness') as Order), keep, or);
  // What had arrived is shown now.
  waiting = 0;
  arrived();
  by('ws-found').textContent = say(asked.family === 'best' ? 'contents' : 'found', { n: rows.length, all: index.rows });
  const empty = by('ws-empty');
  empty.hidden = rows.length > 0;
  empty.textContent = index.rows === 0 ? say('none') : say('empty');
  histogram.brush = asked.from && asked.to ? { from: Date.parse(asked.from) / 1000, to: Date.parse(asked.to) / 1000 } : null;
  const times = select(index, asked, ['from', 'to', 'time']);
  histogram.show(index, times, open);
  toggle('ws-no-time', `${say('time-unknown')}${say('colon')} ${times.reduce((n, row) => n + (index.t[row] === NO_TIME ? 1 : 0), 0)}`, asked.time === 'unknown');
  const places = select(index, asked, ['bbox', 'near', 'within', 'place']);
  plan.show(index, places);
  plan.area(asked);
  toggle('ws-no-place', `${say('place-unknown')}${say('colon')} ${places.reduce((n, row) => n + (index.lat[row] === NO_PLACE ? 1 : 0), 0)}`, asked.place === 'unknown');
  facets.show(index, asked);
  by<HTMLInputElement>('ws-best').checked = asked.family === 'best';
  by<HTMLSelectElement>('ws-order').value = asked.order ?? '';
  by<HTMLInputElement>('ws-box').value = areaText(asked);
  // (Not into a field that somebody is typing in.)
  for (const [id, value] of [['ws-from', asked.from], ['ws-to', asked.to]] as const) {
    if (document.activeElement !== by(id)) by<HTMLInputElement>(id).value = value ? zone.local(Date.parse(value) / 1000) : '';
  }
  cover();
  picked();
}

/** Leaves out what makes no sense of what is asked, and says so. */
function sensible(): void {
  const wrong = nonsense(asked, index.header);
  for (const name of wrong) delete asked[name];
  const told = by('ws-nonsense');
  told.hidden = wrong.length === 0;
  told.textContent = wrong.length > 0 ? say('nonsense', { what: wrong.join(', ') }) : '';
}

/** The table is worked out while somebody looks at it. */
function cover(): void {
  if (by<HTMLDetailsElement>('ws-coverage').open) {
    coverage.show(index, select(index, asked, ['from', 'to', 'time', 'bbox', 'near', 'within', 'place']), open);
  }
}

function toggle(id: string, text: string, pressed: boolean): void {
  by(id).textContent = text;
  by(id).setAttribute('aria-pressed', String(pressed));
}

/** What an act would be done to: those chosen, or all that are found. */
function picked(): void {
  const n = grid.picked.size;
  by('ws-scope').textContent = n > 0 ? say('scope-picked', { n }) : grid.length > 0 ? say('scope-all', { n: grid.length }) : say('scope-none');
  by('ws-unpick').hidden = n === 0;
  const compare = box.querySelector<HTMLButtonElement>('[data-act="compare"]');
  if (compare) compare.disabled = n === 1 || n > 4;
  panel?.forget();
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
  grid.picked.clear();
  if (!troubled) problem('');
  show(keep, or);
}

async function tiles(numbers: number[]): Promise<Tile[]> {
  const items = await guarded(async () => ((await (await ask(`${api}/tiles`, { numbers })).json()) as { items: Tile[] }).items);
  if (items && items.length < numbers.length) queue(refresh);
  if (!items) throw new Error('no answer');
  return items;
}

/** How many wait to be shown: said once, until somebody looks. */
function arrived(): void {
  const pill = by('ws-new');
  const told = !pill.hidden;
  pill.hidden = waiting === 0;
  document.title = document.title.replace(/^\(\d+\) /, '');
  if (waiting === 0) return;
  pill.textContent = say('new', { n: waiting });
  document.title = `(${waiting}) ${document.title}`;
  if (!told) by('ws-live').textContent = pill.textContent;
}

/** What changed since the last question. New exhibits wait to be shown; what others decided is shown at once, in its place. */
async function refresh(): Promise<void> {
  await guarded(async () => {
    const { whole: complete, arrived: fresh, changed } = index.merge(await (await ask(`${api}/exhibits.index?since=${index.header.asked_at}`)).arrayBuffer());
    counted();
    if (!complete) {
      // Some are gone. Those that stay keep their order, and nothing new comes between them.
      const before = grid.numbers;
      await whole();
      counted();
      grid.keep(before);
    }
    waiting += fresh;
    if (fresh > 0) {
      arrived();
      // They may be copies of what is in sight.
      grid.refresh([]);
    }
    if (changed.length > 0 || !complete) {
      grid.refresh(changed);
      quiet();
    }
  });
}

let known = 0;
let again = Date.now();
function pulse(p: Pulse): void {
  by('ws-pulse').textContent = [
    say('waiting', { n: p.waiting }),
    p.oldest === null ? '' : say('oldest', { age: age(Date.now() / 1000 - p.oldest) }),
    p.arrived > 0 ? say('arriving', { n: p.arrived, minutes: p.minutes }) : '',
  ].filter(Boolean).join(' · ');
  grid.refresh([]);
  if (p.changed_at > known || p.all !== index.header.all || Date.now() - again > AGAIN_MS) {
    known = p.changed_at;
    again = Date.now();
    queue(refresh);
  }
}

/** Minutes, hours or days, in the reader's language. */
function age(seconds: number): string {
  const [n, unit] = seconds < 5400 ? [seconds / 60, 'minute'] : seconds < 129_600 ? [seconds / 3600, 'hour'] : [seconds / 86_400, 'day'];
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: 0 }).format(Math.max(0, Math.round(n)));
}

interface Changes { changed: { number: number; state: string; version: number }[]; left: number[]; stands: number[]; held: number[] }

function take(changed: Changes['changed']): void {
  for (const c of changed) {
    const at = index.at(c.number);
    if (at < 0) continue;
    const waited = open(at);
    index.state[at] = index.header.states.indexOf(c.state) + 1;
    const family = index.family[at]!;
    undecided.set(family, (undecided.get(family) ?? 0) + Number(open(at)) - Number(waited));
    index.version[at] = c.version;
  }
}

/** One act after the other, each on what is active when its turn comes: a key that is pressed early is not lost. */
let turn: Promise<void> = Promise.resolve();
function queue(act: () => Promise<void>): void {
  turn = turn.then(act).catch(failed);
}

/** Decides on the active family (when copies are folded into it) or exhibit, and goes on. */
async function decide(decision: string, rest: 'left' | 'same' | 'not_relevant', note = ''): Promise<void> {
  let row = grid.row;
  if (row < 0) return;
  if (rest === 'not_relevant') row = lead(row);
  const number = index.number[row]!;
  const changes = await guarded(async () => (await (await ask(`${api}/decisions`, { items: [{ number, version: index.version[row]! }], decision, rest, note })).json()) as Changes);
  if (!changes) return;
  take(changes.changed);
  if (changes.changed.length > 0) undoable.push(changes.changed.map((c) => ({ number: c.number, version: c.version })));
  const said: string[] = [];
  for (const state of new Set(changes.changed.map((c) => c.state))) {
    said.push(say('decided', { n: changes.changed.filter((c) => c.state === state).length, state: say(`state-${state}`) }));
  }
  if (changes.stands.length > 0) said.push(say('stands', { n: changes.stands.length }));
  if (changes.held.length > 0) {
    // A colleague has it before them: it can be taken over, and left to them.
    tell(...said, say('held', { name: live.looking.get(index.family[row]!) ?? '?' }));
    by('ws-over').hidden = false;
    return;
  }
  if (changes.left.length > 0) {
    // A colleague was faster: what they decided is fetched and shown.
    tell(...said, say('left', { n: changes.left.length }));
    await refresh();
    return;
  }
  grid.refresh([]);
  if (by<HTMLInputElement>('ws-advance').checked && !grid.seek(mine)) said.push(say('end'));
  tell(...said);
  quiet();
}

/** The best copy stands for its family, whichever of it is active. */
function lead(row: number): number {
  for (let n = 0; n < index.rows; n++) if (index.family[n] === index.family[row] && index.flags[n]! & LEAD) return n;
  return row;
}

async function undo(): Promise<void> {
  const last = undoable.pop();
  if (!last) { tell(say('nothing-to-undo')); return; }
  const done = await guarded(async () => {
    if ('act' in last) {
      const { changed, left } = await undoAct(api, last.act);
      return { changed, left };
    }
    const changes = (await (await ask(`${api}/decisions/undo`, { items: last })).json()) as Changes;
    return { changed: changes.changed, left: changes.left.length };
  });
  if (!done) { undoable.push(last); return; }
  take(done.changed);
  // What was decided on the same before that is next: it is seen as it is now.
  const versions = new Map(done.changed.map((c) => [c.number, c.version]));
  for (const before of undoable) if (!('act' in before)) for (const one of before) one.version = versions.get(one.number) ?? one.version;
  tell(done.changed.length > 0 ? say('undone', { n: done.changed.length }) : '', done.left > 0 ? say('left', { n: done.left }) : '');
  grid.refresh([]);
  // Back to what was taken back: the next key is meant for it.
  const undone = new Set(done.changed.map((c) => c.number));
  grid.seek((row) => undone.has(index.number[row]!));
  quiet();
  if ('act' in last) await refresh();
}

/** An act on the active tile: its family when copies are folded into it. */
async function one(what: Record<string, unknown> & { act: string }, said: string): Promise<void> {
  const row = grid.row;
  if (row < 0) return;
  const done = await guarded(() => bulk(api, [index.number[row]!], rest() === 'same', what, '', (d) => undoable.push({ act: d.act }), () => undefined));
  if (!done) return;
  await refresh();
  tell(said);
}

/** Puts a tag on the active tile, or takes it off. */
async function tag(word: string): Promise<void> {
  const row = grid.row;
  if (row < 0 || word === '') return;
  const bit = index.header.tags.indexOf(word);
  const on = bit >= 0 && (index.tags[row]! & (1 << bit)) !== 0;
  await one({ act: on ? 'untag' : 'tag', tag: word }, say(on ? 'untagged' : 'tagged', { tag: tagText(word) }));
}

/** Counts follow a decision; the grid stays as it is until somebody asks something else. */
function quiet(): void {
  histogram.show(index, select(index, asked, ['from', 'to', 'time']), open);
  facets.show(index, asked);
  cover();
}

async function openExhibit(number: number): Promise<void> {
  let tile = grid.known(number);
  tile ??= (await tiles([number]).catch(() => []))[0];
  if (!tile) return;
  live.stay();
  // The page of the exhibit goes on in this order.
  try { sessionStorage.setItem(`temoin-order-${code}`, JSON.stringify({ numbers: grid.numbers.slice(0, 20_000), address: location.search, families: rest() === 'same' })); } catch { /* it has no next, then */ }
  location.assign(`/exhibits/${tile.id}`);
}

function compare(): void {
  let numbers = [...grid.picked];
  if (numbers.length === 0 && grid.row >= 0) {
    // The best copies of the family that is active.
    const family = index.family[grid.row]!;
    const best = lead(grid.row);
    numbers = [index.number[best]!];
    for (let n = 0; n < index.rows && numbers.length < 4; n++) if (index.family[n] === family && n !== best) numbers.push(index.number[n]!);
  }
  if (numbers.length >= 2 && numbers.length <= 4) location.assign(`/appeals/${encodeURIComponent(code)}/compare?n=${numbers.join(',')}`);
  else tell(say('compare-how'));
}

/** A bundle of what is chosen, or of all that is found; with the copies that are folded into it. */
function bundle(): void {
  let numbers = grid.picked.size > 0 ? [...grid.picked] : grid.numbers;
  if (rest() === 'same') {
    const families = new Set(numbers.map((n) => index.family[index.at(n)]!));
    numbers = [...index.number].filter((_, row) => families.has(index.family[row]!));
  }
  if (numbers.length === 0 || numbers.length > BUNDLE_MAX) { tell(say('bundle-many', { n: numbers.length, most: BUNDLE_MAX })); return; }
  location.assign(`/appeals/${encodeURIComponent(code)}/export?numbers=${numbers.join(',')}`);
}

const rest = (): 'same' | 'left' => (asked.family === 'best' ? 'same' : 'left');
/** How copies were folded before a family was unfolded. */
let folded = 'best';

const acts: Record<string, () => void> = {
  relevant: () => queue(() => decide('relevant', rest())),
  not_relevant: () => queue(() => decide('not_relevant', rest())),
  undecided: () => queue(() => decide('undecided', rest())),
  best: () => queue(() => decide('relevant', 'not_relevant')),
  duplicate: () => queue(() => decide('not_relevant', 'left', say('duplicate-note', { number: grid.row < 0 ? 0 : index.number[lead(grid.row)]! }))),
  second: () => queue(() => tag(index.header.tags[Math.log2(SECOND_LOOK)]!)),
  graphic: () => queue(() => tag(index.header.tags[Math.log2(GRAPHIC)]!)),
  tag: () => { by<HTMLDetailsElement>('ws-more').open = true; by('ws-tag').focus(); },
  assign: () => queue(() => one({ act: 'assign', to: me }, say('assigned-me'))),
  skip: () => queue(async () => { if (!grid.seek(mine)) tell(say('end')); else tell(say('skipped')); }),
  select: () => grid.pick(),
  undo: () => queue(undo),
  open: () => grid.openActive(),
  compare,
  bundle,
  map: () => plan.focus(),
  search: () => by('ws-search').focus(),
  help: () => keys.sheet(by<HTMLDialogElement>('ws-keys-dialog'), by('ws-keys-list'), label),
  left: () => grid.move('left'),
  right: () => grid.move('right'),
  family: () => {
    const row = grid.row;
    if (asked.family && asked.family !== 'best' && asked.family !== 'all') {
      // Back to the one that stands for it.
      let best = 0;
      for (let n = 0; n < index.rows; n++) if (String(index.family[n]) === asked.family && index.flags[n]! & LEAD) best = index.number[n]!;
      change({ family: folded }, true, best);
    } else if (row >= 0) {
      folded = asked.family ?? 'best';
      change({ family: String(index.family[row]) });
    }
    grid.focus();
  },
};

const MOVES: Record<string, Parameters<Grid['move']>[0]> = {
  ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', Home: 'first', End: 'last', PageUp: 'page-up', PageDown: 'page-down',
};

/** Single letters act only while the grid has the focus, and can be switched off (WCAG 2.1.4). */
function key(e: KeyboardEvent): void {
  if (e.altKey || e.metaKey) return;
  if (e.ctrlKey) {
    if (e.key === 'z' && may) { e.preventDefault(); acts['undo']!(); }
    return;
  }
  const rtl = getComputedStyle(box).direction === 'rtl';
  const named = rtl && e.key === 'ArrowLeft' ? 'ArrowRight' : rtl && e.key === 'ArrowRight' ? 'ArrowLeft' : e.key;
  const move = MOVES[named];
  if (move) { e.preventDefault(); grid.move(move); return; }
  if (e.key === 'Enter') { e.preventDefault(); acts['open']!(); return; }
  // Quick tags: the appeal's own, in the order in which they were made.
  if (keys.on && may && /^[1-9]$/.test(e.key)) {
    const word = index.header.tags[Number(e.key) + 1];
    if (word) { e.preventDefault(); queue(() => tag(word)); }
    return;
  }
  const wanted = keys.act(e);
  if (wanted) { e.preventDefault(); acts[wanted]!(); }
}

/** Buttons show the keys that do the same. */
function label(): void {
  box.querySelectorAll<HTMLElement>('[data-act]').forEach((b) => {
    const kbd = b.querySelector('kbd');
    if (kbd && keys.key(b.dataset.act!)) kbd.textContent = keys.shown(b.dataset.act!);
  });
}

/** Takes the next contents that are nobody's: a batch of one's own. */
async function pull(): Promise<void> {
  const n = Math.max(1, Math.min(500, Number(by<HTMLInputElement>('ws-pull-n').value) || 20));
  const numbers: number[] = [];
  for (const number of grid.numbers) {
    const row = index.at(number);
    if (open(row) && index.assignee[row] === 0 && !live.looking.has(index.family[row]!)) numbers.push(number);
    if (numbers.length === n) break;
  }
  if (numbers.length === 0) { tell(say('end')); return; }
  const done = await guarded(() => bulk(api, numbers, rest() === 'same', { act: 'assign', to: me, free_only: true }, '', (d) => undoable.push({ act: d.act }), () => undefined));
  if (!done) return;
  await refresh();
  change({ assigned: 'me', state: 'received,ready' }, false);
  tell(say('pulled', { n: done.changed.length }));
  grid.focus();
}

function ended(done: Done): void {
  take(done.changed);
  grid.unpick();
  queue(refresh);
}

function wire(): void {
  by('ws-view').addEventListener('click', () => {
    const [west, south, east, north] = plan.sight();
    change({ ...NONE, place: undefined, bbox: [Math.max(-180, west), Math.max(-90, south), Math.min(180, east), Math.min(90, north)].map((v) => v.toFixed(7)).join(',') }, false);
  });
  box.querySelectorAll<HTMLElement>('[data-draw]').forEach((b) => b.addEventListener('click', () => plan.begin(b.dataset.draw as Shape)));
  by('ws-no-time').addEventListener('click', () => change({ from: undefined, to: undefined, time: asked.time ? undefined : 'unknown' }, false));
  by('ws-no-place').addEventListener('click', () => change({ ...NONE, place: asked.place ? undefined : 'unknown' }, false));
  by<HTMLInputElement>('ws-best').addEventListener('change', (e) => change({ family: (e.target as HTMLInputElement).checked ? 'best' : 'all' }));
  by<HTMLSelectElement>('ws-order').addEventListener('change', (e) => change({ order: (e.target as HTMLSelectElement).value || undefined }, false));
  by<HTMLInputElement>('ws-box').addEventListener('change', (e) => {
    const area = typed((e.target as HTMLInputElement).value);
    if (area) change(area, false);
    else wrong(say('area-wrong'));
  });
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
  by('ws-unpick').addEventListener('click', () => { grid.unpick(); grid.focus(); });
  by('ws-over').addEventListener('click', () => queue(async () => {
    const row = grid.row;
    by('ws-over').hidden = true;
    if (row >= 0 && (await guarded(async () => { await live.over(index.family[row]!); return true; }))) { tell(say('taken-over')); grid.refresh([]); grid.focus(); }
  }));
  by<HTMLDetailsElement>('ws-coverage').addEventListener('toggle', cover);
  by<HTMLInputElement>('ws-graphic').addEventListener('change', (e) => { grid.graphic = (e.target as HTMLInputElement).checked; grid.refresh([]); });
  by<HTMLFormElement>('ws-search-form').addEventListener('submit', (e) => {
    e.preventDefault();
    const number = Number(by<HTMLInputElement>('ws-search').value.replace(/\D/g, ''));
    if (index.at(number) < 0) { tell(say('no-such-number', { number })); return; }
    if (!grid.go(number)) change({ ...Object.fromEntries(Object.keys(asked).map((k) => [k, undefined])), family: String(index.family[index.at(number)]!) }, true, number);
    grid.go(number);
  });
  box.querySelectorAll<HTMLElement>('[data-act]').forEach((b) => b.addEventListener('click', () => acts[b.dataset.act!]!()));
  by('ws-grid').addEventListener('keydown', key);
  by('ws-keys-close').addEventListener('click', () => by<HTMLDialogElement>('ws-keys-dialog').close());
  by('ws-keys-reset').addEventListener('click', () => { keys.reset(); label(); acts['help']!(); });
  by<HTMLDialogElement>('ws-keys-dialog').addEventListener('close', () => grid.focus());
  const on = by<HTMLInputElement>('ws-keys');
  on.checked = keys.on;
  on.addEventListener('change', () => keys.switch(on.checked));
  new Saved(by('ws-saved'), api, () => write(asked).toString(), (query) => { asked = read(new URLSearchParams(query)); sensible(); change({}, false); }, trouble);
  if (!may) return;
  by<HTMLFormElement>('ws-tag-form').addEventListener('submit', (e) => {
    e.preventDefault();
    const field = by<HTMLInputElement>('ws-tag');
    const word = field.value.trim().replace(/\s+/g, ' ');
    field.value = '';
    queue(() => tag(word));
    grid.focus();
  });
  by<HTMLFormElement>('ws-pull').addEventListener('submit', (e) => { e.preventDefault(); queue(pull); });
  const to = by<HTMLSelectElement>('ws-assign-to');
  for (const [id, name, may] of index.header.people) if (may) to.append(new Option(name, id));
  panel = new Panel(
    by<HTMLFormElement>('ws-bulk-form'), api,
    () => ({ numbers: grid.picked.size > 0 ? [...grid.picked] : grid.numbers, families: rest() === 'same' }),
    (local) => { const at = local ? zone.moment(local) : null; return at === null ? null : zone.rfc(at); },
    { began: (done) => undoable.push({ act: done.act }), ended, failed },
  );
}

async function start(): Promise<void> {
  iAm(me);
  await whole();
  zone = new Zone(index.header.zone);
  counted();
  box.hidden = false;
  by('ws-loading').hidden = true;
  live = new Live(api, (p) => pulse(p));
  grid = new Grid(by('ws-grid'), () => index, {
    entered: () => by('ws-exhibits-title').scrollIntoView({ block: 'start' }),
    lines, fetch: tiles, open: (number) => void openExhibit(number), chosen: picked,
    moved: (row) => {
      by('ws-over').hidden = true;
      // (To open the page is not to look at its first tile.)
      if (row >= 0 && may && by('ws-grid').contains(document.activeElement)) live.at(index.family[row]!);
    },
  });
  histogram = new Histogram(by<HTMLCanvasElement>('ws-histogram'), zone, (brush) =>
    change({ time: undefined, from: brush ? zone.rfc(brush.from) : undefined, to: brush ? zone.rfc(brush.to) : undefined }, false));
  histogram.scale(index);
  coverage = new Coverage(by<HTMLTableElement>('ws-coverage-table'), zone, (more) => { change(more, false); grid.focus(); });
  plan = new Plan(by('ws-map'), index, box.dataset.tiles ?? '', '', {
    box: (west, south, east, north) => change({ ...NONE, place: undefined, bbox: [west, south, east, north].map((v) => v.toFixed(7)).join(',') }, false),
    one: (number) => { const at = index.at(number); if (at >= 0) void openExhibit(number); },
    area: (more) => change(more, false),
    drawing: (shape) => box.querySelectorAll<HTMLElement>('[data-draw]').forEach((b) => b.setAttribute('aria-pressed', String(b.dataset.draw === shape))),
  });
  plan.plans(JSON.parse(box.dataset.plans ?? '[]') as PlanFile[], by('ws-plans'));
  wire();
  label();
  sensible();
  // Families folded, unless the address asks something: each content is seen once.
  if (Object.keys(asked).length === 0) asked = { family: 'best' };
  show(false);
  const back = Number(new URLSearchParams(location.hash.slice(1)).get('at'));
  if (back > 0) grid.go(back);
}

start().catch((e: unknown) => {
  by('ws-loading').hidden = false;
  by('ws-loading').textContent = words(e);
});
