// What is asked of the index: the very questions of the server's filter (`domain/review/filter.rs`), with the same names in the address and
// the same answers. A test asks both.
import { type Index, LEAD, NO_PLACE, NO_TIME, PER_METRE, QUARANTINED, squareTo } from './columns';

export type Order = 'closeness' | 'time' | 'received';

/** Names of the address that are questions; others (language, view) are left alone. */
export const NAMES = ['from', 'to', 'time', 'bbox', 'near', 'radius_m', 'within', 'place', 'state', 'kind', 'grade', 'family', 'order'] as const;
export type Question = Partial<Record<(typeof NAMES)[number], string>>;

export function read(address: URLSearchParams): Question {
  const asked: Question = {};
  for (const name of NAMES) {
    const value = address.get(name)?.trim();
    if (value) asked[name] = value;
  }
  for (const name of ['from', 'to'] as const) if (asked[name] && Number.isNaN(Date.parse(asked[name]))) delete asked[name];
  return asked;
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
