// The grid: tiles of one size, letterboxed, only those in sight in the page. Tiles are drawn from the index at once; names and pictures
// come by number, on record, when the scrolling rests. The active row is always in the page, so that the keyboard never loses its place.
import { GRAPHIC, type Index, LEAD, QUARANTINED, THUMBNAIL } from './columns';
import { say } from '../words';

export interface Tile { id: string; number: number; name: string; thumbnail: string | null; version: number; state: string; quarantine: string | null; at?: number }

const TILE_W = 208;
const TILE_H = 258;
const GAP = 12;
/** Browsers lay nothing out beyond some thirty million pixels. */
const HEIGHT_MAX = 8_000_000;
const REST_MS = 70;
const KEPT = 3_000;
const ASKED_MAX = 100;
const LENT_MS = 25 * 60_000;

export interface Told {
  /** What a row shows beside its picture. */
  lines(row: number): { state: string; stateClass: string; when: string; place: string; alt: string; copies: number; more: string[]; looking: string };
  fetch(numbers: number[]): Promise<Tile[]>;
  open(number: number): void;
  moved(row: number): void;
  entered(): void;
  chosen(): void;
}

export class Grid {
  private rows: Uint32Array = new Uint32Array(0);
  private columns = 1;
  private active = 0;
  /** Which exhibit is active, whatever becomes of the index. */
  private number = 0;
  /** Numbers of those that are chosen for an act. */
  readonly picked = new Set<number>();
  /** Whether pictures that colleagues marked as graphic are shown. */
  graphic = false;
  private readonly tiles = new Map<number, Tile>();
  private readonly asked = new Set<number>();
  /** Tiles in the page by their place, and their lines. */
  private readonly shown = new Map<number, HTMLElement>();
  private readonly drawn = new Map<number, HTMLElement>();
  private readonly canvas: HTMLElement;
  private timer = 0;
  private frame = 0;

  constructor(private readonly box: HTMLElement, private readonly index: () => Index, private readonly told: Told) {
    this.canvas = document.createElement('div');
    this.canvas.className = 'sheet-rows';
    this.canvas.setAttribute('role', 'rowgroup');
    box.replaceChildren(this.canvas);
    box.addEventListener('scroll', () => this.later(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(box);
    box.addEventListener('focusin', (e) => {
      // Who comes in from elsewhere has the grid before them, not the tools above it.
      if (!(e.relatedTarget instanceof Node && box.contains(e.relatedTarget))) this.told.entered();
      const cell = (e.target as HTMLElement).closest<HTMLElement>('[data-at]');
      if (cell) this.activate(Number(cell.dataset.at), false);
    });
    box.addEventListener('click', (e) => {
      const cell = (e.target as HTMLElement).closest<HTMLElement>('[data-at]');
      if (!cell) return;
      const at = Number(cell.dataset.at);
      if (e.shiftKey) this.pickTo(at);
      else if (e.ctrlKey || e.metaKey) this.pick(at);
      this.activate(at, true);
    });
    box.addEventListener('dblclick', () => this.openActive());
  }

  get length(): number { return this.rows.length; }
  /** The row of the index that is active, or -1. */
  get row(): number { return this.rows[this.active] ?? -1; }

  /** Other rows; the active one stays active where it is among them. */
  show(rows: Uint32Array, keep = true, or = 0): void {
    this.rows = rows;
    const find = (number: number): number => (number ? rows.indexOf(this.index().at(number)) : -1);
    let at = keep ? find(this.number) : 0;
    if (at < 0) at = find(or);
    if (at < 0) at = Math.min(this.active, rows.length - 1);
    this.active = Math.max(0, at);
    this.number = this.row >= 0 ? this.index().number[this.row]! : 0;
    this.layout();
    this.reveal(Math.floor(this.active / this.columns));
    this.draw();
    this.told.moved(this.row);
  }

  /** After the index was replaced: the same exhibits where they still are, in the same order. */
  keep(numbers: number[]): void {
    const index = this.index();
    this.show(Uint32Array.from(numbers.map((n) => index.at(n)).filter((row) => row >= 0)));
  }

  get numbers(): number[] { return [...this.rows].map((row) => this.index().number[row]!); }

  /** Draws what changed of tiles that are in sight; the others keep their place, and the focus its tile. */
  refresh(changed: Iterable<number>): void {
    for (const number of changed) this.tiles.delete(number);
    for (const [at, cell] of this.shown) this.dress(cell, at);
    this.draw();
  }

  known(number: number): Tile | undefined { return this.tiles.get(number); }

  move(by: 'left' | 'right' | 'up' | 'down' | 'first' | 'last' | 'page-up' | 'page-down'): void {
    const page = this.columns * Math.max(1, Math.floor(this.box.clientHeight / (TILE_H + GAP)));
    const step = { left: -1, right: 1, up: -this.columns, down: this.columns, first: -Infinity, last: Infinity, 'page-up': -page, 'page-down': page }[by];
    this.activate(Math.max(0, Math.min(this.rows.length - 1, this.active + step)), true);
  }

  /** To the next row that holds a test, or stays. */
  seek(holds: (row: number) => boolean): boolean {
    for (let step = 1; step < this.rows.length; step++) {
      const at = (this.active + step) % this.rows.length;
      if (holds(this.rows[at]!)) { this.activate(at, true); return true; }
    }
    return false;
  }

  /** Chooses a tile for an act, or no longer. */
  pick(at = this.active): void {
    const row = this.rows[at];
    if (row === undefined) return;
    const number = this.index().number[row]!;
    if (!this.picked.delete(number)) this.picked.add(number);
    this.redress();
    this.told.chosen();
  }

  /** Chooses everything from the active tile to this one. */
  private pickTo(at: number): void {
    for (let n = Math.min(at, this.active); n <= Math.max(at, this.active); n++) this.picked.add(this.index().number[this.rows[n]!]!);
    this.redress();
    this.told.chosen();
  }

  unpick(): void {
    this.picked.clear();
    this.redress();
    this.told.chosen();
  }

  private redress(): void { for (const [at, cell] of this.shown) this.dress(cell, at); }

  /** The active tile's line and this one's: to bring a number into sight. */
  go(number: number): boolean {
    const at = this.rows.indexOf(this.index().at(number));
    if (at >= 0) this.activate(at, true);
    return at >= 0;
  }

  focus(): void { this.shown.get(this.active)?.focus({ preventScroll: true }); }

  openActive(): void { if (this.row >= 0) this.told.open(this.index().number[this.row]!); }

  private activate(at: number, focus: boolean): void {
    if (at < 0 || at >= this.rows.length) return;
    const before = this.shown.get(this.active);
    before?.setAttribute('tabindex', '-1');
    before?.classList.remove('active');
    this.active = at;
    this.number = this.index().number[this.rows[at]!]!;
    if (focus) {
      this.reveal(Math.floor(at / this.columns));
      this.draw();
      this.shown.get(at)?.focus({ preventScroll: true });
    }
    const cell = this.shown.get(at);
    cell?.setAttribute('tabindex', '0');
    cell?.classList.add('active');
    this.told.moved(this.row);
  }

  private get lines(): number { return Math.ceil(this.rows.length / this.columns); }
  private get full(): number { return this.lines * (TILE_H + GAP); }
  private get height(): number { return Math.min(this.full, HEIGHT_MAX); }

  private reveal(line: number): void {
    const [top] = this.sight();
    const lines = Math.max(1, Math.floor(this.box.clientHeight / (TILE_H + GAP)));
    if (line < top) this.scrollTo(line);
    else if (line >= top + lines) this.scrollTo(line - lines + 1);
  }

  private scrollTo(line: number): void {
    const most = Math.max(1, this.height - this.box.clientHeight);
    const full = Math.max(1, this.full - this.box.clientHeight);
    this.box.scrollTop = (line * (TILE_H + GAP)) * (most / full);
  }

  /** First line in sight, and the first that is not. */
  private sight(): [number, number] {
    const most = Math.max(1, this.height - this.box.clientHeight);
    const full = Math.max(1, this.full - this.box.clientHeight);
    const top = this.box.scrollTop * (full / most);
    return [Math.max(0, Math.floor(top / (TILE_H + GAP) + 0.01)), Math.ceil((top + this.box.clientHeight) / (TILE_H + GAP))];
  }

  private layout(): void {
    const focused = this.box.contains(document.activeElement) && document.activeElement !== this.box;
    this.columns = Math.max(1, Math.floor((this.box.clientWidth + GAP) / (TILE_W + GAP)));
    this.canvas.style.height = `${this.height}px`;
    this.box.setAttribute('aria-rowcount', String(this.lines));
    this.box.setAttribute('aria-colcount', String(this.columns));
    this.clear();
    this.draw();
    if (focused) this.shown.get(this.active)?.focus({ preventScroll: true });
  }

  private later(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  /** Puts the lines in sight into the page, and the active one's wherever it is. */
  private draw(): void {
    const [top, bottom] = this.sight();
    const wanted = new Set<number>();
    for (let line = top; line <= bottom && line < this.lines; line++) wanted.add(line);
    if (this.rows.length > 0) wanted.add(Math.floor(this.active / this.columns));
    for (const [line, row] of this.drawn) if (!wanted.has(line)) this.drop(line, row);
    const most = Math.max(1, this.height - this.box.clientHeight);
    const full = Math.max(1, this.full - this.box.clientHeight);
    const shift = this.box.scrollTop - this.box.scrollTop * (full / most);
    for (const line of wanted) {
      const row = this.drawn.get(line) ?? this.line(line);
      const y = line >= top && line <= bottom ? line * (TILE_H + GAP) + shift : Math.min(line * (TILE_H + GAP), this.height - TILE_H);
      row.style.transform = `translateY(${Math.max(0, y)}px)`;
    }
    // Now and then while somebody moves on, too: whoever decides quickly still sees what comes next.
    if (this.timer === 0) this.timer = window.setTimeout(() => { this.timer = 0; void this.load(); }, REST_MS);
  }

  private drop(line: number, row: HTMLElement): void {
    row.remove();
    this.drawn.delete(line);
    for (let at = line * this.columns; at < (line + 1) * this.columns; at++) this.shown.delete(at);
  }

  private clear(): void {
    for (const row of this.drawn.values()) row.remove();
    this.drawn.clear();
    this.shown.clear();
  }

  private line(line: number): HTMLElement {
    const row = document.createElement('div');
    row.className = 'sheet-row';
    row.setAttribute('role', 'row');
    row.setAttribute('aria-rowindex', String(line + 1));
    for (let at = line * this.columns; at < Math.min(this.rows.length, (line + 1) * this.columns); at++) row.append(this.cell(at));
    this.drawn.set(line, row);
    // In reading order, for those who do not see where a line is.
    let next: number | null = null;
    for (const other of this.drawn.keys()) if (other > line && (next === null || other < next)) next = other;
    this.canvas.insertBefore(row, next === null ? null : this.drawn.get(next)!);
    return row;
  }

  private cell(at: number): HTMLElement {
    const cell = document.createElement('div');
    cell.className = 'cell tile';
    cell.dataset.at = String(at);
    cell.setAttribute('role', 'gridcell');
    cell.setAttribute('tabindex', at === this.active ? '0' : '-1');
    cell.classList.toggle('active', at === this.active);
    cell.setAttribute('aria-colindex', String((at % this.columns) + 1));
    this.shown.set(at, cell);
    this.dress(cell, at);
    return cell;
  }

  /** What a tile shows. What stays the same is left as it is. */
  private dress(cell: HTMLElement, at: number): void {
    const index = this.index();
    const row = this.rows[at]!;
    const told = this.told.lines(row);
    const flags = index.flags[row]!;
    const glass = (flags & QUARANTINED) !== 0;
    const tile = this.tiles.get(index.number[row]!);
    const hidden = glass || ((index.tags[row]! & GRAPHIC) !== 0 && !this.graphic);
    const picture = !hidden && tile?.thumbnail ? tile.thumbnail : '';
    const warned = (index.tags[row]! & GRAPHIC) !== 0 && !this.graphic;
    const instead = glass ? say('quarantined') : warned ? say('graphic') : flags & THUMBNAIL ? '' : say('no-preview');
    const picked = this.picked.has(index.number[row]!);
    const copy = flags & LEAD ? '' : say('copy');
    const key = [index.number[row], told.alt, picture, instead, copy, told.copies, told.looking, picked, ...told.more].join('\n');
    if (cell.dataset.key === key) return;
    cell.dataset.key = key;
    cell.setAttribute('aria-label', [told.alt, instead, copy, ...told.more, told.looking].filter(Boolean).join(' '));
    cell.setAttribute('aria-selected', String(picked));
    const media = document.createElement('span');
    media.className = 'nothing';
    if (picture) {
      const img = document.createElement('img');
      img.src = picture;
      img.alt = '';
      img.decoding = 'async';
      media.append(img);
    } else media.textContent = instead;
    const line = (text: string): HTMLElement => {
      const span = document.createElement('span');
      span.className = 'line';
      span.textContent = text;
      return span;
    };
    const first = line('');
    const state = document.createElement('span');
    state.className = `state ${told.stateClass}`;
    state.textContent = told.state;
    first.append(`${say('no')} ${index.number[row]} · `, state);
    if (told.copies > 1) {
      const copies = document.createElement('span');
      copies.className = 'rank';
      copies.textContent = `× ${told.copies}`;
      first.append(copies);
    }
    if (copy) first.append(` · ${copy}`);
    const rest = [line(told.when), line(told.place)];
    if (told.more.length > 0) rest.push(line(told.more.join(' · ')));
    if (told.looking) { const who = line(`● ${told.looking}`); who.classList.add('looking'); rest.push(who); }
    cell.replaceChildren(media, first, ...rest);
  }

  private async load(): Promise<void> {
    const index = this.index();
    const numbers: number[] = [];
    for (const at of this.shown.keys()) {
      const row = this.rows[at];
      if (row === undefined) continue;
      const number = index.number[row]!;
      // What a tile lends to its picture ends after half an hour.
      if (Date.now() - (this.tiles.get(number)?.at ?? 0) > LENT_MS) this.tiles.delete(number);
      if (!this.tiles.has(number) && !this.asked.has(number)) numbers.push(number);
    }
    while (numbers.length > 0) {
      const some = numbers.splice(0, ASKED_MAX);
      for (const number of some) this.asked.add(number);
      try {
        const now = Date.now();
        for (const tile of await this.told.fetch(some)) this.tiles.set(tile.number, { ...tile, at: now });
      } catch { /* the next scroll asks again; the page says that the network is away */ }
      for (const number of some) this.asked.delete(number);
      for (const [at, cell] of this.shown) this.dress(cell, at);
    }
    if (this.tiles.size > KEPT) {
      const seen = new Set([...this.shown.keys()].map((at) => index.number[this.rows[at]!]!));
      for (const number of this.tiles.keys()) {
        if (this.tiles.size <= KEPT / 2) break;
        if (!seen.has(number)) this.tiles.delete(number);
      }
    }
  }
}
