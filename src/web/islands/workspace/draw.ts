// Drawing an area on the map: a box, a circle or a polygon, shown as long as it is asked for. Whoever does not drag types it.
import L from 'leaflet';
import type { Question } from './filter';

export type Shape = 'box' | 'circle' | 'polygon';
const CORNERS_MAX = 64;
const RADIUS_M_MAX = 500_000;

/** Reads an area as people type it: `west,south,east,north`, `lat,lon radius`, or `lat,lon;lat,lon;…`. */
export function typed(text: string): Question | null {
  const none: Question = { bbox: undefined, near: undefined, radius_m: undefined, within: undefined };
  const clean = text.trim();
  if (clean === '') return none;
  const onEarth = (lat: number, lon: number): boolean => Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  if (clean.includes(';')) {
    const corners = clean.replace(/\s+/g, '').replace(/;$/, '').split(';').map((c) => c.split(','));
    const right = corners.length >= 3 && corners.length <= CORNERS_MAX && corners.every((c) => c.length === 2 && c[0] !== '' && c[1] !== '' && onEarth(Number(c[0]), Number(c[1])));
    return right ? { ...none, place: undefined, within: corners.map((c) => c.join(',')).join(';') } : null;
  }
  const numbers = clean.split(/[,\s]+/).map(Number);
  if (numbers.some((n) => !Number.isFinite(n))) return null;
  const [a, b, c, d] = numbers as [number, number, number, number];
  if (numbers.length === 4) return !onEarth(b, a) || !onEarth(d, c) || b > d ? null : { ...none, place: undefined, bbox: numbers.join(',') };
  if (numbers.length === 3) return !onEarth(a, b) || c <= 0 || c > RADIUS_M_MAX ? null : { ...none, place: undefined, near: `${numbers[0]},${numbers[1]}`, radius_m: String(numbers[2]) };
  return null;
}

export function shown(asked: Question): string {
  if (asked.bbox) return asked.bbox;
  if (asked.near) return `${asked.near} ${asked.radius_m ?? ''}`.trim();
  return asked.within ?? '';
}

export class Draw {
  private layer: L.Layer | null = null;
  private drawn: L.Layer | null = null;
  private shape: Shape | null = null;
  private start: L.LatLng | null = null;
  private corners: L.LatLng[] = [];

  constructor(private readonly map: L.Map, private readonly chosen: (asked: Question) => void, private readonly mode: (shape: Shape | null) => void) {
    map.on('mousedown', (e) => this.down(e.latlng));
    map.on('mousemove', (e) => this.move(e.latlng));
    map.on('mouseup', (e) => this.up(e.latlng));
    map.on('click', (e) => this.corner(e.latlng));
    map.on('dblclick', () => this.close());
    map.getContainer().addEventListener('keydown', (e) => {
      if (!this.shape) return;
      if (e.key === 'Escape') this.stop();
      if (e.key === 'Enter') { e.preventDefault(); this.close(); }
    });
  }

  get active(): boolean { return this.shape !== null; }

  /** Begins a shape, or gives it up. */
  begin(shape: Shape): void {
    if (this.shape === shape) { this.stop(); return; }
    this.stop();
    this.shape = shape;
    this.map.dragging.disable();
    this.map.doubleClickZoom.disable();
    this.map.getContainer().classList.add('drawing');
    this.mode(shape);
  }

  private stop(): void {
    this.shape = null;
    this.start = null;
    this.corners = [];
    this.drawn?.remove();
    this.drawn = null;
    this.map.dragging.enable();
    this.map.doubleClickZoom.enable();
    this.map.getContainer().classList.remove('drawing');
    this.mode(null);
  }

  private sketch(layer: L.Layer): void {
    this.drawn?.remove();
    this.drawn = layer.addTo(this.map);
  }

  private down(at: L.LatLng): void { if (this.shape && this.shape !== 'polygon') this.start = at; }

  private move(at: L.LatLng): void {
    const style = { className: 'asked', interactive: false };
    if (this.shape === 'polygon' && this.corners.length > 0) this.sketch(L.polyline([...this.corners, at], style));
    if (!this.start) return;
    if (this.shape === 'box') this.sketch(L.rectangle(L.latLngBounds(this.start, at), style));
    if (this.shape === 'circle') this.sketch(L.circle(this.start, { ...style, radius: Math.max(1, this.map.distance(this.start, at)) }));
  }

  private up(at: L.LatLng): void {
    const start = this.start;
    if (!start || !this.shape) return;
    const pixels = this.map.latLngToContainerPoint(start).distanceTo(this.map.latLngToContainerPoint(at));
    if (pixels < 4) { this.start = null; return; }
    const none: Question = { bbox: undefined, near: undefined, radius_m: undefined, within: undefined, place: undefined };
    if (this.shape === 'box') {
      const b = L.latLngBounds(start, at);
      this.chosen({ ...none, bbox: [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()].map((v) => v.toFixed(7)).join(',') });
    } else {
      this.chosen({ ...none, near: `${start.lat.toFixed(7)},${start.lng.toFixed(7)}`, radius_m: String(Math.max(1, Math.round(this.map.distance(start, at)))) });
    }
    // (The click that ends the drag is not one on what lies there.)
    this.start = null;
    setTimeout(() => this.stop());
  }

  private corner(at: L.LatLng): void {
    if (this.shape !== 'polygon' || this.corners.length >= CORNERS_MAX) return;
    const last = this.corners[this.corners.length - 1];
    // (A double click is two clicks at one place.)
    if (last && this.map.latLngToContainerPoint(last).distanceTo(this.map.latLngToContainerPoint(at)) < 4) return;
    this.corners.push(at);
    this.sketch(L.polyline(this.corners, { className: 'asked', interactive: false }));
  }

  private close(): void {
    if (this.shape !== 'polygon') return;
    if (this.corners.length >= 3) {
      const within = this.corners.map((c) => `${c.lat.toFixed(7)},${c.lng.toFixed(7)}`).join(';');
      this.chosen({ bbox: undefined, near: undefined, radius_m: undefined, place: undefined, within });
    }
    this.stop();
  }

  /** The area that is asked for. */
  show(asked: Question): void {
    this.layer?.remove();
    this.layer = null;
    const style = { className: 'asked', interactive: false };
    const pair = (text: string): [number, number] => text.split(',').map(Number) as [number, number];
    if (asked.bbox) {
      const [west, south, east, north] = asked.bbox.split(',').map(Number) as [number, number, number, number];
      if ([west, south, east, north].every(Number.isFinite)) this.layer = L.rectangle([[south, west], [north, east < west ? east + 360 : east]], style);
    } else if (asked.near && asked.radius_m) this.layer = L.circle(pair(asked.near), { ...style, radius: Number(asked.radius_m) });
    else if (asked.within) this.layer = L.polygon(asked.within.split(';').map(pair), style);
    this.layer?.addTo(this.map);
  }
}
