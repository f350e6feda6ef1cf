// Time × place: where and when there is nothing, and where something waits that nobody has looked at. Places are the nine parts of the square
// around the appeal's area; each cell is a question that can be asked.
import { say } from '../words';
import { type Index, NO_PLACE, NO_TIME } from './columns';
import type { Question } from './filter';
import type { Zone } from './zone';

const TIMES = 10;
const PARTS = ['nw', 'n', 'ne', 'w', 'c', 'e', 'sw', 's', 'se'];

export class Coverage {
  constructor(private readonly table: HTMLTableElement, private readonly zone: Zone, private readonly chosen: (asked: Question) => void) {}

  /** Draws the counts of some rows. `open` says which nobody has decided. */
  show(index: Index, rows: Uint32Array, open: (row: number) => boolean): void {
    const { from, to, centre, shrink, radius_m } = index.header;
    const width = Math.max(60, Math.ceil((to - from) / (TIMES - 2)));
    const start = from - width;
    // Three by three, together as wide as the area.
    const high = Math.max(1, Math.round(((radius_m * 2) / 3 / 111_195.08) * 1e7));
    const wide = Math.max(1, Math.round(high / Math.max(0.05, shrink / 1e6)));
    const south = centre[0] - Math.round(high * 1.5);
    const west = centre[1] - Math.round(wide * 1.5);
    const cells = Array.from({ length: PARTS.length + 2 }, () => Array.from({ length: TIMES + 1 }, () => ({ all: 0, open: 0 })));
    for (let n = 0; n < rows.length; n++) {
      const row = rows[n]!;
      let part = PARTS.length + 1;
      if (index.lat[row] !== NO_PLACE) {
        const [y, x] = [Math.floor((index.lat[row]! - south) / high), Math.floor((index.lon[row]! - west) / wide)];
        part = y >= 0 && y < 3 && x >= 0 && x < 3 ? (2 - y) * 3 + x : PARTS.length;
      }
      const waits = open(row);
      const count = (at: number): void => { const cell = cells[part]![at]!; cell.all++; if (waits) cell.open++; };
      if (index.t[row] === NO_TIME) { count(TIMES); continue; }
      // In every stretch in which it may lie.
      const first = Math.max(0, Math.floor((index.t[row]! - start) / width));
      const last = Math.min(TIMES - 1, Math.floor((Math.max(index.t[row]!, index.tHi[row]!) - start) / width));
      for (let at = first; at <= last; at++) count(at);
    }
    const element = <K extends keyof HTMLElementTagNameMap>(name: K, text = ''): HTMLElementTagNameMap[K] => {
      const made = document.createElement(name);
      made.textContent = text;
      return made;
    };
    const head = element('tr');
    head.append(element('td'));
    const times = [...Array.from({ length: TIMES }, (_, n) => this.zone.local(start + n * width).slice(11, 16)), say('time-unknown')];
    for (const time of times) { const th = element('th', time); th.scope = 'col'; head.append(th); }
    const thead = element('thead');
    thead.append(head);
    const body = element('tbody');
    cells.forEach((line, part) => {
      const tr = element('tr');
      const name = part < PARTS.length ? say(`part-${PARTS[part]}`) : say(part === PARTS.length ? 'part-elsewhere' : 'place-unknown');
      const th = element('th', name);
      th.scope = 'row';
      tr.append(th);
      line.forEach((cell, at) => {
        const td = element('td');
        // Nothing at all; something, and some of it waits; all of it decided.
        td.className = cell.all === 0 ? 'gap' : cell.open > 0 ? 'waits' : 'done';
        const asked = this.question(part, at, { start, width, south, west, high, wide });
        if (cell.all > 0 && asked) {
          const button = element('button', cell.open > 0 ? `${cell.open} / ${cell.all}` : `✓ ${cell.all}`);
          button.type = 'button';
          button.className = 'plain';
          button.setAttribute('aria-label', say('coverage-cell', { place: name, time: times[at]!, open: cell.open, all: cell.all }));
          button.addEventListener('click', () => this.chosen(asked));
          td.append(button);
        } else td.textContent = cell.all === 0 ? '—' : String(cell.all);
        tr.append(td);
      });
      body.append(tr);
    });
    // Whoever stands in the table stays where they are when counts change.
    const focus = document.activeElement?.closest('td');
    const place = focus && this.table.contains(focus) ? [(focus.parentElement as HTMLTableRowElement).rowIndex, focus.cellIndex] as const : null;
    this.table.replaceChildren(thead, body);
    if (place) this.table.rows[place[0]]?.cells[place[1]]?.querySelector('button')?.focus();
  }

  private question(part: number, at: number, g: { start: number; width: number; south: number; west: number; high: number; wide: number }): Question | null {
    const time: Question = at === TIMES
      ? { time: 'unknown', from: undefined, to: undefined }
      : { time: undefined, from: this.zone.rfc(g.start + at * g.width), to: this.zone.rfc(g.start + (at + 1) * g.width - 1) };
    if (part === PARTS.length) return null;
    const nowhere = { near: undefined, radius_m: undefined, within: undefined };
    if (part > PARTS.length) return { ...time, ...nowhere, bbox: undefined, place: 'unknown' };
    const [y, x] = [2 - Math.floor(part / 3), part % 3];
    const degrees = (e7: number): string => (e7 / 1e7).toFixed(7);
    const [south, west] = [g.south + y * g.high, g.west + x * g.wide];
    // (A cell does not hold its northern and eastern edge; boxes do.)
    return { ...time, ...nowhere, place: undefined, bbox: [west, south, west + g.wide - 1, south + g.high - 1].map(degrees).join(',') };
  }
}
