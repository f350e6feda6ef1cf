// Where: the appeal's area, what lies in it in clusters, single exhibits with their doubt and where the camera looked. Without a server of
// map pictures it is a plan: grid and scale. What has no place is a button beside it.
import L from 'leaflet';
import { type Index, NO_BEARING, NO_PLACE } from './columns';
import { plan } from '../map';
import { Draw, type Shape } from './draw';
import { type PlanFile, offer } from './overlay';
import type { Question } from './filter';

const CELL = 44;

export class Plan {
  private readonly map: L.Map;
  private readonly canvas: HTMLCanvasElement;
  private readonly draws: Draw;
  private spots: { x: number; y: number; r: number; rows: number; west: number; south: number; east: number; north: number; one: number }[] = [];
  private rows: Uint32Array = new Uint32Array(0);
  private index: Index | null = null;

  constructor(
    private readonly box: HTMLElement,
    index: Index,
    tiles: string,
    attribution: string,
    private readonly chosen: { box(west: number, south: number, east: number, north: number): void; one(number: number): void; area(asked: Question): void; drawing(shape: Shape | null): void },
  ) {
    const { centre, radius_m } = index.header;
    this.map = plan(box, { lat: centre[0] / 1e7, lon: centre[1] / 1e7 }, radius_m, tiles, attribution);
    this.canvas = L.DomUtil.create('canvas', 'spots', this.map.getPanes().overlayPane);
    this.map.on('moveend zoomend resize', () => this.draw());
    this.draws = new Draw(this.map, (asked) => chosen.area(asked), (shape) => chosen.drawing(shape));
    this.map.on('click', (e) => { if (!this.draws.active) this.click(e.containerPoint); });
  }

  show(index: Index, rows: Uint32Array): void {
    this.index = index;
    this.rows = rows;
    this.draw();
  }

  /** The operator's plans, to be laid over it. */
  plans(all: PlanFile[], box: HTMLElement): void { offer(this.map, all, box); }

  begin(shape: Shape): void { this.draws.begin(shape); }

  /** The area that is asked for. */
  area(asked: Question): void { this.draws.show(asked); }

  focus(): void { this.box.focus(); }

  /** What is in sight, in degrees. */
  sight(): [number, number, number, number] {
    const b = this.map.getBounds();
    return [b.getWest(), b.getSouth(), b.getEast(), b.getNorth()];
  }

  private draw(): void {
    const index = this.index;
    if (!index) return;
    const size = this.map.getSize();
    const ratio = devicePixelRatio || 1;
    this.canvas.width = size.x * ratio;
    this.canvas.height = size.y * ratio;
    this.canvas.style.width = `${size.x}px`;
    this.canvas.style.height = `${size.y}px`;
    L.DomUtil.setPosition(this.canvas, this.map.containerPointToLayerPoint([0, 0]));
    // Web Mercator by hand: a hundred thousand points are to be placed while somebody drags.
    const scale = 256 * 2 ** this.map.getZoom();
    const origin = this.map.getPixelBounds().min!;
    const cells = new Map<number, { n: number; x: number; y: number; west: number; east: number; south: number; north: number; row: number }>();
    const across = Math.ceil(size.x / CELL) + 2;
    for (let n = 0; n < this.rows.length; n++) {
      const row = this.rows[n]!;
      const lat7 = index.lat[row]!;
      if (lat7 === NO_PLACE) continue;
      const lon = index.lon[row]! / 1e7;
      const sin = Math.min(0.9999, Math.max(-0.9999, Math.sin((lat7 / 1e7) * (Math.PI / 180))));
      const x = (lon / 360 + 0.5) * scale - origin.x;
      const y = (0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI)) * scale - origin.y;
      if (x < -CELL || y < -CELL || x > size.x + CELL || y > size.y + CELL) continue;
      const key = (Math.floor(y / CELL) + 1) * across + Math.floor(x / CELL) + 1;
      const lat = lat7 / 1e7;
      const cell = cells.get(key);
      if (!cell) cells.set(key, { n: 1, x, y, west: lon, east: lon, south: lat, north: lat, row });
      else {
        cell.n++; cell.x += x; cell.y += y;
        if (lon < cell.west) cell.west = lon;
        if (lon > cell.east) cell.east = lon;
        if (lat < cell.south) cell.south = lat;
        if (lat > cell.north) cell.north = lat;
      }
    }
    const g = this.canvas.getContext('2d');
    if (!g) return;
    g.scale(ratio, ratio);
    const style = getComputedStyle(this.box);
    const [ink, paper, error] = [style.getPropertyValue('--primary'), style.getPropertyValue('--on-primary'), style.getPropertyValue('--error')];
    this.spots = [];
    const pixels = (metres: number, lat: number): number => (metres / (40_075_016 * Math.cos(lat * (Math.PI / 180)))) * scale;
    for (const cell of cells.values()) {
      const [x, y] = [cell.x / cell.n, cell.y / cell.n];
      const r = cell.n === 1 ? 6 : Math.min(CELL / 2 - 2, 9 + Math.log2(cell.n) * 1.6);
      if (cell.n === 1) {
        const doubt = pixels(index.radius[cell.row]!, cell.north);
        if (doubt > r && doubt < 4000) { g.globalAlpha = 0.12; g.fillStyle = ink; g.beginPath(); g.arc(x, y, doubt, 0, 7); g.fill(); g.globalAlpha = 1; }
        const bearing = index.bearing[cell.row]!;
        if (bearing !== NO_BEARING) {
          const middle = (bearing - 90) * (Math.PI / 180);
          g.globalAlpha = 0.35; g.fillStyle = error; g.beginPath(); g.moveTo(x, y); g.arc(x, y, 34, middle - 0.45, middle + 0.45); g.fill(); g.globalAlpha = 1;
        }
      }
      g.fillStyle = ink; g.beginPath(); g.arc(x, y, r, 0, 7); g.fill();
      g.strokeStyle = paper; g.lineWidth = 1.5; g.stroke();
      if (cell.n > 1) {
        g.fillStyle = paper; g.font = '600 11px system-ui, sans-serif'; g.textAlign = 'center'; g.textBaseline = 'middle';
        g.fillText(cell.n > 9999 ? `${Math.round(cell.n / 1000)}k` : String(cell.n), x, y);
      }
      this.spots.push({ x, y, r: Math.max(r, 12), rows: cell.n, west: cell.west, east: cell.east, south: cell.south, north: cell.north, one: cell.row });
    }
  }

  private click(at: L.Point): void {
    const hit = this.spots.find((s) => Math.hypot(s.x - at.x, s.y - at.y) <= s.r);
    if (!hit || !this.index) return;
    if (hit.rows === 1) this.chosen.one(this.index.number[hit.one]!);
    else this.chosen.box(hit.west, hit.south, hit.east, hit.north);
  }
}
