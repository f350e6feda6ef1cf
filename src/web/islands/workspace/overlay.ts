// The operator's plans of a building or a stadium, laid over the map where their pins say: turned, scaled, and stretched when there are three
// or more. Least squares where the pins do not agree.
import L from 'leaflet';

export interface Pin { x: number; y: number; lat: number; lon: number }
export interface PlanFile { name: string; file: string; pins: Pin[] }

/** `[a, b, c, d, e, f]` of CSS `matrix()`: from a picture's pixels to the plane. */
export type Matrix = [number, number, number, number, number, number];

/** Solves a small set of linear equations in place (Gauss, with the largest pivot). */
function solve(rows: number[][]): number[] | null {
  const n = rows.length;
  for (let at = 0; at < n; at++) {
    let best = at;
    for (let r = at + 1; r < n; r++) if (Math.abs(rows[r]![at]!) > Math.abs(rows[best]![at]!)) best = r;
    [rows[at], rows[best]] = [rows[best]!, rows[at]!];
    const pivot = rows[at]![at]!;
    if (Math.abs(pivot) < 1e-9) return null;
    for (let r = 0; r < n; r++) {
      if (r === at) continue;
      const share = rows[r]![at]! / pivot;
      for (let c = at; c <= n; c++) rows[r]![c]! -= share * rows[at]![c]!;
    }
  }
  return rows.map((row, at) => row[n]! / row[at]!);
}

/** Which matrix takes pixels to points of the plane: a similarity for two pins, or where three lie on one line; else an affine one. */
export function fit(pixels: [number, number][], plane: [number, number][]): Matrix | null {
  const sum = (f: (n: number) => number): number => pixels.reduce((all, _, n) => all + f(n), 0);
  const [x, y] = [(n: number) => pixels[n]![0], (n: number) => pixels[n]![1]];
  const count = pixels.length;
  if (count >= 3) {
    const half = (axis: 0 | 1): number[] | null => solve([
      [sum((n) => x(n) * x(n)), sum((n) => x(n) * y(n)), sum(x), sum((n) => x(n) * plane[n]![axis])],
      [sum((n) => x(n) * y(n)), sum((n) => y(n) * y(n)), sum(y), sum((n) => y(n) * plane[n]![axis])],
      [sum(x), sum(y), count, sum((n) => plane[n]![axis])],
    ]);
    const [u, v] = [half(0), half(1)];
    if (u && v) return [u[0]!, v[0]!, u[1]!, v[1]!, u[2]!, v[2]!];
  }
  // u = p·x − q·y + r, v = q·x + p·y + s.
  const [mx, my] = [sum(x) / count, sum(y) / count];
  const [mu, mv] = [sum((n) => plane[n]![0]) / count, sum((n) => plane[n]![1]) / count];
  const square = sum((n) => (x(n) - mx) ** 2 + (y(n) - my) ** 2);
  if (square < 1e-9) return null;
  const p = sum((n) => (x(n) - mx) * (plane[n]![0] - mu) + (y(n) - my) * (plane[n]![1] - mv)) / square;
  const q = sum((n) => (x(n) - mx) * (plane[n]![1] - mv) - (y(n) - my) * (plane[n]![0] - mu)) / square;
  return [p, q, -q, p, mu - p * mx + q * my, mv - q * mx - p * my];
}

/** One plan over a map. */
export class Overlay {
  private readonly picture = document.createElement('img');
  private shown = false;

  constructor(private readonly map: L.Map, private readonly plan: PlanFile) {
    this.picture.alt = plan.name;
    this.picture.className = 'plan-picture';
    map.on('zoomend viewreset moveend', () => this.place());
  }

  show(on: boolean): void {
    this.shown = on;
    if (!on) { this.picture.remove(); return; }
    if (!this.picture.src) this.picture.src = `/maps/${encodeURIComponent(this.plan.file)}`;
    this.map.getPanes().tilePane.append(this.picture);
    this.place();
  }

  private place(): void {
    if (!this.shown) return;
    const { pins } = this.plan;
    const matrix = fit(pins.map((p) => [p.x, p.y]), pins.map((p) => { const at = this.map.latLngToLayerPoint([p.lat, p.lon]); return [at.x, at.y]; }));
    if (matrix) this.picture.style.transform = `matrix(${matrix.map((v) => v.toFixed(6)).join(',')})`;
  }
}

/** A box to tick for each plan; the first is shown. */
export function offer(map: L.Map, plans: PlanFile[], box: HTMLElement): void {
  box.hidden = plans.length === 0;
  plans.forEach((plan, n) => {
    const overlay = new Overlay(map, plan);
    const label = document.createElement('label');
    const input = document.createElement('input');
    input.type = 'checkbox';
    input.checked = n === 0;
    input.addEventListener('change', () => overlay.show(input.checked));
    label.append(input, ` ${plan.name}`);
    box.append(label);
    overlay.show(n === 0);
  });
}
