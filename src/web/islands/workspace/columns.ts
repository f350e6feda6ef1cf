// The index of a whole appeal, column after column, as `src/domain/review/columns.rs` writes it.

interface Header {
  rows: number;
  all: number;
  asked_at: number;
  /** The appeal's window, in whole seconds since 1970. */
  from: number;
  to: number;
  centre: [number, number];
  shrink: number;
  radius_m: number;
  zone: string;
  kinds: string[];
  states: string[];
  grades: string[];
  sources: string[];
  /** Words of tags, in the order of their bits. */
  tags: string[];
  /** Words of signs, in the order of their bits. */
  signs: string[];
  /** What devices are called: numbers, words, and whether it is one device and not a model. */
  devices: [number, string, boolean][];
  /** Everybody of the agency, new ones last: ids, names, whether they may review. */
  people: [string, string, boolean][];
  columns: [string, number, string][];
}

export const NO_TIME = 0xffffffff;
export const NO_PLACE = -0x80000000;
export const NO_BEARING = 0xffff;
export const LEAD = 1;
export const THUMBNAIL = 2;
export const QUARANTINED = 4;
/** The bits of the two tags that mean something to the program (`domain/review/tags.rs`). */
export const SECOND_LOOK = 1;
export const GRAPHIC = 2;

/** Signs of what came by somebody else (`domain/review/signs.rs`). */
const SECOND_HAND = ['received', 'messenger', 'screen'];

const WIDTHS = ['number', 'family', 't', 't_hi', 'lat', 'lon', 'radius', 'bearing', 'received', 'version', 'kind', 'state', 'grade', 'time_source', 'place_source', 'flags', 'tags', 'assignee', 'signs', 'sender', 'device'] as const;
type Name = (typeof WIDTHS)[number];

function decode(bytes: ArrayBuffer): { header: Header; columns: Record<Name, Uint32Array> } {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as Header;
  const data = new Uint8Array(bytes, 4 + length);
  const columns = {} as Record<Name, Uint32Array>;
  const { rows } = header;
  let at = 0;
  for (const [name, width, how] of header.columns) {
    const values = new Uint32Array(rows);
    for (let plane = 0; plane < width; plane++, at += rows) {
      const shift = plane * 8;
      for (let n = 0; n < rows; n++) values[n]! |= data[at + n]! << shift;
    }
    if (how === 'delta') for (let n = 1; n < rows; n++) values[n]! += values[n - 1]!;
    if (how === 'back') for (let n = 0; n < rows; n++) values[n] = columns.number[n]! - values[n]!;
    if (how === 'after t') for (let n = 0; n < rows; n++) values[n]! += columns.t[n]!;
    columns[name as Name] = values;
  }
  return { header, columns };
}

/** All exhibits of an appeal. Rows are in the order of their numbers; a row's place changes only when earlier ones are erased. */
export class Index {
  header!: Header;
  rows = 0;
  number!: Uint32Array;
  family!: Uint32Array;
  /** First full second, or NO_TIME. */
  t!: Uint32Array;
  /** Second in which the interval ends. */
  tHi!: Uint32Array;
  /** In ten-millionths of a degree, or NO_PLACE. */
  lat!: Int32Array;
  lon!: Int32Array;
  radius!: Uint32Array;
  bearing!: Uint32Array;
  received!: Uint32Array;
  version!: Uint32Array;
  /** Codes: place in the header's list, from 1; 0 is none. */
  kind!: Uint32Array;
  state!: Uint32Array;
  grade!: Uint32Array;
  timeSource!: Uint32Array;
  placeSource!: Uint32Array;
  flags!: Uint32Array;
  /** Bits of the header's tags. */
  tags!: Uint32Array;
  /** Place in the header's people, from 1; 0 is nobody. */
  assignee!: Uint32Array;
  /** Bits of the header's signs. */
  signs!: Uint32Array;
  /** By which its hand-over is called. */
  sender!: Uint32Array;
  /** By which its device is called; 0 when nothing tells. */
  device!: Uint32Array;
  /** Distance from the incident in the queue's own measure. */
  closeness!: Float64Array;
  /** Bits of what came by somebody else. */
  private secondHand = 0;

  constructor(bytes: ArrayBuffer) {
    const { header, columns } = decode(bytes);
    this.take(header, columns);
  }

  private take(header: Header, c: Record<Name, Uint32Array>): void {
    this.header = header;
    this.rows = c.number.length;
    this.number = c.number;
    this.family = c.family;
    this.t = c.t;
    this.tHi = c.t_hi;
    this.lat = new Int32Array(c.lat.buffer);
    this.lon = new Int32Array(c.lon.buffer);
    this.radius = c.radius;
    this.bearing = c.bearing;
    this.received = c.received;
    this.version = c.version;
    this.kind = c.kind;
    this.state = c.state;
    this.grade = c.grade;
    this.timeSource = c.time_source;
    this.placeSource = c.place_source;
    this.flags = c.flags;
    this.tags = c.tags;
    this.assignee = c.assignee;
    this.signs = c.signs;
    this.sender = c.sender;
    this.device = c.device;
    this.secondHand = 0;
    for (const word of SECOND_HAND) this.secondHand |= 1 << this.header.signs.indexOf(word);
    this.closeness = new Float64Array(this.rows);
    for (let n = 0; n < this.rows; n++) this.closeness[n] = this.close(n);
  }

  private columns(): Record<Name, Uint32Array> {
    return {
      number: this.number, family: this.family, t: this.t, t_hi: this.tHi, lat: new Uint32Array(this.lat.buffer), lon: new Uint32Array(this.lon.buffer),
      radius: this.radius, bearing: this.bearing, received: this.received, version: this.version, kind: this.kind, state: this.state, grade: this.grade,
      time_source: this.timeSource, place_source: this.placeSource, flags: this.flags, tags: this.tags, assignee: this.assignee,
      signs: this.signs, sender: this.sender, device: this.device,
    };
  }

  /** Where a number stands, or -1. */
  at(number: number): number {
    let [low, high] = [0, this.rows - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = this.number[middle]!;
      if (found === number) return middle;
      if (found < number) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Takes changed and new rows in. False when some are gone: then the whole has to be asked for. */
  merge(bytes: ArrayBuffer): { whole: boolean; arrived: number; changed: number[] } {
    const { header, columns: news } = decode(bytes);
    const fresh: number[] = [];
    const changed: number[] = [];
    const mine = this.columns();
    for (let n = 0; n < news.number.length; n++) {
      const at = this.at(news.number[n]!);
      if (at < 0) { fresh.push(n); continue; }
      // An answer that was on its way while somebody decided here is older than what is known.
      const older = news.version[n]! < mine.version[at]!;
      let differs = false;
      for (const name of WIDTHS) {
        if (older && (name === 'state' || name === 'version')) continue;
        if (mine[name][at] !== news[name][n]) { mine[name][at] = news[name][n]!; differs = true; }
      }
      if (differs) changed.push(this.number[at]!);
    }
    // Numbers only rise: what is new comes last, unless transactions overtook one another.
    const ordered = fresh.every((n) => this.rows === 0 || news.number[n]! > this.number[this.rows - 1]!);
    if (fresh.length > 0) {
      for (const name of WIDTHS) {
        const grown = new Uint32Array(this.rows + fresh.length);
        grown.set(mine[name]);
        fresh.forEach((from, to) => { grown[this.rows + to] = news[name][from]!; });
        mine[name] = grown;
      }
    }
    this.take({ ...this.header, all: header.all, asked_at: header.asked_at, tags: header.tags, people: header.people, devices: header.devices }, mine);
    return { whole: ordered && this.rows === header.all, arrived: fresh.length, changed };
  }

  /** The formula of `domain/review/closeness.rs`, step by step. */
  private close(n: number): number {
    const { from, to, radius_m } = this.header;
    let minutes = 360;
    if (this.t[n] !== NO_TIME) minutes = Math.min(Math.max(from - this.tHi[n]!, this.t[n]! - to, 0) / 60, 1e6);
    let hectometres = 100;
    if (this.lat[n] !== NO_PLACE) hectometres = Math.min(Math.max(metres(this.header, this.lat[n]!, this.lon[n]!) - radius_m, 0) / 100, 1e6);
    const passedOn = (this.signs[n]! & this.secondHand) === 0 ? 0 : 60;
    return Math.floor((minutes + hectometres + passedOn) * 1000 + 0.5);
  }
}

const HALF_TURN = 1_800_000_000;
const METRES_PER_DEGREE = 111195.08;
/** A metre in ten-millionths of a degree of latitude, times a million. */
export const PER_METRE = 1e13 / METRES_PER_DEGREE;

export interface Centre { centre: [number, number]; shrink: number }

/** The square of the distance, in the units of `domain/review/area.rs`. */
export function squareTo(c: Centre, lat: number, lon: number): number {
  let dLon = Math.abs(lon - c.centre[1]);
  if (dLon > HALF_TURN) dLon = 2 * HALF_TURN - dLon;
  const x = dLon * c.shrink;
  const y = (lat - c.centre[0]) * 1_000_000;
  return x * x + y * y;
}

export function metres(c: Centre, lat: number, lon: number): number {
  return Math.sqrt(squareTo(c, lat, lon)) / PER_METRE;
}
