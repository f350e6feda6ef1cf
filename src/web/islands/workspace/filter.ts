// What is asked of the index: the very questions of the server's filter (`domain/review/filter.rs`), with the same names in the address and
// the same answers. A test asks both.
import { type Index, LEAD, NO_PLACE, NO_TIME, PER_METRE, QUARANTINED, squareTo } from './columns';

export type Order = 'closeness' | 'time' | 'received';

/** Names of the address that are questions; others (language, view) are left alone. */
export const NAMES = ['from', 'to', 'time', 'bbox', 'near', 'radius_m', 'within', 'place', 'state', 'kind', 'grade', 'tag', 'sign', 'submission', 'device', 'assigned', 'family', 'order'] as const;
export type Question = Partial<Record<(typeof NAMES)[number], string>>;

export function read(address: URLSearchParams): Question {
  const asked: Question = {};
  for (const name of NAMES) {
    const value = address.get(name)?.trim();
    if (value) asked[name] = value;
  }
  return asked;
}

/** Which questions of an address make no sense here, as the server would say: they are left out, and it is told. */
export function nonsense(asked: Question, header: Index['header']): (typeof NAMES)[number][] {
  const words = (all: readonly string[]) => (text: string): boolean => text.split(',').every((w) => all.includes(w.trim()));
  const number = (text: string): boolean => /^[1-9]\d{0,9}$/.test(text);
  const numbers = (text: string): number[] => text.split(',').map((p) => (p.trim() === '' ? NaN : Number(p)));
  const point = (n: number[]): boolean => n.length === 2 && Math.abs(n[0]!) <= 90 && Math.abs(n[1]!) <= 180;
  const moment = (text: string): boolean => { const t = Date.parse(text); return t >= 0 && t / 1000 <= 4_294_967_294; };
  const unknown = (text: string): boolean => text === 'unknown';
  const right: Record<(typeof NAMES)[number], (text: string) => boolean> = {
    from: moment, to: (t) => moment(t) && !(asked.from && Date.parse(asked.from) > Date.parse(t)), time: (t) => unknown(t) && !asked.from && !asked.to,
    bbox: (t) => { const n = numbers(t); return n.length === 4 && point([n[1]!, n[0]!]) && point([n[3]!, n[2]!]) && n[1]! <= n[3]!; },
    near: (t) => point(numbers(t)) && asked.radius_m !== undefined, radius_m: (t) => Number(t) > 0 && Number(t) <= 500_000 && asked.near !== undefined,
    within: (t) => { const c = t.split(';'); return c.length >= 3 && c.length <= 64 && c.every((p) => point(numbers(p))); },
    place: (t) => unknown(t) && !asked.bbox && !asked.near && !asked.within,
    state: words([...header.states, 'quarantined']), kind: words(header.kinds), grade: words(header.grades), tag: words(header.tags), sign: words(header.signs),
    submission: number, device: number, assigned: (t) => t === 'nobody' || t === 'me' || header.people.some(([id]) => id === t),
    family: (t) => t === 'all' || t === 'best' || number(t), order: words(['closeness', 'time', 'received']),
  };
  return NAMES.filter((name) => asked[name] !== undefined && !right[name](asked[name]!));
}

export function write(asked: Question): URLSearchParams {
  const out = new URLSearchParams();
  for (const name of NAMES) if (asked[name]) out.set(name, asked[name]!);
  return out;
}

const e7 = (degrees: string): number => Math.floor(Number(degrees) * 1e7 + 0.5);
const down = (time: string): number => Math.floor(Date.parse(time) / 1000);
const up = (time: string): number => Math.ceil(Date.parse(time) / 1000);

type Test = (n: number) => boolean;

/** Who `me` is in `assigned=me`. */
let me = '';
export function iAm(id: string): void { me = id; }
export function whoIAm(): string { return me; }

/** One test for each question. What makes no sense is no question: the address is checked by the server too. */
export function tests(index: Index, asked: Question): Partial<Record<(typeof NAMES)[number], Test>> {
  const { t, tHi, lat, lon, flags, header } = index;
  const out: Partial<Record<(typeof NAMES)[number], Test>> = {};
  if (asked.time === 'unknown') out.time = (n) => t[n] === NO_TIME;
  if (asked.from) { const from = down(asked.from); out.from = (n) => t[n] !== NO_TIME && tHi[n]! >= from; }
  if (asked.to) { const to = up(asked.to); out.to = (n) => t[n] !== NO_TIME && t[n]! <= to; }
  if (asked.place === 'unknown') out.place = (n) => lat[n] === NO_PLACE;
  if (asked.bbox) {
    const [west, south, east, north] = asked.bbox.split(',').map(e7) as [number, number, number, number];
    out.bbox = (n) => lat[n] !== NO_PLACE && lat[n]! >= south && lat[n]! <= north && (west > east ? lon[n]! >= west || lon[n]! <= east : lon[n]! >= west && lon[n]! <= east);
  }
  if (asked.near && asked.radius_m) {
    const [at, beside] = asked.near.split(',') as [string, string];
    const circle = { centre: [e7(at), e7(beside)] as [number, number], shrink: Math.floor(Math.cos(Number(at) * (Math.PI / 180)) * 1e6 + 0.5) };
    const radius = Number(asked.radius_m) * PER_METRE;
    const square = radius * radius;
    out.near = (n) => lat[n] !== NO_PLACE && squareTo(circle, lat[n]!, lon[n]!) <= square;
  }
  if (asked.within) {
    const corners = asked.within.split(';').map((c) => c.split(',').map(e7) as [number, number]);
    const edges = corners.map((a, n) => [a, corners[(n + 1) % corners.length]!] as const).filter(([a, b]) => a[0] !== b[0]);
    out.within = (n) => {
      if (lat[n] === NO_PLACE) return false;
      const [y, x] = [lat[n]!, lon[n]!];
      let inside = false;
      for (const [a, b] of edges) if ((a[0] > y) !== (b[0] > y) && x < (b[1] - a[1]) * ((y - a[0]) / (b[0] - a[0])) + a[1]) inside = !inside;
      return inside;
    };
  }
  const codes = (words: string, all: string[]): Set<number> => new Set(words.split(',').map((w) => all.indexOf(w.trim()) + 1));
  if (asked.state) {
    const words = asked.state.split(',').map((w) => w.trim());
    const plain = words.filter((w) => w !== 'quarantined').join(',');
    const states = plain ? codes(plain, header.states) : null;
    const glass = words.includes('quarantined');
    out.state = (n) => (!states || states.has(index.state[n]!)) && (!glass || (flags[n]! & QUARANTINED) !== 0);
  }
  if (asked.kind) { const kinds = codes(asked.kind, header.kinds); out.kind = (n) => kinds.has(index.kind[n]!); }
  if (asked.grade) { const grades = codes(asked.grade, header.grades); out.grade = (n) => grades.has(index.grade[n]!); }
  if (asked.tag) {
    let mask = 0;
    for (const word of asked.tag.split(',')) { const bit = header.tags.indexOf(word.trim()); if (bit >= 0) mask |= 1 << bit; }
    out.tag = (n) => (index.tags[n]! & mask) !== 0;
  }
  if (asked.sign) {
    let mask = 0;
    for (const word of asked.sign.split(',')) { const bit = header.signs.indexOf(word.trim()); if (bit >= 0) mask |= 1 << bit; }
    out.sign = (n) => (index.signs[n]! & mask) !== 0;
  }
  if (asked.submission) { const sender = Number(asked.submission); out.submission = (n) => index.sender[n] === sender; }
  if (asked.device) { const device = Number(asked.device); out.device = (n) => index.device[n] === device; }
  if (asked.assigned) {
    const whose = asked.assigned === 'nobody' ? 0 : header.people.findIndex(([id]) => id === (asked.assigned === 'me' ? me : asked.assigned)) + 1;
    out.assigned = (n) => index.assignee[n] === whose && (whose > 0 || asked.assigned === 'nobody');
  }
  if (asked.family === 'best') out.family = (n) => (flags[n]! & LEAD) !== 0;
  else if (asked.family && asked.family !== 'all') { const family = Number(asked.family); out.family = (n) => index.family[n] === family; }
  return out;
}

/** Rows that all tests hold, but those named. */
export function select(index: Index, asked: Question, but: readonly string[] = []): Uint32Array {
  const all = Object.entries(tests(index, asked)).filter(([name]) => !but.includes(name)).map(([, test]) => test);
  const out = new Uint32Array(index.rows);
  let count = 0;
  rows: for (let n = 0; n < index.rows; n++) {
    for (const test of all) if (!test(n)) continue rows;
    out[count++] = n;
  }
  return out.subarray(0, count);
}

/** Rows in the order that is asked for: keys are whole numbers, equal ones stay in the order of arrival. */
export function sort(index: Index, rows: Uint32Array, order: Order): Uint32Array {
  if (order === 'received') return rows.slice().reverse();
  const key = order === 'time' ? index.t : index.closeness;
  // (Number and row go into one float each: a typed array sorts many times faster than a comparison does.)
  const keys = new Float64Array(rows.length);
  for (let n = 0; n < rows.length; n++) keys[n] = Math.min(key[rows[n]!]!, 4_294_967_295) * 2_097_152 + rows[n]!;
  keys.sort();
  const out = new Uint32Array(rows.length);
  for (let n = 0; n < rows.length; n++) out[n] = keys[n]! % 2_097_152;
  return out;
}

/** How many of some rows have each code of a column. */
export function count(column: Uint32Array, rows: Uint32Array, codes: number): Uint32Array {
  const out = new Uint32Array(codes + 1);
  for (let n = 0; n < rows.length; n++) out[column[rows[n]!]!]!++;
  return out;
}
